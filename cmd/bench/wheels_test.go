package main

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"github.com/pybake/pybake/internal/project"
)

func TestReplaced(t *testing.T) {
	const (
		text  = "# made by hand\nsix==1.16.0 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\nsix-more==2.0 \\\n    --hash=sha256:cc\n"
		entry = "six==1.17.0 \\\n    --hash=sha256:dd\n"
		want  = "# made by hand\nsix==1.17.0 \\\n    --hash=sha256:dd\nsix-more==2.0 \\\n    --hash=sha256:cc\n"
	)
	if got := replaced(text, entry); got != want {
		t.Errorf("replaced:\n%s\nwant:\n%s", got, want)
	}
}

func TestSameWheels(t *testing.T) {
	want := locked("six==1.17.0 \\\n    --hash=sha256:aa\nzope-interface==8.7.0 \\\n    --hash=sha256:bb\n")
	if !maps.Equal(want, map[string]string{"six": "1.17.0", "zope-interface": "8.7.0"}) {
		t.Fatalf("locked: %v", want)
	}
	const six, zope = "six-1.17.0-py2.py3-none-any.whl", "zope_interface-8.7.0-cp311-cp311-linux_x86_64.whl"
	for _, test := range []struct {
		name     string
		compiled bool
		made     []string
		err      string
	}{
		{"as locked", false, []string{six, zope}, ""},
		{"installed", false, []string{"six-1.17.0.dist-info", "zope.interface-8.7.0.dist-info"}, ""},
		{"by fromager", false, []string{"six-1.17.0-0-py3-none-any.whl", zope}, ""},
		{"one missing", false, []string{six}, `it did not make ["zope-interface"]`},
		{"another version", false, []string{"six-1.16.0-py3-none-any.whl", zope}, `it made ["six-1.16.0-py3-none-any.whl"]`},
		{"one more", false, []string{six, zope, "wheel-0.48.0-py3-none-any.whl"}, `it made ["wheel-0.48.0-py3-none-any.whl"]`},
		{"one twice", false, []string{six, zope, six}, "it made"},
		{"nothing compiled", true, []string{six, zope}, "nothing is compiled"},
		{"no wheel", false, []string{"readme"}, "is no wheel"},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := (&wheelsSet{name: "x", compiled: test.compiled, want: want}).sameWheels(test.made)
			if (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
				t.Errorf("error %v, want %q", err, test.err)
			}
		})
	}
}

func TestWheelsRows(t *testing.T) {
	s := &wheelsSet{what: "P", pip: 0.1, uv: 0.35, wheels: []float64{6}, whole: []float64{9}, unpinned: []float64{8}, theirs: [][]float64{{60}, {30}, {20}, {40}}}
	var got []string
	for _, r := range s.rows() {
		verdict := "without a target"
		if r.Target > 0 {
			verdict = map[bool]string{true: "met", false: "missed"}[r.value() <= r.Target]
		}
		got = append(got, r.What+", "+r.Peer+", "+verdict)
	}
	want := []string{
		"P: wheels, pip wheel, met",
		"P: wheels, uv pip install, without a target",
		"P: wheels, uv build, as many as cores, met",
		"P: wheels, fromager build-parallel, without a target",
		"P: wheels, proved as a house, pip wheel, missed",
		"P: wheels, proved as a house, uv build, as many as cores, missed",
		"P: wheels, nothing pinned, pip wheel, without a target",
		"P: wheels, nothing pinned, uv build, as many as cores, without a target",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("rows:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestWheelsData holds the locks to what bench wheels says of them, and their pins to the
// sdists that they name.
func TestWheelsData(t *testing.T) {
	read := func(name string) string {
		text, err := testdata.ReadFile("testdata/wheels/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	pins, err := project.ReadLock("testdata/wheels/builds.lock")
	if err != nil {
		t.Fatal(err)
	}
	pinned := map[string]bool{}
	for _, p := range pins.Builds {
		if p.Python == wheelsSeries && p.Distro == wheelsDistro {
			pinned[p.Name+" "+p.Source] = true
		}
	}
	var bumped bool
	for _, lock := range []struct {
		name, text string
		n          int
	}{
		{"pure.lock", read("pure.lock"), 40},
		{"native.lock", read("native.lock"), 12},
		{"pure.lock with bump.lock", replaced(read("pure.lock"), read("bump.lock")), 40},
	} {
		if n := len(locked(lock.text)); n != lock.n {
			t.Errorf("%s names %d projects, want %d", lock.name, n, lock.n)
		}
		var name string
		for line := range strings.Lines(lock.text) {
			if before, _, ok := strings.Cut(line, "=="); ok {
				name = before
			} else if _, digits, ok := strings.Cut(strings.TrimSpace(line), "--hash="); ok && !pinned[name+" "+digits] {
				t.Errorf("%s: what builds %s %s is not pinned", lock.name, name, digits)
			}
		}
		bumped = lock.text != read("pure.lock")
	}
	if !bumped {
		t.Error("bump.lock bumps nothing")
	}
}

func TestGraph(t *testing.T) {
	g := newGraph()
	g.add("six", "1.17.0", "http://files.example.org/six-1.17.0.tar.gz")
	got, err := json.Marshal(g)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"":{"canonicalized_name":"","version":"0","download_url":"","pre_built":false,"edges":[{"key":"six==1.17.0","req_type":"toplevel","req":"six==1.17.0"}]},` +
		`"six==1.17.0":{"canonicalized_name":"six","version":"1.17.0","download_url":"http://files.example.org/six-1.17.0.tar.gz","pre_built":false,"edges":[]}}`
	if string(got) != want {
		t.Errorf("graph:\n%s\nwant:\n%s", got, want)
	}
}
