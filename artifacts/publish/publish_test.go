package publish

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pybake/pybake/artifacts/sign"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func golden(t *testing.T, name, got string) {
	t.Helper()
	name = filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(string(must[[]byte](t)(os.ReadFile(name))), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// The formats are what the package comment says.
func TestFormats(t *testing.T) {
	d := open(t, filepath.Join(t.TempDir(), "published"))
	s := sample(t, d, 1)
	s.Entries[1].Stale = &Stale{Since: day(1), Why: "beta <2>: exit status 1"}
	r := Release{Set: s, Now: day(2), Valid: 7 * 24 * time.Hour, URL: "https://baked.example.org/"}
	r.Extra = func(number int) ([]File, error) {
		return []File{{"report/index.html", fmt.Appendln(nil, "night of generation", number)}}, nil
	}
	g := must[*Generation](t)(d.Publish(t.Context(), r))
	if g.Number != 1 || !g.Current || g.Signed != "" || len(g.Warnings) > 0 {
		t.Errorf("got %+v", g)
	}
	golden(t, "files.txt", masked(must[*list](t)(parseList(read(t, d, "current/files.txt")))))
	golden(t, "generation.json", read(t, d, "generations/000001/generation.json"))
	golden(t, "set.json", read(t, d, "current/set.json"))
	golden(t, "houses.json", read(t, d, "houses/index.json"))
	golden(t, "houses.html", read(t, d, "houses/index.html"))
	if got := read(t, d, "published.json"); got != "{\"format\": 1}\n" {
		t.Errorf("published.json is %q", got)
	}
	var links []string
	for _, e := range must[[]os.DirEntry](t)(os.ReadDir(d.Dir)) {
		target, err := os.Readlink(d.path(e.Name()))
		if err == nil {
			links = append(links, e.Name()+" -> "+target)
		}
	}
	want := []string{
		"current -> generations/000001", "dists -> current/dists", "houses -> current/houses",
		"pybake-trixie.sources -> current/pybake-trixie.sources", "report -> current/report", "simple -> current/simple",
	}
	if diff := cmp.Diff(want, links); diff != "" {
		t.Errorf("links (-want +got):\n%s", diff)
	}
	verified(t, d, sign.Public{}, day(3))
	isSwept(t, d)
}

// masked is a list without the hashes and sizes of what other packages render.
func masked(l *list) string {
	sums := map[string]string{}
	for i, f := range l.Files {
		if strings.HasPrefix(f.Path, "dists/") || strings.HasPrefix(f.Path, "simple/") || strings.HasSuffix(f.Path, ".sources") {
			if !strings.Contains(f.Path, byHashDir) {
				sums[f.SHA256] = "HASH-OF-" + filepath.Base(f.Path)
			}
			l.Files[i].SHA256, l.Files[i].Size = "HASH", 0
		}
	}
	text := l.text()
	for sum, name := range sums {
		text = strings.ReplaceAll(text, sum, name)
	}
	return text
}

// What another umask would hide is readable by all.
func TestModes(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o077))
	d := open(t, filepath.Join(t.TempDir(), "a", "published"))
	publishDay(t, d, 1, sample(t, d, 1))
	err := filepath.WalkDir(d.Dir, func(path string, e os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		switch mode := info.Mode(); {
		case err != nil || mode&os.ModeSymlink != 0 || strings.HasSuffix(path, "/"+workDir+"/"+lockName):
			return err
		case mode.IsDir() && mode.Perm() != 0o755, mode.IsRegular() && mode.Perm() != 0o644:
			t.Errorf("%s: mode %v", path, mode)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestSigned(t *testing.T) {
	d := open(t, t.TempDir())
	keys := newKeys(t)
	release := Release{Set: sample(t, d, 1), Keys: keys, Now: day(2), Valid: 48 * time.Hour}
	g := must[*Generation](t)(d.Publish(t.Context(), release))
	if p := keys.Public(); g.Signed != p.Fingerprint || g.Note != p.Note || g.Signed == "" {
		t.Errorf("signed by %q and %q", g.Signed, g.Note)
	}
	if text := read(t, d, "current/generation.json"); contains(text, "UNSIGNED") {
		t.Errorf("generation.json: %s", text)
	}
	v := verified(t, d, keys.Public(), day(3))
	if v.Own || len(v.By) != 2 || len(v.Suites) != 1 || v.Suites[0].By != g.Signed || !v.Suites[0].ValidUntil.Equal(day(4)) {
		t.Errorf("verified %+v", v)
	}
	if v := verified(t, d, sign.Public{}, day(3)); !v.Own || len(v.By) != 2 {
		t.Errorf("with the directory's own keys: %+v", v)
	}

	other := newKeys(t).Public()
	late := must[*Verified](t)(Verify(t.Context(), Source{Dir: d.Dir, Now: day(4)}, other))
	for _, want := range []string{"current/files.txt: verify note: by", "current/files.txt: files.txt.asc", "dists/trixie/InRelease: ", "it was valid until"} {
		if !contains(late.Err().Error(), want) {
			t.Errorf("another key, too late: no %q in\n%v", want, late.Err())
		}
	}

	release.Keys, release.Now = nil, day(3)
	unsigned := must[*Generation](t)(d.Publish(t.Context(), release))
	if len(unsigned.Warnings) != 2 || !contains(unsigned.Warnings[0], g.Signed) || !contains(unsigned.Warnings[0], "by no key") {
		t.Errorf("warnings of the unsigned one: %q", unsigned.Warnings)
	}
	if text := read(t, d, "current/generation.json"); !contains(text, "NOTHING IS SIGNED") {
		t.Errorf("generation.json: %s", text)
	}
	if exists(d, "dists/trixie/InRelease") || exists(d, "pybake.asc") || exists(d, "current/files.txt.asc") {
		t.Error("signatures of an unsigned generation")
	}
	if v := verified(t, d, sign.Public{}, day(4)); !contains(strings.Join(v.Trusts, "\n"), "NO KEY") {
		t.Errorf("an unsigned generation trusts %q", v.Trusts)
	}
	if v := must[*Verified](t)(Verify(t.Context(), Source{Dir: d.Dir, Now: day(4)}, keys.Public())); !contains(v.Err().Error(), "the suite is not signed") {
		t.Errorf("unsigned, with a key given: %v", v.Err())
	}
	release.Keys, release.Now = keys, day(4)
	if again := must[*Generation](t)(d.Publish(t.Context(), release)); len(again.Warnings) > 0 {
		t.Errorf("warnings %q", again.Warnings)
	}
	verified(t, d, keys.Public(), day(5))
}

// A night without changes is a generation of the same content, of which only what
// has a date is new on disk.
func TestSameContent(t *testing.T) {
	d := open(t, t.TempDir())
	s := sample(t, d, 1)
	one := publishDay(t, d, 1, s)
	s.Entries[0].Stale = &Stale{Since: day(2)}
	s.Entries[1].Finished = day(2)
	slices.Reverse(s.Entries)
	two := publishDay(t, d, 1, s)
	if two.Content != one.Content || two.Number != 2 || !two.Date.After(one.Date) {
		t.Errorf("%d of %v has content %s, want that of %v, %s", two.Number, two.Date, two.Content, one.Date, one.Content)
	}
	for path, same := range map[string]bool{
		"simple/trixie/3.13/beta/index.json": true, "simple/trixie/3.13/index.html": true,
		"dists/trixie/main/binary-amd64/Packages": true, "dists/trixie/Release": false, "set.json": false,
	} {
		a, errA := os.Stat(filepath.Join(one.Dir, path))
		b, errB := os.Stat(filepath.Join(two.Dir, path))
		if errA != nil || errB != nil || os.SameFile(a, b) != same {
			t.Errorf("%s: the same file: %v, want %v (%v, %v)", path, !same, same, errA, errB)
		}
	}
	current := must[*Generation](t)(d.Current())
	if diff := cmp.Diff(s, current.Set); diff != "" {
		t.Errorf("the set (-given +read):\n%s", diff)
	}
}

// What only a former generation has stays for who asks for it by its hash.
func TestFormer(t *testing.T) {
	d := open(t, t.TempDir())
	one := publishDay(t, d, 1, sample(t, d, 1))
	packages := hashBytes([]byte(read(t, d, "dists/trixie/main/binary-amd64/Packages")))
	publishDay(t, d, 2, sample(t, d, 2))
	three := publishDay(t, d, 3, sample(t, d, 3))
	if !exists(d, "dists/trixie/main/binary-amd64/by-hash/SHA256/"+packages) {
		t.Error("the Packages of generation 1 is not by-hash of 3")
	}
	p := must[page](t)(readPage(d, "simple/trixie/3.13/alpha/index.json"))
	var got []string
	for _, f := range p.Files {
		got = append(got, fmt.Sprint(f.Filename, " ", f.Yanked, " ", f.UploadTime))
	}
	slices.Sort(got)
	want := []string{
		"alpha-1.0-py3-none-any.whl <nil> 2026-01-03T02:00:00.000000Z",
		"alpha-1.0-py3-none-any.whl last in generation 1 2026-01-01T02:00:00.000000Z",
		"alpha-1.0-py3-none-any.whl last in generation 2 2026-01-02T02:00:00.000000Z",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the page (-want +got):\n%s", diff)
	}
	verified(t, d, sign.Public{}, day(4))

	r := Release{Set: one.Set, Now: day(4), Of: 1, Keep: 2}
	four := must[*Generation](t)(d.Publish(t.Context(), r))
	if four.Number != 4 || four.Of != 1 || four.Content != one.Content || !four.Date.Equal(day(4)) {
		t.Errorf("rolled back to %+v", four)
	}
	p = must[page](t)(readPage(d, "simple/trixie/3.13/gamma/index.json"))
	if len(p.Files) != 2 || p.Files[0].Yanked != nil || p.Files[1].Yanked != "last in generation 3" {
		t.Errorf("gamma after the rollback: %+v", p.Files)
	}
	verified(t, d, sign.Public{}, day(4))
	r.Of = 3
	if _, err := d.Publish(t.Context(), r); err == nil || !contains(err.Error(), "not that of generation 3") {
		t.Errorf("a set of another generation: %v", err)
	}
	all := must[[]*Generation](t)(d.Generations())
	if len(all) != 4 || !all[0].Current || all[1].Current || all[1].Content != three.Content {
		t.Errorf("generations %+v", all)
	}

	// A distro that is no longer made: its wheels stay installable, its packages
	// reachable by hash.
	gone := Set{Entries: []Entry{(&builder{d: d}).python("bookworm", "3.13.5-1+deb12", day(5))}}
	publishDay(t, d, 5, gone)
	if exists(d, "dists/trixie/Release") || !exists(d, "dists/trixie/main/binary-amd64/by-hash/SHA256/"+packages) {
		t.Error("trixie after it is gone")
	}
	if p := must[page](t)(readPage(d, "simple/trixie/3.13/beta/index.json")); p.Files[0].Yanked != "last in generation 4" {
		t.Errorf("beta after trixie is gone: %+v", p.Files)
	}
	verified(t, d, sign.Public{}, day(6))
}

// Two builds of one wheel in a set: the fresh one counts.
func TestTwoBuilds(t *testing.T) {
	d := open(t, t.TempDir())
	b := &builder{d: d}
	stale := b.house("trixie", "3.13", day(3), b.wheel("alpha", "1.0", "stale"))
	stale.Stale = &Stale{Since: day(2)}
	stale.Cell = "another lock"
	fresh := b.house("trixie", "3.13", day(2), b.wheel("alpha", "1.0", "fresh"))
	if b.err != nil {
		t.Fatal(b.err)
	}
	publishDay(t, d, 3, Set{Entries: []Entry{stale, fresh}})
	p := must[page](t)(readPage(d, "simple/trixie/3.13/alpha/index.json"))
	for _, f := range p.Files {
		if isFresh := f.Hashes["sha256"] == fresh.Wheels[0].SHA256; isFresh != (f.Yanked == nil) {
			t.Errorf("fresh: %v, yanked: %v", isFresh, f.Yanked)
		}
	}
	if len(p.Files) != 2 {
		t.Errorf("%d builds", len(p.Files))
	}
	verified(t, d, sign.Public{}, day(3))
}

func TestEmpty(t *testing.T) {
	d := open(t, filepath.Join(t.TempDir(), "published"))
	if _, err := d.Current(); !errors.Is(err, ErrNone) {
		t.Errorf("Current of nothing: %v", err)
	}
	if all, err := d.Generations(); len(all) > 0 || err != nil {
		t.Errorf("Generations of nothing: %v, %v", all, err)
	}
	if removed, err := d.Prune(t.Context(), 1, day(9), false); len(removed) > 0 || err != nil {
		t.Errorf("Prune of nothing: %v, %v", removed, err)
	}
	if _, err := os.Lstat(d.Dir); !os.IsNotExist(err) {
		t.Errorf("reading made the directory: %v", err)
	}
	g := publishDay(t, d, 1, Set{})
	verified(t, d, sign.Public{}, day(1))
	if current := must[*Generation](t)(d.Current()); current.Content != g.Content || len(current.Set.Entries) > 0 {
		t.Errorf("current is %+v", current)
	}
	publishDay(t, d, 2, sample(t, d, 1))
	verified(t, d, sign.Public{}, day(2))
	publishDay(t, d, 3, Set{})
	verified(t, d, sign.Public{}, day(3))
}

// A number that was given away is not used again, whatever became of it.
func TestNumbers(t *testing.T) {
	d := open(t, t.TempDir())
	publishDay(t, d, 1, sample(t, d, 1))
	d.step = func(what string) error {
		if what == "switch" {
			return syscall.EIO
		}
		return nil
	}
	if _, err := d.Publish(t.Context(), Release{Set: sample(t, d, 2), Now: day(2)}); !errors.Is(err, syscall.EIO) {
		t.Fatal(err)
	}
	d.step = nil
	if g := must[*Generation](t)(d.Current()); g.Number != 1 {
		t.Errorf("generation %d is current", g.Number)
	}
	verified(t, d, sign.Public{}, day(2))
	if g := publishDay(t, d, 3, sample(t, d, 2)); g.Number != 3 {
		t.Errorf("the next one is %d, want 3", g.Number)
	}
	if err := os.RemoveAll(d.path(generationsDir)); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(d.path(generationsDir), 0o755); err != nil {
		t.Fatal(err)
	}
	if g := publishDay(t, d, 4, sample(t, d, 2)); g.Number != 4 {
		t.Errorf("after all are lost, the next one is %d, want 4", g.Number)
	}
	verified(t, d, sign.Public{}, day(4))
}

func TestClock(t *testing.T) {
	d := open(t, t.TempDir())
	s := sample(t, d, 1)
	publishDay(t, d, 5, s)
	g := must[*Generation](t)(d.Publish(t.Context(), Release{Set: s, Now: day(5).Add(-5 * time.Second)}))
	if !g.Date.Equal(day(5).Add(time.Second)) || len(g.Warnings) > 0 {
		t.Errorf("five seconds before: %v, %q", g.Date, g.Warnings)
	}
	if g := publishDay(t, d, 4, s); !g.Date.Equal(day(4)) || len(g.Warnings) != 1 || !contains(g.Warnings[0], "a clock is wrong") {
		t.Errorf("a day before: %v, %q", g.Date, g.Warnings)
	}
}

// Two publications within a second have dates of their own, and neither is one that is
// still to come: sqv takes no signature of the future.
func TestDateIsNotToCome(t *testing.T) {
	d := open(t, t.TempDir())
	s := sample(t, d, 1)
	first := must[*Generation](t)(d.Publish(t.Context(), Release{Set: s}))
	second := must[*Generation](t)(d.Publish(t.Context(), Release{Set: s}))
	if !second.Date.After(first.Date) || second.Date.After(time.Now()) {
		t.Errorf("dates %s and %s, and now is %s", first.Date, second.Date, time.Now())
	}
}
