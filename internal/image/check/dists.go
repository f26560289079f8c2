package check

import (
	"encoding/csv"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/pybake/pybake/internal/pep"
	"github.com/pybake/pybake/wheels/whl"
)

// dist is a distribution that is installed.
type dist struct {
	name     string // normalised: "flask"
	metadata whl.Metadata
	problem  string // why its metadata cannot be read
	files    []string
	keep     []string // what slimming left in
}

// label is "Flask 3.0.2".
func (d *dist) label() string {
	if d.problem != "" {
		return d.name
	}
	return d.metadata.Name + " " + d.metadata.ReleaseVersion
}

// readDists finds the distributions by their METADATA and RECORD.
func (s *state) readDists(texts map[string][]byte) {
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		if path.Base(name) != "METADATA" {
			continue
		}
		info := path.Dir(name)
		written, _, _ := strings.Cut(strings.TrimSuffix(path.Base(info), ".dist-info"), "-")
		d := &dist{name: pep.NormalizeName(written)}
		m, err := whl.ParseMetadata(texts[name])
		if err != nil {
			d.problem = err.Error()
		} else {
			d.metadata, d.name = m, pep.NormalizeName(m.Name)
		}
		for _, l := range s.Dists {
			if pep.NormalizeName(l.Name) == d.name {
				d.keep = l.Keep
			}
		}
		d.files = s.recorded(texts[info+"/RECORD"])
		for _, file := range d.files {
			s.owners[file] = d
		}
		s.dists = append(s.dists, d)
		s.byName[d.name] = d
	}
}

// recorded are the files of a RECORD in /venv, by their paths in the image. Lines
// that nobody can read are left out: what is not listed belongs to nobody.
func (s *state) recorded(text []byte) (files []string) {
	r := csv.NewReader(strings.NewReader(string(text)))
	r.FieldsPerRecord = -1
	for {
		row, err := r.Read()
		if row == nil {
			return files
		}
		if err != nil {
			continue
		}
		name := path.Join(s.site(), row[0])
		if path.IsAbs(row[0]) {
			name = strings.TrimPrefix(path.Clean(row[0]), "/")
		}
		if strings.HasPrefix(name, venv+"/") {
			files = append(files, name)
		}
	}
}

// requirementsHold is "requirements consistent".
func (s *state) requirementsHold() (f found, err error) {
	env, err := pep.EnvFor(s.Python, s.Machine)
	if err != nil {
		return f, err
	}
	s.compareLock(&f)
	r := requirements{state: s, env: env, found: &f, seen: map[string]bool{}}
	for _, d := range s.dists {
		if d.problem != "" {
			f.bad("%s: %s", d.name, d.problem)
			continue
		}
		if v, err := pep.ParseVersion(s.Python); err == nil && d.metadata.RequiresPython != "" {
			if want, err := pep.ParseSpecifiers(d.metadata.RequiresPython); err == nil && !want.Contains(v, pep.PreAllow) {
				f.bad("%s requires Python %s, and this is %s", d.label(), want, s.Python)
			}
		}
		r.check(d, "")
	}
	return f, nil
}

// compareLock compares what is installed with the lock.
func (s *state) compareLock(f *found) {
	want := map[string]bool{}
	for _, l := range s.Dists {
		name := pep.NormalizeName(l.Name)
		want[name] = true
		d := s.byName[name]
		switch {
		case d == nil:
			f.bad("%s %s is not installed", l.Name, l.Version)
		case d.problem == "" && !sameVersion(d.metadata.ReleaseVersion, l.Version):
			f.bad("%s is installed, and the lock has %s", d.label(), l.Version)
		}
	}
	for _, d := range s.dists {
		if !want[d.name] {
			f.bad("%s is installed, and the lock does not have it", d.label())
		}
	}
	f.notes = slices.Insert(f.notes, 0, plural(len(s.dists), "distribution"))
}

func sameVersion(a, b string) bool {
	v, errA := pep.ParseVersion(a)
	w, errB := pep.ParseVersion(b)
	return a == b || errA == nil && errB == nil && v.Compare(w) == 0
}

// requirements is the walk along Requires-Dist.
type requirements struct {
	*state
	env   pep.Env
	found *found
	seen  map[string]bool // "flask[async]"
}

// check looks at what a distribution requires for one of its extras, or for
// itself where the extra is "".
func (r *requirements) check(d *dist, extra string) {
	key := d.name + "[" + extra + "]"
	if r.seen[key] {
		return
	}
	r.seen[key] = true
	for _, text := range d.metadata.RequiresDist {
		req, err := pep.ParseRequirement(text)
		if err != nil {
			r.found.note("%s: %v", d.label(), err)
			continue
		}
		if ok, err := r.holds(req.Marker, extra); err != nil {
			r.found.note("%s requires %s: %v", d.label(), text, err)
		} else if ok {
			r.one(d, extra, req)
		}
	}
}

// holds is whether a marker holds for an extra, and not without it.
func (r *requirements) holds(m *pep.Marker, extra string) (bool, error) {
	if m == nil {
		return extra == "", nil
	}
	env := r.env
	plain, err := m.Eval(env, nil, nil)
	if err != nil || extra == "" {
		return plain, err
	}
	env.Extra = extra
	with, err := m.Eval(env, nil, nil)
	return with && !plain, err
}

// one compares a requirement with what is installed.
func (r *requirements) one(d *dist, extra string, req pep.Requirement) {
	req.Marker = nil
	who := d.label()
	if extra != "" {
		who = fmt.Sprintf("%s[%s] %s", d.metadata.Name, extra, d.metadata.ReleaseVersion)
	}
	name := pep.NormalizeName(req.Name)
	target := r.byName[name]
	switch {
	case target == nil && slices.ContainsFunc(r.Project, func(p string) bool { return pep.NormalizeName(p) == name }):
		r.found.note("%s requires %s, which is the project of the lock itself", who, req)
	case target == nil:
		r.found.bad("%s requires %s, which the lock does not have", who, req)
	case target.problem != "":
	case !req.Specifiers.ContainsText(target.metadata.ReleaseVersion, pep.PreAllow):
		r.found.bad("%s requires %s, and %s is installed", who, req, target.label())
	default:
		for _, e := range req.Extras {
			r.check(target, pep.NormalizeName(e))
		}
	}
}
