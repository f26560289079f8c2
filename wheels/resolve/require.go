package resolve

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/pybake/pybake/internal/index"
	"github.com/pybake/pybake/internal/pep"
)

// need is a requirement on one name.
type need struct {
	text   string // "setuptools-scm[toml]>=3.4", without its marker
	name   string
	extras []string
	spec   pep.Specifiers
}

func newNeed(r pep.Requirement) *need {
	r.Marker = nil
	n := &need{text: r.String(), name: pep.NormalizeName(r.Name), spec: r.Specifiers}
	for _, e := range r.Extras {
		n.extras = addOnce(n.extras, pep.NormalizeName(e))
	}
	return n
}

// pinned is whether a requirement holds to that version with == or ===.
func pinned(spec pep.Specifiers, v pep.Version) bool {
	exact := func(s pep.Specifier) bool {
		return s.Op == "===" || s.Op == "==" && !strings.HasSuffix(s.Text, ".*")
	}
	return slices.ContainsFunc(spec, exact) && spec.Contains(v, pep.PreAllow)
}

// start reads requirements and constraints, and the pages of what is asked for.
func (r *Resolver) start(ctx context.Context, requires []string) (*search, error) {
	reader, err := newReader(r.Target, r.Env, r.ExcludeNewer)
	if err != nil {
		return nil, err
	}
	s := &search{
		Resolver: r, reader: reader, user: map[string]pep.Specifiers{}, constraints: map[string][]*need{},
		pages: map[string]*project{}, read: map[*release]*metadata{}, yanked: map[*release]bool{}, prefer: map[string]pep.Version{},
	}
	var errs []error
	for _, text := range requires {
		if err := s.ask(text); err != nil {
			errs = append(errs, err)
		}
	}
	for _, c := range r.Constraints {
		if err := s.constrain(c); err != nil {
			errs = append(errs, err)
		}
	}
	for name, version := range r.Prefer {
		if v, err := pep.ParseVersion(version); err == nil {
			s.prefer[pep.NormalizeName(name)] = v
		}
	}
	errs = append(errs, s.loadRoots(ctx)...)
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return s, nil
}

// loadRoots reads the pages of what the caller asks for, and tells what cannot be
// had in any case.
func (s *search) loadRoots(ctx context.Context) (errs []error) {
	problems := map[*need]error{}
	s.load(ctx, s.roots, func(n *need, err error) { problems[n] = err })
	for _, n := range s.roots {
		s.pin(n)
		for _, c := range s.constraints[n.name] {
			s.pin(c)
		}
	}
	for _, n := range s.roots {
		p := s.pages[n.name]
		err := problems[n]
		switch {
		case err != nil && p != nil && p.unknown:
			err = fmt.Errorf("%s (from %s): %w", n.text, s.asker(), err)
		case err == nil && p != nil && !p.unknown && s.none(p, n.spec):
			err = &NoWheelError{n.text, s.asker(), p.nothing(n.spec, s.ExcludeNewer)}
		}
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// none is whether no release of a project that can be had is within specifiers.
func (s *search) none(p *project, spec pep.Specifiers) bool {
	return !slices.ContainsFunc(p.releases, func(rel *release) bool {
		return s.usable(rel) && spec.Contains(rel.version, pep.PreAllow)
	})
}

// ask takes in a requirement of the caller's.
func (s *search) ask(text string) error {
	req, err := pep.ParseRequirement(text)
	if err != nil {
		return err
	}
	if holds, err := s.holds(req, ""); err != nil || !holds {
		if err != nil {
			err = fmt.Errorf("requirement %q: %w", text, err)
		}
		return err
	}
	n := newNeed(req)
	if req.URL != "" {
		p, err := s.address(req)
		if err != nil {
			return fmt.Errorf("requirement %s @ %s: %w", req.Name, index.Label(req.URL), err)
		}
		n.text = req.Name + " @ " + index.Label(req.URL)
		if old := s.pages[n.name]; old != nil && old.releases[0].wheel.file.URL != p.releases[0].wheel.file.URL {
			return fmt.Errorf("requirement %s: another one has it from %s", n.text, index.Label(old.releases[0].wheel.file.URL))
		}
		s.pages[n.name] = p
	}
	s.roots = append(s.roots, n)
	s.user[n.name] = slices.Concat(s.user[n.name], n.spec)
	return nil
}

// constrain takes in a constraint.
func (s *search) constrain(c pep.Requirement) error {
	if c.URL != "" || len(c.Extras) > 0 {
		return fmt.Errorf("constraint %s: an address or an extra cannot be one", c)
	}
	holds, err := s.holds(c, "")
	if err != nil {
		return fmt.Errorf("constraint %s: %w", c, err)
	}
	if holds {
		n := newNeed(c)
		s.constraints[n.name] = append(s.constraints[n.name], n)
		s.user[n.name] = slices.Concat(s.user[n.name], n.spec)
	}
	return nil
}

// holds is whether the marker of a requirement is true.
func (s *search) holds(r pep.Requirement, extra string) (bool, error) {
	if r.Marker == nil {
		return true, nil
	}
	env := s.Env
	env.Extra = extra
	return r.Marker.Eval(env, nil, nil)
}

// address is the project that has only the wheel that a requirement names.
func (s *search) address(r pep.Requirement) (*project, error) {
	u, err := url.Parse(r.URL)
	if err != nil {
		return nil, errors.New("malformed URL")
	}
	digits := ""
	for part := range strings.SplitSeq(u.Fragment, "&") {
		if after, ok := strings.CutPrefix(part, "sha256="); ok {
			digits = strings.ToLower(after)
		}
	}
	if raw, err := hex.DecodeString(digits); err != nil || len(raw) != 32 {
		return nil, errors.New("an address needs the hash of what is there: #sha256=…")
	}
	switch {
	case u.Scheme != "https" && u.Scheme != "http" || u.Host == "":
		return nil, errors.New("want a wheel at an https address")
	case u.User != nil:
		return nil, errors.New("an address with credentials")
	}
	u.Fragment, u.RawFragment = "", ""
	f := index.File{Name: path.Base(u.Path), URL: u.String(), Hashes: map[string]string{"sha256": digits}, Index: index.Label(u.String())}
	name, err := pep.ParseWheelName(f.Name)
	if err != nil {
		return nil, err
	}
	if want := pep.NormalizeName(r.Name); name.Name != want {
		return nil, fmt.Errorf("%s is not of %s", f.Name, want)
	}
	rank, ok := name.Rank(s.ranks)
	if !ok {
		rel := &release{version: name.Version}
		s.misfit(&rel.unfit, name)
		return nil, errors.New("it does not fit: " + there([]*release{rel}, s.bound, false))
	}
	rel := &release{version: name.Version, wheel: &wheel{f, name, rank}}
	return &project{name: name.Name, releases: []*release{rel}, address: true, index: f.Index}, nil
}

// load reads the pages of projects at once. Problems are told in the order of
// needs; that nothing is known of a project is one only for the caller's.
func (s *search) load(ctx context.Context, needs []*need, problem func(*need, error)) {
	const atOnce = 8
	var wait sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	files := make([][]index.File, len(needs))
	errs := make([]error, len(needs))
	asked := map[string]bool{}
	for i, n := range needs {
		if asked[n.name] || s.pages[n.name] != nil {
			continue
		}
		asked[n.name] = true
		wait.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			files[i], errs[i] = s.Index.Project(ctx, n.name)
		})
	}
	wait.Wait()
	for i, n := range needs {
		if s.pages[n.name] != nil || !asked[n.name] {
			continue
		}
		asked[n.name] = false
		p := s.reader.project(n.name, files[i])
		unknown := (*index.UnknownProjectError)(nil)
		if p.unknown = errors.As(errs[i], &unknown); errs[i] == nil || p.unknown {
			s.pages[n.name] = p
		}
		if errs[i] == nil && p.timeless != "" && s.Strict {
			errs[i] = &NoTimesError{p.name, p.index, p.timeless}
		}
		if errs[i] != nil {
			problem(n, errs[i])
		}
	}
}
