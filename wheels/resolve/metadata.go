package resolve

import (
	"context"
	"fmt"

	"github.com/pybake/pybake/internal/pep"
	"github.com/pybake/pybake/wheels/whl"
)

// metadata is what a wheel says of itself.
type metadata struct {
	requires []pep.Requirement
	extras   []string        // that it has
	bad      string          // why the release cannot be used
	parts    map[string]part // by extra, "" for what is needed anyway
}

// part is what a release needs, or what it needs with an extra.
type part struct {
	needs []*need
	bad   string // why it cannot be used
}

// metadataOf reads the metadata of a release, once.
func (s *search) metadataOf(ctx context.Context, p *project, rel *release) (*metadata, error) {
	if m := s.read[rel]; m != nil {
		return m, nil
	}
	file := rel.wheel.file
	if file.Hashes["sha256"] == "" {
		return nil, s.unhashed(p, rel)
	}
	text, err := s.Index.MetadataOf(ctx, file)
	if err != nil {
		return nil, fmt.Errorf("metadata of %s: %w", file.Name, err)
	}
	m := &metadata{parts: map[string]part{}}
	s.read[rel] = m
	md, err := whl.ParseMetadata(text)
	if err != nil {
		m.bad = fmt.Sprintf("its metadata cannot be read: %v", err)
		return m, nil
	}
	version, err := pep.ParseVersion(md.ReleaseVersion)
	if err != nil || pep.NormalizeName(md.Name) != p.name || version.Compare(rel.version) != 0 {
		return nil, &BadMetadataError{file.Name, fmt.Sprintf("its metadata is of %.80s %.80s", md.Name, md.ReleaseVersion)}
	}
	for _, e := range md.ProvidesExtra {
		m.extras = append(m.extras, pep.NormalizeName(e))
	}
	if md.RequiresPython != "" && !s.pythonOK(md.RequiresPython) {
		m.bad = "it requires Python " + md.RequiresPython
		return m, nil
	}
	for _, text := range md.RequiresDist {
		req, err := pep.ParseRequirement(text)
		if err != nil {
			m.bad = err.Error()
			return m, nil
		}
		m.requires = append(m.requires, req)
	}
	m.bad = m.part(s, "").bad
	return m, nil
}

// unhashed names the files of a project that cannot be taken.
func (s *search) unhashed(p *project, rel *release) error {
	e := &NoHashError{Project: p.name, Index: p.index, Files: []string{rel.wheel.file.Name}}
	for _, other := range p.releases {
		if other != rel && s.usable(other) && other.wheel.file.Hashes["sha256"] == "" {
			e.Files = append(e.Files, other.wheel.file.Name)
		}
	}
	return e
}

// part is what is needed with an extra, or without one.
func (m *metadata) part(s *search, extra string) part {
	p, ok := m.parts[extra]
	if ok {
		return p
	}
	for _, req := range m.requires {
		holds, err := s.holds(req, extra)
		switch {
		case err != nil:
			p.bad = err.Error()
		case holds && req.URL != "":
			p.bad = "it needs " + req.Name + " from an address"
		case holds:
			p.needs = append(p.needs, newNeed(req))
		}
		if p.bad != "" {
			break
		}
	}
	m.parts[extra] = p
	return p
}
