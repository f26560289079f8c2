package pep

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// By hand, against the packaging that is installed and other random strings:
//
//	python3 testdata/vectors.py --random 7 > /tmp/random.json
//	go test ./internal/pep -run TestVectors -vectors /tmp/random.json
var vectorsFile = flag.String("vectors", "testdata/vectors.json", "answers of packaging to compare with")

// vectors is what testdata/vectors.py writes.
type vectors struct {
	Packaging string
	Strings   []string
	Parsed    map[string]struct {
		Valid   map[int]json.RawMessage
		Skipped []int
	}
	Order    [][]string
	Contains []struct {
		Versions []string
		Specs    map[string][2]string
	}
	Filter struct {
		Versions []string
		Rows     [][3]json.RawMessage
	}
	Environments []Env
	Contexts     []struct {
		Extra          string
		Extras, Groups []string
	}
	Markers map[string]string
	Targets []struct {
		Target struct {
			Python, Glibc, Musl [2]int
			Free                bool
			Arch                string
		}
		Platforms []string
		Tags      [][3]string
	}
}

func readVectors(t testing.TB) (v vectors) {
	t.Helper()
	data, err := os.ReadFile(*vectorsFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestVectors(t *testing.T) {
	v := readVectors(t)
	t.Logf("packaging %s", v.Packaging)
	t.Run("parsed", v.testParsed)
	t.Run("order", v.testOrder)
	t.Run("contains", v.testContains)
	t.Run("filter", v.testFilter)
	t.Run("markers", v.testMarkers)
	t.Run("targets", v.testTargets)
}

// testParsed puts every string to every parser: the valid ones must give the
// answer of packaging, all others an error.
func (v vectors) testParsed(t *testing.T) {
	ask := map[string]func(s string) (any, error){
		"version": func(s string) (any, error) {
			v, err := ParseVersion(s)
			return []any{v.String(), v.Canonical(), v.Public(), v.Base(), v.Local(), v.IsPrerelease()}, err
		},
		"specifier": func(s string) (any, error) {
			sp, err := ParseSpecifier(s)
			return []any{sp.Op, sp.Text, sp.String(), Specifiers{sp}.NamesPrerelease()}, err
		},
		"specifiers": func(s string) (any, error) {
			sp, err := ParseSpecifiers(s)
			return []any{sp.String(), sp.NamesPrerelease()}, err
		},
		"marker": func(s string) (any, error) {
			m, err := ParseMarker(s)
			return m.String(), err
		},
		"requirement": func(s string) (any, error) {
			r, err := ParseRequirement(s)
			marker := ""
			if r.Marker != nil {
				marker = r.Marker.String()
			}
			return []any{r.Name, append([]string{}, r.Extras...), r.Specifiers.String(), r.URL, marker, r.String()}, err
		},
		"wheel": func(s string) (any, error) {
			w, err := ParseWheelName(s)
			if err != nil {
				return nil, err
			}
			build := []any{}
			if n, end := scanNum(w.Build, 0); end > 0 {
				number, _ := strconv.Atoi(string(n))
				build = []any{number, w.Build[end:]}
			}
			return []any{w.Name, w.Version.String(), build, sortedTags(w.Tags())}, nil
		},
		"sdist": func(s string) (any, error) {
			if !strings.HasSuffix(s, ".tar.gz") && !strings.HasSuffix(s, ".zip") {
				return nil, fmt.Errorf("not an extension that packaging knows")
			}
			d, err := ParseSdistName(s, "")
			return []any{d.Name, d.Version.String()}, err
		},
		"tag": func(s string) (any, error) {
			tags, err := ParseTag(s)
			return sortedTags(tags), err
		},
		"name": func(s string) (any, error) {
			if !ValidName(s) {
				return nil, fmt.Errorf("not a name")
			}
			return NormalizeName(s), nil
		},
	}
	if len(v.Parsed) != len(ask) {
		t.Fatalf("%d parsers in the vectors, want %d", len(v.Parsed), len(ask))
	}
	for name, want := range v.Parsed {
		if len(want.Valid) < 10 {
			t.Errorf("%s: only %d valid strings", name, len(want.Valid))
		}
		for i, s := range v.Strings {
			answer, err := ask[name](s)
			wanted, valid := want.Valid[i]
			switch {
			case slices.Contains(want.Skipped, i):
			case valid && err != nil:
				t.Errorf("%s %q: %v, want %s", name, s, err, wanted)
			case !valid && err == nil:
				t.Errorf("%s %q: %v, want an error", name, s, answer)
			case valid:
				if diff := cmp.Diff(generic(t, wanted), generic(t, answer)); diff != "" {
					t.Errorf("%s %q: -want +got\n%s", name, s, diff)
				}
			}
		}
	}
}

// generic is v as encoding/json reads it without a type.
func generic(t *testing.T, v any) (out any) {
	data, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(data, &out)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func sortedTags(tags []Tag) []string {
	out := []string{}
	for _, tag := range tags {
		out = append(out, tag.String())
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// testOrder compares all pairs of versions, which are given in ascending order,
// equal ones together.
func (v vectors) testOrder(t *testing.T) {
	type ranked struct {
		Version
		rank int
	}
	var all []ranked
	for rank, equal := range v.Order {
		for _, s := range equal {
			all = append(all, ranked{mustVersion(t, s), rank})
		}
	}
	if len(all) < 400 {
		t.Fatalf("only %d versions", len(all))
	}
	for _, a := range all {
		for _, b := range all {
			want := max(-1, min(1, a.rank-b.rank))
			if got := a.Compare(b.Version); got != want {
				t.Errorf("%s compared with %s: %d, want %d", a, b, got, want)
			}
			if (a.Canonical() == b.Canonical()) != (want == 0) {
				t.Errorf("canonical forms of %s and %s: %s and %s", a, b, a.Canonical(), b.Canonical())
			}
		}
	}
}

func mustVersion(t testing.TB, s string) Version {
	t.Helper()
	v, err := ParseVersion(s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func (v vectors) testContains(t *testing.T) {
	for _, table := range v.Contains {
		for spec, want := range table.Specs {
			s, err := ParseSpecifiers(spec)
			if err != nil {
				t.Error(err)
				continue
			}
			for i, text := range table.Versions {
				if got := s.ContainsText(text, PreAuto); got != (want[0][i] == '1') {
					t.Errorf("%q contains %q: %v", spec, text, got)
				}
				if got := s.ContainsText(text, PreDeny); got != (want[1][i] == '1') {
					t.Errorf("%q contains %q without prereleases: %v", spec, text, got)
				}
			}
		}
	}
}

func (v vectors) testFilter(t *testing.T) {
	for _, row := range v.Filter.Rows {
		var spec string
		var given []int
		var want [3][]int
		for i, to := range []any{&spec, &given, &want} {
			if err := json.Unmarshal(row[i], to); err != nil {
				t.Fatal(err)
			}
		}
		s, err := ParseSpecifiers(spec)
		if err != nil {
			t.Fatal(err)
		}
		versions := func(indexes []int) (out []string) {
			for _, i := range indexes {
				out = append(out, mustVersion(t, v.Filter.Versions[i]).String())
			}
			return out
		}
		var parsed []Version
		for _, text := range versions(given) {
			parsed = append(parsed, mustVersion(t, text))
		}
		for i, pre := range []Prereleases{PreAuto, PreAllow, PreDeny} {
			var got []string
			for _, kept := range s.Filter(parsed, pre) {
				got = append(got, kept.String())
			}
			if !slices.Equal(got, versions(want[i])) {
				t.Errorf("%q filters %v under %d: %v, want %v", spec, parsed, pre, got, versions(want[i]))
			}
		}
	}
}

// testMarkers evaluates each marker in all environments and contexts.
func (v vectors) testMarkers(t *testing.T) {
	for text, want := range v.Markers {
		m, err := ParseMarker(text)
		if err != nil {
			t.Error(err)
			continue
		}
		got := ""
		for _, env := range v.Environments {
			for _, c := range v.Contexts {
				env.Extra = c.Extra
				ok, err := m.Eval(env, c.Extras, c.Groups)
				switch {
				case err != nil:
					got += "e"
				case ok:
					got += "1"
				default:
					got += "0"
				}
			}
		}
		if got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", text, got, want)
		}
	}
}

func (v vectors) testTargets(t *testing.T) {
	for _, c := range v.Targets {
		target := Target{c.Target.Python, c.Target.Free, c.Target.Arch, c.Target.Glibc, c.Target.Musl}
		if diff := cmp.Diff(c.Platforms, target.Platforms()); diff != "" {
			t.Errorf("platforms of %+v: -want +got\n%s", target, diff)
		}
		var want []Tag
		for _, g := range c.Tags {
			platforms := c.Platforms
			if g[2] != "" {
				platforms = g[2:]
			}
			for _, p := range platforms {
				want = append(want, Tag{g[0], g[1], p})
			}
		}
		if got := target.Tags(); !slices.Equal(got, want) {
			t.Errorf("tags of %+v: -want +got\n%s", target, cmp.Diff(want, got))
		}
	}
}
