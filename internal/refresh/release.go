package refresh

import (
	"github.com/pybake/pybake/internal/project"
	"github.com/pybake/pybake/python"
	"github.com/pybake/pybake/recipes"
)

// Release is the number of the package release that a Python gets, and the pin that
// says so: the pinned one as long as all other inputs are the same, else the next.
// Where nothing is pinned, used says the highest number that the store has of the
// version for other inputs than those of key; it may be 0. Like python.NewPlan, it
// fails with a *python.UnpinnedError as long as there is no key.
func Release(req python.Request, set *recipes.Set, pins *project.Lock, used func(first *python.Plan) int) (project.ReleasePin, error) {
	req.Release = 1
	first, err := python.NewPlan(req, set, pins)
	if err != nil {
		return project.ReleasePin{}, err
	}
	like := project.ReleasePin{Python: req.Version, Distro: req.Distro, Arch: req.Arch, Variant: Full}
	if req.Fast {
		like.Variant = Fast
	}
	pin, ok := pins.Release(like)
	switch {
	case !ok:
		pin = like
		pin.Release = used(first) + 1
	case pin.Inputs == string(first.Key):
		return pin, nil
	default:
		pin.Release++
	}
	pin.Inputs = string(first.Key)
	return pin, nil
}
