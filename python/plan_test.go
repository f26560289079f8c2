package python

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/project"
	"github.com/pybake/pybake/recipes"
)

// TestPlanGolden prints plans as JSON. What would make the goldens move with
// every word of a script or recipe is left out, after a look at it.
func TestPlanGolden(t *testing.T) {
	release2 := request("3.13.5")
	release2.Release = 2
	fast := request("3.13.5")
	fast.Fast = true
	unknown := request("3.13.99")
	unknown.SHA256 = sum("a")
	for name, req := range map[string]Request{
		"full": request("3.13.5"), "fast": fast, "release-2": release2, "prerelease": request("3.15.0b4"), "sha256": unknown,
		"bullseye": {Version: "3.9.2", Distro: "bullseye", Arch: "amd64", Release: 1},
	} {
		t.Run(name, func(t *testing.T) {
			p := planFor(t, req)
			var printed map[string]any
			if err := json.Unmarshal([]byte(toJSON(t, p)), &printed); err != nil {
				t.Fatal(err)
			}
			for key, value := range map[string]any{"recipe": p.Recipe, "distro": p.Distro} {
				if diff := cmp.Diff(toJSON(t, value), toJSON(t, printed[key]), sameJSON); diff != "" {
					t.Errorf("%s: %s", key, diff)
				}
				delete(printed, key)
			}
			if key, err := artifacts.NewKey(Kind, p.Inputs); err != nil || printed["key"] != string(key) {
				t.Errorf("key %v, its inputs give %s, %v", printed["key"], key, err)
			}
			delete(printed, "key")
			for _, in := range printed["inputs"].([]any) {
				in := in.(map[string]any)
				if name := in["name"].(string); strings.HasPrefix(name, "script.") || name == "recipe.checks" {
					if value := in["value"].(string); len(value) != len("sha256:")+64 {
						t.Errorf("%s: %s", name, value)
					}
					in["value"] = "(hash)"
				}
			}
			golden(t, "plan-"+name+".json", toJSON(t, printed))
		})
	}
}

// sameJSON compares texts by what they mean.
var sameJSON = cmp.Comparer(func(a, b string) bool {
	var va, vb any
	return json.Unmarshal([]byte(a), &va) == nil && json.Unmarshal([]byte(b), &vb) == nil && cmp.Equal(va, vb)
})

// TestPlanVersions shows how versions of packages come about.
func TestPlanVersions(t *testing.T) {
	tests := []struct {
		version, distro string
		release         int
		fast            bool
		want            string
	}{
		{"3.13.5", "trixie", 1, false, "3.13.5-1+deb13"},
		{"3.13.5", "bookworm", 12, false, "3.13.5-12+deb12"},
		{"3.13.5", "trixie", 1, true, "3.13.5-1~fast+deb13"},
		{"3.15.0b4", "trixie", 1, false, "3.15.0~b4-1+deb13"},
		{"3.13.5", "noble", 1, false, "3.13.5-1+ubuntu24.04"},
	}
	for _, tt := range tests {
		p := planFor(t, Request{Version: tt.version, Distro: tt.distro, Arch: "amd64", Release: tt.release, Fast: tt.fast})
		if got := p.PackageVersion(); got != tt.want {
			t.Errorf("%s: %s, want %s", p.Name, got, tt.want)
		}
	}
}

// TestPlanVariants shows what stands beside the ordinary packages, and where.
func TestPlanVariants(t *testing.T) {
	tests := []struct {
		version, variant string
		fast             bool
		want             []string // name, mode, prefix, library and runtime package
	}{
		{"3.13.5", "", true, []string{"python 3.13.5 trixie amd64 fast", "fast", "/opt/python/3.13", "lib/python3.13", "libpython3.13.so.1.0", "pybake-python3.13"}},
		{"3.13.5", "debug", false, []string{"python 3.13.5 trixie amd64 debug", "debug", "/opt/python/3.13-dbg", "lib/python3.13", "libpython3.13d.so.1.0", "pybake-python3.13-dbg"}},
		{
			"3.13.5", "freethreaded", true,
			[]string{"python 3.13.5 trixie amd64 freethreaded fast", "freethreaded fast", "/opt/python/3.13t", "lib/python3.13t", "libpython3.13t.so.1.0", "pybake-python3.13t"},
		},
	}
	for _, tt := range tests {
		p := planFor(t, Request{Version: tt.version, Distro: "trixie", Arch: "amd64", Release: 1, Fast: tt.fast, Variant: tt.variant})
		l, err := newLayout(p)
		if err != nil {
			t.Fatal(err)
		}
		library := strings.TrimPrefix(l.Packages[1].Files[0], "lib/")
		got := []string{p.Name, p.mode(), p.Prefix(), p.libDir(), library, l.Packages[len(l.Packages)-1].Name}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: %s", tt.variant, diff)
		}
	}
}

func TestPlanErrors(t *testing.T) {
	set := loadSet(t, map[string]string{"python/3.13.toml": "[unsupported]\njammy = \"its compiler is too old\"\n"})
	known, err := set.Release("3.13.5")
	if err != nil {
		t.Fatal(err)
	}
	as := func(version, variant string, fast bool) Request {
		return Request{Version: version, Distro: "trixie", Arch: "amd64", Release: 1, Variant: variant, Fast: fast}
	}
	with := func(version, distro, sha256 string) Request {
		return Request{Version: version, Distro: distro, Arch: "amd64", Release: 1, SHA256: sha256}
	}
	tests := []struct {
		name string
		req  Request
		as   any    // the type of the cause, or nil
		want string // part of the text
	}{
		{"version unknown", with("3.13.99", "trixie", ""), new(*recipes.UnknownError), `release "3.13.99": not known; nearest: 3.13.`},
		{"no version", with("python", "trixie", ""), new(*recipes.UnknownError), `release "python": not known`},
		{"a series", with("3.13", "trixie", ""), new(*recipes.NotExactError), `not an exact version; the newest known is 3.13.`},
		{"a series with a hash", with("3.13", "trixie", sum("a")), nil, "want an exact version"},
		{"series unknown", with("3.99.0", "trixie", sum("a")), new(*recipes.UnknownError), `series "3.99": not known`},
		{"distro unknown", with("3.13.5", "trixi", ""), new(*recipes.UnknownError), `distro "trixi": not known; nearest: trixie`},
		{"unsupported", with("3.13.5", "jammy", ""), new(*recipes.UnsupportedError), "its compiler is too old"},
		{"variant unknown", as("3.13.5", "jit", false), new(*VariantError), `variant "jit": want debug or freethreaded`},
		{"variant too early", as("3.11.2", "freethreaded", false), new(*VariantError), "python 3.11.2: variant freethreaded: there is none before 3.13"},
		{"debug is not fast", as("3.13.5", "debug", true), new(*VariantError), "neither PGO nor LTO"},
		{"hash of another", with("3.13.5", "trixie", sum("a")), nil, "sha256 " + sum("a") + " is neither that of the .tar.xz, " + known.XZ + ", nor of the .tgz, " + known.TGZ},
		{"no hash", with("3.13.99", "trixie", "abc"), nil, "want a SHA-256"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			// Nothing is pinned: what the user must change comes first.
			p, err := NewPlan(tt.req, set, &project.Lock{})
			if err == nil || p != nil {
				t.Fatalf("plan %v, error %v", p, err)
			}
			if tt.as != nil && !errors.As(err, tt.as) {
				t.Errorf("a %T: %v", err, err)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v: want %q", err, tt.want)
			}
		})
	}
}

// TestPlanKnownHash takes a hash that says the same as the table.
func TestPlanKnownHash(t *testing.T) {
	plain := planFor(t, request("3.13.5"))
	for _, f := range plain.Sources {
		req := request("3.13.5")
		req.SHA256 = f.SHA256
		if got := planFor(t, req); got.Key != plain.Key {
			t.Errorf("%s: %v", f, artifacts.Compare(plain.Inputs, got.Inputs))
		}
	}
}

func TestPlanUnpinned(t *testing.T) {
	set := loadSet(t, nil)
	full, fast := request("3.13.5"), request("3.13.5")
	fast.Fast = true
	tests := []struct {
		name  string
		req   Request
		unpin func(*project.Lock)
		want  []string
	}{
		{"nothing", full, func(l *project.Lock) { *l = project.Lock{} }, []string{"base", "builder"}},
		{"base", full, func(l *project.Lock) { l.Bases = nil }, []string{"base"}},
		{"builder", full, func(l *project.Lock) { l.Builders = nil }, []string{"builder"}},
		{"another request", full, func(l *project.Lock) { l.Builders[0].Request = l.Builders[0].Request[1:] }, []string{"builder"}},
		{"builder of another series", full, func(l *project.Lock) { l.Builders[0].For = "python 3.12" }, []string{"builder"}},
		{"another architecture", full, func(l *project.Lock) { l.Bases[0].Arch = "arm64" }, []string{"base"}},
		{"profile", full, func(l *project.Lock) { l.Profiles = nil }, []string{"profile"}},
		{"another compiler", full, func(l *project.Lock) { l.Builders[0].Packages[1].Version = "14.2.0-20" }, []string{"profile"}},
		{"another workload", full, func(l *project.Lock) { l.Profiles[0].Workload = "-m test" }, []string{"profile"}},
		{"no profile for fast", fast, func(l *project.Lock) { l.Profiles = nil }, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			lock := pins(t, set, "3.13", "trixie")
			tt.unpin(lock)
			_, err := NewPlan(tt.req, set, lock)
			var unpinned *UnpinnedError
			if tt.want == nil {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if !errors.As(err, &unpinned) {
				t.Fatalf("error %v", err)
			}
			if diff := cmp.Diff(tt.want, unpinned.What); diff != "" {
				t.Error(diff)
			}
			if want := "python 3.13.5 trixie amd64: not pinned yet: " + strings.Join(tt.want, ", "); err.Error() != want {
				t.Errorf("%q, want %q", err, want)
			}
			if unpinned.Plan.Key != "" {
				t.Errorf("key %s of half a plan", unpinned.Plan.Key)
			}
		})
	}
}
