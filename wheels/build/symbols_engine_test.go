//go:build engine

package build

import (
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pybake/pybake/internal/elfcheck"
)

// withSymbols builds an extension with debug information, which is taken out of it.
func withSymbols(t *testing.T, b *Builder, job Job) {
	job.Symbols = true
	var made []map[string]string
	for range 2 {
		dir := t.TempDir()
		name, err := start(t, b, job).Wheel(t.Context(), dir)
		if err != nil {
			t.Fatalf("%v\n%s", err, strings.Join(tailOf(err), "\n"))
		}
		files := unzip(t, filepath.Join(dir, name))
		found, err := filepath.Glob(filepath.Join(dir, SymbolsDir, ".build-id", "*", "*"))
		if err != nil || len(found) != 1 {
			t.Fatal(found, err)
		}
		text, err := os.ReadFile(found[0])
		if err != nil {
			t.Fatal(err)
		}
		files["debug"], files["id"] = string(text), strings.TrimSuffix(filepath.Base(filepath.Dir(found[0]))+filepath.Base(found[0]), ".debug")
		made = append(made, files)
	}
	if !cmp.Equal(made[0], made[1]) {
		t.Error("two builds differ")
	}
	got := made[0]
	file := filepath.Join(t.TempDir(), "x.so")
	if err := os.WriteFile(file, []byte(got["x.so"]), 0o644); err != nil {
		t.Fatal(err)
	}
	if id, err := elfcheck.BuildID(file); err != nil || id != got["id"] {
		t.Errorf("build id %s, but symbols are for %s: %v", id, got["id"], err)
	}
	sum := sha256.Sum256([]byte(got["x.so"]))
	if want := fmt.Sprintf("x.so,sha256=%s,%d\nx-1.dist-info/RECORD,,\n", base64.RawURLEncoding.EncodeToString(sum[:]), len(got["x.so"])); got["x-1.dist-info/RECORD"] != want {
		t.Errorf("RECORD %q, want %q", got["x-1.dist-info/RECORD"], want)
	}
	stripped, err := elf.NewFile(strings.NewReader(got["x.so"]))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range stripped.Sections {
		if strings.HasPrefix(s.Name, ".debug") {
			t.Errorf("%s is left in the wheel", s.Name)
		}
	}
	debug, err := elf.NewFile(strings.NewReader(got["debug"]))
	if err != nil {
		t.Fatal(err)
	}
	if debug.Section(".debug_info") == nil || debug.Section(".debug_info").Flags&elf.SHF_COMPRESSED == 0 {
		t.Error("no compressed debug information")
	}
	var names []byte
	for _, s := range debug.Sections {
		if strings.HasPrefix(s.Name, ".debug") {
			text, err := s.Data()
			if err != nil {
				t.Fatal(err)
			}
			names = append(names, text...)
		}
	}
	if !bytes.Contains(names, []byte("PyInit_x")) || bytes.Contains(names, []byte(Dir)) {
		t.Error("no function, or a path of the builder in the debug information")
	}
	symbolsOfOthers(t, b)
}

// symbolsOfOthers: what has no debug information or no build id, or is no file, has no
// symbols; and what the build itself leaves where they are put is none.
func symbolsOfOthers(t *testing.T, b *Builder) {
	job := backend(`
import os, shutil, subprocess, zipfile
def build_wheel(d, settings=None, m=None):
    os.makedirs("/build/debug/.build-id/ab")
    shutil.copy("/bin/true", "/build/debug/.build-id/ab/cd.debug")
    open("x.c", "w").write("int x(void) { return 1; }")
    subprocess.run("gcc -shared -g -Wl,--build-id=none x.c -o none.so && gcc -shared -g0 x.c -o plain.so", shell=True, check=True)
    with zipfile.ZipFile(os.path.join(d, "x-1-py3-none-any.whl"), "w") as z:
        z.write("none.so")
        z.write("plain.so")
    return "x-1-py3-none-any.whl"
`)
	var log bytes.Buffer
	job.Log, job.Symbols = &log, true
	dir := t.TempDir()
	name, err := start(t, b, job).Wheel(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Error(entries, err)
	}
	for file, text := range unzip(t, filepath.Join(dir, name)) {
		if f, err := elf.NewFile(strings.NewReader(text)); err != nil || f.Section(".debug_info") != nil {
			t.Errorf("%s: debug information, or %v", file, err)
		}
	}
	if want := "none.so has no build id, so its symbols are lost"; !strings.Contains(log.String(), want) {
		t.Errorf("%q does not say %q", log.String(), want)
	}
	for _, made := range []string{"os.symlink('/etc/passwd', name)", "pass"} {
		job := backend("import os\ndef build_wheel(d, c=None, m=None):\n  name = d + '/x-1-py3-none-any.whl'\n  " + made + "\n  return os.path.basename(name)\n")
		job.Symbols = true
		_, err := start(t, b, job).Wheel(t.Context(), t.TempDir())
		if failed, _ := errors.AsType[*FailedError](err); failed == nil || failed.Step != wheelHook || failed.Kind != BadOutput {
			t.Errorf("%s: %v", made, err)
		}
	}
}
