package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/pybake/pybake/artifacts"
)

func (a *app) listCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the artifacts of the store",
		Long: `List prints the artifacts of the store, the last finished first: name, the
beginning of the key, size, age, and how many of the checks passed. A damaged
artifact is told on standard error.

With --json: {"artifacts": [{"name", "kind", "key", "dir", "size", "finished",
"checks": {"passed", "total"}}], "damaged": ["…"]}; sizes are bytes.`,
		Example: `  pybake list
  pybake list --store /srv/baked --json`,
		Args:              wantArgs(0, 0, ""),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(*cobra.Command, []string) error { return a.list() },
	}
}

// listed is what list --json prints about one artifact.
type listed struct {
	Name     string      `json:"name"`
	Kind     string      `json:"kind"`
	Key      string      `json:"key"`
	Dir      string      `json:"dir"`
	Size     int64       `json:"size"` // bytes
	Finished time.Time   `json:"finished"`
	Checks   checkCounts `json:"checks"`
}

type checkCounts struct {
	Passed int `json:"passed"`
	Total  int `json:"total"`
}

func (a *app) list() error {
	store, err := a.store()
	if err != nil {
		return err
	}
	found, damaged := store.List()
	if a.flags.json {
		result := struct {
			Artifacts []listed `json:"artifacts"`
			Damaged   []string `json:"damaged"`
		}{[]listed{}, []string{}}
		for _, it := range found {
			result.Artifacts = append(result.Artifacts, listed{
				Name: it.Name, Kind: it.Kind, Key: string(it.Key), Dir: it.Dir,
				Size: it.Size(), Finished: it.Finished, Checks: countChecks(it.Checks),
			})
		}
		for _, err := range damaged {
			result.Damaged = append(result.Damaged, err.Error())
		}
		return a.printJSON(result)
	}
	for _, err := range damaged {
		fmt.Fprintf(a.sys.stderr, "pybake: %v\n", err)
	}
	if len(found) == 0 {
		a.display.Note("no artifacts in %s", store.Dir())
		return nil
	}
	rows := [][]string{{"NAME", "KEY", "SIZE", "AGE", "CHECKS"}}
	for _, it := range found {
		checks := countChecks(it.Checks)
		rows = append(rows, []string{
			it.Name, it.Key.Short(), bytesText(it.Size()), ageText(a.sys.now().Sub(it.Finished)),
			fmt.Sprintf("%d of %d", checks.Passed, checks.Total),
		})
	}
	return table(a.sys.stdout, rows)
}

func countChecks(checks []artifacts.Check) checkCounts {
	n := checkCounts{Total: len(checks)}
	for _, c := range checks {
		if c.OK {
			n.Passed++
		}
	}
	return n
}
