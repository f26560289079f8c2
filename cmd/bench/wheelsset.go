package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pybake/pybake/internal/pep"
)

// wheelsSet is a lock, and how long building what it names took.
type wheelsSet struct {
	name     string // of the lock: "pure"
	what     string // "P, 40 pure sdists"
	compiled bool   // no wheel of it is for any platform
	// The greatest ratios that are aimed at: to pip, to the best of uv, and to pip with
	// debug symbols.
	pip, uv, symbols float64

	want   map[string]string // versions by project
	wheels []float64         // ours, until the last wheel was built and checked
	whole  []float64         // and the house was proved
	note   string            // the steps of the last one
	theirs [][]float64       // by wheelsPeers
	stock  [][]float64       // likewise, compiled with -g; of a compiled set, and not of fromager

	unpinned, detached []float64 // ours until the last wheel: without pins, with debug symbols
}

// lock is the name of the lock file.
func (s *wheelsSet) lock() string { return s.name + ".lock" }

// rows are the comparisons of a set, those that have been measured.
func (s *wheelsSet) rows() []*row {
	var rows []*row
	add := func(what string, ours []float64, peer string, theirs []float64, target float64) {
		if len(ours) > 0 {
			rows = append(rows, &row{What: s.what + what, Unit: "s", Pybake: ours, Peer: peer, Theirs: theirs, Target: target})
		}
	}
	uv := best(s.theirs)
	for n, p := range wheelsPeers {
		add(": wheels", s.wheels, p.name, s.theirs[n], map[int]float64{pip: s.pip, uv: s.uv}[n])
	}
	add(": wheels, proved as a house", s.whole, wheelsPeers[pip].name, s.theirs[pip], s.pip)
	add(": wheels, proved as a house", s.whole, wheelsPeers[uv].name, s.theirs[uv], s.uv)
	add(": wheels, nothing pinned", s.unpinned, wheelsPeers[pip].name, s.theirs[pip], 0)
	add(": wheels, nothing pinned", s.unpinned, wheelsPeers[uv].name, s.theirs[uv], 0)
	if s.compiled {
		uv = best(s.stock)
		add(": wheels", s.wheels, wheelsPeers[pip].name+", -g", s.stock[pip], s.pip)
		add(": wheels", s.wheels, wheelsPeers[uv].name+", -g", s.stock[uv], s.uv)
		add(": wheels with debug symbols", s.detached, wheelsPeers[pip].name+", -g", s.stock[pip], s.symbols)
	}
	rows[0].Note = s.note
	return rows
}

// best is the one of uv with the least median.
func best(theirs [][]float64) int {
	n := -1
	for i, p := range wheelsPeers {
		if p.program == "uv" && (n < 0 || median(theirs[i]) < median(theirs[n])) {
			n = i
		}
	}
	return n
}

// locked are the versions by project that a lock of pip-compile with hashes names.
func locked(text string) map[string]string {
	all := map[string]string{}
	for line := range strings.Lines(text) {
		if name, rest, ok := strings.Cut(line, "=="); ok {
			all[pep.NormalizeName(name)] = canonical(strings.Fields(rest)[0])
		}
	}
	return all
}

// canonical is the one spelling of a version.
func canonical(version string) string {
	if v, err := pep.ParseVersion(version); err == nil {
		return v.String()
	}
	return version
}

// replaced is a lock with another entry for a project that it names.
func replaced(text, entry string) string {
	name, _, _ := strings.Cut(entry, "==")
	var out strings.Builder
	within := false
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, " ") {
			if within = strings.HasPrefix(line, name+"=="); within {
				out.WriteString(entry)
			}
		}
		if !within {
			out.WriteString(line)
		}
	}
	return out.String()
}

// sameWheels is an error if what was made is not what a set wants, each once. What was
// made are names of wheels, or of directories like six-1.17.0.dist-info.
func (s *wheelsSet) sameWheels(made []string) error {
	left := maps.Clone(s.want)
	var wrong []string
	for _, file := range made {
		parts := strings.SplitN(strings.TrimSuffix(file, ".dist-info"), "-", 3)
		if len(parts) < 2 {
			return fmt.Errorf("%q is no wheel", file)
		}
		name := pep.NormalizeName(parts[0])
		if version, ok := left[name]; !ok || version != canonical(parts[1]) {
			wrong = append(wrong, file)
		} else if s.compiled && strings.HasSuffix(file, "-any.whl") {
			wrong = append(wrong, file+", in which nothing is compiled")
		}
		delete(left, name)
	}
	if len(wrong) > 0 || len(left) > 0 {
		return fmt.Errorf("not the wheels of %s: it made %q, it did not make %q", s.lock(), wrong, slices.Sorted(maps.Keys(left)))
	}
	return nil
}
