package python

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/nfpm"
)

// packagesIn writes packages of one file each, and lists them.
func packagesIn(t *testing.T, dir string, content map[string]string) (files []artifacts.File) {
	t.Helper()
	for _, name := range []string{"pybake-python3.13-dbgsym", "pybake-python3.13", "pybake-python3.13-tk"} {
		p := &nfpm.Package{
			Name: name, Version: "1-1", Arch: "amd64", Maintainer: "A <a@example.org>", Section: "misc", Priority: "optional",
			Synopsis: "a test", Description: "Of differences.", Time: time.Unix(1e9, 0), Compression: "gzip",
			Files: []nfpm.File{{Path: "/opt/" + name, Content: []byte(content[name])}},
		}
		if err := p.WriteFile(filepath.Join(dir, p.FileName())); err != nil {
			t.Fatal(err)
		}
		files = append(files, artifacts.File{Path: p.FileName()})
	}
	return files
}

// TestDiffer compares packages that were built twice.
func TestDiffer(t *testing.T) {
	p := planFor(t, request("3.13.5"))
	made := &artifacts.Artifact{Dir: t.TempDir()}
	made.Files = packagesIn(t, made.Dir, nil)
	vary := []string{"umask", "order"}
	for _, tt := range []struct {
		content map[string]string
		want    string
	}{
		{nil, ""},
		{
			map[string]string{"pybake-python3.13-tk": "x"},
			"python 3.13.5 trixie amd64: not reproducible: built twice (the second time with another umask, order), " +
				"pybake-python3.13-tk_1-1_amd64.deb: data.tar: /opt/pybake-python3.13-tk differs from byte 0 on:  and 78 (and 1 more files)",
		},
		{
			map[string]string{"pybake-python3.13-dbgsym": "x", "pybake-python3.13": "y"},
			"python 3.13.5 trixie amd64: not reproducible: built twice (the second time with another umask, order), " +
				"pybake-python3.13_1-1_amd64.deb: data.tar: /opt/pybake-python3.13 differs from byte 0 on:  and 79 (and 1 more files)\n" +
				"  and in pybake-python3.13-dbgsym_1-1_amd64.deb",
		},
	} {
		dir := t.TempDir()
		err := differ(p, vary, made, packagesIn(t, dir, tt.content), dir)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || err.Error() != tt.want) {
			t.Errorf("%v\nwant %s", err, tt.want)
		}
		if err != nil && !errors.As(err, new(*DifferError)) {
			t.Errorf("%T", err)
		}
	}
	dir := t.TempDir()
	files := packagesIn(t, dir, nil)
	made.Files = slices.Delete(made.Files, 0, 1)
	wantError(t, differ(p, vary, made, files, dir), "pybake-python3.13-dbgsym_1-1_amd64.deb is among the packages that were built twice, and not in the store")
	if err := os.Remove(filepath.Join(dir, files[1].Path)); err != nil {
		t.Fatal(err)
	}
	made.Files = files
	if err := differ(p, vary, made, files, dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a package that is not there: %v", err)
	}
}

// TestCircumstances holds that every variation changes something, and only its own.
func TestCircumstances(t *testing.T) {
	env := []string{"HOME=/home/pybake", "LC_ALL=C.UTF-8", "TZ=UTC", "JOBS=2"}
	all := func(c *circumstances) map[string]string {
		return map[string]string{
			"place": c.place("/build/src"), "user": c.user(), "host": c.host(), "jobs": strings.Repeat("x", c.jobs(2)),
			"env":     strings.ReplaceAll(strings.Join(c.environ(slices.Clone(env)), " "), c.home(), "HOME"),
			"command": strings.Join(c.command([]string{"sh", "job.sh"}), " "),
		}
	}
	usual := all(nil)
	if usual["env"] != strings.Join(env, " ") || usual["command"] != "sh job.sh" || usual["user"] != "1000:1000" || usual["place"] != "/build/src" {
		t.Errorf("usually %q", usual)
	}
	changes := map[string]string{
		"directory": "place", "time": "command", "zone": "env", "locale": "env", "umask": "command", "host": "host", "user": "env user", "jobs": "jobs", "order": "command",
	}
	for _, what := range Variations {
		varied := all(&circumstances{vary: []string{what}})
		var changed []string
		for key, value := range varied {
			if value != usual[key] {
				changed = append(changed, key)
			}
		}
		slices.Sort(changed)
		if got := strings.Join(changed, " "); got != changes[what] {
			t.Errorf("%s changes %q, want %q", what, got, changes[what])
		}
	}
	everything := &circumstances{vary: Variations}
	for _, e := range everything.environ(slices.Clone(env)) {
		name, _, _ := strings.Cut(e, "=")
		if n := strings.Count(strings.Join(everything.environ(slices.Clone(env)), "\n"), name+"="); n != 1 {
			t.Errorf("%s is given %d times", name, n)
		}
	}
	if n := everything.jobs(1); n != 2 {
		t.Errorf("instead of 1 job %d", n)
	}
}
