package gate

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// made is a wheel with ELF files, by their paths below site-packages.
func made(name string, requires []string, elf map[string]binary) *part {
	p := &part{Name: name, Label: name + " 1", requires: requires, files: map[string]member{}}
	for _, at := range slices.Sorted(maps.Keys(elf)) {
		b := elf[at]
		b.Path = site + "/" + at
		p.ELF = append(p.ELF, b)
		p.files[b.Path] = member{name: at}
	}
	return p
}

func needs(libraries ...string) binary { return binary{Needed: libraries} }

func TestTrace(t *testing.T) {
	base := func(l string) bool { return l == "libc.so.6" || l == "libz.so.1" }
	for _, test := range []struct {
		name   string
		parts  []*part
		want   string // "library of wheel (file); …"
		loaded string // of the first file of the first wheel
	}{
		{name: "nothing needed", parts: []*part{made("a", nil, map[string]binary{"a/x.so": {}})}},
		{name: "of the system", parts: []*part{made("a", nil, map[string]binary{"a/x.so": needs("libc.so.6", "libz.so.1")})}},
		{
			name:  "nobody's",
			parts: []*part{made("a", nil, map[string]binary{"a/x.so": needs("libc.so.6", "libpq.so.5")})},
			want:  "libpq.so.5 of a (a/x.so)",
		},
		{
			name: "by run path, as auditwheel does it",
			parts: []*part{made("a", nil, map[string]binary{
				"a/x.so":                 {Needed: []string{"libxml2-1a.so.2"}, runPath: []string{"$ORIGIN/../a.libs"}},
				"a.libs/libxml2-1a.so.2": {soname: "libxml2-1a.so.2", Needed: []string{"liblzma-2b.so.5"}, runPath: []string{"$ORIGIN"}},
				"a.libs/liblzma-2b.so.5": {soname: "liblzma-2b.so.5"},
			})},
		},
		{
			name: "by run path into another wheel, in braces",
			parts: []*part{
				made("torch", nil, map[string]binary{"torch/lib/t.so": {Needed: []string{"libcudart.so.12"}, runPath: []string{"${ORIGIN}/../../nvidia/lib"}}}),
				made("cuda", nil, map[string]binary{"nvidia/lib/libcudart.so.12": {}}),
			},
		},
		{
			name: "the run path leads elsewhere",
			parts: []*part{
				made("a", nil, map[string]binary{"a/x.so": {Needed: []string{"libq.so.1"}, runPath: []string{"$ORIGIN/libs", "/usr/local/lib", "$LIB"}}}),
				made("b", nil, map[string]binary{"b/libs/libq.so.1": {}}),
			},
			want: "libq.so.1 of a (a/x.so)",
		},
		{
			name: "loaded by the same wheel, by file name and by soname",
			parts: []*part{made("a", nil, map[string]binary{
				"a/_x.so":         needs("libone.so", "libtwo.so.2"),
				"a/libone.so":     {},
				"a/libtwo.so.2.1": {soname: "libtwo.so.2"},
			})},
			loaded: "libone.so libtwo.so.2",
		},
		{
			name: "loaded by a wheel that a required one requires",
			parts: []*part{
				made("a", []string{"b", "not-here"}, map[string]binary{"a/x.so": needs("libmkl.so.2")}),
				made("b", []string{"c", "a"}, nil),
				made("c", nil, map[string]binary{"c/libmkl.so.2": {}}),
			},
			loaded: "libmkl.so.2",
		},
		{
			name: "another wheel has it for itself",
			parts: []*part{
				made("a", nil, map[string]binary{"a/x.so": needs("libpq.so.5")}),
				made("b", []string{"a"}, map[string]binary{"b/libpq.so.5": {}}),
			},
			want: "libpq.so.5 of a (a/x.so)",
		},
		{
			name: "an extension module is no library",
			parts: []*part{made("a", nil, map[string]binary{
				"a/pq.so": {Module: "a.pq"}, "a/x.so": needs("pq.so"),
			})},
			want: "pq.so of a (a/x.so)",
		},
		{
			name:  "need not be there",
			parts: []*part{made("gpu", nil, map[string]binary{"gpu/x.so": needs("libcuda.so.1", "libnvml.so.1", "libQt5Gui.so.5")})},
			want:  "libnvml.so.1 of gpu (gpu/x.so)",
		},
		{
			name:  "a path instead of a name",
			parts: []*part{made("a", nil, map[string]binary{"a/x.so": {Needed: []string{"../a/x.so"}, runPath: []string{"$ORIGIN"}}})},
			want:  "../a/x.so of a (a/x.so)",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			wants := together(test.parts).trace(base, map[string]map[string]string{"gpu": {"libcuda.so.1": "comes with the driver", "libQt5*.so.5": "plug-ins", "[": "no pattern"}})
			var got []string
			for _, w := range wants {
				got = append(got, w.library+" of "+w.part.Name+" ("+w.part.files[w.file].name+")")
			}
			if got := strings.Join(got, "; "); got != test.want {
				t.Errorf("wanted: %q, want %q", got, test.want)
			}
			if got := strings.Join(test.parts[0].ELF[0].Loaded, " "); got != test.loaded {
				t.Errorf("loaded: %q, want %q", got, test.loaded)
			}
		})
	}
}

func TestWheelsOf(t *testing.T) {
	a := made("a", nil, map[string]binary{"a/x.so": needs("libpq.so.5", "libq.so.1"), "a/y.so": needs("libpq.so.5")})
	b := made("b", nil, map[string]binary{"b.so": needs("libpq.so.5")})
	wants := together([]*part{a, b}).trace(func(string) bool { return false }, nil)
	if got, want := wheelsOf(wants, "libpq.so.5"), "a 1 (a/x.so), b 1 (b.so)"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if diff := cmp.Diff([]string{"libpq.so.5", "libq.so.1"}, libraries(wants)); diff != "" {
		t.Error(diff)
	}
}
