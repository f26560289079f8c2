package report

import (
	"fmt"
	"slices"
	"strings"
)

// Charts are SVG paths in units of their own; the page stretches them. The time runs
// from left to right, so that the newest night, first in the lists, is drawn last.

// bar is one night of a chart.
type bar struct {
	X, Y, H int
	Class   string // empty, or "now" of the newest night
	Title   string // "2026-07-12: 4 min 12 s"
}

// chart is a number over the nights as bars.
type chart struct {
	Title  string // "Build time"
	Now    string // value of the newest night: "52 min 10 s"
	Most   string // the largest value
	Label  string // text alternative
	Bad    bool   // a number that should be 0
	Width  int
	Bars   []bar
	Oldest string // day of the first bar
}

const (
	barStep   = 8  // units from a bar to the next
	barWidth  = 6  // units
	barHeight = 48 // units of the highest
	leastBars = 14 // that there is room for
)

// newChart draws values, newest first, of nights.
func newChart(title string, nights []Night, value func(*Night) float64, words func(float64) string) chart {
	slots := max(len(nights), leastBars)
	values := make([]float64, len(nights))
	most := 0.0
	for i := range nights {
		values[i] = value(&nights[i])
		most = max(most, values[i])
	}
	c := chart{
		Title: title, Now: words(values[0]), Most: words(most), Width: slots*barStep - (barStep - barWidth),
		Oldest: day(nights[len(nights)-1].Started),
		Label: fmt.Sprintf("%s in %s: %s in the newest, %s at most, %s on average",
			title, plural(len(nights), "night"), words(values[0]), words(most), words(mean(values))),
	}
	for i := len(nights) - 1; i >= 0; i-- {
		b := bar{X: (slots - 1 - i) * barStep, H: heightOf(values[i], most, barHeight), Title: day(nights[i].Started) + ": " + words(values[i])}
		b.Y = barHeight - b.H
		if i == 0 {
			b.Class = "now"
		}
		c.Bars = append(c.Bars, b)
	}
	return c
}

// heightOf is the height of a bar: one unit at least, so that a night with nothing
// is not taken for no night.
func heightOf(value, most float64, full int) int {
	if most <= 0 || value <= 0 {
		return 1
	}
	return max(2, int(value/most*float64(full)+0.5))
}

func mean(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}

// spark is a small chart of one artifact.
type spark struct {
	Label string // text alternative
	Width int
	Path  string
}

const (
	sparkStep   = 4  // units from a night to the next
	sparkHeight = 16 // units
	fewSparks   = 2  // nights that a chart needs
)

// sizeSpark is a line of the sizes of an artifact, and nil where they never changed:
// a flat line says nothing. It begins at 0 only if the sizes do.
func sizeSpark(row []*Artifact) *spark {
	var low, high, first, last int64
	known := 0
	for _, a := range row {
		if a == nil || a.Size == 0 {
			continue
		}
		if known == 0 {
			low, high, last = a.Size, a.Size, a.Size
		}
		known++
		low, high, first = min(low, a.Size), max(high, a.Size), a.Size
	}
	if known < fewSparks || low == high {
		return nil
	}
	s := &spark{
		Width: len(row) * sparkStep,
		Label: fmt.Sprintf("Size in %s: %s at first, %s now, %s to %s", plural(known, "night"),
			bytesWords(first), bytesWords(last), bytesWords(low), bytesWords(high)),
	}
	var b strings.Builder
	at, pen := 0, false
	for i := len(row) - 1; i >= 0; i-- {
		a, x := row[i], (len(row)-1-i)*sparkStep
		if a == nil || a.Size == 0 {
			pen = false
			continue
		}
		y := 1 + int(float64(high-a.Size)/float64(high-low)*(sparkHeight-2)+0.5)
		switch {
		case !pen:
			fmt.Fprintf(&b, "M%d %d", x, y)
		case y != at:
			fmt.Fprintf(&b, "H%dV%d", x, y)
		}
		at, pen = y, true
		if i == 0 || row[i-1] == nil || row[i-1].Size == 0 {
			fmt.Fprintf(&b, "H%d", x+sparkStep)
		}
	}
	s.Path = b.String()
	return s
}

// timeSpark are bars of the builds of an artifact, and nil for fewer than two.
func timeSpark(row []*Artifact) *spark {
	var times []float64 // newest first
	for _, a := range row {
		if a != nil && a.State == Rebuilt && a.Seconds > 0 {
			times = append(times, a.Seconds)
		}
	}
	if len(times) < fewSparks {
		return nil
	}
	var b strings.Builder
	for i := len(row) - 1; i >= 0; i-- {
		if a := row[i]; a != nil && a.State == Rebuilt && a.Seconds > 0 {
			x := (len(row)-1-i)*sparkStep + sparkStep/2
			fmt.Fprintf(&b, "M%d %dv-%d", x, sparkHeight, heightOf(a.Seconds, slices.Max(times), sparkHeight))
		}
	}
	return &spark{
		Width: len(row) * sparkStep,
		Label: fmt.Sprintf("Build time in %s: %s the last time, %s to %s", plural(len(times), "build"),
			secondsWords(times[0]), secondsWords(slices.Min(times)), secondsWords(slices.Max(times))),
		Path: b.String(),
	}
}

// share is a part of the bar on top of the page.
type share struct {
	State string // one of states, or "other"
	X, W  int
}

// shareWidth is the length of that bar in units.
const shareWidth = 1000

// shares are the parts of that bar. Each state that occurs can be seen.
func shares(all []count) (parts []share) {
	total := 0
	for _, c := range all {
		total += c.N
	}
	const least, gap = 12, 4
	x := 0
	for _, c := range all {
		if c.N == 0 {
			continue
		}
		w := max(least, shareWidth*c.N/total)
		parts = append(parts, share{class(c.State), x, w})
		x += w + gap
	}
	// The largest part gives what the small ones and the gaps took.
	largest := 0
	for i := range parts {
		if parts[i].W > parts[largest].W {
			largest = i
		}
	}
	over := x - gap - shareWidth
	for i := range parts {
		if i == largest {
			parts[i].W -= over
		} else if i > largest {
			parts[i].X -= over
		}
	}
	return parts
}

// class is the word of a state that style sheet and signs know.
func class(state string) string {
	if slices.Contains(states, state) {
		return state
	}
	return "other"
}
