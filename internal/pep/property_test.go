package pep

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// versions is some of the versions that matter: all that differ in one part.
func versions(t testing.TB) []Version {
	var out []Version
	for _, epoch := range []string{"", "1!"} {
		for _, release := range []string{"0", "1", "1.0", "1.0.1", "1.2", "1.10", "2.0.0", "1.20240131235959999999999"} {
			for _, suffix := range strings.Fields("final .dev0 .dev1 a1 a1.dev1 a1.post1 a2 b1 rc1 rc1.post1.dev1 .post0.dev1 .post0 .post1 +abc +abc.1 +1 +1.0 .post1+1") {
				out = append(out, mustVersion(t, epoch+release+strings.TrimPrefix(suffix, "final")))
			}
		}
	}
	return out
}

func TestVersionOrderIsTotal(t *testing.T) {
	all := versions(t)
	rng := rand.New(rand.NewPCG(1, 2))
	rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	for _, a := range all {
		for _, b := range all {
			if a.Compare(b) != -b.Compare(a) {
				t.Fatalf("%s and %s: %d one way, %d the other", a, b, a.Compare(b), b.Compare(a))
			}
		}
	}
	// In a sorted list neighbours may be in order by chance; all pairs are only if
	// the order is transitive.
	slices.SortFunc(all, Version.Compare)
	for i, a := range all {
		for _, b := range all[i:] {
			if a.Compare(b) > 0 {
				t.Fatalf("sorted, but %s is after %s", a, b)
			}
		}
	}
	for i, a := range all[1:] {
		if all[i].Compare(a) == 0 && all[i].Canonical() != a.Canonical() {
			t.Errorf("%s equals %s", all[i], a)
		}
	}
}

// TestSpecifierLaws holds what PEP 440 says of one operator to what it says of
// the others, for every pair of versions.
func TestSpecifierLaws(t *testing.T) {
	all := versions(t)
	count := map[string]int{}
	for _, v := range all {
		text := v.String()
		op := func(op, version string) Specifiers {
			s, err := ParseSpecifiers(op + version)
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		equal, differs := op("==", text), op("!=", text)
		exact := op("===", text)
		var less, atMost, greater, atLeast, compatible, spelledOut Specifiers
		public := v.local == nil
		if public {
			less, atMost, greater, atLeast = op("<", text), op("<=", text), op(">", text), op(">=", text)
			if n := len(v.release); n > 1 {
				prefix := Version{epoch: v.epoch, release: v.release[:n-1]}.String()
				compatible, spelledOut = op("~=", text), op(">=", text+",=="+prefix+".*")
			}
		}
		for _, w := range all {
			law := func(name string, holds bool) {
				count[name]++
				if !holds {
					t.Errorf("%s: specifier of %s, version %s", name, v, w)
				}
			}
			in := func(s Specifiers) bool { return s.Contains(w, PreAllow) }
			c := w.Compare(v)
			law("!= is the complement of ==", in(differs) == !in(equal))
			law("=== is within ==", !in(exact) || in(equal))
			law("equal versions are ==", c != 0 || in(equal))
			law("final releases pass PreDeny alike", w.IsPrerelease() || equal.Contains(w, PreDeny) == in(equal))
			if !public {
				law("== with a local part is equality", in(equal) == (c == 0))
				continue
			}
			law("== ignores the local part", in(equal) == (w.withoutLocal().Compare(v) == 0))
			law(">= is the order", in(atLeast) == (c >= 0))
			law("< is within the order", !in(less) || c < 0)
			law("> is within the order", !in(greater) || c > 0)
			law("<, == and > exclude each other", btoi(in(less))+btoi(in(equal))+btoi(in(greater)) <= 1)
			law("<= and > exclude each other", !in(atMost) || !in(greater))
			law("< is within <=", !in(less) || in(atMost))
			law("== is <= and >=", in(equal) == (in(atMost) && in(atLeast)))
			if compatible != nil {
				law("~= is >= and ==.*", in(compatible) == in(spelledOut))
			}
		}
	}
	if len(count) != 14 {
		t.Errorf("%d laws were tried, want 14: %v", len(count), count)
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// TestRoundTrips parses what String gave for every string of the vectors that
// is valid: the same text must come back, and so must the same value.
func TestRoundTrips(t *testing.T) {
	v := readVectors(t)
	count := 0
	for _, s := range v.Strings {
		count += roundTrip(t, s)
	}
	if count < 5000 {
		t.Errorf("only %d round trips", count)
	}
}

// roundTrip puts s to every parser, and what each made of it through its String
// and back. It returns how many parsers took s.
func roundTrip(t testing.TB, s string) (count int) {
	again := func(what, first string, parse func(string) (string, error)) {
		count++
		second, err := parse(first)
		if err != nil || second != first {
			t.Errorf("%s %q: String is %q, parsed again %q, %v", what, s, first, second, err)
		}
	}
	if v, err := ParseVersion(s); err == nil {
		again("version", v.String(), func(s string) (string, error) {
			w, err := ParseVersion(s)
			if v.Compare(w) != 0 {
				t.Errorf("%s differs from itself parsed again, %s", v, w)
			}
			return w.String(), err
		})
	}
	if sp, err := ParseSpecifiers(s); err == nil {
		again("specifiers", sp.String(), func(s string) (string, error) {
			sp, err := ParseSpecifiers(s)
			return sp.String(), err
		})
	}
	if m, err := ParseMarker(s); err == nil {
		again("marker", m.String(), func(s string) (string, error) {
			m, err := ParseMarker(s)
			return m.String(), err
		})
	}
	if r, err := ParseRequirement(s); err == nil {
		again("requirement", r.String(), func(s string) (string, error) {
			r, err := ParseRequirement(s)
			return r.String(), err
		})
	}
	if w, err := ParseWheelName(s); err == nil {
		again("wheel", w.String(), func(s string) (string, error) {
			w, err := ParseWheelName(s)
			return w.String(), err
		})
	}
	if d, err := ParseSdistName(s, ""); err == nil {
		again("sdist", d.String(), func(s string) (string, error) {
			d, err := ParseSdistName(s, d.Name)
			return d.String(), err
		})
	}
	return count
}

// TestMarkerEvaluatesTheSameAgain evaluates markers and what their String gives.
func TestMarkerEvaluatesTheSameAgain(t *testing.T) {
	v := readVectors(t)
	for text := range v.Markers {
		m, err := ParseMarker(text)
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseMarker(m.String())
		if err != nil {
			t.Fatal(err)
		}
		for _, env := range v.Environments {
			a, errA := m.Eval(env, nil, nil)
			b, errB := again.Eval(env, nil, nil)
			if a != b || (errA == nil) != (errB == nil) {
				t.Errorf("%s: %v, %v; as %s: %v, %v", text, a, errA, m, b, errB)
			}
		}
	}
}

func TestNormalizeNameTwice(t *testing.T) {
	for _, s := range readVectors(t).Strings {
		once := NormalizeName(s)
		if twice := NormalizeName(once); twice != once {
			t.Errorf("%q is %q once, %q twice", s, once, twice)
		}
	}
}
