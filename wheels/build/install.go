package build

import (
	"fmt"

	"github.com/pybake/pybake/internal/pep"
)

// install notes which projects are in the environment.
func (r *Run) install(wheels []Wheel) error {
	for _, w := range wheels {
		name, err := pep.ParseWheelName(w.Name)
		if err != nil {
			return fmt.Errorf("build requirement: %w", err)
		}
		if other, ok := r.installed[name.Name]; ok {
			return fmt.Errorf("build requirement %s: %s is in the environment already", w.Name, other)
		}
		r.installed[name.Name] = w.Name
	}
	return nil
}
