package main

import (
	"slices"
	"time"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/python"
	"github.com/pybake/pybake/recipes"
)

// expect tells the display how long the steps are likely to take: as the last
// time for this series on this distro, for any distro, for any series, or as
// the recipe says. missing is what is not pinned yet.
func (a *app) expect(store *artifacts.Store, set *recipes.Set, req python.Request, missing []string) {
	release, err := set.Release(req.Version)
	if err != nil {
		return
	}
	mode := map[bool]string{true: "fast", false: "full"}[req.Plain()]
	for _, match := range []map[string]string{
		{"series": release.Series, "distro": req.Distro, "mode": mode}, {"series": release.Series, "mode": mode}, {"mode": mode},
	} {
		if last, err := store.Latest(python.Kind, match); err == nil {
			a.display.Expect(due(last.Steps, missing))
			return
		}
	}
	series, err := set.Series(release.Series)
	if err != nil {
		return
	}
	minutes := func(n int) float64 { return float64(n * 60) }
	if req.Plain() {
		a.display.Expect([]artifacts.Step{{Name: "compile", Seconds: minutes(series.Minutes.Fast)}})
		return
	}
	a.display.Expect(due([]artifacts.Step{
		{Name: "train", Seconds: minutes(series.Minutes.Train)}, {Name: "compile", Seconds: minutes(series.Minutes.Full - series.Minutes.Train)},
	}, missing))
}

// likelySuite is how long CPython's test suite is likely to take: as the last time
// for the series on the distro, else what it takes on 2 cores.
func likelySuite(store *artifacts.Store, series, distro string) time.Duration {
	last, err := store.Latest(python.KindSuite, map[string]string{"series": series, "distro": distro})
	if err != nil {
		return 20 * time.Minute
	}
	return last.Finished.Sub(last.Started)
}

// due leaves out the steps that are not due this time: resolving what is
// pinned, training for a profile that is. Which profile fits is not known
// before the toolchain is.
func due(steps []artifacts.Step, missing []string) []artifacts.Step {
	resolves := slices.Contains(missing, "builder")
	trains := resolves || slices.Contains(missing, "profile")
	return slices.DeleteFunc(slices.Clone(steps), func(s artifacts.Step) bool {
		switch s.Name {
		case "toolchain":
			return !resolves
		case "train", "profile":
			return !trains
		case "freeze": // training prepares it
			return trains
		}
		return false
	})
}
