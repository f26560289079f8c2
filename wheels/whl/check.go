package whl

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/pybake/pybake/internal/elfcheck"
	"github.com/pybake/pybake/internal/pep"
)

// Want is what a wheel shall be.
type Want struct {
	Name    string          // of the lock, in any spelling; "" for any
	Version string          // of the lock: "1.0"; "" for any. Without a local part any will do
	Ranks   map[pep.Tag]int // of the target; nil for any
	Built   bool            // pybake built it, so the builder answers for what is in it
	Prefix  string          // of the interpreter, in whose lib its libpython is: "/opt/python/3.13"; "" for none

	// BuilderPaths are directories of the builder that no file of a built wheel
	// names: "/build/".
	BuilderPaths []string

	// AllowPaths are files that may name them, and AllowELF are ELF files that
	// are data, so that machine, glibc and hardening do not matter. Both are
	// patterns of path.Match for the whole name in the archive, or directories
	// with a slash at the end: "numpy/__config__.py", "foo/testdata/".
	AllowPaths []string
	AllowELF   []string
}

// Findings is what a check found, by the names of the files.
type Findings struct {
	Problems []string // for which the wheel is refused
	Notes    []string // that somebody should know
}

// checker is one check.
type checker struct {
	*Wheel
	want Want
	out  Findings
}

func (c *checker) problem(format string, args ...any) {
	c.out.Problems = append(c.out.Problems, fmt.Sprintf(format, args...))
}

func (c *checker) note(format string, args ...any) {
	c.out.Notes = append(c.out.Notes, fmt.Sprintf(format, args...))
}

// Check compares the wheel with what is wanted, and its tags with its content. A
// built wheel is read once more, for the paths; an error is one of reading.
func (w *Wheel) Check(want Want) (Findings, error) {
	c := &checker{Wheel: w, want: want}
	for _, pattern := range slices.Concat(want.AllowPaths, want.AllowELF) {
		if _, err := path.Match(pattern, ""); err != nil {
			return Findings{}, fmt.Errorf("check %s: pattern %q: %w", w.File, pattern, err)
		}
	}
	c.identity()
	files := c.binaries()
	c.purity(files)
	c.machines(files)
	c.libc(files)
	c.suffixes()
	for _, e := range files {
		c.hardening(e)
	}
	if want.Built {
		if err := c.paths(); err != nil {
			return Findings{}, fmt.Errorf("check %s: %w", w.File, err)
		}
	}
	return c.out, nil
}

// allowed is whether one of the patterns is for the file.
func allowed(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		if strings.HasSuffix(p, "/") {
			return strings.HasPrefix(name, p)
		}
		ok, err := path.Match(p, name)
		return ok && err == nil
	})
}

func (c *checker) identity() {
	if c.want.Name != "" && pep.NormalizeName(c.want.Name) != c.Name.Name {
		c.problem("is of %s, not of %s", c.Name.Name, pep.NormalizeName(c.want.Name))
	}
	if c.want.Version != "" {
		pin, err := pep.ParseSpecifier("==" + c.want.Version)
		switch {
		case err != nil:
			c.problem("the version wanted: %v", err)
		case !pep.Specifiers{pin}.Contains(c.Name.Version, pep.PreAllow):
			c.problem("is version %s, not %s", c.Name.Version, c.want.Version)
		}
	}
	if _, ok := c.Name.Rank(c.want.Ranks); !ok && c.want.Ranks != nil {
		c.problem("none of its tags fits the target")
	}
}

// binaries are the ELF files that somebody may run or load.
func (c *checker) binaries() (out []ELF) {
	for _, e := range c.ELF {
		switch {
		case allowed(c.want.AllowELF, e.Path):
		case e.Unreadable != "" && c.want.Built:
			c.problem("%s: %s", quote(e.Path), e.Unreadable)
		case e.Linked && !e.Foreign:
			out = append(out, e)
		}
	}
	return out
}

// purity compares the tags for any platform with what is inside.
func (c *checker) purity(files []ELF) {
	if !slices.Contains(c.Name.Tag[2], "any") {
		return
	}
	for _, e := range files {
		c.problem("%s: is for %s, the wheel's tag for any platform", quote(e.Path), e.Machine)
	}
	if !c.Purelib && slices.Contains(c.Name.Tag[1], "none") {
		c.note("is for any platform, but says that it is not pure (Root-Is-Purelib: false)")
	}
}

// platforms are the tags' platforms that are of Linux.
func (c *checker) platforms() (out []pep.Platform) {
	for _, s := range c.Name.Tag[2] {
		if p, ok := pep.ParsePlatform(s); ok {
			out = append(out, p)
		}
	}
	return out
}

// machines compares the architecture of the tags with the files.
func (c *checker) machines(files []ELF) {
	platforms := c.platforms()
	if len(platforms) == 0 {
		return
	}
	for _, e := range files {
		if !slices.ContainsFunc(platforms, func(p pep.Platform) bool { return machine(p.Arch) == machine(e.Machine) }) {
			c.problem("%s: is for %s, the wheel's tag for %s", quote(e.Path), e.Machine, platforms[0].Arch)
		}
	}
}

// machine is one name for those of a family that files do not tell apart.
func machine(arch string) string {
	switch arch {
	case "armv6l", "armv8l":
		return "armv7l"
	case "i386", "i586":
		return "i686"
	}
	return arch
}

// libc compares the glibc that the tags promise to suffice with what the files
// ask for. Of several tags the highest that fits the target holds: some add
// manylinux1 to what needs more, which pip has never minded.
func (c *checker) libc(files []ELF) {
	var least, most [2]int
	musl := false
	for _, t := range c.Tags {
		p, ok := pep.ParsePlatform(t.Platform)
		musl = musl || ok && p.Family == "musllinux"
		if !ok || p.Family != "manylinux" {
			continue
		}
		if least == [2]int{} || before(p.Libc, least) {
			least = p.Libc
		}
		if _, fits := c.want.Ranks[t]; before(most, p.Libc) && (fits || c.want.Ranks == nil) {
			most = p.Libc
		}
	}
	for _, e := range files {
		say := c.problem
		than := most
		if !before(most, e.GLIBC) {
			say, than = c.note, least
		}
		switch {
		case most != [2]int{} && before(than, e.GLIBC):
			say("%s: needs glibc %d.%d, the wheel's tag says that %d.%d is enough", quote(e.Path), e.GLIBC[0], e.GLIBC[1], than[0], than[1])
		case musl && least == [2]int{} && e.GLIBC != [2]int{}:
			c.problem("%s: needs glibc %d.%d, the wheel's tag is for musl", quote(e.Path), e.GLIBC[0], e.GLIBC[1])
		}
	}
}

func before(a, b [2]int) bool { return a[0] < b[0] || a[0] == b[0] && a[1] < b[1] }

// suffixes compares the ABIs of the tags with the names of extension modules,
// where the tags are for certain Pythons only.
func (c *checker) suffixes() {
	var abis []string
	for _, abi := range c.Name.Tag[1] {
		version, ok := strings.CutPrefix(abi, "cp")
		if !ok {
			return // abi3 and none: modules for one Python may stand beside others
		}
		abis = append(abis, "cpython-"+version)
	}
	for _, e := range c.ELF {
		_, abi, ok := extension(path.Base(e.Path))
		if ok && strings.HasPrefix(abi, "cpython-") && !slices.Contains(abis, abi) && !allowed(c.want.AllowELF, e.Path) {
			c.problem("%s: is a module for %s, the wheel's tag for %s", quote(e.Path), abi, strings.Join(abis, ", "))
		}
	}
}

// hardening holds built files to what the Pythons' are held to; of those that
// others built, what an attacker may use is noted.
func (c *checker) hardening(e ELF) {
	if c.want.Built {
		if len(e.Missing) > 0 {
			c.problem("%s: %s", quote(e.Path), strings.Join(e.Missing, ", "))
		}
	} else if slices.Contains(e.Missing, elfcheck.ExecStack) {
		c.note("%s: %s", quote(e.Path), elfcheck.ExecStack)
	}
	for _, dir := range slices.Concat(e.RPath, e.RunPath) {
		if elfcheck.Relative(dir) {
			continue
		}
		say := c.note
		if c.want.Built {
			if c.want.Prefix != "" && dir == c.want.Prefix+"/lib" {
				continue // it embeds Python
			}
			say = c.problem
		}
		say("%s: run path %s is not relative to $ORIGIN", quote(e.Path), quote(dir))
	}
}
