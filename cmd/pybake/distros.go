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
the distros and architectures for which packages of a series were built and
passed all checks; any other pair has recipes and no more. Pairs known not to
work are refused at once, with the reason that is listed.

With --json: {"distros": [{"codename", "id", "version", "glibc", "eol"}],
"series": [{"series", "status", "eol", "newest", "exercised"}], "unsupported":
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
	Codename string `json:"codename"`
	ID       string `json:"id"`
	Version  string `json:"version"`
	Glibc    string `json:"glibc"`
	EOL      string `json:"eol"`
}

type knownSeries struct {
	Series    string   `json:"series"`
	Status    string   `json:"status"`
	EOL       string   `json:"eol"`
	Newest    string   `json:"newest"`    // the newest release in the table
	Exercised []string `json:"exercised"` // distros and architectures: "trixie-amd64"
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
		all.Distros = append(all.Distros, knownDistro{d.Codename, d.ID, d.Version, d.Glibc, d.EOL})
	}
	for _, s := range set.AllSeries() {
		newest, _ := set.Newest(s.Series)
		all.Series = append(all.Series, knownSeries{s.Series, s.Status(day), s.EOL, newest.Version, append([]string{}, s.Exercised...)})
		for _, d := range set.Distros() {
			if reason, ok := s.Unsupported[d.Codename]; ok {
				all.Unsupported = append(all.Unsupported, unsupportedPair{s.Series, d.Codename, reason})
			}
		}
	}
	return all
}

func (all known) write(w io.Writer) {
	rows := [][]string{{"DISTRO", "RELEASE", "GLIBC", "UPDATES UNTIL"}}
	for _, d := range all.Distros {
		rows = append(rows, []string{d.Codename, d.ID + " " + d.Version, d.Glibc, d.EOL})
	}
	table(w, rows)

	rows = [][]string{{"SERIES", "STATUS", "UPDATES UNTIL", "NEWEST KNOWN", "EXERCISED ON"}}
	for _, s := range all.Series {
		exercised := strings.Join(s.Exercised, ", ")
		if exercised == "" {
			exercised = "nothing yet"
		}
		rows = append(rows, []string{s.Series, s.Status, s.EOL, s.Newest, exercised})
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
