package python

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/project"
)

// keyed is everything that goes into a plan.
type keyed struct {
	req     Request
	recipes map[string]string
	lock    func(*project.Lock)
}

func (k keyed) plan(t *testing.T) *Plan {
	t.Helper()
	set := loadSet(t, k.recipes)
	lock := pins(t, set, "3.13", "trixie")
	if k.req.Distro != "trixie" {
		lock = pins(t, set, "3.13", k.req.Distro)
	}
	if k.lock != nil {
		k.lock(lock)
	}
	p, err := NewPlan(k.req, set, lock)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestKeyMoves changes one thing at a time: the key moves, and the comparison
// of the inputs names that thing.
func TestKeyMoves(t *testing.T) {
	base := keyed{req: request("3.13.99"), recipes: map[string]string{}}
	base.req.SHA256 = sum("a")
	before := base.plan(t)
	tests := []struct {
		name   string
		change func(*keyed)
		want   []string
	}{
		{"version", func(k *keyed) { k.req.Version = "3.13.98" }, []string{"package.version", "version"}},
		{"release", func(k *keyed) { k.req.Release = 2 }, []string{"package.version"}},
		{"mode", func(k *keyed) { k.req.Fast = true }, []string{"mode", "package.version", "profile"}},
		{"variant", func(k *keyed) { k.req.Variant = "debug" }, []string{"mode", "prefix", "profile", "recipe.configure"}},
		{"source", func(k *keyed) { k.req.SHA256 = sum("b") }, []string{"source.tgz", "source.xz"}},
		{"distro", func(k *keyed) { k.req.Distro = "bookworm" }, []string{"distro", "distro.checks", "package.version"}},
		{"tag of the distro", func(k *keyed) { k.recipes["distros/trixie.toml"] = `tag = "deb99"` }, []string{"package.version"}},
		{
			"compression", func(k *keyed) { k.recipes["distros/trixie.toml"] = "[package]\ncompression = \"gzip\"" },
			[]string{"package.compression"},
		},
		{"configure", func(k *keyed) { k.recipes["python/3.13.toml"] = `configure = ["--enable-ipv6"]` }, []string{"recipe.configure"}},
		{"cflags", func(k *keyed) { k.recipes["python/3.13.toml"] = `cflags = ["-g3"]` }, []string{"recipe.cflags"}},
		{"extensions", func(k *keyed) { k.recipes["python/3.13.toml"] = `extensions = ["_ssl"]` }, []string{"recipe.checks"}},
		{"test extensions", func(k *keyed) { k.recipes["python/3.13.toml"] = `test-extensions = []` }, []string{"recipe.checks"}},
		{"import skip", func(k *keyed) { k.recipes["python/3.13.toml"] = "[import-skip]\nthis = \"prints\"" }, []string{"recipe.checks"}},
		{"modules", func(k *keyed) { k.recipes["python/3.13.toml"] = `modules = ["os"]` }, []string{"recipe.checks"}},
		{"libraries of the series", func(k *keyed) { k.recipes["python/3.13.toml"] = `libraries = ["libx.so.1"]` }, []string{"recipe.checks"}},
		{"libraries", func(k *keyed) { k.recipes["distros/trixie.toml"] = "[libraries]\ntk = [\"libx.so.1\"]" }, []string{"distro.checks"}},
		{"glibc", func(k *keyed) { k.recipes["distros/trixie.toml"] = `glibc = "2.42"` }, []string{"distro.checks"}},
		{"base", func(k *keyed) { k.lock = func(l *project.Lock) { l.Bases[0].Digest = "sha256:" + sum("9") } }, []string{"base"}},
		{
			"package of the base", func(k *keyed) {
				k.lock = func(l *project.Lock) { l.Bases[0].Packages[1].Version = "2.41-13" }
			}, []string{"base.package.libc6:amd64"},
		},
		{
			"version of a pin", func(k *keyed) {
				k.lock = func(l *project.Lock) { l.Builders[0].Packages[3].Version = "2025c-1" }
			}, []string{"builder.package.tzdata:all"},
		},
		{
			"hash of a pin", func(k *keyed) {
				k.lock = func(l *project.Lock) { l.Builders[0].Packages[2].Digest = "sha256:" + sum("9") }
			}, []string{"builder.package.gcc-14-base:amd64"},
		},
		{
			"one more pin", func(k *keyed) {
				k.lock = func(l *project.Lock) {
					l.Builders[0].Packages = append(l.Builders[0].Packages, pkg("make 4.4 amd64 sha256:"+sum("9")))
				}
			}, []string{"builder.package.make:amd64"},
		},
		{"profile", func(k *keyed) { k.lock = func(l *project.Lock) { l.Profiles[0].Digest = "sha256:" + sum("9") } }, []string{"profile"}},
	}
	seen := map[artifacts.Key]string{before.Key: "the plain plan"}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := base
			k.recipes = map[string]string{}
			tt.change(&k)
			after := k.plan(t)
			if same := seen[after.Key]; same != "" {
				t.Errorf("has the key of %s", same)
			}
			seen[after.Key] = tt.name
			if diff := cmp.Diff(tt.want, changed(before, after)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// changed names the inputs that differ.
func changed(before, after *Plan) []string {
	var names []string
	for _, c := range artifacts.Compare(before.Inputs, after.Inputs) {
		names = append(names, c.Name)
	}
	return names
}

// TestKeyOfEmbedded changes what is embedded and ends up in the packages or
// decides about them.
func TestKeyOfEmbedded(t *testing.T) {
	before := planFor(t, request("3.13.5"))
	for _, tt := range []struct {
		name string
		file *[]byte
	}{
		{"job.sh", &jobScript},
		{"packages.toml", &packagesTOML},
		{"check.py", &checkScript},
		{"probe.c", &probeSource},
		{"embed.c", &embedSource},
		{"externally-managed", &externallyManaged},
	} {
		t.Run(tt.name, func(t *testing.T) {
			was := *tt.file
			defer func() { *tt.file = was }()
			*tt.file = append(slices.Clone(was), '#')
			if after := planFor(t, request("3.13.5")); after.Key == before.Key {
				t.Error("the key is the same")
			}
		})
	}
}

// TestKeyStays changes what cannot change a bit of the packages.
func TestKeyStays(t *testing.T) {
	base := keyed{req: request("3.13.5")}
	before := base.plan(t)
	tests := []struct {
		name   string
		change func(*keyed)
	}{
		{"nothing", func(*keyed) {}},
		{"end of life of the series", func(k *keyed) { k.recipes = map[string]string{"python/3.13.toml": `eol = "2035-01-01"`} }},
		{"what is exercised", func(k *keyed) { k.recipes = map[string]string{"python/3.13.toml": `exercised = []`} }},
		{"minutes", func(k *keyed) { k.recipes = map[string]string{"python/3.13.toml": "[minutes]\nfull = 1"} }},
		{"another series", func(k *keyed) { k.recipes = map[string]string{"python/3.12.toml": `cflags = ["-g3"]`} }},
		{"another distro", func(k *keyed) { k.recipes = map[string]string{"distros/bookworm.toml": `tag = "deb99"`} }},
		{
			"end of life and keyring of the distro", func(k *keyed) {
				k.recipes = map[string]string{"distros/trixie.toml": "eol = \"2035-01-01\"\nkeyring = \"corp-keyring\""}
			},
		},
		{
			"unsupported elsewhere", func(k *keyed) {
				k.recipes = map[string]string{"python/3.13.toml": "[unsupported]\njammy = \"no\""}
			},
		},
		{
			"where the base came from", func(k *keyed) {
				k.lock = func(l *project.Lock) { l.Bases[0].Origin, l.Bases[0].Ref = "registry", "corp/base:1" }
			},
		},
		{
			"order of the pins", func(k *keyed) {
				k.lock = func(l *project.Lock) {
					slices.Reverse(l.Builders[0].Packages)
					slices.Reverse(l.Bases[0].Packages)
				}
			},
		},
		{
			"pins of others", func(k *keyed) {
				k.lock = func(l *project.Lock) {
					for _, distro := range []string{"bookworm", "bullseye"} {
						l.SetBase(project.BasePin{Distro: distro, Arch: "amd64", Digest: "sha256:" + sum("9")})
						l.SetBuilder(project.SetPin{Distro: distro, Arch: "amd64", For: "python 3.13"})
					}
					l.SetBuilder(project.SetPin{Distro: "trixie", Arch: "amd64", For: "python 3.12"})
					l.SetBase(project.BasePin{Distro: "trixie", Arch: "arm64", Digest: "sha256:" + sum("9")})
					l.SetRuntime(project.SetPin{Distro: "trixie", Arch: "amd64", For: "python 3.13"})
					l.SetProfile(project.ProfilePin{Series: "3.12", Distro: "trixie", Arch: "amd64"})
				}
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := base
			tt.change(&k)
			if after := k.plan(t); after.Key != before.Key {
				t.Errorf("the key moved: %v", artifacts.Compare(before.Inputs, after.Inputs))
			}
		})
	}
}
