package python

import (
	"strings"

	"github.com/pybake/pybake/internal/elfcheck"
	"github.com/pybake/pybake/nfpm"
)

// elfFiles are the ELF files of a package, without detached symbols.
func (s *stage) elfFiles(name string) ([]nfpm.File, error) {
	var out []nfpm.File
	for _, f := range s.files[name] {
		if f.Source == "" || strings.HasPrefix(f.Path, "/usr/lib/debug/") {
			continue
		}
		is, err := elfcheck.Is(f.Source)
		if err != nil {
			return nil, err
		}
		if is {
			out = append(out, f)
		}
	}
	return out, nil
}
