package project

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/pybake/pybake/internal/pattern"
)

// Refresh is the table [refresh]: how `pybake refresh` goes about a night.
type Refresh struct {
	Cooldown  Duration `toml:"cooldown"`   // a release of CPython is taken when it has been out for so long; 0: at once
	Deadline  Duration `toml:"deadline"`   // nothing is started that will not be done so long after the beginning; 0: none
	Disk      Size     `toml:"disk"`       // stays free; 0 if it is not given
	Memory    Size     `toml:"memory"`     // what builds may take together; 0: what the engine has
	Jobs      int      `toml:"jobs"`       // artifacts at once; 0 if it is not given
	Releases  []string `toml:"releases"`   // where new releases of CPython are looked for; nil, if it is not given: python.org; empty: nowhere
	OnFailure []string `toml:"on-failure"` // a command, "{report}" is the path of its text; or empty
	Checks    string   `toml:"checks"`     // "quick" or "full"; full if it is not given: CPython's own test suite passed on what is published
	Webhook   string   `toml:"webhook"`    // as in the file, ${VAR} included: "https://hooks.example.org/${TOKEN}"; or empty
}

// Publication is the table [publish]: where artifacts are published, and how. In
// what Load returns the defaults are in place.
type Publication struct {
	Dir    string   `toml:"dir"`    // "published" in the file; absolute after Load
	Key    string   `toml:"key"`    // the file that signs, ${VAR} included: "${HOME}/.config/pybake/signing.key"; see Project.SigningKey
	URL    string   `toml:"url"`    // where Dir is served: "https://baked.example.org/", with its last slash after Load; or empty
	Valid  Duration `toml:"valid"`  // a signature is good for so long; 7d if it is not given
	Keep   int      `toml:"keep"`   // generations of other contents; 5 if it is not given
	Push   bool     `toml:"push"`   // images go to the registries of their tags, too
	Origin string   `toml:"origin"` // of the apt repositories: "pybake" if it is not given
}

// How a Python is checked: ChecksFull is ChecksQuick and CPython's own test suite.
const (
	ChecksQuick = "quick"
	ChecksFull  = "full"
)

// What is not given in [publish].
const (
	defaultDir    = "published"
	defaultOrigin = "pybake"
	defaultValid  = Duration(7 * day)
	defaultKeep   = 5
	defaultStore  = "baked"
)

const (
	maxCooldown = Duration(52 * week)
	minDeadline = Duration(time.Minute)
	maxDeadline = Duration(52 * week)
	minValid    = Duration(time.Hour)
	maxValid    = Duration(520 * week)
	maxKeep     = 1000
	maxJobs     = 1024
)

var originPattern = pattern.New(`^[A-Za-z0-9]([A-Za-z0-9 ._+-]{0,62}[A-Za-z0-9.+])?$`)

// In is the table with its defaults for what is not given, and with its directory
// below root. Load has done that; a project without a file has not.
func (p Publication) In(root string) Publication {
	p.Dir = below(root, cmp.Or(p.Dir, defaultDir))
	if p.URL != "" && !strings.HasSuffix(p.URL, "/") {
		p.URL += "/"
	}
	p.Valid, p.Keep, p.Origin = cmp.Or(p.Valid, defaultValid), cmp.Or(p.Keep, defaultKeep), cmp.Or(p.Origin, defaultOrigin)
	return p
}

// SigningKey is the path of the key of [publish], with its variables replaced; or
// empty, if none is given. It is an error if a variable is not set, or if the path
// is within the published directory or the store: what lies there is given away.
func (p *Project) SigningKey(store string, getenv func(string) (string, bool)) (string, error) {
	if p.Publication.Key == "" {
		return "", nil
	}
	path, err := ReplaceEnv(p.Publication.Key, nil, getenv)
	if err != nil {
		return "", p.At("publish.key", err)
	}
	path = p.abs(path)
	if err := checkKeyPlace(path, p.Publication.Dir, p.abs(store)); err != nil {
		return "", p.At("publish.key", fmt.Errorf("%q: %w", path, err))
	}
	return path, nil
}

// WebhookAddress is the webhook of [refresh], with its variables replaced; or empty,
// if none is given. What they make of it is checked as what the file says. No error
// repeats it.
func (p *Project) WebhookAddress(getenv func(string) (string, bool)) (string, error) {
	if p.Refresh.Webhook == "" {
		return "", nil
	}
	var unset error
	address := varPattern.ReplaceAllStringFunc(p.Refresh.Webhook, func(use string) string {
		value, err := envValue(use[2:len(use)-1], getenv)
		unset = cmp.Or(unset, err)
		return value
	})
	if unset != nil {
		return "", p.At("refresh.webhook", unset)
	}
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" || u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())) {
		return "", p.At("refresh.webhook", errors.New("with its variables replaced no https address, nor one on this machine itself"))
	}
	return address, nil
}

// refresh reports what is wrong with [refresh].
func (r *reporter) refresh(f Refresh) {
	if f.Cooldown > maxCooldown {
		r.report("refresh.cooldown", "%s: want at most %s", f.Cooldown, maxCooldown)
	}
	if r.doc.Has("refresh.deadline") && (f.Deadline < minDeadline || f.Deadline > maxDeadline) {
		r.report("refresh.deadline", "%s: want from %s to %s", f.Deadline, minDeadline, maxDeadline)
	}
	if r.doc.Has("refresh.memory") && f.Memory < minMemory {
		r.report("refresh.memory", `%s: want at least "6MiB"`, f.Memory)
	}
	if r.doc.Has("refresh.jobs") && (f.Jobs < 1 || f.Jobs > maxJobs) {
		r.report("refresh.jobs", "%d: want a number from 1 to %d", f.Jobs, maxJobs)
	}
	if r.given("refresh.checks", f.Checks); f.Checks != "" && f.Checks != ChecksQuick && f.Checks != ChecksFull {
		r.report("refresh.checks", `%q: want "quick" or "full"`, f.Checks)
	}
	r.each("refresh.releases", f.Releases, asIs, checkReleases)
	r.command("refresh.on-failure", f.OnFailure)
	for i, text := range f.OnFailure {
		at := fmt.Sprintf("refresh.on-failure[%d]", i)
		r.plain(at, text)
		if _, err := Replace(text, map[string]string{"report": ""}); err != nil {
			r.report(at, "%q: %w", text, err)
		}
	}
	if r.given("refresh.webhook", f.Webhook); f.Webhook != "" {
		if err := checkWebhook(f.Webhook); err != nil {
			r.report("refresh.webhook", "%w", err)
		}
	}
}

// publication reports what is wrong with [publish]. Paths are relative to root.
func (r *reporter) publication(p Publication, root, store string) {
	full := p.In(root)
	store = below(root, cmp.Or(store, defaultStore))
	if r.given("publish.dir", p.Dir); p.Dir != "" {
		r.plain("publish.dir", p.Dir)
	}
	if err := checkPublished(full.Dir, root, store); err != nil {
		r.report("publish.dir", "%q: %w", cmp.Or(p.Dir, defaultDir), err)
	}
	if r.given("publish.key", p.Key); p.Key != "" {
		if err := checkKey(p.Key, root, full.Dir, store); err != nil {
			r.report("publish.key", "%q: %w", p.Key, err)
		}
	}
	if r.given("publish.url", p.URL); p.URL != "" {
		if err := checkServed(p.URL); err != nil {
			r.report("publish.url", "%w", err)
		}
	}
	if r.doc.Has("publish.valid") && (p.Valid < minValid || p.Valid > maxValid) {
		r.report("publish.valid", "%s: want from %s to %s", p.Valid, minValid, maxValid)
	}
	if r.doc.Has("publish.keep") && (p.Keep < 1 || p.Keep > maxKeep) {
		r.report("publish.keep", "%d: want a number from 1 to %d", p.Keep, maxKeep)
	}
	if r.doc.Has("publish.origin") && !originPattern.MatchString(p.Origin) {
		r.report("publish.origin", `%q: want at most 64 letters, digits, spaces and . _ + -, such as "pybake"`, p.Origin)
	}
}

// plain refuses variables where there are none: it would be a literal "${HOME}".
func (r *reporter) plain(key, text string) {
	if varPattern.MatchString(text) {
		r.report(key, "%q: ${VAR} is known in refresh.webhook and publish.key only", text)
	}
}

// checkPublished refuses a published directory that holds, or is in, what is not
// to be published.
func checkPublished(dir, root, store string) error {
	switch {
	case strings.ContainsRune(dir, 0):
		return errors.New("holds a NUL")
	case within(root, dir):
		return fmt.Errorf("want a directory of its own: %s is in it", File)
	case within(dir, store):
		return errors.New("within the store")
	case within(store, dir):
		return errors.New("the store is in it")
	}
	return nil
}

func checkKey(key, root, published, store string) error {
	if strings.ContainsRune(key, 0) {
		return errors.New("holds a NUL")
	}
	if _, err := Replace(key, nil); err != nil {
		return err
	}
	if strings.HasPrefix(key, "${") {
		return nil // SigningKey looks at the place
	}
	return checkKeyPlace(below(root, key), published, store)
}

// checkKeyPlace refuses a key where it would be given away.
func checkKeyPlace(path, published, store string) error {
	switch {
	case within(path, published):
		return errors.New("a key within the published directory")
	case within(path, store):
		return errors.New("a key within the store")
	}
	return nil
}

// within is whether a path is a directory or below it; both are absolute.
func within(path, dir string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && filepath.IsLocal(rel)
}

// below is a path that is relative to a directory, unless it is absolute.
func below(dir, path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(dir, path)
}

func checkServed(address string) error {
	if err := checkURL(address); err != nil {
		return err
	}
	if u, err := url.Parse(address); err != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return errors.New("an address with ? or #: want that of the published directory alone")
	}
	return nil
}

// checkReleases refuses a table of releases that could be changed on the way: its
// hashes are believed. Elsewhere signatures are.
func checkReleases(place string) error {
	if err := checkSource(place); err != nil {
		return err
	}
	if u, err := url.Parse(place); isURL(place) && err == nil && u.Scheme == "http" && strings.HasSuffix(u.Path, ".csv") && !isLoopback(u.Hostname()) {
		return fmt.Errorf("%q: want https: the hashes of a table are believed", place)
	}
	return nil
}
