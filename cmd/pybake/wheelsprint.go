package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/wheels"
)

// madeHouse is what wheels --json prints.
type madeHouse struct {
	Key    artifacts.Key     `json:"key"`
	Name   string            `json:"name"`
	Origin string            `json:"origin"` // "built" or "found"
	Dir    string            `json:"dir"`
	Wheels []wheels.Wheel    `json:"wheels"`
	Apt    []string          `json:"apt"`
	Checks []artifacts.Check `json:"checks"`
	Steps  []artifacts.Step  `json:"steps"`
}

func (a *app) printHouse(store *artifacts.Store, made *artifacts.Artifact, origin string) error {
	dir := a.path(store.Path(made))
	if !a.flags.json {
		_, err := fmt.Fprintln(a.sys.stdout, dir)
		return err
	}
	details, err := wheels.ReadDetails(made.Dir)
	if err != nil {
		return err
	}
	apt, err := os.ReadFile(filepath.Join(made.Dir, wheels.AptFile))
	if err != nil {
		return err
	}
	return a.printJSON(madeHouse{
		Key: made.Key, Name: made.Name, Origin: origin, Dir: dir, Wheels: details, Apt: append([]string{}, strings.Fields(string(apt))...),
		Checks: made.Checks, Steps: made.Steps,
	})
}

func (a *app) printPlan(plan *wheels.Plan) error {
	if a.flags.json {
		return a.printJSON(plan)
	}
	var rows [][]string
	for _, p := range plan.Packages {
		rows = append(rows, []string{p.Name, p.Version, p.Origin, cmp.Or(p.File, p.Source), p.Why})
	}
	table(a.sys.stdout, rows)
	for _, l := range plan.Left {
		a.display.Note("left out: %s: %s", cmp.Or(strings.TrimSpace(l.Name+" "+l.Version), "-e ."), l.Why)
	}
	return nil
}
