package main

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pybake/pybake/wheels/whl"
)

// TestSynth holds what is made up against pybake itself: it finds all of it fresh, and
// after another version in a lock just that house not.
func TestSynth(t *testing.T) {
	b := &refreshBench{session: session{dir: t.TempDir()}}
	if err := b.findPybake(t.Context()); err != nil {
		t.Fatal(err)
	}
	call, err := newTrap()
	if err != nil {
		t.Fatal(err)
	}
	defer call.Close()
	list, err := newPureWheels(0, 3, "1.0")
	if err != nil {
		t.Fatal(err)
	}
	others, err := newPureWheels(3, 2, "1.0")
	if err != nil {
		t.Fatal(err)
	}
	s, err := newSynth(t.Context(), filepath.Join(t.TempDir(), "p"), "http://"+call.address+"/simple/", []string{"3.12", "3.13"}, []string{"bookworm", distro},
		map[string][]*pureWheel{"a.txt": list, "b.txt": others})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // it publishes, and then finds that published
		p, err := b.pybakeIn(t.Context(), s.dir, call.env(), "refresh", "--frozen", "--json")
		if err != nil {
			t.Fatal(err)
		}
		if err := allFresh(p.stdout, 4+2*4); err != nil {
			t.Fatal(err)
		}
	}
	if list[0], err = newPureWheel(list[0].name, "1.1"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.dir, "a.txt"), requirements(list), 0o644); err != nil {
		t.Fatal(err)
	}
	p, err := b.pybakeIn(t.Context(), s.dir, call.env(), "refresh", "--frozen", "--dry-run", "--json")
	if err != nil {
		t.Fatal(err)
	}
	var plan struct {
		Cells []struct{ Cell, State string }
	}
	if err := json.Unmarshal([]byte(p.stdout), &plan); err != nil {
		t.Fatal(err)
	}
	for _, c := range plan.Cells {
		if want := map[bool]string{true: "due", false: "fresh"}[strings.HasPrefix(c.Cell, "wheels a.txt ")]; c.State != want {
			t.Errorf("%s is %s, want %s", c.Cell, c.State, want)
		}
	}
	if err := call.check(); err != nil {
		t.Error(err)
	}
	if p.peak < 1e6 {
		t.Errorf("peak of memory: %v bytes", p.peak)
	}
}

func TestAllFresh(t *testing.T) {
	for _, test := range []struct {
		text string
		want string
	}{
		{`{"artifacts": [{"name": "a", "state": "fresh"}]}`, ""},
		{`{"artifacts": [{"name": "a", "state": "failed", "error": "no disk"}]}`, "a is failed: no disk"},
		{`{"artifacts": []}`, "0 artifacts, want 1"},
		{`x`, "pybake refresh --json: "},
	} {
		err := allFresh(test.text, 1)
		if (err == nil) != (test.want == "") || err != nil && !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("allFresh(%s) = %v, want %q", test.text, err, test.want)
		}
	}
}

func TestTrap(t *testing.T) {
	call, err := newTrap()
	if err != nil {
		t.Fatal(err)
	}
	defer call.Close()
	if err := call.check(); err != nil {
		t.Error(err)
	}
	c, err := net.Dial("tcp", call.address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.Read(make([]byte, 1)) // it hangs up, and has counted by then
	if err := call.check(); err == nil {
		t.Error("nobody saw the call")
	}
}

// TestPureWheel reads a wheel as pybake reads those of others.
func TestPureWheel(t *testing.T) {
	w, err := newPureWheel("bench-00007", "1.2")
	if err != nil {
		t.Fatal(err)
	}
	again, err := newPureWheel("bench-00007", "1.2")
	if err != nil || !bytes.Equal(w.data, again.data) || w.sha256 != again.sha256 {
		t.Errorf("made twice it is not the same: %v", err)
	}
	if _, err := zip.NewReader(bytes.NewReader(w.data), int64(len(w.data))); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), w.file())
	if err := os.WriteFile(name, w.data, 0o644); err != nil {
		t.Fatal(err)
	}
	text, err := whl.MetadataText(name)
	if err != nil {
		t.Fatal(err)
	}
	if m, err := whl.ParseMetadata(text); err != nil || m.Name != w.name || m.ReleaseVersion != w.version {
		t.Errorf("metadata: %+v, %v", m, err)
	}
	if want := "bench_00007-1.2-py3-none-any.whl"; w.file() != want {
		t.Errorf("file %s, want %s", w.file(), want)
	}
}
