package watch

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pybake/pybake/internal/strict"
	"github.com/pybake/pybake/recipes"
)

const tableHeader = "version,sha256_tar_xz,sha256_tgz"

// readTable reads the releases of a CSV that are newer than the known ones.
func (w *Watcher) readTable(ctx context.Context, p *place, series []string, known func(string) bool) ([]Found, []error) {
	data, err := w.text(ctx, p, p.table)
	if err != nil {
		return nil, []error{&PlaceError{p.Label, err}}
	}
	all, err := parseTable(p.Label, string(data))
	if err != nil {
		return nil, []error{&PlaceError{p.Label, err}}
	}
	var found []Found
	for _, s := range series {
		var of []Found
		final := known(s + ".0")
		for _, f := range all {
			if f.Series == s {
				of, final = append(of, f), final || !f.Prerelease()
			}
		}
		slices.SortFunc(of, func(a, b Found) int { return recipes.Compare(b.Version, a.Version) })
		for _, f := range of {
			if known(f.Version) {
				break
			}
			if !final || !f.Prerelease() {
				found = append(found, f)
			}
		}
	}
	return found, nil
}

// parseTable reads a CSV of releases. Its problems are [strict.Errors], all of
// them. A line that is empty or starts with # says nothing.
func parseTable(label, data string) ([]Found, error) {
	var all []Found
	var errs strict.Errors
	seen := map[string]int{}
	columns := 0
	for i, line := range strings.Split(data, "\n") {
		problem := func(format string, args ...any) {
			errs = append(errs, &strict.Error{File: label, Line: i + 1, Col: 1, Msg: fmt.Sprintf(format, args...)})
		}
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		fields := strings.Split(line, ",")
		if columns == 0 {
			if columns = len(fields); line != tableHeader && line != tableHeader+",released" {
				problem("want the line %q, or that and \",released\"", tableHeader)
				break
			}
			continue
		}
		if len(fields) != columns {
			problem("%d fields: want %d", len(fields), columns)
			continue
		}
		r, err := recipes.NewRelease(fields[0], fields[1], fields[2])
		if err != nil {
			problem("%v", err)
			continue
		}
		if seen[r.Version] > 0 {
			problem("release %s: given twice, first in line %d", r.Version, seen[r.Version])
			continue
		}
		seen[r.Version] = i + 1
		f := Found{Release: r, From: label, Proof: fmt.Sprintf("line %d of %s", i+1, label)}
		if columns == 4 && fields[3] != "" {
			if f.Released, err = time.Parse(time.DateOnly, fields[3]); err != nil {
				problem("release %s: %q: want a date such as 2025-06-11", r.Version, fields[3])
			}
		}
		all = append(all, f)
	}
	if columns == 0 {
		errs = append(errs, &strict.Error{File: label, Msg: fmt.Sprintf("want a first line %q", tableHeader)})
	}
	return all, errs.Err()
}
