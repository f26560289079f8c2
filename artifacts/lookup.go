package artifacts

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// minPrefix is how many digits of a key Lookup wants at least.
const minPrefix = 6

// List returns all artifacts, the last finished first, and an error for each
// that is damaged.
func (s *Store) List() ([]*Artifact, []error) {
	kinds, err := s.kinds()
	if err != nil {
		return nil, []error{err}
	}
	var all []*Artifact
	var errs []error
	for _, kind := range kinds {
		list, damaged := s.listKind(kind)
		all, errs = append(all, list...), append(errs, damaged...)
	}
	sortNewest(all)
	return all, errs
}

// Latest returns the artifact of a kind that was finished last and has all the
// labels in match, or ErrNotFound. Damaged artifacts do not count.
func (s *Store) Latest(kind string, match map[string]string) (*Artifact, error) {
	if err := checkKind(kind); err != nil {
		return nil, fmt.Errorf("latest artifact: %w", err)
	}
	list, _ := s.listKind(kind)
	list = slices.DeleteFunc(list, func(a *Artifact) bool {
		for label, want := range match {
			if got, ok := a.Labels[label]; !ok || got != want {
				return true
			}
		}
		return false
	})
	if len(list) == 0 {
		var labels []string
		for _, label := range slices.Sorted(maps.Keys(match)) {
			labels = append(labels, " "+label+"="+match[label])
		}
		return nil, fmt.Errorf("%s artifact with%s: %w", kind, cmp.Or(strings.Join(labels, ""), " any labels"), ErrNotFound)
	}
	sortNewest(list)
	return list[0], nil
}

// Names are the stable names of a kind without the kind, "3.13.5-trixie-amd64",
// sorted. No artifact is read.
func (s *Store) Names(kind string) (names []string, err error) {
	if err := checkKind(kind); err != nil {
		return nil, fmt.Errorf("names of artifacts: %w", err)
	}
	links, err := os.ReadDir(filepath.Join(s.dir, kind))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("names of artifacts: %w", err)
	}
	for _, link := range links {
		names = append(names, link.Name())
	}
	return names, nil
}

// Lookup returns the artifact that a person means. ref is one of
//
//	a key or the first 6 or more digits of one   "5f1c09"
//	a stable name                                "python/3.13.5-trixie-amd64"
//	a name                                       "python 3.13.5 trixie amd64"
//	a path to an artifact or to a file in one    "baked/python/3.13.5-trixie-amd64"
//
// tried in this order. A name means the artifact that its stable name points
// at, or the only one of that name. Where several remain, the error lists them.
func (s *Store) Lookup(ref string) (*Artifact, error) {
	if len(ref) >= minPrefix && isHex(ref) {
		if a, err := s.lookupKey(ref); !errors.Is(err, ErrNotFound) {
			return a, err
		}
	}
	link := ref
	kind, _, isName := strings.Cut(ref, " ")
	if isName {
		if name, err := stableName(kind, ref); err == nil {
			link = name
		}
	}
	if kind, name, ok := strings.Cut(link, "/"); ok && checkKind(kind) == nil && wordPattern.MatchString(name) {
		if a, err := s.follow(filepath.Join(s.dir, link)); !errors.Is(err, ErrNotFound) {
			return a, err
		}
	}
	if isName {
		if a, err := s.lookupName(ref); !errors.Is(err, ErrNotFound) {
			return a, err
		}
	}
	return s.follow(ref)
}

func (s *Store) lookupKey(prefix string) (*Artifact, error) {
	kinds, err := s.kinds()
	if err != nil {
		return nil, err
	}
	type place struct {
		kind string
		key  Key
	}
	var places []place
	var candidates []string
	for _, kind := range kinds {
		keys, err := s.keys(kind)
		if err != nil {
			return nil, err
		}
		for _, key := range keys {
			if strings.HasPrefix(string(key), prefix) {
				places = append(places, place{kind, key})
				candidates = append(candidates, kind+" "+string(key))
			}
		}
	}
	switch len(places) {
	case 0:
		return nil, fmt.Errorf("artifact %s: %w", prefix, ErrNotFound)
	case 1:
		return s.Find(places[0].kind, places[0].key)
	}
	return nil, ambiguousError(prefix, candidates)
}

func (s *Store) lookupName(name string) (*Artifact, error) {
	list, _ := s.List()
	list = slices.DeleteFunc(list, func(a *Artifact) bool { return a.Name != name })
	switch len(list) {
	case 0:
		return nil, fmt.Errorf("artifact %s: %w", name, ErrNotFound)
	case 1:
		return list[0], nil
	}
	var candidates []string
	for _, a := range list {
		candidates = append(candidates, a.Key.Short()+" of "+a.Finished.Format("2006-01-02 15:04"))
	}
	return nil, ambiguousError(name, candidates)
}

func ambiguousError(ref string, candidates []string) error {
	return fmt.Errorf("%s may be any of %s", ref, strings.Join(candidates, ", "))
}

// follow returns the artifact in which a path ends after following links.
func (s *Store) follow(path string) (*Artifact, error) {
	notFound := fmt.Errorf("artifact %s: %w", path, ErrNotFound)
	root, err := resolve(filepath.Join(s.dir, artifactsDir))
	if err != nil {
		return nil, notFound
	}
	path, err = resolve(path)
	if err != nil {
		return nil, notFound
	}
	rel, err := filepath.Rel(root, path)
	if err != nil {
		return nil, notFound
	}
	parts := strings.Split(filepath.ToSlash(rel), "/")
	if len(parts) < 2 || checkKind(parts[0]) != nil || !Key(parts[1]).valid() {
		return nil, notFound
	}
	return s.Find(parts[0], Key(parts[1]))
}

func resolve(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(path)
}

func (s *Store) listKind(kind string) ([]*Artifact, []error) {
	keys, err := s.keys(kind)
	if err != nil {
		return nil, []error{err}
	}
	var list []*Artifact
	var errs []error
	for _, key := range keys {
		a, err := s.Find(kind, key)
		switch {
		case err == nil:
			list = append(list, a)
		case !errors.Is(err, ErrNotFound): // removed in between
			errs = append(errs, err)
		}
	}
	return list, errs
}

// kinds returns the kinds of which the store has had artifacts, sorted.
func (s *Store) kinds() ([]string, error) {
	return s.entries(artifactsDir, func(name string) bool { return checkKind(name) == nil })
}

// keys returns the keys of a kind, sorted.
func (s *Store) keys(kind string) ([]Key, error) {
	names, err := s.entries(filepath.Join(artifactsDir, kind), func(name string) bool { return Key(name).valid() })
	keys := make([]Key, len(names))
	for i, name := range names {
		keys[i] = Key(name)
	}
	return keys, err
}

// entries returns the names in a directory of the store that may stay.
func (s *Store) entries(dir string, keep func(name string) bool) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(s.dir, dir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read store: %w", err)
	}
	var names []string
	for _, e := range entries {
		if keep(e.Name()) {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

func sortNewest(list []*Artifact) {
	slices.SortFunc(list, func(a, b *Artifact) int {
		return cmp.Or(b.Finished.Compare(a.Finished), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Key, b.Key))
	})
}
