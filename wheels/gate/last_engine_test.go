//go:build engine

package gate

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// first is a house of which others differ. Nothing says of hidden that it needs lib,
// and of guess that it may use speed.
func first() map[string]sample {
	house := map[string]sample{}
	for _, s := range []sample{
		{name: "lib", files: map[string]string{"lib/__init__.py": "def f(): pass", "lib/old.py": ""}},
		{name: "app", requires: []string{"lib"}, files: map[string]string{"app.py": "import lib\nlib.f()"}},
		{name: "hidden", files: map[string]string{"hidden.py": "import lib\nlib.f()"}},
		{name: "guess", files: map[string]string{"guess.py": "try:\n    import speed\nexcept ImportError:\n    pass\n"}},
		{name: "ns_a", files: map[string]string{"ns/a.py": ""}},
		{name: "ns_b", files: map[string]string{"ns/b.py": ""}},
		{name: "plugins", files: map[string]string{"plugins.py": "import importlib.metadata as m\nfor p in m.distributions():\n    assert p.metadata['Name'] != 'speed'\n"}},
	} {
		house[s.name] = s
	}
	for i := range 8 {
		name := fmt.Sprintf("lone_%d", i)
		house[name] = sample{name: name, files: map[string]string{name + ".py": ""}, scripts: fmt.Sprintf("%s = %s:__name__", name, name)}
	}
	return house
}

// owned is a house of some samples, for one owner.
func owned(t *testing.T, key string, samples map[string]sample) House {
	t.Helper()
	var list []sample
	for _, name := range slices.Sorted(maps.Keys(samples)) {
		list = append(list, samples[name])
	}
	h := makeHouse(t, nil, list...)
	h.Key, h.Owner = strings.Repeat(key, 32), "the tests of package gate"
	return h
}

// TestFromLast proves a house from its beginning, and others by their differences.
func TestFromLast(t *testing.T) {
	g := offline(t)
	if _, failed := prove(t, g, owned(t, "aa", first())); len(failed) > 0 {
		t.Fatalf("failed: %q", failed)
	}
	lone := sample{name: "lone_0", version: "2.0", files: map[string]string{"lone_0.py": ""}}
	inconsistent, overwriting := lone, lone
	inconsistent.requires = []string{"lib>=5"}
	overwriting.files = map[string]string{"lone_0.py": "", "pip/__init__.py": "broken"}
	for _, test := range []struct {
		name   string
		remove []string
		more   []sample
		reason string   // why it is proved from its beginning
		failed []string // imports that fail
		again  int      // wheels that are used
	}{
		{name: "another version", remove: []string{"lone_7"}, more: []sample{lone}, again: 2},
		{
			name: "who depends on what has changed", more: []sample{
				{name: "lib", version: "2.0", files: map[string]string{"lib/__init__.py": ""}},
				{name: "ns_a", version: "2.0", files: map[string]string{"ns/__init__.py": "__path__ = []", "ns/a.py": ""}},
				{name: "speed", files: map[string]string{"speed.py": "raise ValueError('too fast')"}},
			},
			reason: "a check failed", failed: []string{"app", "guess", "hidden", "ns.b", "plugins", "speed"}, again: 8,
		},
		{
			name: "who imports what is gone", remove: []string{"lib", "app"},
			reason: "a check failed", failed: []string{"hidden"}, again: 2,
		},
		{name: "requirements that do not fit", more: []sample{inconsistent}, reason: "its differences do not install"},
		{name: "a file of the environment", more: []sample{overwriting}, reason: "lone-0: lib/python3.13/site-packages/pip/__init__.py is there already"},
	} {
		t.Run(test.name, func(t *testing.T) {
			samples := first()
			for _, name := range test.remove {
				delete(samples, name)
			}
			for _, s := range test.more {
				samples[s.name] = s
			}
			h := owned(t, "bb", samples)
			var log bytes.Buffer
			p, err := g.newProof(t.Context(), h, &log)
			if err != nil {
				t.Fatal(err)
			}
			checks, reason, err := p.fromLast(t.Context())
			g.Close()
			if err != nil || reason != test.reason {
				t.Errorf("%q, %v, want %q\nlog: %s", reason, err, test.reason, &log)
			}
			if test.again == 0 {
				return
			}
			detail := checks["house: modules import"].Detail
			said := fmt.Sprintf("%d of %d wheels proved with %s, %d now", len(samples)-test.again, len(samples), strings.Repeat("aa", 6), test.again)
			if !strings.Contains(detail, said) {
				t.Errorf("%q is not in %q", said, detail)
			}
			var failed []string
			for line := range strings.Lines(detail) {
				if _, rest, ok := strings.Cut(line, ": import "); ok {
					name, _, _ := strings.Cut(rest, ":")
					failed = append(failed, name)
				}
			}
			slices.Sort(failed)
			if diff := cmp.Diff(test.failed, failed); diff != "" {
				t.Errorf("%s\n%s", diff, detail)
			}
			for name, check := range checks {
				if check.OK != (name != "house: modules import" || len(test.failed) == 0) {
					t.Errorf("%s: %v, %s", name, check.OK, check.Detail)
				}
			}
		})
	}
}
