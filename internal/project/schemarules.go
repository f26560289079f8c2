package project

import (
	"strings"

	"github.com/pybake/pybake/internal/pattern"
)

// Patterns of the schema that no check has as they are. All patterns of the schema
// are in what RE2 and ECMA-262 have in common.
var (
	agePattern   = pattern.New(`^$|^[0-9]{4}-[0-9]{2}-[0-9]{2}(T.*)?$|^[1-9][0-9]{0,3}[dw]$`)
	namePattern  = indexPattern // of a package, an extra, a group: PEP 508
	rootPattern  = pattern.New(`^/`)
	userSchema   = pattern.New(`^(app|root|[a-z_][a-z0-9_-]{0,31}:[1-9][0-9]{0,4})$`)
	layersSchema = pattern.New(`^(` + strings.Join(layerNames, "|") + `)$`)
)

// rules are what the schema says of the keys, by type and key.
var rules = map[string]rule{
	"Project.python":  {text: "The Python of a verb that is given none: a version, or a series.", pattern: pythonPattern, example: "3.13.5"},
	"Project.distro":  {text: "The distro of a verb that is given none: a codename of Debian or Ubuntu.", pattern: codenamePattern, example: "trixie"},
	"Project.store":   {text: "The directory of artifacts, relative to this file.", value: "baked"},
	"Project.sources": {text: "Where CPython sources are looked for, in order, before anywhere else, and toolchains of Rust: directories and http or https addresses.", list: true, example: []string{"/srv/mirror"}},
	"Project.distros": {text: "How this project gets a distro, by codename.", names: codenamePattern},
	"Project.wheels":  {text: "How wheelhouses are made."},
	"Project.index":   {text: "Package indexes; the first one has priority."},
	"Project.images":  {text: "Runtime images, by name.", names: componentPattern},
	"Project.matrix":  {text: "What pybake refresh keeps current."},
	"Project.refresh": {text: "How pybake refresh does that."},
	"Project.publish": {text: "What others install from."},

	"Distro.mirror": {text: "Its apt mirror, an http or https address.", blank: true, example: "https://mirror.example.org/debian"},
	"Distro.image":  {text: "Its base image.", pattern: imagePattern, blank: true, example: "corp/base:1"},

	"Wheels.locks":         {text: "The locks of a verb that is given none, within the directory of this file.", example: []string{"requirements.lock"}},
	"Wheels.allow":         {text: "Options of pip that a requirements file may hold.", words: allowable},
	"Wheels.no-binary":     {text: "Packages to build though there are wheels, or \":all:\".", example: []string{"lxml"}},
	"Wheels.only-binary":   {text: "Packages never to build, or \":all:\".", example: []string{"numpy"}},
	"Wheels.groups":        {text: "Groups of the lock, beside the default ones.", pattern: namePattern},
	"Wheels.no-groups":     {text: "Groups of the lock that are left out.", pattern: namePattern},
	"Wheels.extras":        {text: "Extras of the project itself.", pattern: namePattern},
	"Wheels.constraints":   {text: "Constraints on build requirements.", example: []string{"setuptools<81"}},
	"Wheels.debug-symbols": {text: "Compile what is built with debug information, and keep that beside the house."},
	"Wheels.exclude-newer": {text: "For build requirements, nothing that was uploaded later: a date, a time by RFC 3339, or an age in days or weeks.", example: "2025-06-01"},

	"Index.name": {text: "What people call it; unique.", pattern: indexPattern, required: true, example: "corp"},
	"Index.url":  {text: "Its address: https, or http on this machine itself; credentials only as ${VAR}.", required: true, example: "https://${CORP_USER}:${CORP_TOKEN}@pypi.example.org/simple/"},

	"Image.from":       {text: "What it stands on: a distro, or another image of this file.", pattern: componentPattern, required: true, example: "trixie"},
	"Image.apt":        {text: "Packages of the distro.", pattern: aptPattern, example: []string{"libpq5"}},
	"Image.python":     {text: "Its Python, a version or a series; once in a chain of images.", pattern: pythonPattern, example: "3.13.5"},
	"Image.wheels":     {text: "A lock whose packages are installed.", example: "requirements.lock"},
	"Image.extras":     {text: "Extras of that lock.", pattern: namePattern},
	"Image.groups":     {text: "Groups of that lock.", pattern: namePattern},
	"Image.no-groups":  {text: "Groups of that lock that are left out.", pattern: namePattern},
	"Image.app":        {text: "A directory to install; once in a chain of images.", example: "."},
	"Image.files":      {text: "Files or directories of the project, by their path in the image.", names: rootPattern, example: map[string]string{"/etc/shop/prod.toml": "conf/prod.toml"}},
	"Image.entrypoint": {text: "What is run.", list: true, blank: true, example: []string{"gunicorn", "shop:app"}},
	"Image.cmd":        {text: "The arguments of what is run.", list: true, blank: true},
	"Image.user":       {text: "Who runs it: app, root, or a name and a number from 1 to 59999.", pattern: userSchema, value: "app"},
	"Image.workdir":    {text: "Where it is run.", pattern: rootPattern, example: "/srv"},
	"Image.env":        {text: "Its environment.", blank: true, example: map[string]string{"PORT": "8080"}},
	"Image.ports":      {text: "The ports that it listens on.", pattern: portPattern, example: []string{"8080", "53/udp"}},
	"Image.labels":     {text: "Labels of the image.", blank: true},
	"Image.init":       {text: "Process 1 is tini, which forwards signals.", value: false},
	"Image.check":      {text: "A command that has to exit 0 in the finished image.", list: true, blank: true, example: []string{"shop", "--version"}},
	"Image.keep":       {text: "What is not taken out to make the image small.", words: keepWords},
	"Image.tags":       {text: "Its names; {version} {name} {distro} {python} are known. Else NAME:latest.", example: []string{"registry.example.org/shop:{version}"}},
	"Image.max-size":   {text: "How large a layer may be, or all of them, unpacked.", names: layersSchema, example: map[string]string{"total": "150MB"}},
	"Image.variants":   {text: "Images NAME-VARIANT that have all of this one but its tags, and more.", names: componentPattern},
	"Image.run":        {text: "How it is run."},
	"Image.runs":       {text: "Other ways to run it, by name.", names: componentPattern},

	"Variant.apt":        {text: "More packages of the distro.", pattern: aptPattern},
	"Variant.extras":     {text: "More extras of the lock.", pattern: namePattern},
	"Variant.groups":     {text: "More groups of the lock.", pattern: namePattern, example: []string{"tests"}},
	"Variant.no-groups":  {text: "More groups of the lock that are left out.", pattern: namePattern},
	"Variant.files":      {text: "More files, by their path in the image.", names: rootPattern},
	"Variant.entrypoint": {text: "What is run instead, without the other's arguments and check.", list: true, blank: true},
	"Variant.cmd":        {text: "Other arguments of what is run.", list: true, blank: true},
	"Variant.env":        {text: "More of the environment.", blank: true},
	"Variant.labels":     {text: "More labels.", blank: true},
	"Variant.check":      {text: "Another command that has to exit 0.", list: true, blank: true},
	"Variant.keep":       {text: "More that is not taken out.", words: keepWords},
	"Variant.tags":       {text: "Its names. Else NAME-VARIANT:latest."},

	"Run.entrypoint": {text: "What is run instead of the image's entrypoint and arguments.", list: true, blank: true},
	"Run.command":    {text: "The arguments instead of the image's.", list: true, blank: true, example: []string{"--reload"}},
	"Run.volumes":    {text: "What is mounted where: SOURCE:TARGET, with :ro or :rw.", list: true, example: []string{"{root}/data:/data:ro"}},
	"Run.ports":      {text: "Ports on this machine: PORT, HOSTPORT:PORT or IP:HOSTPORT:PORT.", list: true, example: []string{"127.0.0.1:8080:8080"}},
	"Run.env":        {text: "More of the environment; ${VAR} is a variable of this machine.", blank: true, example: map[string]string{"TOKEN": "${TOKEN}"}},
	"Run.network":    {text: "none, host, bridge or the name of a network.", example: "bridge"},
	"Run.gpus":       {text: "all, a number, or device= and numbers or IDs.", example: "all"},
	"Run.user":       {text: "Who runs it.", example: "{uid}:{gid}"},
	"Run.workdir":    {text: "Where it is run.", example: "/srv"},
	"Run.memory":     {text: "At most so much memory.", example: "512MB"},
	"Run.cpus":       {text: "At most so many CPUs.", min: 0.01, max: 100_000, example: 1.5},
	"Run.pids":       {text: "At most so many processes.", min: 1, max: 1 << 22, example: 200},
	"Run.read-only":  {text: "The root cannot be written to.", value: false},
	"Run.tty":        {text: "It has a terminal."},
	"Run.tmpfs":      {text: "Directories in memory: TARGET or TARGET:OPTIONS.", list: true, example: []string{"/tmp:size=64m"}},

	"Matrix.pythons":  {text: "A series is its newest release, a range of series that of each; or exact versions. Else the python of this file.", example: []string{"3.13", "3.11.9", ">=3.9, <3.15"}},
	"Matrix.distros":  {text: "Codenames. Else the distro of this file.", pattern: codenamePattern, example: []string{"bookworm", "trixie"}},
	"Matrix.variants": {text: "full: with PGO and LTO; fast: without.", words: variantNames, value: []string{"full"}},
	"Matrix.locks":    {text: "Locks, each for every Python on every distro. Else those of [wheels].", example: []string{"requirements.lock"}},
	"Matrix.images":   {text: "Images and variants, by name; [] is none. Else all of this file.", example: []string{"web"}},
	"Matrix.exclude":  {text: "What has all that one of these says is left out.", list: true, example: []map[string]string{{"python": "<3.11", "distro": "trixie"}}},

	"Exclude.python":  {text: "A version, a series, or a range.", example: "<3.11"},
	"Exclude.distro":  {text: "A codename.", pattern: codenamePattern},
	"Exclude.variant": {text: "full or fast.", words: variantNames},
	"Exclude.lock":    {text: "A lock of the matrix."},
	"Exclude.image":   {text: "An image of this file."},

	"Refresh.cooldown":   {text: "A new release of CPython waits for so long.", example: "3d"},
	"Refresh.deadline":   {text: "Nothing is started that will not be done so long after the beginning.", example: "6h"},
	"Refresh.disk":       {text: "So much stays free.", example: "5GB"},
	"Refresh.memory":     {text: "What runs at once may take so much together.", example: "8GB"},
	"Refresh.jobs":       {text: "So many artifacts are made at once.", min: 1, max: maxJobs, example: 2},
	"Refresh.releases":   {text: "Where new releases of CPython are looked for: tables (.csv), directories and addresses; [] is nowhere. Else python.org.", example: []string{"releases.csv"}},
	"Refresh.on-failure": {text: "A command that is run after a failure; {report} is the path of a text.", list: true, blank: true, example: []string{"notify", "{report}"}},
	"Refresh.checks":     {text: "How a Python is checked before it is published: quick, or full, with CPython's own test suite. Else full.", words: []string{ChecksQuick, ChecksFull}, example: "quick"},
	"Refresh.webhook":    {text: "An address that is told of a failure: https, or http on this machine itself; secrets only as ${VAR}.", example: "https://hooks.example.org/${TOKEN}"},

	"Publication.dir":    {text: "The published directory, relative to this file; not in the store, nor the store in it.", value: defaultDir},
	"Publication.key":    {text: "The file of the key that signs, made by pybake keygen; ${VAR} is known. Neither in dir nor in the store.", example: "${HOME}/.config/pybake/signing.key"},
	"Publication.url":    {text: "Where dir is served.", example: "https://baked.example.org/"},
	"Publication.valid":  {text: "A signature is good for so long.", value: defaultValid.String()},
	"Publication.keep":   {text: "So many generations stay.", min: 1, max: maxKeep, value: defaultKeep},
	"Publication.push":   {text: "Images go to the registries of their tags, too.", value: false},
	"Publication.origin": {text: "The origin of the apt repositories.", pattern: originPattern, value: defaultOrigin},
}
