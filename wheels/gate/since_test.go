package gate

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// houseOf is a record of wheels, and the wheels, by lines like
// "name hash requires=a,b tops=x reads=y wants=z dists=d all linked shares startup excused".
func houseOf(t *testing.T, lines ...string) (*record, []*part) {
	t.Helper()
	r := &record{State: "same", Wheels: map[string]*known{}}
	var parts []*part
	for _, line := range lines {
		words := strings.Fields(line)
		p := &part{Name: words[0], Label: words[0] + " 1"}
		k := &known{SHA256: words[1], Tops: []string{words[0]}}
		var u used
		for _, word := range words[2:] {
			key, value, _ := strings.Cut(word, "=")
			list := strings.Split(value, ",")
			switch key {
			case "requires":
				k.Requires = list
			case "tops":
				k.Tops = list
			case "reads":
				u.Reads = list
			case "wants":
				u.Wants = list
			case "dists":
				u.Dists = list
			case "all":
				u.All = true
			case "linked":
				k.Linked = true
			case "shares":
				k.Shares = true
			case "startup":
				p.startup = true
			case "excused":
				k.Excuses = "some"
			default:
				t.Fatalf("what is %q?", word)
			}
		}
		var err error
		if k.Used, err = json.Marshal(u); err != nil {
			t.Fatal(err)
		}
		r.Wheels[p.Name] = k
		parts = append(parts, p)
	}
	return r, parts
}

func TestSince(t *testing.T) {
	rest := []string{"r1 1", "r2 1", "r3 1", "r4 1", "r5 1", "r6 1"}
	for _, test := range []struct {
		name                   string
		old, new               []string
		install, remove, again string
		linked                 bool
		reason                 string
	}{
		{name: "the same", old: []string{"a 1 all"}, new: []string{"a 1"}},
		{name: "another one", old: []string{"a 1"}, new: []string{"a 2"}, install: "a", remove: "a", again: "a"},
		{name: "a new one", old: nil, new: []string{"a 1"}, install: "a", again: "a", linked: true},
		{name: "one is gone", old: []string{"a 1"}, new: nil, remove: "a", linked: true},
		{name: "excused otherwise", old: []string{"a 1", "b 1 reads=a"}, new: []string{"a 1 excused", "b 1"}, again: "a b"},
		{
			name: "required", old: []string{"a 1", "b 1 requires=a", "c 1 requires=b"},
			new: []string{"a 2", "b 1 requires=a", "c 1 requires=b"}, install: "a", remove: "a", again: "a b",
		},
		{
			name: "read, and who reads that", old: []string{"a 1", "b 1 reads=a", "c 1 reads=b", "d 1 reads=r1"},
			new: []string{"a 2", "b 1", "c 1", "d 1"}, install: "a", remove: "a", again: "a b c",
		},
		{name: "wanted", old: []string{"b 1 wants=a"}, new: []string{"a 1", "b 1"}, install: "a", again: "a b", linked: true},
		{name: "asked for", old: []string{"a 1", "b 1 dists=a"}, new: []string{"a 2", "b 1"}, install: "a", remove: "a", again: "a b"},
		{name: "all looked at", old: []string{"a 1", "b 1 all"}, new: []string{"a 2", "b 1"}, install: "a", remove: "a", again: "a b"},
		{
			name: "in one namespace", old: []string{"a 1 tops=ns,a", "b 1 tops=ns", "c 1 reads=ns"},
			new: []string{"a 2 tops=ns", "b 1 tops=ns", "c 1"}, install: "a", remove: "a", again: "a b c",
		},
		{
			name: "into its top-level name", old: []string{"a 1", "b 1"},
			new: []string{"a 2 tops=a,b", "b 1"}, install: "a", remove: "a", again: "a b",
		},
		{
			name: "linked", old: []string{"a 1 linked", "b 1 linked", "c 1"},
			new: []string{"a 2", "b 1 linked", "c 1"}, install: "a", remove: "a", again: "a b", linked: true,
		},
		{name: "requires more", old: []string{"a 1"}, new: []string{"a 2 requires=r1"}, install: "a", remove: "a", again: "a", linked: true},
		{name: "shares now", old: []string{"a 1", "b 1"}, new: []string{"a 2 shares", "b 1 shares"}, reason: "a 1 has files in the place of another wheel's"},
		{name: "shared before", old: []string{"a 1 shares", "b 1 shares"}, new: []string{"a 2", "b 1"}, reason: "a had files in the place of another wheel's"},
		{name: "others share", old: []string{"a 1", "b 1 shares", "c 1 shares"}, new: []string{"a 2", "b 1 shares", "c 1 shares"}, install: "a", remove: "a", again: "a"},
		{name: "at the start", old: []string{"a 1"}, new: []string{"a 1", "b 1 startup"}, reason: "b 1 has files that Python runs at its start"},
		{name: "of the environment", old: []string{"setuptools 1"}, new: nil, reason: "setuptools may be part of the environment itself"},
		{
			name: "most", old: []string{"a 1", "b 1 all", "c 1 all", "d 1 all", "e 1 all", "f 1 all"}, new: []string{"a 2", "b 1", "c 1", "d 1", "e 1", "f 1", "g 1"},
			reason: "7 of 13 wheels are to be used anew",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			old, _ := houseOf(t, slices.Concat(test.old, rest)...)
			new, parts := houseOf(t, slices.Concat(test.new, rest)...)
			d, reason := since(old, new, parts)
			if reason != test.reason {
				t.Fatalf("%q, want %q", reason, test.reason)
			}
			if reason != "" {
				return
			}
			var install []string
			for _, p := range d.install {
				install = append(install, p.Name)
			}
			got := []string{strings.Join(install, " "), strings.Join(d.remove, " "), strings.Join(d.again, " ")}
			if diff := cmp.Diff([]string{test.install, test.remove, test.again}, got); diff != "" || d.linked != test.linked {
				t.Errorf("%s linked: %v", diff, d.linked)
			}
		})
	}
	old, _ := houseOf(t, rest...)
	new, parts := houseOf(t, rest...)
	new.State = "moved"
	if _, reason := since(old, new, parts); reason != "the Python, the base or its packages have changed" {
		t.Errorf("%q", reason)
	}
}

func TestRecord(t *testing.T) {
	r, _ := houseOf(t, "a 1 requires=b reads=b,c", "b 2 linked")
	label, err := r.encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := decodeRecord(label)
	if diff := cmp.Diff(r, got); diff != "" || err != nil {
		t.Error(err, diff)
	}
	for _, bad := range []string{"", "%", "AAAA", label[:len(label)/2/4*4]} {
		if _, err := decodeRecord(bad); err == nil || !strings.HasPrefix(err.Error(), "label org.pybake.house: ") {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if r.complete(map[string]json.RawMessage{"a": json.RawMessage("{}")}) {
		t.Error("nothing is known of b")
	}
}

func TestTops(t *testing.T) {
	p := &part{files: map[string]member{
		site + "/six.py": {}, site + "/foo/a.py": {}, site + "/foo/b.py": {}, site + "/_x.cpython-313-x86_64-linux-gnu.so": {},
		site + "/six-1.dist-info/RECORD": {}, site + "/foo.libs/libx.so.1": {}, "bin/six": {},
	}, Scripts: []script{{Name: "six"}, {Name: "seven"}}}
	if diff := cmp.Diff([]string{"_x", "foo", "foo.libs", "six", "six-1.dist-info"}, p.tops(site)); diff != "" {
		t.Error(diff)
	}
	if got := p.places(); len(got) != 8 || got[0] != "bin/seven" || got[1] != "bin/six" {
		t.Errorf("%q", got)
	}
}
