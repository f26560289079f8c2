package python

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/pybake/pybake/internal/elfcheck"
	"github.com/pybake/pybake/nfpm"
)

// files are the checks that need no container: what is in the packages, read
// here.
func (p *proof) files(ctx context.Context) error {
	elfs, bad, err := p.s.readELF(ctx)
	if err != nil {
		return err
	}
	plan := p.s.plan
	each := func(check func(elfFile) error, detail string) func() (string, error) {
		return func() (string, error) { return eachELF(ctx, elfs, check, detail) }
	}
	for _, check := range []struct {
		name string
		run  func() (string, error)
	}{
		{"elf", func() (string, error) {
			return fmt.Sprintf("%d programs and libraries for %s", len(elfs), plan.Target().Machine()), findings("files", bad)
		}},
		{"hardening", each(checkHardening, "position independent, full RELRO, bound at start, no executable stack, no text relocations")},
		{"run-paths", each(checkRunPaths, "none but $ORIGIN")},
		{"needed", func() (string, error) { return plan.checkNeeded(elfs) }},
		{"glibc", each(func(f elfFile) error { return checkGlibc(f, plan.Distro.Glibc) }, "no symbol newer than glibc "+plan.Distro.Glibc)},
		{"fortified", func() (string, error) { return checkAllFortified(ctx, elfs) }},
		{"stack-protector", each(checkStack, "every compilation unit by its debug information or its calls, interpreter and libpython by their calls")},
		{"symbols", func() (string, error) { return p.checkAllSymbols(ctx, elfs) }},
		{"builder-paths", func() (string, error) { return p.eachFile(ctx, checkPaths) }},
		{"modes", func() (string, error) { return p.eachEntry(ctx, checkEntry) }},
	} {
		if _, err := p.check("files", check.name, check.run); err != nil {
			return err
		}
	}
	return nil
}

// findings is the error of a check that looks at many things; nil if nothing
// is bad.
func findings(what string, bad []string) error {
	if len(bad) == 0 {
		return nil
	}
	return finding(fmt.Sprintf("%d %s: %s", len(bad), what, strings.Join(bad[:min(len(bad), 10)], "; ")))
}

// eachELF runs a check over every ELF file and lists what fails.
func eachELF(ctx context.Context, elfs []elfFile, check func(elfFile) error, detail string) (string, error) {
	var bad []string
	for _, f := range elfs {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		if err := check(f); err != nil {
			bad = append(bad, fmt.Sprintf("%s: %v", f.Path, err))
		}
	}
	return fmt.Sprintf("%d ELF files: %s", len(elfs), detail), findings("files", bad)
}

// checkAllFortified counts what is fortified beside finding what is not.
func checkAllFortified(ctx context.Context, elfs []elfFile) (string, error) {
	n := 0
	_, err := eachELF(ctx, elfs, func(f elfFile) error {
		imports, err := elfcheck.Imports(f.Source)
		if err != nil {
			return err
		}
		if fortified(imports) {
			n++
		} else if f.core() {
			return errors.New("calls no fortified function")
		}
		return checkFortified(imports)
	}, "")
	return fmt.Sprintf("%d of %d ELF files call fortified functions, none calls one of the %d that fortified code never does", n, len(elfs), len(alwaysFortified)), err
}

// checkAllSymbols finds symbols that belong to no file, too.
func (p *proof) checkAllSymbols(ctx context.Context, elfs []elfFile) (string, error) {
	symbols := p.s.symbolFiles()
	detail, err := eachELF(ctx, elfs, checkSymbols, "a build id, and its symbols in the symbol package")
	if err == nil {
		err = findings("files", orphans(symbols, elfs))
	}
	return detail, err
}

// eachFile runs a check over every file of every package and lists what fails.
func (p *proof) eachFile(ctx context.Context, check func(nfpm.File) error) (string, error) {
	var bad []string
	n := 0
	for _, r := range p.s.layout.Packages {
		for _, f := range p.s.files[r.Name] {
			if err := ctx.Err(); err != nil {
				return "", err
			}
			n++
			if err := check(f); err != nil {
				bad = append(bad, fmt.Sprintf("%s: %v", f.Path, err))
			}
		}
	}
	return fmt.Sprintf("%d files, their compressed sections unpacked", n), findings("files", bad)
}

// builderDirs are directories of the builder, which nothing may name. The slash tells
// freeze from Tools/build/freeze_modules.py, of which the Makefile speaks.
var builderDirs = []string{jobSrc, jobStage, jobOut, jobDir + "/freeze/", jobHome}

// checkPaths finds the builder's directories in what is shipped.
func checkPaths(f nfpm.File) error {
	text := f.Content
	if f.Link != "" {
		text = []byte(f.Link)
	}
	if f.Source != "" {
		var err error
		if text, err = os.ReadFile(f.Source); err != nil {
			return err
		}
	}
	if at := builderPath(text); at != nil {
		return fmt.Errorf("names the builder: %q", at)
	}
	if f.Source == "" || !elfcheck.Magic(text) {
		return nil
	}
	sections, err := elfcheck.Uncompressed(f.Source)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(sections)) {
		if at := builderPath(sections[name]); at != nil {
			return fmt.Errorf("names the builder in %s: %q", name, at)
		}
	}
	return nil
}

// builderPath is the first place of a text that names a directory of the
// builder, with what is around it; nil if there is none.
func builderPath(text []byte) []byte {
	for _, dir := range builderDirs {
		if i := bytes.Index(text, []byte(dir)); i >= 0 {
			return text[max(0, i-20):min(len(text), i+len(dir)+40)]
		}
	}
	return nil
}

// eachEntry runs a check over everything in the finished packages, directories
// and links among it, and lists what fails.
func (p *proof) eachEntry(ctx context.Context, check func(nfpm.Entry) error) (string, error) {
	var bad []string
	n := 0
	for _, pkg := range slices.Sorted(maps.Keys(p.debs)) {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		contents, err := inspect(p.debs[pkg])
		if err != nil {
			return "", err
		}
		for _, e := range contents.Files {
			n++
			if err := check(e); err != nil {
				bad = append(bad, fmt.Sprintf("%s: %s: %v", pkg, e.Path, err))
			}
		}
	}
	return fmt.Sprintf("%d files, directories and links in %d packages: root's, readable for all, writable for nobody else, no set-uid or set-gid", n, len(p.debs)),
		findings("entries", bad)
}

func inspect(deb string) (*nfpm.Contents, error) {
	f, err := os.Open(deb)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return nfpm.Inspect(f)
}

// checkEntry wants a file, directory or link to be root's and with the modes
// of Debian policy section 10.9.
func checkEntry(e nfpm.Entry) error {
	if e.Owner != "root:root 0:0" {
		return fmt.Errorf("owner %s", e.Owner)
	}
	switch e.Mode.Type() {
	case fs.ModeSymlink:
		return nil // its mode says nothing
	case 0:
		if p := e.Mode; p != 0o644 && p != 0o755 {
			return fmt.Errorf("mode %v, want 0644 or 0755", p)
		}
	case fs.ModeDir:
		if p := e.Mode &^ fs.ModeDir; p != 0o755 {
			return fmt.Errorf("mode %v, want 0755", e.Mode)
		}
	default:
		return fmt.Errorf("neither a file nor a directory nor a link: %v", e.Mode)
	}
	return nil
}
