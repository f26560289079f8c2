package refresh

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/pybake/pybake/internal/refresh/report"
)

func TestNightsDir(t *testing.T) {
	if got := NightsDir("baked", "/srv/shop"); got != NightsDir("baked", "/srv/shop/") || got == NightsDir("baked", "/srv/shop2") ||
		filepath.Dir(got) != "baked/nights" || len(filepath.Base(got)) != 12 {
		t.Errorf("%s", got)
	}
}

func TestOldNights(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "nights")
	if old, err := OldNights(dir, 1); err != nil || len(old) > 0 {
		t.Errorf("of no directory: %q, %v", old, err)
	}
	for day := 1; day <= 3; day++ {
		if err := SaveNight(dir, report.Night{Started: time.Date(2026, 1, day, 2, 0, 0, 0, time.UTC)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "20250101T020000Z.json"), 0o755); err != nil {
		t.Fatal(err)
	}
	for keep, want := range []int{3, 2, 1, 0, 0} {
		old, err := OldNights(dir, keep)
		if err != nil || len(old) != want || want > 0 && filepath.Base(old[want-1]) != "20260101T020000Z.json" {
			t.Errorf("but for %d: %q, %v", keep, old, err)
		}
	}
}
