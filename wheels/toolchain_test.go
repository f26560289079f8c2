package wheels

import (
	"testing"
	"time"

	"github.com/pybake/pybake/internal/project"
	"github.com/pybake/pybake/recipes"
)

// TestLeave: builders of a toolchain end with the last task that wants them.
func TestLeave(t *testing.T) {
	b := &Builder{}
	p := &Plan{Python: "3.13.5", req: Request{Distro: recipes.Distro{Codename: "trixie"}, Arch: "amd64"}}
	tools := &toolchain{pin: project.SetPin{}, image: "x"}
	for range 3 {
		tools.join()
	}
	if got := tools.users(2); got != 2 {
		t.Errorf("%d users of at most 2", got)
	}
	first := tools.builder(b, p, 1<<30, time.Hour)
	b.leave(t.Context(), tools)
	b.leave(t.Context(), tools)
	if tools.builder(b, p, 1<<30, time.Hour) != first || tools.users(2) != 1 {
		t.Error("builders ended while one task wants them")
	}
	b.leave(t.Context(), tools)
	b.resting.Wait()
	if tools.users(2) != 0 || tools.builder(b, p, 1<<30, time.Hour) == first {
		t.Error("an ended builder is given out")
	}
}
