package publish

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pybake/pybake/artifacts/sign"
)

// removedPaths are the generations, and how many files of the pool.
func removedPaths(removed []Removed) (generations []string, files int) {
	for _, r := range removed {
		switch r.Kind {
		case "generation":
			generations = append(generations, r.Path)
		case "pool":
			files++
		}
	}
	return generations, files
}

func TestPrune(t *testing.T) {
	d := open(t, t.TempDir())
	sets := map[int]Set{}
	for n := 1; n <= 6; n++ {
		sets[n] = sample(t, d, n)
		publishDay(t, d, n, sets[n])
	}
	again := publishDay(t, d, 7, sets[5]) // the content of 5: 6 stays, 5 goes
	loose := blobOf("loose.tar", "loose")
	if err := d.PutBytes(t.Context(), loose, []byte("loose")); err != nil {
		t.Fatal(err)
	}

	later := time.Now().Add(2 * Grace)
	if removed, err := d.Prune(t.Context(), 3, time.Now(), false); len(removed) > 0 || err != nil {
		t.Fatalf("within the grace time: %v, %v", removed, err)
	}
	foreseen := must[[]Removed](t)(d.Prune(t.Context(), 3, later, true))
	if !exists(d, "generations/000001") {
		t.Fatal("a dry run removed a generation")
	}
	removed := must[[]Removed](t)(d.Prune(t.Context(), 3, later, false))
	if diff := cmp.Diff(foreseen, removed); diff != "" {
		t.Errorf("a dry run says else (-dry +done):\n%s", diff)
	}
	generations, files := removedPaths(removed)
	want := []string{"generations/000005", "generations/000003", "generations/000002", "generations/000001"}
	if diff := cmp.Diff(want, generations); diff != "" {
		t.Errorf("removed (-want +got):\n%s", diff)
	}
	// Two debs and an archive each of 1 to 3; the two wheels of 1, because 7, the current
	// one, still offers those of 2 to 6; and what is loose.
	if files != 3*(2+1)+2+1 {
		t.Errorf("%d files of the pool removed: %v", files, removed)
	}
	for n, kept := range map[int]bool{1: false, 4: true, 5: true, 6: true} {
		for i, e := range sets[n].Entries {
			for _, b := range e.blobs() {
				if i == 0 && d.Has(b) != kept {
					t.Errorf("%s of generation %d: there: %v", b.Name, n, !kept)
				}
			}
		}
	}
	verified(t, d, sign.Public{}, day(8))
	isSwept(t, d)
	g := must[*Generation](t)(d.Publish(t.Context(), Release{Set: sets[4], Of: 4, Now: day(8), Keep: 1}))
	verified(t, d, sign.Public{}, day(8))
	if g.Number != 8 || !again.Current {
		t.Errorf("went back to %+v", g)
	}

	// With the next, nothing of the others is offered any more.
	must[[]Removed](t)(d.Prune(t.Context(), 1, later, false))
	all := must[[]*Generation](t)(d.Generations())
	if len(all) != 1 || all[0].Number != 8 || d.Has(sets[6].Entries[0].Debs[0].Blob) || d.Has(loose) {
		t.Errorf("left: %v", all)
	}
	verified(t, d, sign.Public{}, day(8))
}

// A generation that was replaced just now may have readers, however old it is.
func TestPruneReplaced(t *testing.T) {
	d := open(t, t.TempDir())
	publishDay(t, d, 1, sample(t, d, 1))
	publishDay(t, d, 2, sample(t, d, 2))
	age(t, d.Dir, 24*time.Hour)
	publishDay(t, d, 3, sample(t, d, 3))
	removed := must[[]Removed](t)(d.Prune(t.Context(), 1, time.Now(), false))
	generations, files := removedPaths(removed)
	if !slices.Equal(generations, []string{"generations/000001"}) || files != 2+1 {
		t.Errorf("removed %v, want 1 without its wheels, which 2 and 3 offer", removed)
	}
}

// What a broken generation needs is not removed, and that it is broken is said.
func TestPruneDamaged(t *testing.T) {
	d := open(t, t.TempDir())
	var sets []Set
	for n := range 4 {
		sets = append(sets, sample(t, d, n+1))
		publishDay(t, d, n+1, sets[n])
	}
	later := time.Now().Add(2 * Grace)
	file := filepath.Join(d.generationDir(3), setFile)
	if err := errors.Join(os.Remove(file), os.WriteFile(file, []byte("{}"), 0o644)); err != nil {
		t.Fatal(err)
	}
	all, err := d.Generations()
	var damaged *DamagedError
	if len(all) != 3 || !errors.As(err, &damaged) || damaged.Number != 3 || damaged.File != setFile {
		t.Errorf("generations %v, %v", all, err)
	}
	must[[]Removed](t)(d.Prune(t.Context(), 2, later, false))
	if !exists(d, "generations/000003") || !exists(d, "generations/000002") || exists(d, "generations/000001") {
		t.Error("2 contents are not kept beside the damaged one")
	}
	if !d.Has(sets[2].Entries[0].Debs[0].Blob) {
		t.Error("files of the damaged one are gone, though its list can be read")
	}

	list := filepath.Join(d.generationDir(3), listFile)
	if err := errors.Join(os.Remove(list), os.WriteFile(list, []byte("x"), 0o644)); err != nil {
		t.Fatal(err)
	}
	_, err = d.Prune(t.Context(), 2, later, false)
	if !errors.As(err, &damaged) || damaged.Number != 3 || !contains(err.Error(), "nothing of the pool is removed") {
		t.Errorf("with a list that cannot be read: %v", err)
	}
	g := publishDay(t, d, 5, sample(t, d, 5))
	if len(g.Warnings) == 0 || !contains(g.Warnings[0], "generation 3 is damaged") {
		t.Errorf("warnings %q", g.Warnings)
	}
	must[[]Removed](t)(d.Prune(t.Context(), 1, later, false)) // older than all that is kept
	if exists(d, "generations/000003") || d.Has(sets[2].Entries[0].Debs[0].Blob) && exists(d, "generations/000002") {
		t.Error("the damaged one stays for ever")
	}
	verified(t, d, sign.Public{}, day(6))

	if err := os.Remove(filepath.Join(d.generationDir(5), recordFile)); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Current(); !errors.As(err, &damaged) || damaged.Number != 5 {
		t.Errorf("Current: %v", err)
	}
	if removed, err := d.Prune(t.Context(), 1, later, false); !errors.As(err, &damaged) || len(removed) > 0 {
		t.Errorf("Prune of a damaged current one: %v, %v", removed, err)
	}
	if g := publishDay(t, d, 6, sample(t, d, 5)); g.Number != 6 {
		t.Errorf("the next is %d", g.Number)
	}
	verified(t, d, sign.Public{}, day(6))
}

// A kept generation lacks files: they are not offered, and named.
func TestFormerLacksFiles(t *testing.T) {
	d := open(t, t.TempDir())
	one := publishDay(t, d, 1, sample(t, d, 1))
	w := one.Set.Entries[1].Wheels[0]
	byHash := must[[]string](t)(filepath.Glob(d.path("dists/trixie/main/binary-amd64/by-hash/SHA256/*")))
	if err := errors.Join(os.Remove(d.path(w.Path())), os.WriteFile(byHash[0], []byte("x"), 0o644)); err != nil {
		t.Fatal(err)
	}
	g := publishDay(t, d, 2, sample(t, d, 2))
	text := strings.Join(g.Warnings, "\n")
	if len(g.Warnings) != 2 || !contains(text, "generation 1 is damaged: "+w.Path()+": missing") || !contains(text, filepath.Base(byHash[0])+" is missing or damaged") {
		t.Errorf("warnings:\n%s", text)
	}
	verified(t, d, sign.Public{}, day(2))
}

func TestReport(t *testing.T) {
	d := open(t, t.TempDir())
	report := func(text string) {
		t.Helper()
		if err := d.Report(t.Context(), []File{{"index.html", []byte(text)}, {"logs/python 3.13 trixie.txt", nil}}); err != nil {
			t.Fatal(err)
		}
		if got := read(t, d, "report/index.html"); got != text {
			t.Errorf("report %q, want %q", got, text)
		}
	}
	report("one") // before anything is published
	publishDay(t, d, 1, sample(t, d, 1))
	report("two")
	r := Release{Set: sample(t, d, 2), Now: day(2)}
	r.Extra = func(int) ([]File, error) { return []File{{"report/index.html", []byte("of the generation")}}, nil }
	must[*Generation](t)(d.Publish(t.Context(), r))
	if got := read(t, d, "report/index.html"); got != "two" {
		t.Errorf("report %q", got)
	}
	report("three")
	verified(t, d, sign.Public{}, day(3))
	removed := must[[]Removed](t)(d.Prune(t.Context(), 5, time.Now().Add(2*Grace), false))
	var reports []string
	for _, r := range removed {
		if r.Kind == "report" {
			reports = append(reports, r.Path)
		}
	}
	if !slices.Equal(reports, []string{"reports/000002", "reports/000001"}) || read(t, d, "report/index.html") != "three" {
		t.Errorf("removed %v", removed)
	}
	for _, path := range []string{"../x", "/x", "a//b", ".x", ""} {
		if err := d.Report(t.Context(), []File{{path, nil}}); err == nil {
			t.Errorf("Report of %q", path)
		}
	}
	isSwept(t, d)
}
