package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pybake/pybake/recipes"
)

func (a *app) distrosCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "distros",
		Short: "Say which distros and Python series there are, and which work",
		Long: `Distros prints the distros and CPython series that have recipes. Exercised are
the architectures on which pybake's own tests build for a distro; a distro with
none has a recipe and no more. Pairs known not to work are refused at once, with
the reason that is listed.

With --json: {"distros": [{"codename", "id", "version", "glibc", "eol",
"exercised"}], "series": [{"series", "status", "eol", "newest"}], "unsupported":
[{"series", "distro", "reason"}]}.`,
		Example: `  pybake distros
  pybake distros --json`,
		Args:              wantArgs(0, 0, ""),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(*cobra.Command, []string) error { return a.distros() },
	}
}

// known is what distros --json prints.
type known struct {
	Distros     []knownDistro     `json:"distros"`
	Series      []knownSeries     `json:"series"`
	Unsupported []unsupportedPair `json:"unsupported"`
}

type knownDistro struct {
	Codename  string   `json:"codename"`
	ID        string   `json:"id"`
	Version   string   `json:"version"`
	Glibc     string   `json:"glibc"`
	EOL       string   `json:"eol"`
	Exercised []string `json:"exercised"` // architectures
}

type knownSeries struct {
	Series string `json:"series"`
	Status string `json:"status"`
	EOL    string `json:"eol"`
	Newest string `json:"newest"` // the newest release in the table
}

type unsupportedPair struct {
	Series string `json:"series"`
	Distro string `json:"distro"`
	Reason string `json:"reason"`
}

func (a *app) distros() error {
	set, err := a.recipes()
	if err != nil {
		return err
	}
	all := knownIn(set, a.sys.now())
	if a.flags.json {
		return a.printJSON(all)
	}
	var b strings.Builder
	all.write(&b)
	_, err = io.WriteString(a.sys.stdout, b.String())
	return err
}

func knownIn(set *recipes.Set, day time.Time) known {
	all := known{Unsupported: []unsupportedPair{}}
	for _, d := range set.Distros() {
		all.Distros = append(all.Distros, knownDistro{d.Codename, d.ID, d.Version, d.Glibc, d.EOL, append([]string{}, d.Exercised...)})
	}
	for _, s := range set.AllSeries() {
		newest, _ := set.Newest(s.Series)
		all.Series = append(all.Series, knownSeries{s.Series, s.Status(day), s.EOL, newest.Version})
		for _, d := range set.Distros() {
			if reason, ok := s.Unsupported[d.Codename]; ok {
				all.Unsupported = append(all.Unsupported, unsupportedPair{s.Series, d.Codename, reason})
			}
		}
	}
	return all
}

func (all known) write(w io.Writer) {
	rows := [][]string{{"DISTRO", "RELEASE", "GLIBC", "UPDATES UNTIL", "EXERCISED ON"}}
	for _, d := range all.Distros {
		exercised := strings.Join(d.Exercised, ", ")
		if exercised == "" {
			exercised = "nothing yet"
		}
		rows = append(rows, []string{d.Codename, d.ID + " " + d.Version, d.Glibc, d.EOL, exercised})
	}
	table(w, rows)

	rows = [][]string{{"SERIES", "STATUS", "UPDATES UNTIL", "NEWEST KNOWN"}}
	for _, s := range all.Series {
		rows = append(rows, []string{s.Series, s.Status, s.EOL, s.Newest})
	}
	fmt.Fprintln(w)
	table(w, rows)

	if len(all.Unsupported) == 0 {
		return
	}
	rows = [][]string{{"KNOWN NOT TO WORK", "", "REASON"}}
	for _, p := range all.Unsupported {
		rows = append(rows, []string{"python " + p.Series, p.Distro, p.Reason})
	}
	fmt.Fprintln(w)
	table(w, rows)
}
