package resolve

import (
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pybake/pybake/internal/index"
	"github.com/pybake/pybake/internal/pep"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// world of one rule each.
var cases = []struct {
	name        string
	universe    string
	requires    string // between |
	constraints string
	prefer      string // "a 1.0"
	before      string // ExcludeNewer
	want        string
	files       string // if set, of the pins
	notes       []string
}{
	{
		name: "newest first", universe: "a 1.0\na 2.0\na 1.10\nb 0.1", requires: "a|b", want: "a 2.0, b 0.1",
	},
	{
		name: "spelling of names", universe: "foo-bar 1.0\n\tBaz_Qux\nbaz-qux 1.0", requires: "Foo.Bar", want: "baz-qux 1.0, foo-bar 1.0",
	},
	{
		name: "markers", universe: "a 1.0\nb 1.0\nc 1.0", want: "a 1.0",
		requires: "a; python_version >= '3.13'|b; sys_platform == 'win32'|c; extra == 'x'|nowhere; python_full_version < '3.13.5'",
	},
	{
		name: "extras", requires: "a[x]", want: "a 2.0, b 1.0, d 1.0",
		universe: "a 2.0 extra=x extra=y\n\tb; extra == 'x'\n\tc; extra == 'y'\n\td\nb 1.0\nc 1.0\nd 1.0",
	},
	{
		name: "extra of an extra", requires: "a[all]", want: "a 1.0, b 1.0",
		universe: "a 1.0 extra=x extra=all\n\ta[x]; extra == 'all'\n\tb; extra == 'x'\nb 1.0",
	},
	{
		name: "extra that asks for the package", requires: "a[X_y]>=1", want: "a 1.0, b 1.0",
		universe: "a 2.0 extra=x-y\n\tb>=2; extra == 'x-y'\na 1.0 extra=x-y\n\tb; extra == 'x.y'\nb 1.0",
	},
	{
		name: "extra that is not there", requires: "a[x]", universe: "a 1.0", want: "a 1.0",
		notes: []string{"a 1.0 has no extra x"},
	},
	{
		name: "best tag", requires: "a", want: "a 1.0", files: "a-1.0-cp313-cp313-manylinux_2_28_x86_64.whl",
		universe: "a 1.0\na 1.0 cp39-abi3-manylinux_2_17_x86_64\na 1.0 cp313-cp313-manylinux_2_17_x86_64\na 1.0 cp313-cp313-manylinux_2_28_x86_64\na 1.0 cp313-cp313-manylinux_2_99_x86_64\na 1.0 cp312-cp312-manylinux_2_34_x86_64",
	},
	{
		name: "build number", requires: "a", want: "a 1.0", files: "a-1.0-10-py3-none-any.whl",
		universe: "a 1.0 2-py3-none-any\na 1.0 10-py3-none-any\na 1.0\na 1.0 9x-py3-none-any",
	},
	{
		name: "sdists do not count", requires: "a", universe: "a 3.0 sdist\na 2.0 cp313-cp313-win_amd64\na 1.0\na 1.0 sdist", want: "a 1.0",
	},
	{
		name: "requires-python of a file", requires: "a", universe: "a 2.0 py=>=3.14\na 1.0 py=>=3.9,<4", want: "a 1.0",
	},
	{
		name: "requires-python of the metadata", requires: "a", universe: "a 2.0 metapy=<3.13\na 1.0", want: "a 1.0",
		notes: []string{"a 2.0 was passed over: it requires Python <3.13"},
	},
	{
		name: "requires-python nobody can read", requires: "a", universe: "a 2.0 py=>=3.x", want: "a 2.0",
	},
	{
		name: "yanked", requires: "a", universe: "a 2.0 yanked=broken\na 1.0", want: "a 1.0",
	},
	{
		name: "one file yanked", requires: "a", universe: "a 2.0 cp313-cp313-linux_x86_64 yanked=broken\na 2.0\na 1.0", want: "a 2.0", files: "a-2.0-py3-none-any.whl",
	},
	{
		name: "yanked but pinned", requires: "a==2", universe: "a 2.0 yanked=it_is_broken\na 1.0", want: "a 2.0",
		notes: []string{"a 2.0 is yanked: it is broken; it was asked for by its version"},
	},
	{
		name: "yanked but pinned by text", requires: "a===2.0", universe: "a 2.0 yanked=", want: "a 2.0",
		notes: []string{"a 2.0 is yanked; it was asked for by its version"},
	},
	{
		name: "yanked with a wildcard", requires: "a==2.*", universe: "a 2.1 yanked=x\na 2.0", want: "a 2.0",
	},
	{
		name: "yanked but pinned by a constraint", requires: "b", constraints: "a==2.0", universe: "a 2.0 yanked=x\na 1.0\nb 1.0\n\ta", want: "a 2.0, b 1.0",
		notes: []string{"a 2.0 is yanked: x; it was asked for by its version"},
	},
	{
		name: "yanked but pinned by who comes later", requires: "a|b", universe: "a 3.0\na 2.0 yanked=x\nb 1.0\n\ta==2.0", want: "a 2.0, b 1.0",
		notes: []string{"a 2.0 is yanked: x; it was asked for by its version"},
	},
	{
		name: "prerelease", requires: "a", universe: "a 2.0rc1\na 1.0", want: "a 1.0",
	},
	{
		name: "prerelease that is named", requires: "a>=1.0a1", universe: "a 2.0rc1\na 1.0", want: "a 2.0rc1",
	},
	{
		name: "prerelease and nothing else", requires: "a>=2.0.dev0,>=1|b>1", universe: "a 2.0rc1\na 1.0\nb 2.0rc1\nb 1.0", want: "a 2.0rc1, b 2.0rc1",
	},
	{
		name: "prerelease named by a constraint", requires: "b", constraints: "a==2.0rc1", universe: "a 2.0rc1\na 1.0\nb 1.0\n\ta>=1", want: "a 2.0rc1, b 1.0",
	},
	{
		name: "older rather than a prerelease", requires: "a|b", universe: "a 2.0\n\tb>=2\na 1.0\nb 2.0rc1\nb 1.0", want: "a 1.0, b 1.0",
	},
	{
		name: "prerelease as the last resort", requires: "a>=2|b", universe: "a 2.0\n\tb>=2\na 1.0\nb 3.0rc1\nb 1.0", want: "a 2.0, b 3.0rc1",
		notes: []string{"b 3.0rc1 is a prerelease: no final version satisfies"},
	},
	{
		name: "constraint", requires: "b", constraints: "a<2|nowhere==1", universe: "a 2.0\na 1.0\nb 1.0\n\ta", want: "a 1.0, b 1.0",
	},
	{
		name: "constraint with a marker", requires: "a", constraints: "a<2; python_version < '3'", universe: "a 2.0\na 1.0", want: "a 2.0",
	},
	{
		name: "preferred", requires: "a>=1.0", prefer: "A 1.0.0", universe: "a 2.0\na 1.0", want: "a 1.0",
	},
	{
		name: "preferred but excluded", requires: "a>=2", prefer: "a 1.0", universe: "a 3.0\na 2.0\na 1.0", want: "a 3.0",
	},
	{
		name: "too new", requires: "a", before: "2024-01-02", universe: "a 2.0 up=2024-01-03\na 1.0 up=2024-01-02", want: "a 1.0",
	},
	{
		name: "too new, of one file", requires: "a", before: "2024-01-02", want: "a 2.0", files: "a-2.0-py3-none-any.whl",
		universe: "a 2.0 cp313-cp313-linux_x86_64 up=2024-01-03\na 2.0 up=2024-01-01",
	},
	{
		name: "no times", requires: "a|b|c", before: "2024-01-02", universe: "a 2.0\na 1.0 up=2023-01-01\nb 1.0\nc 1.0 up=2023-01-01", want: "a 2.0, b 1.0, c 1.0",
		notes: []string{"the index corp gives no upload times: what builds is not held to 2024-01-02"},
	},
	{
		name: "back over a conflict", requires: "a|b", want: "a 2.0, b 1.0, c 2.0",
		universe: "a 1.0\na 2.0\n\tc>=2\nb 1.0\nb 2.0\n\tc<2\nc 1.0\nc 2.0",
	},
	{
		name: "nothing superfluous", requires: "a|b>=2", want: "a 1.0, b 2.0",
		universe: "a 2.0\n\tc\n\tb<2\na 1.0\nb 1.0\nb 2.0\nc 1.0",
	},
	{
		name: "unknown further down", requires: "a", universe: "a 2.0\n\tnowhere\na 1.0", want: "a 1.0",
	},
	{
		name: "an address further down", requires: "a", universe: "a 2.0\n\tb @ https://example.org/b-1.0-py3-none-any.whl\na 1.0", want: "a 1.0",
		notes: []string{"a 2.0 was passed over: it needs b from an address"},
	},
	{
		name: "an address in an extra", requires: "a", universe: "a 2.0\n\tb @ https://example.org/b-1.0-py3-none-any.whl ; extra == 'x'\na 1.0", want: "a 2.0",
	},
	{
		name: "an address in an extra that is wanted", requires: "a[x]", want: "a 1.0", notes: []string{"a 2.0 was passed over: it needs b from an address"},
		universe: "a 2.0 extra=x\n\tb @ https://example.org/b-1.0-py3-none-any.whl ; extra == 'x'\na 1.0 extra=x",
	},
	{
		name: "metadata that cannot be read", requires: "a", universe: "a 2.0\n\tb>=\na 1.0", want: "a 1.0",
		notes: []string{`a 2.0 was passed over: parse requirement "b>=": byte 3: expected a version after >=, found the end`},
	},
	{
		name: "pip and setuptools are ordinary", requires: "setuptools|pip|wheel", universe: "pip 1.0\nsetuptools 1.0\nwheel 1.0", want: "pip 1.0, setuptools 1.0, wheel 1.0",
	},
	{
		name: "circle", requires: "a", universe: "a 1.0\n\tb\nb 1.0\n\ta\n\tb", want: "a 1.0, b 1.0",
	},
	{
		name: "local version", requires: "a==1.0", universe: "a 1.0\na 1.0+cpu", want: "a 1.0+cpu",
	},
	{
		name: "an address", requires: "b|a @ https://example.org/x/a-1.5-py3-none-any.whl#sha256=" + strings.Repeat("aB", 32), want: "a 1.5, b 1.0",
		universe: "a 2.0\nb 2.0\n\ta>=2\nb 1.0\n\ta\na 1.5", files: "a-1.5-py3-none-any.whl b-1.0-py3-none-any.whl",
	},
	{
		name: "nothing", requires: "a; python_version < '3'", want: "",
	},
}

func split(list string) []string {
	if list == "" {
		return nil
	}
	return strings.Split(list, "|")
}

func day0(t *testing.T, s string) (day time.Time) {
	if s != "" {
		var err error
		if day, err = time.Parse(time.DateOnly, s); err != nil {
			t.Fatal(err)
		}
	}
	return day
}

func TestResolve(t *testing.T) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := trixie(t, newFake(t, c.universe))
			for _, text := range split(c.constraints) {
				r.Constraints = append(r.Constraints, requirement(t, text))
			}
			if name, version, ok := strings.Cut(c.prefer, " "); ok {
				r.Prefer = map[string]string{name: version}
			}
			r.ExcludeNewer = day0(t, c.before)
			got, err := r.Resolve(t.Context(), split(c.requires))
			if err != nil {
				t.Fatal(err)
			}
			if pins(got) != c.want {
				t.Errorf("got %s, want %s", pins(got), c.want)
			}
			var files []string
			for _, p := range got.Pins {
				files = append(files, p.File)
				if len(p.SHA256) != 64 || strings.ToLower(p.SHA256) != p.SHA256 || !strings.HasPrefix(p.URL, "https://") || !strings.HasSuffix(p.URL, "/"+p.File) {
					t.Errorf("pin %+v", p)
				}
			}
			if have := strings.Join(files, " "); c.files != "" && have != c.files {
				t.Errorf("files %s, want %s", have, c.files)
			}
			if diff := cmp.Diff(c.notes, got.Notes); diff != "" {
				t.Errorf("notes (-want +got):\n%s", diff)
			}
		})
	}
}

// TestLazy holds that metadata is read of what is tried, and nothing twice.
func TestLazy(t *testing.T) {
	f := newFake(t, "a 1.0\na 2.0\n\tb<2\n\tc\nb 1.0\nb 2.0\nc 1.0\nd 1.0")
	if _, err := trixie(t, f).Resolve(t.Context(), []string{"a", "a>=1"}); err != nil {
		t.Fatal(err)
	}
	slices.Sort(f.asked)
	want := []string{"a", "a-2.0-py3-none-any.whl", "b", "b-1.0-py3-none-any.whl", "c", "c-1.0-py3-none-any.whl"}
	if diff := cmp.Diff(want, f.asked); diff != "" {
		t.Errorf("asked for (-want +got):\n%s", diff)
	}
}

// failure is what Resolve refuses. The texts are golden files.
type failure struct {
	name        string
	universe    string
	requires    string
	constraints string
	before      string
	python      string // "3.9.2"
	strict      bool
	as          any // a pointer to the kind of error
}

func as[E error]() *E { return new(E) }

var failures = []failure{
	{name: "unfindable", requires: "a>=3|dd|b[|e>1|ff; python_version >= '3'", universe: "a 1.0\na 2.0\ne 2.0 sdist", as: as[*NoWheelError]()},
	{name: "unknown", requires: "dd", as: as[*index.UnknownProjectError]()},
	{name: "only-sdists", requires: "a|b>=2", universe: "a 1.0 sdist\na 2.0 sdist\nb 1.0\nb 2.0 sdist", as: as[*NoWheelError]()},
	{
		name: "other-platforms", requires: "mac|win|python|arm|new|musl|mixed|old", as: as[*NoWheelError](),
		universe: "mac 1.0 cp313-cp313-macosx_11_0_arm64\nmac 1.0 sdist\nwin 1.0 cp313-cp313-win_amd64\nwin 2.0 cp313-cp313-macosx_11_0_arm64\n" +
			"python 1.0 cp39-cp39-manylinux_2_17_x86_64\npython 1.0 cp310-cp310-manylinux_2_17_x86_64\narm 1.0 cp313-cp313-manylinux_2_17_aarch64\n" +
			"new 1.0 cp313-cp313-manylinux_2_42_x86_64\nmusl 1.0 cp313-cp313-musllinux_1_2_x86_64\n" +
			"mixed 1.0 sdist\nmixed 2.0 sdist\nmixed 3.0 cp313-cp313-win_amd64\nmixed 4.0 yanked=bad\nmixed 5.0 py=>=3.14\nold 1.0 py2-none-any\nold 2.0 py=<3",
	},
	{name: "too-new", requires: "a", before: "2024-01-02", universe: "a 1.0 up=2024-01-03\na 2.0 up=2024-02-03\na 2.0 sdist up=2024-02-03", as: as[*NoWheelError]()},
	{name: "yanked", requires: "a>=2", universe: "a 1.0\na 2.0 yanked=bad", as: as[*NoWheelError]()},
	{name: "no-times", requires: "a|b", before: "2024-01-02", strict: true, universe: "a 1.0\na 2.0 up=2024-01-03\nb 1.0", as: as[*NoTimesError]()},
	{name: "no-times-further-down", requires: "a", before: "2024-01-02", strict: true, universe: "a 1.0 up=2024-01-01\n\tb\nb 1.0", as: as[*NoTimesError]()},
	{name: "no-hash", requires: "a<2", universe: "a 1.0 hash=no\na 1.5 hash=no\na 0.9\na 1.0 hash=no\na 2.0 hash=no", as: as[*NoHashError]()},
	{name: "other-name", requires: "a", universe: "a 1.0 meta=b-1.0", as: as[*BadMetadataError]()},
	{name: "other-version", requires: "a", universe: "a 1.0 meta=a-1.0.1", as: as[*BadMetadataError]()},
	{
		name: "conflict", requires: "setuptools<60|hatchling", as: as[*ConflictError](),
		universe: "setuptools 59.0\nsetuptools 61.0\nhatchling 1.20\n\tsetuptools>=61\nhatchling 1.19\n\tsetuptools>=61\nhatchling 1.18\n\tsetuptools>=61\nother 1.0",
	},
	{
		name: "conflict-deep", requires: "a|d", as: as[*ConflictError](),
		universe: "a 1.0\n\tb\nb 1.0\n\tc>=2\nc 2.0\nc 1.0\nd 1.0\n\te[x]\ne 1.0 extra=x\n\tc<2; extra == 'x'",
	},
	{name: "conflict-constraint", requires: "a>=2", constraints: "a<2", universe: "a 1.0\na 2.0", as: as[*ConflictError]()},
	{name: "conflict-pins", requires: "a==1|a==2", universe: "a 1.0\na 2.0", as: as[*ConflictError]()},
	{
		name: "conflict-without-wheel", requires: "a<2|a!=1.0", as: as[*ConflictError](),
		universe: "a 1.0\na 1.1 sdist\na 1.2 sdist\na 2.0",
	},
	{name: "unknown-further-down", requires: "a", universe: "a 1.0\n\tnowhere>=1", as: as[*NoWheelError]()},
	{name: "no-wheel-further-down", requires: "a", universe: "a 1.0\n\tb>=1\nb 1.0 sdist\nb 0.9", as: as[*NoWheelError]()},
	{name: "unusable", requires: "a", universe: "a 1.0 metapy=<3\na 2.0\n\tb @ https://example.org/b.zip\na 3.0 broken=", as: as[*ConflictError]()},
	{name: "yanked-and-dropped", requires: "x|y", universe: "x 2.0\n\tfoo==1.0\n\tbar<1\nx 1.0\n\tfoo\nfoo 1.0 yanked=bad\nbar 1.0\ny 1.0\n\tbar>=1", as: as[*ConflictError]()},
	{name: "old-python", requires: "a", python: "3.9.2", universe: "a 1.0\n\tb\nb 1.0 py=>=3.10", as: as[*NoWheelError]()},
	{
		name: "addresses", as: as[error](),
		requires: "a @ https://example.org/a-1.0-py3-none-any.whl|b @ git+https://example.org/b@0a1b2c#sha256=" + strings.Repeat("0", 64) +
			"|c @ https://user:secret@example.org/c-1.0-py3-none-any.whl#sha256=" + strings.Repeat("0", 64) +
			"|d @ https://example.org/d-1.0.tar.gz#sha256=" + strings.Repeat("0", 64) +
			"|e @ https://example.org/x-1.0-py3-none-any.whl#sha256=" + strings.Repeat("0", 64) +
			"|f @ https://example.org/f-1.0-cp313-cp313-win_amd64.whl#sha256=" + strings.Repeat("0", 64) +
			"|g @ https://example.org/g-1.0-py3-none-any.whl#sha256=00|h @ file:///h-1.0-py3-none-any.whl#sha256=" + strings.Repeat("0", 64) +
			"|i @ https://example.org/i-1.0-py3-none-any.whl#sha256=" + strings.Repeat("0", 64) + "|i @ https://example.org/i-2.0-py3-none-any.whl#sha256=" + strings.Repeat("0", 64),
	},
	{
		name: "address-and-version", requires: "a>=2|a @ https://example.org/a-1.0-py3-none-any.whl#sha256=" + strings.Repeat("0", 64),
		universe: "a 2.0", as: as[*NoWheelError](),
	},
	{name: "markers", requires: "a; nothing == '1'|b; python_version ~= 'x'", as: as[error]()},
	{name: "constraints", requires: "a", universe: "a 1.0", constraints: "a[x]<2|b @ https://example.org/b.whl", as: as[error]()},
}

func (c failure) resolver(t *testing.T) *Resolver {
	r := trixie(t, newFake(t, c.universe))
	for _, text := range split(c.constraints) {
		r.Constraints = append(r.Constraints, requirement(t, text))
	}
	if c.python != "" {
		var err error
		if r.Env, err = pep.EnvFor(c.python, "x86_64"); err != nil {
			t.Fatal(err)
		}
		r.Target.Python = [2]int{3, 9}
	}
	r.ExcludeNewer, r.Strict = day0(t, c.before), c.strict
	return r
}

func TestFailures(t *testing.T) {
	for _, c := range failures {
		t.Run(c.name, func(t *testing.T) {
			r := c.resolver(t)
			got, err := r.Resolve(t.Context(), split(c.requires))
			if err == nil {
				t.Fatalf("got %s, want an error", pins(got))
			}
			if !errors.As(err, c.as) {
				t.Errorf("error is a %T, want %T: %v", err, c.as, err)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("a password is shown: %v", err)
			}
			golden(t, c.name+".txt", err.Error()+"\n")
			if _, again := r.Resolve(t.Context(), split(c.requires)); again.Error() != err.Error() {
				t.Errorf("the second time: %v", again)
			}
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

// TestIndexFails holds that what an index cannot tell is not taken for an answer.
func TestIndexFails(t *testing.T) {
	const universe = "a 2.0\n\tb\na 1.0\nb 1.0"
	for _, what := range []string{"a", "b", "a-2.0-py3-none-any.whl"} {
		f := newFake(t, universe)
		broken := errors.New("connection reset")
		f.fails[what] = broken
		if got, err := trixie(t, f).Resolve(t.Context(), []string{"a"}); !errors.Is(err, broken) {
			t.Errorf("%s: got %v, %v", what, got, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got, err := trixie(t, newFake(t, universe)).Resolve(ctx, []string{"a"}); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: got %v, %v", got, err)
	}
}
