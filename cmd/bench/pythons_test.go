package main

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// TestCompileRecipe: both parts of docker-library's recipe are whole, for every release.
func TestCompileRecipe(t *testing.T) {
	text, err := testdata.ReadFile("testdata/slim.dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range releases() {
		dockerfile, script := r.compileRecipe(string(text))
		if !strings.Contains(dockerfile, "\t\tlibssl-dev \\\n") || strings.Contains(dockerfile, "configure") || !strings.HasSuffix(dockerfile, "\ttrue\n") {
			t.Errorf("%s: Dockerfile:\n%s", r.version, dockerfile)
		}
		for _, want := range []string{"./configure", "--enable-optimizations", "--with-lto", `make -j "$nproc"`, "rm python;"} {
			if !strings.Contains(script, want) {
				t.Errorf("%s: no %q in:\n%s", r.version, want, script)
			}
		}
		cmd := exec.Command("sh", "-n")
		cmd.Stdin = strings.NewReader(script)
		if out, err := cmd.CombinedOutput(); err != nil || regexp.MustCompile(`(?m)^\s*#`).MatchString(script) {
			t.Errorf("%s: sh -n: %v %s:\n%s", r.version, err, out, script)
		}
	}
}
