package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pybake/pybake/internal/project"
)

func TestCargoConfig(t *testing.T) {
	home, root := t.TempDir(), t.TempDir()
	for name, text := range map[string]string{
		filepath.Join(home, ".cargo", "config.toml"):      "[source.crates-io]\nreplace-with = \"corp\"\n[build]\njobs = 1\n",
		filepath.Join(home, ".cargo", "credentials.toml"): "[registries.corp]\n",
		filepath.Join(root, ".cargo", "config.toml"):      "[net]\nretry = 9\n",
	} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	sys := testSystem(t)
	env := map[string]string{"HOME": home, "CARGO_REGISTRIES_CORP_TOKEN": "secret"}
	sys.getenv = func(name string) string { return env[name] }
	a := newApp(sys)
	c, err := a.cargoConfig(&project.Project{Root: root})
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{string(c.Machine): "replace-with = 'corp'", string(c.Credentials): "token = 'secret'", string(c.Project): "retry = 9"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q: no %s", text, want)
		}
	}
	if strings.Contains(string(c.Machine), "jobs") {
		t.Errorf("%s", c.Machine)
	}
	env["CARGO_HOME"] = t.TempDir()
	if c, err := a.cargoConfig(&project.Project{}); err != nil || c.Machine != nil || c.Credentials != nil || c.Project != nil {
		t.Errorf("%+v, %v", c, err)
	}
	// What a container cannot have is said before it would be looked for there.
	if err := os.WriteFile(filepath.Join(env["CARGO_HOME"], "config.toml"), []byte("[source.x]\ndirectory = \"/srv\"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := a.cargoConfig(&project.Project{}); err == nil || !strings.Contains(err.Error(), "source.x.directory") {
		t.Error(err)
	}
}
