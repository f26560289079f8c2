package artifacts_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pybake/pybake/artifacts"
)

// built publishes an artifact that was finished on a day of January.
func built(t *testing.T, s *artifacts.Store, kind, name, value string, day int, labels map[string]string) *artifacts.Artifact {
	t.Helper()
	m := simple(name, value)
	m.Labels, m.Finished = labels, time.Date(2026, 1, day, 0, 0, 0, 0, time.UTC)
	return publish(t, s, kind, m, map[string]string{"sub/file": "x"})
}

func TestLookup(t *testing.T) {
	s := open(t, t.TempDir())
	old := built(t, s, "python", "python 3.13.5 trixie amd64", "1", 1, nil)
	now := built(t, s, "python", "python 3.13.5 trixie amd64", "2", 2, nil)
	wheel := built(t, s, "wheel", "wheel numpy 2.1.0", "3", 3, nil)
	// A name like the digits of a key, and a stable name that is gone.
	hex := built(t, s, "wheel", "wheel abcdef", "4", 4, nil)
	lost := built(t, s, "wheel", "wheel lost", "5", 5, nil)
	if err := os.Remove(filepath.Join(s.Dir(), "wheel", "lost")); err != nil {
		t.Fatal(err)
	}
	t.Chdir(filepath.Dir(s.Dir()))
	base := filepath.Base(s.Dir())

	for _, c := range []struct {
		ref  string
		want *artifacts.Artifact
	}{
		{string(old.Key), old},
		{string(old.Key[:6]), old},
		{now.Key.Short(), now},
		{"python/3.13.5-trixie-amd64", now},
		{"python 3.13.5 trixie amd64", now},
		{"wheel numpy 2.1.0", wheel},
		{"wheel/abcdef", hex},
		{"wheel lost", lost},
		{old.Dir, old},
		{old.Dir + "/sub/file", old},
		{filepath.Join(base, "python", "3.13.5-trixie-amd64"), now},
		{"./" + filepath.Join(base, "wheel", "numpy-2.1.0", "sub"), wheel},
	} {
		got, err := s.Lookup(c.ref)
		if err != nil || got.Key != c.want.Key {
			t.Errorf("Lookup(%q) = %v, %v; want %s", c.ref, got, err, c.want.Name)
		}
	}
	for _, ref := range []string{
		"", "python", "python/", "python 3.13.5", "python/3.13.6", "wheel ../x", "wheel/../x", "wheel/lost", "ffffffffffff",
		string(old.Key[:5]), string(old.Key) + "0", strings.ToUpper(string(old.Key)), "/etc/passwd", base, filepath.Join(base, "artifacts", "python"),
	} {
		if a, err := s.Lookup(ref); !errors.Is(err, artifacts.ErrNotFound) {
			t.Errorf("Lookup(%q) = %v, %v; want ErrNotFound", ref, a, err)
		}
	}
}

func TestLookupAmbiguous(t *testing.T) {
	s := open(t, t.TempDir())
	one := built(t, s, "python", "python x", "1", 1, nil)
	two := built(t, s, "python", "python x", "2", 2, nil)
	if err := os.Remove(filepath.Join(s.Dir(), "python", "x")); err != nil {
		t.Fatal(err)
	}
	want := "python x may be any of " + two.Key.Short() + " of 2026-01-02 00:00, " + one.Key.Short() + " of 2026-01-01 00:00"
	if _, err := s.Lookup("python x"); err == nil || err.Error() != want {
		t.Errorf("Lookup of a name: %v, want %s", err, want)
	}
	// Damaged artifacts are candidates too: nobody wants the other by accident.
	twin := one.Key[:8] + two.Key[8:]
	if err := os.Mkdir(filepath.Join(filepath.Dir(one.Dir), string(twin)), 0o755); err != nil {
		t.Fatal(err)
	}
	_, err := s.Lookup(string(one.Key[:8]))
	for _, candidate := range []artifacts.Key{one.Key, twin} {
		if err == nil || !strings.Contains(err.Error(), "python "+string(candidate)) {
			t.Errorf("Lookup of a prefix: %v, want both candidates", err)
		}
	}
	var damaged *artifacts.DamagedError
	if _, err := s.Lookup(string(twin)); !errors.As(err, &damaged) {
		t.Errorf("Lookup of a damaged artifact: %v, want a DamagedError", err)
	}
}

func TestLatestAndList(t *testing.T) {
	s := open(t, t.TempDir())
	labels := func(series, distro string) map[string]string {
		return map[string]string{"series": series, "distro": distro}
	}
	built(t, s, "python", "python a", "1", 1, labels("3.13", "trixie"))
	built(t, s, "python", "python b", "2", 4, labels("3.13", "bookworm"))
	built(t, s, "python", "python c", "3", 3, labels("3.13", "trixie"))
	broken := built(t, s, "python", "python d", "4", 5, labels("3.13", "trixie"))
	built(t, s, "wheel", "wheel e", "5", 2, nil)
	if err := os.Remove(filepath.Join(broken.Dir, "sub", "file")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		kind  string
		match map[string]string
		want  string
	}{
		{"python", nil, "python b"},
		{"python", map[string]string{"series": "3.13"}, "python b"},
		{"python", labels("3.13", "trixie"), "python c"},
		{"wheel", nil, "wheel e"},
	} {
		if a, err := s.Latest(c.kind, c.match); err != nil || a.Name != c.want {
			t.Errorf("Latest(%s, %v) = %v, %v; want %s", c.kind, c.match, a, err, c.want)
		}
	}
	for _, match := range []map[string]string{{"series": "3.12"}, {"arch": ""}} {
		if a, err := s.Latest("python", match); !errors.Is(err, artifacts.ErrNotFound) {
			t.Errorf("Latest(python, %v) = %v, %v; want ErrNotFound", match, a, err)
		}
	}
	list, errs := s.List()
	var names []string
	for _, a := range list {
		names = append(names, a.Name+" "+strconv.Itoa(a.Finished.Day()))
	}
	if got, want := strings.Join(names, ", "), "python b 4, python c 3, wheel e 2, python a 1"; got != want {
		t.Errorf("List: %s, want %s", got, want)
	}
	var damaged *artifacts.DamagedError
	if len(errs) != 1 || !errors.As(errs[0], &damaged) || damaged.Key != broken.Key || damaged.File != "sub/file" {
		t.Errorf("List errors: %v, want the damaged artifact", errs)
	}
}

func TestNames(t *testing.T) {
	s := open(t, t.TempDir())
	if names, err := s.Names("wheel"); len(names) != 0 || err != nil {
		t.Errorf("of an empty store: %q, %v", names, err)
	}
	built(t, s, "wheel", "wheel numpy 2.1.0", "1", 1, nil)
	built(t, s, "wheel", "wheel attrs 25.1.0", "2", 2, nil)
	built(t, s, "python", "python 3.13.5 trixie amd64", "3", 3, nil)
	names, err := s.Names("wheel")
	if want := []string{"attrs-25.1.0", "numpy-2.1.0"}; err != nil || !slices.Equal(names, want) {
		t.Errorf("%q, %v; want %q", names, err, want)
	}
	if _, err := s.Names("../wheel"); err == nil {
		t.Error("a kind that is none")
	}
}
