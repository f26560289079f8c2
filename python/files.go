package python

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/pybake/pybake/internal/elfcheck"
	"github.com/pybake/pybake/nfpm"
)

// files are the checks that need no container: what is in the packages, read
// here.
func (p *proof) files(ctx context.Context) error {
	const round = "files"
	for _, check := range []struct {
		name string
		file func(nfpm.File) error
	}{
		{"elf", p.checkELF}, {"symbols", p.checkSymbols}, {"builder-paths", checkPaths}, {"modes", checkMode},
	} {
		_, err := p.check(round, check.name, func() (string, error) { return p.eachFile(ctx, check.file) })
		if err != nil {
			return err
		}
	}
	return nil
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
	if len(bad) > 0 {
		return "", finding(fmt.Sprintf("%d files: %s", len(bad), strings.Join(bad[:min(len(bad), 10)], "; ")))
	}
	return fmt.Sprintf("%d files", n), nil
}

func (p *proof) checkELF(f nfpm.File) error {
	if f.Source == "" || strings.HasPrefix(f.Path, "/usr/lib/debug/") {
		return nil
	}
	is, err := elfcheck.Is(f.Source)
	if err != nil || !is {
		return err
	}
	missing, err := elfcheck.Hardened(f.Source)
	if err == nil && len(missing) > 0 {
		err = fmt.Errorf("%s", strings.Join(missing, ", "))
	}
	return err
}

// checkSymbols wants the detached symbols of every ELF file where gdb looks for
// them, by its build id.
func (p *proof) checkSymbols(f nfpm.File) error {
	if f.Source == "" || strings.HasPrefix(f.Path, "/usr/lib/debug/") {
		return nil
	}
	is, err := elfcheck.Is(f.Source)
	if err != nil || !is {
		return err
	}
	id, err := elfcheck.BuildID(f.Source)
	if err != nil {
		return err
	}
	symbols := "/usr/lib/debug/.build-id/" + id[:2] + "/" + id[2:] + ".debug"
	if !slices.ContainsFunc(p.s.files["pybake-python"+p.s.plan.label()+"-dbgsym"], func(f nfpm.File) bool { return f.Path == symbols }) {
		return fmt.Errorf("%s is not in the symbol package", symbols)
	}
	return nil
}

// builderDirs are directories of the builder, which nothing may name.
var builderDirs = []string{jobSrc, jobStage, jobOut}

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
	for _, dir := range builderDirs {
		if i := bytes.Index(text, []byte(dir)); i >= 0 {
			return fmt.Errorf("names the builder: %q", text[max(0, i-20):min(len(text), i+len(dir)+40)])
		}
	}
	return nil
}

// checkMode refuses set-uid, set-gid, what others may write and what they may
// not read. The mode 0 is nfpm's own choice.
func checkMode(f nfpm.File) error {
	perm := f.Mode.Perm()
	if f.Mode&(fs.ModeSetuid|fs.ModeSetgid) != 0 || perm&0o022 != 0 || perm != 0 && perm&0o444 != 0o444 {
		return fmt.Errorf("mode %v", f.Mode)
	}
	return nil
}
