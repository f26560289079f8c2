package main

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"slices"
	"text/tabwriter"
)

// speed is what one benchmark says of the contenders.
type speed struct {
	Name    string      `json:"name"`    // "json_dumps"
	Start   bool        `json:"start"`   // of the start of the interpreter
	Patched bool        `json:"patched"` // the distro has another source: its ratio counts for nothing
	Seconds [][]float64 `json:"seconds"` // of processor time, for each of the contenders
}

// Targets: the greatest ratios that are aimed at, for each of the peers.
var meanTargets = []float64{0.95, 0.90}

const (
	singleTarget = 1.05 // of every benchmark
	startTarget  = 1.00
)

// ratio is ours beside a peer's, of what pick takes of each.
func (s *speed) ratio(peer int, pick func([]float64) float64) float64 {
	return pick(s.Seconds[0]) / pick(s.Seconds[peer])
}

// counts says whether the ratio to a peer is one of the interpreters.
func (s *speed) counts(peer int) bool { return !s.Patched || contenders[peer].name != distroName }

// geometric is the geometric mean.
func geometric(ratios []float64) float64 {
	sum := 0.0
	for _, r := range ratios {
		sum += math.Log(r)
	}
	return math.Exp(sum / float64(len(ratios)))
}

func least(values []float64) float64 { return slices.Min(values) }

// printSpeeds prints the least and, in parentheses, the median, and the ratios of both.
func printSpeeds(w io.Writer, speeds []*speed) error {
	var table bytes.Buffer
	tw := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprint(tw, "BENCHMARK\tPYBAKE")
	for _, c := range contenders[1:] {
		fmt.Fprintf(tw, "\t/ %s", c.name)
	}
	fmt.Fprintln(tw)
	for _, start := range []bool{false, true} {
		some := slices.DeleteFunc(slices.Clone(speeds), func(s *speed) bool { return s.Start != start })
		for _, s := range some {
			fmt.Fprintf(tw, "%s\t%s (%s)", s.Name, short(least(s.Seconds[0])), short(median(s.Seconds[0])))
			for peer := 1; peer < len(contenders); peer++ {
				mark := ""
				if !s.counts(peer) {
					mark = " patched"
				}
				fmt.Fprintf(tw, "\t%.3f (%.3f)%s", s.ratio(peer, least), s.ratio(peer, median), mark)
			}
			fmt.Fprintln(tw)
		}
		if start || len(some) == 0 {
			continue
		}
		fmt.Fprint(tw, "geometric mean\t")
		for peer := 1; peer < len(contenders); peer++ {
			fmt.Fprintf(tw, "\t%.3f (%.3f)", mean(some, peer, least), mean(some, peer, median))
		}
		fmt.Fprintln(tw)
	}
	tw.Flush() // to memory
	if err := printTrimmed(w, table.String()); err != nil {
		return err
	}
	return printVerdicts(w, speeds)
}

// mean is the geometric mean of the ratios to a peer.
func mean(speeds []*speed, peer int, pick func([]float64) float64) float64 {
	var ratios []float64
	for _, s := range speeds {
		if s.counts(peer) {
			ratios = append(ratios, s.ratio(peer, pick))
		}
	}
	return geometric(ratios)
}

// printVerdicts holds the least times against the targets.
func printVerdicts(w io.Writer, speeds []*speed) error {
	for peer := 1; peer < len(contenders); peer++ {
		var some []*speed
		slow, late := "", ""
		for _, s := range speeds {
			if !s.counts(peer) {
				continue
			}
			r := s.ratio(peer, least)
			if !s.Start {
				some = append(some, s)
			}
			switch {
			case !s.Start && r > singleTarget:
				slow += fmt.Sprintf(" %s %.3f", s.Name, r)
			case s.Start && r > startTarget:
				late += fmt.Sprintf(" %s %.3f", s.Name, r)
			}
		}
		name := contenders[peer].name
		if len(some) > 0 {
			m := mean(some, peer, least)
			verdict := "met"
			if m > meanTargets[peer-1] {
				verdict = "missed"
			}
			if _, err := fmt.Fprintf(w, "%s: %d benchmarks, geometric mean %.3f, target ≤ %.2f: %s\n", name, len(some), m, meanTargets[peer-1], verdict); err != nil {
				return err
			}
		}
		for _, v := range []struct{ what, which string }{
			{fmt.Sprintf("every benchmark ≤ %.2f", singleTarget), slow}, {fmt.Sprintf("start ≤ %.2f", startTarget), late},
		} {
			verdict := "met"
			if v.which != "" {
				verdict = "missed by" + v.which
			}
			if _, err := fmt.Fprintf(w, "%s: %s: %s\n", name, v.what, verdict); err != nil {
				return err
			}
		}
	}
	return nil
}

// short is "4.96 ms".
func short(seconds float64) string {
	for _, unit := range []struct {
		seconds float64
		name    string
	}{{1, "s"}, {1e-3, "ms"}, {1e-6, "µs"}} {
		if seconds >= unit.seconds {
			return fmt.Sprintf("%.3g %s", seconds/unit.seconds, unit.name)
		}
	}
	return fmt.Sprintf("%.3g ns", seconds/1e-9)
}
