package main

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// row is one comparison.
type row struct {
	What   string    `json:"what"` // "import, process"
	Unit   string    `json:"unit"` // "s" or "B"
	Pybake []float64 `json:"pybake"`
	Peer   string    `json:"peer,omitempty"` // "uv pip sync"; "" if there is none
	Theirs []float64 `json:"theirs,omitempty"`
	// Target is the greatest ratio that is aimed at; without a peer, the greatest value. 0 is none.
	Target float64 `json:"target,omitempty"`
	Note   string  `json:"note,omitempty"`
}

// value is what the target is for.
func (r *row) value() float64 {
	if r.Peer == "" {
		return median(r.Pybake)
	}
	return median(r.Pybake) / median(r.Theirs)
}

// median is the middle of the values, or the mean of the two in the middle.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// printTrimmed prints a table without the blanks at the ends of its lines.
func printTrimmed(w io.Writer, table string) error {
	for line := range strings.Lines(table) {
		if _, err := fmt.Fprintln(w, strings.TrimRight(line, " \n")); err != nil {
			return err
		}
	}
	return nil
}

// printTable prints medians, ratios and targets. In parentheses are the least and
// the greatest value.
func printTable(w io.Writer, rows []*row) error {
	var table bytes.Buffer
	tw := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "COMPARISON\tPYBAKE\tPEER\t\tRATIO\tTARGET\t")
	for _, r := range rows {
		theirs, ratio, target, verdict := "", "", "", ""
		if r.Peer != "" {
			theirs, ratio = spread(r.Theirs, r.Unit), fmt.Sprintf("%.3f", r.value())
		}
		if r.Target > 0 {
			target, verdict = "≤ "+amount(r.Target, r.Unit), "met"
			if r.Peer != "" {
				target = fmt.Sprintf("≤ %.2f", r.Target)
			}
			if r.value() > r.Target {
				verdict = "missed"
			}
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.What, spread(r.Pybake, r.Unit), r.Peer, theirs, ratio, target, verdict)
	}
	tw.Flush() // to memory
	if err := printTrimmed(w, table.String()); err != nil {
		return err
	}
	for _, r := range rows {
		if r.Note != "" {
			if _, err := fmt.Fprintf(w, "%s: %s\n", r.What, r.Note); err != nil {
				return err
			}
		}
	}
	return nil
}

// spread is "1.20 s (1.10–1.40)", or one value if all are alike.
func spread(values []float64, unit string) string {
	low, high := slices.Min(values), slices.Max(values)
	if low == high {
		return amount(low, unit)
	}
	return fmt.Sprintf("%s (%s–%s)", amount(median(values), unit), amount(low, unit), amount(high, unit))
}

func amount(v float64, unit string) string {
	switch {
	case unit == "B":
		return fmt.Sprintf("%.2f MB", v/1e6)
	case v < 1:
		return fmt.Sprintf("%.0f ms", v*1000)
	}
	return fmt.Sprintf("%.2f s", v)
}
