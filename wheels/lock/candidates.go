package lock

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/pybake/pybake/internal/pep"
)

// binary is whether wheels and sdists of a package may be taken.
func (s *selector) binary(name string) (wheels, sdists bool) {
	no := slices.Concat(s.NoBinary, s.target.NoBinary)
	only := slices.Concat(s.OnlyBinary, s.target.OnlyBinary)
	named := func(list []string) bool {
		return slices.ContainsFunc(list, func(n string) bool { return n == name || pep.NormalizeName(n) == name })
	}
	switch {
	case named(no):
		return false, true
	case named(only):
		return true, false
	}
	return !slices.Contains(no, ":all:"), !slices.Contains(only, ":all:")
}

// candidates is what a package may come from. That there is nothing is an error.
func (s *selector) candidates(p *Package) []Candidate {
	wheels, sdists := s.binary(p.Name)
	switch p.Source.Kind {
	case Git, Directory:
		if !sdists {
			s.errorf(p.Pos, "%s: --only-binary, but it comes from %s", p.Name, p.Source.Kind)
			return nil
		}
		return []Candidate{{Origin: "sdist", Why: "built from " + string(p.Source.Kind)}}
	}
	var list []Candidate
	fitting, unfit := s.fitting(p)
	if wheels {
		for i, w := range fitting {
			why := "the only wheel that fits"
			if len(fitting) > 1 {
				why = fmt.Sprintf("number %d of %d wheels that fit", i+1, len(fitting))
			}
			list = append(list, Candidate{w.file, "wheel", w.tag + ": " + why})
		}
	}
	source := 0
	for _, f := range p.Files {
		if isSdist(f.Name) || p.Source.Kind != Registry && !isWheel(f.Name) {
			if source++; sdists {
				list = append(list, Candidate{f, "sdist", sdistWhy(wheels, len(fitting), len(unfit))})
			}
		}
	}
	if len(p.Hashes) > 0 {
		list = append(list, Candidate{File: File{Hashes: p.Hashes}, Why: "the lock names no files: the one at the index that fits and has one of the hashes"})
	}
	if len(list) == 0 {
		s.noFile(p, fitting, unfit, source, wheels)
	}
	return list
}

func sdistWhy(wheels bool, fitting, unfit int) string {
	switch {
	case !wheels:
		return "--no-binary"
	case fitting > 0:
		return "the sdist, if no wheel can be had"
	case unfit > 0:
		return fmt.Sprintf("none of %d wheels fits", unfit)
	}
	return "the lock has no wheel"
}

// noFile says why nothing can be had.
func (s *selector) noFile(p *Package, fitting []wheel, unfit []string, sdists int, wheels bool) {
	t := s.target
	what := fmt.Sprintf("%s %s: no file for Python %s on %s with glibc %d.%d", p.Name, p.Version, t.Python, t.Arch, t.Glibc[0], t.Glibc[1])
	switch {
	case len(fitting) > 0 && !wheels:
		s.errorf(p.Pos, "%s: --no-binary, and the lock has no sdist", what)
	case sdists > 0:
		s.errorf(p.Pos, "%s: --only-binary, and none of %d wheels fits", what, len(unfit))
	case len(unfit) > 0:
		s.errorf(p.Pos, "%s: the lock has no sdist, and wheels only for %s", what, some(unfit))
	default:
		s.errorf(p.Pos, "%s: the lock has no files of it", what)
	}
}

// some is the first few of a list.
func some(list []string) string {
	slices.Sort(list)
	if list = slices.Compact(list); len(list) > 5 {
		return strings.Join(list[:5], ", ") + fmt.Sprintf(" and %d more", len(list)-5)
	}
	return strings.Join(list, ", ")
}

// wheel is one that fits the target.
type wheel struct {
	file File
	name pep.WheelName
	tag  string
	rank int
}

// wheelNames are the names of those files that are wheels.
func wheelNames(files []File) (names []string) {
	for _, f := range files {
		if isWheel(f.Name) {
			names = append(names, f.Name)
		}
	}
	return names
}

// fitting is the wheels that fit, the best first, and the tags of the others.
func (s *selector) fitting(p *Package) (fit []wheel, unfit []string) {
	for _, f := range p.Files {
		if !isWheel(f.Name) {
			continue
		}
		name, err := pep.ParseWheelName(f.Name)
		if err != nil {
			continue
		}
		rank, ok := name.Rank(s.ranks)
		if !ok {
			unfit = append(unfit, tags(f.Name))
			continue
		}
		fit = append(fit, wheel{f, name, tags(f.Name), rank})
	}
	slices.SortStableFunc(fit, func(a, b wheel) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), b.name.CompareBuild(a.name))
	})
	return fit, unfit
}

// tags is the last three parts of the name of a wheel.
func tags(name string) string {
	parts := strings.Split(strings.TrimSuffix(path.Base(name), path.Ext(name)), "-")
	return strings.Join(parts[max(0, len(parts)-3):], "-")
}
