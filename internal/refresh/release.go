package refresh

import (
	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/project"
	"github.com/pybake/pybake/python"
	"github.com/pybake/pybake/recipes"
)

// Numbers is what is known of package releases beside pybake.lock, which may be lost, or
// older than what is published.
type Numbers struct {
	// Highest is the highest number under which the version was ever built or published
	// for the target; 0: never.
	Highest func() int
	// Has is whether the store has what a key is of.
	Has func(artifacts.Key) bool
}

// Release is the number of the package release that a Python gets, and the pin that
// says so: the pinned one as long as all other inputs are the same. Else the highest
// that was ever used, if the store has it of just these inputs; else the next, because
// apt takes no lower one. Like python.NewPlan, it fails with a *python.UnpinnedError as long as there is no key.
func Release(req python.Request, set *recipes.Set, pins *project.Lock, known Numbers) (project.ReleasePin, error) {
	req.Release = 1
	first, err := python.NewPlan(req, set, pins)
	if err != nil {
		return project.ReleasePin{}, err
	}
	pin := project.ReleasePin{Python: req.Version, Distro: req.Distro, Arch: req.Arch, Variant: Full}
	if req.Fast {
		pin.Variant = Fast
	}
	former, ok := pins.Release(pin)
	if ok && former.Inputs == string(first.Key) {
		return former, nil
	}
	pin.Inputs = string(first.Key)
	highest := known.Highest()
	if pin.Release = max(highest, former.Release); pin.Release > 0 && pin.Release == highest {
		req.Release = highest
		plan, err := python.NewPlan(req, set, pins)
		if err != nil {
			return pin, err
		}
		if known.Has(plan.Key) {
			return pin, nil
		}
	}
	pin.Release++
	return pin, nil
}
