package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

const uvLock = `version = 1
revision = 3
requires-python = ">=3.13"

[[package]]
name = "flask"
version = "3.0"
source = { registry = "https://pypi.example.org/simple" }
wheels = [{ url = "https://pypi.example.org/flask-3.0-py3-none-any.whl", hash = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" }]

[[package]]
name = "pytest"
version = "8.0"
source = { registry = "https://pypi.example.org/simple" }
wheels = [{ url = "https://pypi.example.org/pytest-8.0-py3-none-any.whl", hash = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb" }]

[[package]]
name = "shop"
version = "1.0"
source = { editable = "." }
dependencies = [{ name = "flask" }]

[package.dev-dependencies]
dev = [{ name = "pytest" }]
`

// An image has what developers need only where it says so.
func TestImageGroups(t *testing.T) {
	for _, test := range []struct {
		flags wheelsFlags
		want  []string
		house string
	}{
		{wheelsFlags{}, []string{"flask", "pytest"}, "wheels uv.lock 3.13.5 trixie amd64"},
		{wheelsFlags{runtime: true}, []string{"flask"}, "wheels uv.lock-default 3.13.5 trixie amd64"},
		{wheelsFlags{runtime: true, groups: []string{"dev"}}, []string{"flask", "pytest"}, "wheels uv.lock+dev-default 3.13.5 trixie amd64"},
	} {
		sys := testSystem(t)
		for name, text := range map[string]string{
			"uv.lock":        uvLock,
			"pyproject.toml": "[project]\nname = \"shop\"\nversion = \"1.0\"\ndependencies = [\"flask\"]\n[dependency-groups]\ndev = [\"pytest\"]\n",
		} {
			if err := os.WriteFile(filepath.Join(sys.dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		a := newApp(sys)
		p, err := a.project()
		if err != nil {
			t.Fatal(err)
		}
		test.flags.python, test.flags.distro = "3.13.5", "trixie"
		_, plan, err := a.wheelsPlan(p, "uv.lock", test.flags)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, pkg := range plan.Packages {
			names = append(names, pkg.Name)
		}
		if !slices.Equal(names, test.want) || plan.Name != test.house {
			t.Errorf("%+v: %q, %s", test.flags, names, plan.Name)
		}
	}
}
