package publish

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pybake/pybake/artifacts/sign"
)

// What cannot be published is named, and what was published stays.
func TestRefuse(t *testing.T) {
	d := open(t, t.TempDir())
	publishDay(t, d, 1, sample(t, d, 1))
	for _, c := range []struct {
		name   string
		change func(s *Set, r *Release)
		want   []string
	}{
		{"a missing file", func(s *Set, _ *Release) {
			s.Entries[0].Debs[0].Blob = blobOf("none_1_amd64.deb", "none")
			s.Entries[1].Wheels[0].MetadataSHA256 = strings.Repeat("a", 64)
			s.Entries[1].Files[0].Size++
		}, []string{"python 3.13.5-2+deb13 trixie amd64: pool/" + hashBytes([]byte("none"))[:2], "none_1_amd64.deb: missing",
			".whl.metadata: sha256 is", "wheelhouse-3.13-trixie.tar: 234 bytes, want 235"}},
		{"a rebuilt package of the same version", func(s *Set, _ *Release) {
			*s = sample(t, d, 1)
			b := blobOf(s.Entries[0].Debs[0].Name, "rebuilt")
			if err := d.PutBytes(t.Context(), b, []byte("rebuilt")); err != nil {
				t.Fatal(err)
			}
			s.Entries[0].Debs[0].Blob = b
		}, []string{"pybake-python3.13_3.13.5-1+deb13_amd64.deb of trixie has other bytes than in generation 1"}},
		{"one package twice", func(s *Set, _ *Release) {
			s.Entries = append(s.Entries, s.Entries[0])
			s.Entries[2].Cell = "fast"
			s.Entries[2].Debs = []Deb{{blobOf(s.Entries[0].Debs[0].Name, "fast"), s.Entries[0].Debs[0].Control}}
		}, []string{"other bytes than in this set"}},
		{"a cell twice", func(s *Set, _ *Release) { s.Entries = append(s.Entries, s.Entries[0]) }, []string{"python 3.13 trixie is in the set twice"}},
		{"a path as a distro", func(s *Set, _ *Release) { s.Entries[0].Distro = "../x" }, []string{`"../x" is not the codename`}},
		{"a path as a series", func(s *Set, _ *Release) { s.Entries[1].Series = "3.13/.." }, []string{`"3.13/.." is not a series`}},
		{"a wheel of another project", func(s *Set, _ *Release) { s.Entries[1].Wheels[0].Project = "other" }, []string{"simple/trixie/3.13/", "a file of alpha, not of other"}},
		{"no architecture", func(s *Set, _ *Release) { s.Entries[0].Arch = "" }, []string{"architecture"}},
		{"a control file that is none", func(s *Set, _ *Release) { s.Entries[0].Debs[0].Control = "nothing" }, []string{"pybake-python3.13_"}},
		{"an extra file that escapes", func(_ *Set, r *Release) {
			r.Extra = func(int) ([]File, error) { return []File{{"report/../../x", nil}}, nil }
		}, []string{`"report/../../x" is not a path`}},
		{"an extra file in the way", func(_ *Set, r *Release) {
			r.Extra = func(int) ([]File, error) { return []File{{"dists/x", nil}}, nil }
		}, []string{"dists/x: the path is not for further files"}},
		{"an extra file at the root", func(_ *Set, r *Release) {
			r.Extra = func(int) ([]File, error) { return []File{{"set.json", nil}}, nil }
		}, []string{"set.json: the path is not for further files"}},
		{"a report that fails", func(_ *Set, r *Release) {
			r.Extra = func(int) ([]File, error) { return nil, errors.New("no report today") }
		}, []string{"no report today"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := sample(t, d, 2)
			r := Release{Now: day(2)}
			c.change(&s, &r)
			r.Set = s
			_, err := d.Publish(t.Context(), r)
			if err == nil {
				t.Fatal("published")
			}
			for _, want := range c.want {
				if !contains(err.Error(), want) {
					t.Errorf("no %q in\n%v", want, err)
				}
			}
			if g := must[*Generation](t)(d.Current()); g.Number != 1 {
				t.Errorf("generation %d is current", g.Number)
			}
			verified(t, d, sign.Public{}, day(2))
			isSwept(t, d)
		})
	}
	var missing *MissingError
	s := sample(t, d, 2)
	s.Entries[0].Debs[0].Blob = blobOf("none_1_amd64.deb", "none")
	if _, err := d.Publish(t.Context(), Release{Set: s}); !errors.As(err, &missing) || missing.Entry != s.Entries[0].Name {
		t.Errorf("%#v has no MissingError", err)
	}
}

// Something of the user's where a link belongs is left alone, and named.
func TestInTheWay(t *testing.T) {
	for name, put := range map[string]func(path string) error{
		"directory": func(path string) error { return os.Mkdir(path, 0o755) },
		"file":      func(path string) error { return os.WriteFile(path, nil, 0o644) },
		"link":      func(path string) error { return os.Symlink("/etc", path) },
	} {
		d := open(t, t.TempDir())
		publishDay(t, d, 1, Set{})
		if err := put(d.path("dists")); err != nil {
			t.Fatal(err)
		}
		_, err := d.Publish(t.Context(), Release{Set: sample(t, d, 1), Now: day(2)})
		if err == nil || !contains(err.Error(), d.path("dists")) {
			t.Errorf("%s: %v", name, err)
		}
		if g := must[*Generation](t)(d.Current()); g.Number != 1 {
			t.Errorf("%s: generation %d is current", name, g.Number)
		}
	}
}

// Writers come one after the other.
func TestTwoWriters(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "published")
	var writers sync.WaitGroup
	numbers := make(chan int, 8)
	for w := range 4 {
		writers.Go(func() {
			d, err := Open(dir)
			if err != nil {
				t.Error(err)
				return
			}
			for i := range 2 {
				b := &builder{d: d}
				g, err := d.Publish(t.Context(), Release{Set: b.sample(1 + 2*w + i), Now: day(1)})
				if err != nil || b.err != nil {
					t.Errorf("writer %d: %v, %v", w, err, b.err)
					return
				}
				numbers <- g.Number
			}
		})
	}
	writers.Wait()
	close(numbers)
	sum := 0
	for n := range numbers {
		sum += n
	}
	if sum != 8*9/2 {
		t.Errorf("the numbers sum up to %d, want those from 1 to 8", sum)
	}
	verified(t, open(t, dir), sign.Public{}, day(2))
}

// Who has to wait is told for whom, and waits until the context ends.
func TestWait(t *testing.T) {
	d := open(t, t.TempDir())
	release, err := d.lock(t.Context(), unix.LOCK_EX)
	if err != nil {
		t.Fatal(err)
	}
	other := open(t, d.Dir)
	var holders []string
	other.Waiting = func(holder string) { holders = append(holders, holder) }
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	for name, write := range map[string]func() error{
		"Put":     func() error { return other.PutBytes(ctx, blobOf("x", "x"), []byte("x")) },
		"Publish": func() error { _, err := other.Publish(ctx, Release{}); return err },
		"Prune":   func() error { _, err := other.Prune(ctx, 1, day(1), false); return err },
		"Report":  func() error { return other.Report(ctx, nil) },
	} {
		if err := write(); !errors.Is(err, context.DeadlineExceeded) || !contains(err.Error(), "held by pid ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(holders) != 4 || !strings.HasPrefix(holders[0], "pid ") {
		t.Errorf("told of the holders %q", holders)
	}
	release()
	release()
	publishDay(t, other, 1, Set{})
}
