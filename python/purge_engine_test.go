//go:build engine

package python

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/distro"
	"github.com/pybake/pybake/nfpm"
)

// tinyPython is a package of an interpreter that does nothing.
func tinyPython(t *testing.T, version string, depends []string, more ...nfpm.File) string {
	t.Helper()
	p := &nfpm.Package{
		Name: "pybake-python3.13", Version: version, Arch: "amd64", Maintainer: Maintainer, Section: "python", Priority: "optional",
		Synopsis: "a test", Description: "A test.", Depends: depends, Time: time.Unix(1e9, 0), Compression: "gzip:1",
		Files: append([]nfpm.File{{Path: "/opt/python/3.13/bin/python3.13", Content: []byte("#!/bin/sh\necho Python\n"), Mode: 0o755}}, more...),
	}
	file := filepath.Join(t.TempDir(), p.FileName())
	if err := p.WriteFile(file); err != nil {
		t.Fatal(err)
	}
	return file
}

// installedFaults plants what the checks of installing, upgrading and purging
// are there to find, in a container whose own python3 is a script.
func installedFaults(t *testing.T, m *distro.Maker, base string, plan *Plan) {
	c, err := m.Offliner(t.Context(), plan.Target(), base, "faults")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Remove(context.Background())
	p := &proof{b: &Builder{Distros: m}, s: &stage{plan: plan}, checks: map[string][]artifacts.Check{}}
	root := func(script string) {
		t.Helper()
		if said, err := output(t.Context(), c, script); err != nil {
			t.Fatalf("%v: %s", err, said)
		}
	}
	root(`printf '#!/bin/sh\necho of the distro\n' > /usr/bin/python3; chmod 0755 /usr/bin/python3`)
	first, second := plan.packageVersion(1), plan.packageVersion(2)
	good := tinyPython(t, first, nil)
	install := func(deb string) error {
		ok, err := p.install(t.Context(), c, "round", "install", []string{deb}, nil)
		if err == nil && !ok {
			err = finding(p.checks["round"][len(p.checks["round"])-1].Detail)
		}
		return err
	}
	for _, tt := range []struct {
		name string
		run  func() error
		want string // in the error; empty for none
	}{
		{"install", func() error { return install(good) }, ""},
		{"install what cannot be", func() error { return install(tinyPython(t, first, []string{"pybake-nothing"})) }, "pybake-nothing"},
		{"beside", func() error {
			p.most = []string{good}
			_, err := p.besideDistro(t.Context(), c)
			return err
		}, ""},
		{"in front of the distro's", func() error {
			root("dpkg --purge pybake-python3.13")
			p.most = []string{tinyPython(t, first, nil, nfpm.File{Path: "/usr/local/bin/python3", Content: []byte("#!/bin/sh\n"), Mode: 0o755})}
			_, err := p.besideDistro(t.Context(), c)
			return err
		}, `python3 was "/usr/bin/python3\nof the distro\n", is "/usr/local/bin/python3`},
		{"upgrade", func() error {
			_, err := p.toNextRelease(t.Context(), c, []string{tinyPython(t, second, nil)})
			return err
		}, ""},
		{"upgrade to another", func() error {
			_, err := p.toNextRelease(t.Context(), c, []string{tinyPython(t, plan.packageVersion(3), nil)})
			return err
		}, "after the upgrade: "},
		{"purge", func() error {
			_, err := p.purge(t.Context(), c)
			return err
		}, ""},
		{"a file in the prefix", func() error {
			root("mkdir -p /opt/python/3.13; touch /opt/python/3.13/left")
			if err := install(good); err != nil {
				return err
			}
			_, err := p.purge(t.Context(), c)
			root("rm -r /opt/python")
			return err
		}, "/opt/python/3.13' not empty so not removed"},
		{"a file beside it", func() error {
			root("mkdir -p /etc/pybake-python")
			if err := install(good); err != nil {
				return err
			}
			_, err := p.purge(t.Context(), c)
			root("rmdir /etc/pybake-python")
			return err
		}, "left behind: /etc/pybake-python"},
		{"a file anywhere", func() error {
			before, err := snapshot(t.Context(), c)
			if err != nil {
				return err
			}
			if err := install(good); err != nil {
				return err
			}
			root("touch /etc/other")
			_, err = p.asBefore(t.Context(), c, before)
			return err
		}, "left behind: /etc/other"},
	} {
		t.Run(tt.name, func(t *testing.T) { wantError(t, tt.run(), tt.want) })
	}
}
