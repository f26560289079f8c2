package wheels

import (
	"maps"
	"testing"
	"time"

	"github.com/pybake/pybake/artifacts"
)

// TestRemember looks up how long the newest wheel of each package took.
func TestRemember(t *testing.T) {
	store, err := artifacts.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	day := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i, w := range []struct {
		name, version string
		took          time.Duration
	}{{"lxml", "5.2", time.Minute}, {"lxml", "5.1", 2 * time.Minute}, {"lxml-extras", "1.0", time.Hour}, {"taken", "1.0", time.Hour}} {
		draft, err := store.Begin(KindWheel)
		if err != nil {
			t.Fatal(err)
		}
		finished := day.AddDate(0, 0, i)
		_, err = draft.Publish(t.Context(), artifacts.Manifest{
			Kind: KindWheel, Name: "wheel " + w.name + " " + w.version + " any", Labels: map[string]string{"name": w.name},
			Inputs:  []artifacts.Input{{Name: "name", Value: w.name + w.version}},
			Started: finished.Add(-w.took), Finished: finished,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	b := &Builder{Store: store}
	p := &Plan{Packages: []*Package{{Name: "lxml", Origin: "sdist"}, {Name: "taken", Origin: "wheel"}, {Name: "new", Origin: "sdist"}}}
	if err := b.remember(p); err != nil {
		t.Fatal(err)
	}
	if want := map[string]time.Duration{"lxml": 2 * time.Minute}; !maps.Equal(b.past, want) {
		t.Errorf("%v, want %v", b.past, want)
	}
}
