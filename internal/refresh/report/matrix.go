package report

import (
	"cmp"
	"slices"
	"strings"
)

// kind is a part of the matrix: the Pythons, the wheelhouses, the images.
type kind struct {
	ID, Title string
	Columns   []string
	Wide      bool  // more columns than a page has room for
	Fresh     int   // artifacts of Folded
	Rows      []row // with many rows, those that need a look come first
	Folded    []row // with many rows, those where all is fresh
}

// Quiet is the kind with only what is folded.
func (k kind) Quiet() kind {
	k.Rows = k.Folded
	return k
}

type row struct {
	Name  string
	Cells [][]cell // by column
}

// cell is what the matrix says of an artifact.
type cell struct {
	*Artifact
	ID      string
	Class   string // of its state
	Broken  bool
	Brief   string // beside the state: "new", "4 min 12 s", "since 2026-07-03"
	Reasons []string
	More    int // reasons beyond those
	Error   string
	Checks  string
	Key     string // its first digits
	Size    *spark
	Time    *spark
	Links   []Link
}

// titles of kinds, in their order.
var titles = []struct{ kind, title string }{{"python", "Pythons"}, {"wheels", "Wheelhouses"}, {"image", "Images"}}

// kinds are the tables of the matrix. Rows and columns are in the order of the night.
func kinds(n *Night, l *ledger, of ids) (all []kind) {
	order := []string{}
	for _, t := range titles {
		order = append(order, t.kind)
	}
	for i := range n.Artifacts {
		if k := n.Artifacts[i].Kind; !slices.Contains(order, k) {
			order = append(order, k)
		}
	}
	for _, name := range order {
		var its []*Artifact
		k := kind{ID: "kind-" + slug(name), Title: name}
		for i := range n.Artifacts {
			a := &n.Artifacts[i]
			if a.Kind != name {
				continue
			}
			its = append(its, a)
			if c := columnOf(a); !slices.Contains(k.Columns, c) {
				k.Columns = append(k.Columns, c)
			}
		}
		if len(its) == 0 {
			continue
		}
		for _, t := range titles {
			if t.kind == name {
				k.Title = t.title
			}
		}
		if name == "" {
			k.Title = "Others"
		}
		k.Wide = len(k.Columns) > manyColumns
		k.fill(its, l, of)
		all = append(all, k)
	}
	// Names that come out alike are kept apart.
	seen := map[string]bool{}
	for i := range all {
		for seen[all[i].ID] {
			all[i].ID += "-"
		}
		seen[all[i].ID] = true
	}
	return all
}

// fill puts artifacts into rows.
func (k *kind) fill(its []*Artifact, l *ledger, of ids) {
	index := map[string]int{}
	var rows []row
	for _, a := range its {
		name := rowOf(a)
		i, ok := index[name]
		if !ok {
			i = len(rows)
			index[name] = i
			rows = append(rows, row{name, make([][]cell, len(k.Columns))})
		}
		column := slices.Index(k.Columns, columnOf(a))
		rows[i].Cells[column] = append(rows[i].Cells[column], newCell(a, l, of[a.Name]))
	}
	for _, r := range rows {
		if n := r.fresh(); n > 0 && len(rows) > manyRows {
			k.Folded = append(k.Folded, r)
			k.Fresh += n
			continue
		}
		k.Rows = append(k.Rows, r)
	}
	if len(rows) > manyRows {
		slices.SortStableFunc(k.Rows, func(a, b row) int { return cmp.Compare(a.worst(), b.worst()) })
	}
}

func rowOf(a *Artifact) string {
	if a.Row == "" {
		return a.Name
	}
	return a.Row
}

func columnOf(a *Artifact) string {
	if a.Column == "" {
		return "any"
	}
	return a.Column
}

// worst is how much of a look a row needs: the place in states of the first one
// that an artifact of it has.
func (r row) worst() int {
	first := len(states)
	for _, c := range slices.Concat(r.Cells...) {
		switch at := slices.Index(states, c.State); {
		case c.Broken:
			first = 0
		case at < 0:
			first = min(first, 1)
		default:
			first = min(first, at)
		}
	}
	return first
}

// fresh is how many artifacts a row has if all of them are fresh, else 0.
func (r row) fresh() (n int) {
	for _, c := range slices.Concat(r.Cells...) {
		if c.State != Fresh {
			return 0
		}
		n++
	}
	return n
}

func newCell(a *Artifact, l *ledger, id string) cell {
	history := l.row(a.Name)
	c := cell{
		Artifact: a, ID: id, Class: class(a.State), Broken: a.broken(), Error: cut(a.Error, 240),
		Checks: passedWords(a.Checks, a.Passed), Key: strings.TrimSuffix(cut(a.Key, 12), "…"),
		Size: sizeSpark(history), Time: timeSpark(history),
		More: max(0, len(a.Reasons)-pageReasons), Links: a.Links[:min(pageLinks, len(a.Links))],
	}
	c.Reasons = a.Reasons[:len(a.Reasons)-c.More]
	switch {
	case a.broken():
		c.Brief = age(l, a.Name)
	case a.State == Rebuilt && a.Seconds > 0:
		c.Brief = secondsWords(a.Seconds)
	case a.State == Stale && !a.Since.IsZero():
		c.Brief = "since " + day(a.Since)
	}
	return c
}
