package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pybake/pybake/internal/pattern"
	"github.com/pybake/pybake/internal/pep"
)

var (
	notInName   = pattern.New(`[^a-z0-9]+`)
	scriptNames = pattern.New(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)
)

// imageName is a name as an image can have it, of any.
func imageName(name string) string {
	name = strings.Trim(notInName.ReplaceAllString(strings.ToLower(name), "-"), "-")
	if len(name) > 60 || name == "" {
		return "app"
	}
	return name
}

// text is the pybake.toml of what was found.
func (f *found) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, `#:schema ./%s
# What this project bakes. pybake refresh keeps it current; every other verb takes
# from here what its command line does not say. pybake schema describes each key.

`, schemaFile)
	if len(f.pythons) > 0 {
		fmt.Fprintf(&b, "python = %-12s# %s\n", `"`+f.pythons[0]+`"`, f.from("python", f.pythons[0]))
	} else {
		b.WriteString("# python = \"3.13\"    # none was found that fits\n")
	}
	fmt.Fprintf(&b, "distro = %-12s# %s\n", `"`+f.distros[0]+`"`, f.from("distro", f.distros[0]))
	f.writeWheels(&b)
	if f.indexes {
		b.WriteString(`
# pip or uv is told of package indexes on this machine, and pybake asks them, too.
# Another machine does not know them. Those that are named here are the only ones;
# credentials stay in netrc, a keyring or the environment.
# [[index]]
# name = "corp"
# url  = "https://${CORP_USER}:${CORP_TOKEN}@pypi.example.org/simple/"
`)
	}
	f.writeImage(&b)
	f.writeMatrix(&b)
	b.WriteString(`
[refresh]
# cooldown   = "3d"                 # a new release of CPython waits for so long
# deadline   = "6h"                 # start nothing that is not done by then
# disk       = "5GB"                # stays free
# releases   = ["releases.csv"]     # where new releases are looked for; else python.org
# on-failure = ["notify", "{report}"]
# webhook    = "https://hooks.example.org/${TOKEN}"

[publish]
# dir   = "published"
# key   = "${HOME}/.config/pybake/signing.key"    # made by pybake keygen; else nothing is signed
# url   = "https://baked.example.org/"            # where dir is served
# valid = "7d"                      # how long a signature is good
# keep  = 5                         # generations
`)
	return b.String()
}

// from is where a value was taken from.
func (f *found) from(key, value string) string {
	i := slices.IndexFunc(f.taken, func(t taken) bool { return t.Key == key && t.Value == value })
	if i < 0 || !plain(f.taken[i].From) {
		return ""
	}
	return f.taken[i].From
}

func (f *found) writeWheels(b *strings.Builder) {
	b.WriteString("\n[wheels]\n")
	if len(f.locks)+len(f.others) == 0 {
		b.WriteString("# locks = [\"requirements.lock\"]    # none was found: with hashes; or uv.lock, poetry.lock, …\n")
		return
	}
	b.WriteString("locks = [\n")
	for _, l := range f.locks {
		what := l.Format
		if l.RequiresPython != "" && plain(l.RequiresPython) {
			what += ", requires Python " + l.RequiresPython
		}
		fmt.Fprintf(b, "    %-28s# %s\n", `"`+l.File+`",`, what)
	}
	for _, file := range f.others {
		fmt.Fprintf(b, "    # %-26s# for developers\n", `"`+file+`",`)
	}
	b.WriteString("]\n")
	if len(f.allow) > 0 {
		fmt.Fprintf(b, "allow = %s    # options that these hold\n", quoted(f.allow))
	} else {
		b.WriteString("# allow  = [\"--index-url\"]    # options of pip that requirements files may hold\n")
	}
	b.WriteString("# groups = [\"docs\"]           # beside the default ones; also no-groups, extras\n")
}

// writeImage writes a runtime image: of the first lock, with the project. Without a
// lock nothing tells what the project needs, so that it is a comment.
func (f *found) writeImage(b *strings.Builder) {
	lines := []string{
		fmt.Sprintf("[images.%s]", f.name),
		fmt.Sprintf(`from       = "%s"`, f.distros[0]),
	}
	if len(f.pythons) > 0 {
		lines = append(lines, fmt.Sprintf(`python     = "%s"`, f.pythons[0]))
	}
	if len(f.locks) > 0 {
		lines = append(lines, fmt.Sprintf(`wheels     = "%s"`, f.locks[0].File))
	}
	if f.app {
		lines = append(lines, `app        = "."`)
	}
	if script := f.script(); script != "" && f.app {
		lines = append(lines, fmt.Sprintf(`entrypoint = ["%s"]`, script))
	} else {
		lines = append(lines, `# entrypoint = ["gunicorn", "shop:app"]`)
	}
	lines = append(lines, `# tags      = ["registry.example.org/`+f.name+`:{version}"]`)
	comment := ""
	switch {
	case len(f.pythons) == 0:
		comment = "# "
		b.WriteString("\n# A runtime image needs a Python:\n")
	case len(f.locks) == 0 && (!f.app || len(f.py.Project.Dependencies) > 0):
		comment = "# "
		b.WriteString("\n# A runtime image of this project needs a lock:\n")
	default:
		b.WriteString("\n# A runtime image: pybake image " + f.name + "\n")
	}
	for _, line := range lines {
		b.WriteString(comment + strings.TrimPrefix(line, comment) + "\n")
	}
}

// script is the console script that is likely what the project is run by.
func (f *found) script() string {
	names := slices.Sorted(maps.Keys(f.py.Project.Scripts))
	for _, name := range names {
		if pep.NormalizeName(name) == pep.NormalizeName(f.py.Project.Name) && scriptNames.MatchString(name) {
			return name
		}
	}
	if len(names) == 1 && scriptNames.MatchString(names[0]) {
		return names[0]
	}
	return ""
}

func (f *found) writeMatrix(b *strings.Builder) {
	b.WriteString(`
# Every Python on every distro, every lock for each of these, and the images. A
# series is its newest release, a range (">=3.11, <3.15") that of each series.
[matrix]
`)
	if len(f.pythons) > 0 {
		fmt.Fprintf(b, "pythons = %s\n", quoted(f.pythons))
	} else {
		b.WriteString("# pythons = [\"3.13\"]\n")
	}
	fmt.Fprintf(b, "distros = %s\n", quoted(f.distros))
	fmt.Fprintf(b, `# variants = ["full"]        # or "fast": without PGO and LTO
# exclude  = [{ python = "<3.11", distro = "%s" }]
`, f.distros[0])
}

// quoted is an array of strings that are plain.
func quoted(texts []string) string {
	return `["` + strings.Join(texts, `", "`) + `"]`
}
