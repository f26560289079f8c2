package main

import (
	"fmt"
	"strings"
	"time"
	"unicode"
)

// The escape sequences of ECMA-48 that the live lines need; every terminal of
// the last forty years has them.
const (
	eraseToEnd  = "\x1b[J"
	eraseToLine = "\x1b[K"
	lineUp      = "\x1b[%dA"
)

const spinner = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"

// print puts a line above the live lines. The caller has the mutex, and calls
// draw in the end.
func (d *display) print(line string) {
	d.erase()
	d.pending.WriteString(line + "\n")
}

// erase removes the live lines. The cursor is always on the last of them.
func (d *display) erase() {
	if d.drawn > 0 {
		d.home()
		d.pending.WriteString(eraseToEnd)
		d.drawn = 0
	}
}

// home brings the cursor to the beginning of the first live line.
func (d *display) home() {
	d.pending.WriteString("\r")
	if d.drawn > 1 {
		fmt.Fprintf(&d.pending, lineUp, d.drawn-1)
	}
}

// draw writes what is pending, and the live lines over the old ones, in one
// write so that nothing flickers.
func (d *display) draw() {
	switch {
	case d.width == nil, d.closed, d.quiet:
	case len(d.running) < d.drawn:
		d.erase()
		d.drawLive()
	default:
		d.drawLive()
	}
	d.out.Write(d.pending.Bytes()) // nowhere to tell if it fails
	d.pending.Reset()
}

func (d *display) drawLive() {
	frames := []rune(spinner)
	frame := string(frames[d.ticks%len(frames)])
	width := max(d.width(), 20)
	if d.drawn > 0 {
		d.home()
	}
	for i, s := range d.running {
		if i > 0 {
			d.pending.WriteString("\n")
		}
		d.pending.WriteString(truncate(frame+" "+d.status(s, i == 0), width-1) + eraseToLine)
	}
	d.drawn = len(d.running)
}

// status is the text of a live line. The first carries what is left of all.
func (d *display) status(s *step, first bool) string {
	text := s.name + "  " + clock(d.now().Sub(s.start))
	if left := d.left(); first && left > 0 {
		text += ", likely " + roughly(left) + " left"
	}
	if n := len(s.tail); n > 0 {
		text += "  " + clean(s.tail[n-1])
	}
	return text
}

// animate redraws the live lines as time goes by. The caller has the mutex.
func (d *display) animate() {
	if d.width == nil || d.stop != nil || d.closed || d.quiet {
		return
	}
	d.stop = make(chan struct{})
	go func() {
		ticker := time.NewTicker(redrawEvery)
		defer ticker.Stop()
		for {
			select {
			case <-d.stop:
				return
			case <-ticker.C:
			}
			d.mu.Lock()
			d.ticks++
			d.draw()
			d.mu.Unlock()
		}
	}()
}

// clean makes a line of output fit to be shown: no escape sequences, no control
// characters, no trailing space.
func clean(line []byte) string {
	var b strings.Builder
	text := []rune(strings.ToValidUTF8(string(line), "�"))
	for i := 0; i < len(text); i++ {
		switch r := text[i]; {
		case r == '\t':
			b.WriteString("    ")
		case r == 0x1b && i+1 < len(text) && text[i+1] == '[':
			for i += 2; i < len(text) && (text[i] < '@' || text[i] > '~'); i++ {
			}
		case unicode.IsControl(r):
		default:
			b.WriteRune(r)
		}
	}
	return strings.TrimRight(b.String(), " ")
}

// truncate cuts a text to so many columns of a terminal.
func truncate(text string, columns int) string {
	used, cut := 0, 0 // cut: where to put the ellipsis
	for i, r := range text {
		w := columnsOf(r)
		if used+w > columns {
			return text[:cut] + "…"
		}
		used += w
		if used < columns {
			cut = i + len(string(r))
		}
	}
	return text
}

// columnsOf guesses high: a line that is too short does no harm, one that wraps
// spoils the screen.
func columnsOf(r rune) int {
	switch {
	case unicode.Is(unicode.Mn, r):
		return 0
	case r < 0x1100 || r >= 0x2000 && r < 0x2e80:
		return 1
	}
	return 2
}

// clock prints a time as minutes and seconds: "0:34", "61:07".
func clock(t time.Duration) string {
	s := int(t / time.Second)
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}

// exactly prints how long something took: "0.4 s", "34 s", "6 min 5 s".
func exactly(t time.Duration) string {
	switch {
	case t < 10*time.Second:
		return fmt.Sprintf("%.1f s", t.Seconds())
	case t < 100*time.Second:
		return fmt.Sprintf("%d s", int(t.Seconds()))
	}
	s := int(t / time.Second)
	return fmt.Sprintf("%d min %d s", s/60, s%60)
}

// roughly prints how long something is likely to take: "40 s", "6 min",
// "1 h 20 min".
func roughly(t time.Duration) string {
	switch {
	case t < 55*time.Second:
		return fmt.Sprintf("%d s", max(5, 5*int((t+2500*time.Millisecond)/(5*time.Second))))
	case t < time.Hour:
		return fmt.Sprintf("%d min", int((t+30*time.Second)/time.Minute))
	}
	m := int(t/(5*time.Minute)) * 5
	return fmt.Sprintf("%d h %d min", m/60, m%60)
}

// inBrackets returns " (text)" if it is to be said.
func inBrackets(text string, say bool) string {
	if !say {
		return ""
	}
	return " (" + text + ")"
}
