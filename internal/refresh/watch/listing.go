package watch

import (
	"context"
	"errors"
	"html"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pybake/pybake/internal/pattern"
	"github.com/pybake/pybake/recipes"
)

var (
	number         = `(?:0|[1-9]\d{0,3})`
	releasePattern = pattern.New(`^(` + number + `\.` + number + `)\.` + number + `$`)
	filePattern    = pattern.New(`^Python-((` + number + `\.` + number + `\.` + number + `)(?:(?:a|b|rc)` + number + `)?)\.(?:tar\.xz|tgz)(\.asc|\.sigstore)?$`)
	hrefPattern    = pattern.New(`(?i)<a\s(?:[^<>]*?\s)?href\s*=\s*(?:"([^"<>]*)"|'([^'<>]*)')`)
)

// seriesOf is the series of a version: "3.13" of "3.13.5".
func seriesOf(version string) string {
	parts := strings.SplitN(version, ".", 3)
	return strings.Join(parts[:min(2, len(parts))], ".")
}

// list are the names in a directory of a place, "" being its root, of which the
// pattern takes the whole.
func (w *Watcher) list(ctx context.Context, p *place, dir string, pattern *pattern.Regexp) ([]string, error) {
	var names []string
	if p.base == nil {
		entries, err := os.ReadDir(filepath.Join(p.dir, dir))
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			names = append(names, e.Name())
		}
	} else {
		page, err := w.text(ctx, p, p.base.JoinPath(dir, "./").String())
		if err != nil {
			return nil, err
		}
		for _, m := range hrefPattern.FindAllStringSubmatch(string(page), -1) {
			names = append(names, strings.TrimSuffix(strings.TrimPrefix(html.UnescapeString(m[1]+m[2]), "./"), "/"))
		}
	}
	names = slices.DeleteFunc(names, func(name string) bool { return !pattern.MatchString(name) })
	slices.SortFunc(names, func(a, b string) int { return recipes.Compare(b, a) })
	return slices.Compact(names), nil
}

// file is what the place calls a file of a directory.
func (p *place) file(elem ...string) string {
	if p.base == nil {
		return path.Join(elem...)
	}
	return p.base.JoinPath(elem...).String()
}

// emptyDirs is how many directories of a series may have no source archive
// before the place is taken for broken: a release that is being put there.
const emptyDirs = 3

// readTree finds the newest release of each series of a directory.
func (w *Watcher) readTree(ctx context.Context, p *place, series []string, have func(string) bool) (found []Found, errs []error) {
	dirs, err := w.list(ctx, p, "", releasePattern)
	if err == nil && len(dirs) == 0 {
		err = errors.New("lists no release; want directories such as 3.13.5/")
	}
	if err != nil {
		return nil, []error{&PlaceError{p.Label, err}}
	}
	for _, s := range series {
		versions := slices.DeleteFunc(slices.Clone(dirs), func(v string) bool { return seriesOf(v) != s })
		c, err := w.newest(ctx, p, versions, have)
		if err != nil {
			errs = append(errs, err)
		}
		if c == nil {
			continue
		}
		f, err := w.check(ctx, p, c)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		found = append(found, f)
	}
	return found, errs
}

// candidate is a release of a directory that may be a new one.
type candidate struct {
	version string   // "3.13.6", "3.15.0b4"
	dir     string   // "3.13.6", "3.15.0"
	files   []string // of that directory
	older   []string // not known, and not looked at
}

// has tells whether the release has a file of that ending: ".tgz.asc".
func (c *candidate) has(ending string) bool { return slices.Contains(c.files, c.name(ending)) }

func (c *candidate) name(ending string) string { return "Python-" + c.version + ending }

// newest is the newest of the directories of a series, the newest first, that
// has a release; nil if that is known or there is none.
func (w *Watcher) newest(ctx context.Context, p *place, dirs []string, have func(string) bool) (*candidate, error) {
	for i, dir := range dirs {
		if have(dir) {
			return nil, nil
		}
		if i == emptyDirs {
			return nil, &PlaceError{p.Label, errors.New("no source archive in " + strings.Join(dirs[:i], ", "))}
		}
		files, err := w.list(ctx, p, dir, filePattern)
		if err != nil {
			return nil, &PlaceError{p.Label, err}
		}
		c := &candidate{version: dir, dir: dir, files: files}
		if c.has(".tar.xz") || c.has(".tgz") {
			c.older = unknown(dirs[i+1:], have)
			return c, nil
		}
		if strings.HasSuffix(dir, ".0") { // the series has no release
			if c.version = newestPrerelease(files, dir); c.version == "" || have(c.version) {
				return nil, nil
			}
			return c, nil
		}
		w.note("%s: %s has no source archive yet", p.Label, dir)
	}
	return nil, nil
}

// unknown are the first of the versions, the newest first, up to a known one.
func unknown(versions []string, have func(string) bool) []string {
	if i := slices.IndexFunc(versions, have); i >= 0 {
		versions = versions[:i]
	}
	return versions
}

func newestPrerelease(files []string, dir string) (newest string) {
	for _, name := range files {
		m := filePattern.FindStringSubmatch(name)
		if m[2] == dir && m[1] != dir && m[3] == "" && recipes.Compare(m[1], newest) > 0 {
			newest = m[1]
		}
	}
	return newest
}
