package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pybake/pybake/artifacts"
)

const (
	tailLines    = 20      // of a step's output, shown when it fails
	tailLineSize = 8 << 10 // bytes that are kept of one line
	redrawEvery  = time.Second / 10
)

// display shows on standard error what is going on: the steps of a build, how
// long they have taken and are likely to take, and what containers print.
//
// On a terminal each running step has a live line at the bottom, redrawn in
// place; all else scrolls above:
//
//	✓ fetch source  2.0 s
//	⠹ compile  3:34, likely 6 min left  gcc -pthread -c -g -O3 Objects/dictobject.c
//
// Anywhere else, and with NO_COLOR, CI or TERM=dumb, it prints plain lines,
// each with the time since the start:
//
//	[ 0:02] fetch source … done 2.0 s
//	[ 0:02] compile … (likely 6 min)
//
// Its methods may be called from several goroutines.
type display struct {
	out   io.Writer
	now   func() time.Time
	width func() int // of the terminal; nil: plain lines
	start time.Time

	mu      sync.Mutex
	quiet   bool // only what failed
	verbose bool // the output of containers, as it comes
	stepped bool // a step has begun
	running []*step
	likely  map[string]time.Duration // of steps that have not begun
	drawn   int                      // live lines on the terminal
	pending bytes.Buffer             // what draw writes
	ticks   int
	stop    chan struct{} // closed: no more redrawing; nil: not begun
	closed  bool
}

// step is one step that is running. The display's mutex guards it.
type step struct {
	name   string
	start  time.Time
	likely time.Duration // 0: unknown
	tail   [][]byte      // the last lines, without line ends
	line   []byte        // the beginning of a line that has not ended
}

func newDisplay(sys *system) *display {
	d := &display{out: sys.stderr, now: sys.now, start: sys.now(), likely: map[string]time.Duration{}}
	plain := sys.getenv("NO_COLOR") != "" || sys.getenv("CI") != "" || sys.getenv("TERM") == "dumb" || sys.getenv("TERM") == ""
	if !plain && sys.width() > 0 {
		d.width = sys.width
	}
	return d
}

// say sets how much is shown: verbose adds what containers print, as it comes;
// quiet leaves only what failed.
func (d *display) say(verbose, quiet bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.verbose, d.quiet = verbose, quiet
}

// Expect says how long steps are likely to take, from the last build or the
// recipe. It adds to what is known; steps that are running stay as they are.
func (d *display) Expect(steps []artifacts.Step) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range steps {
		d.likely[s.Name] = time.Duration(s.Seconds * float64(time.Second))
	}
}

// Step begins a step and returns what ends it, with the error if it failed.
// Calling that a second time does nothing.
func (d *display) Step(name string) (end func(error)) {
	s := d.begin(name)
	return func(err error) { d.end(s, err) }
}

func (d *display) begin(name string) *step {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := &step{name: name, start: d.now(), likely: d.likely[name]}
	delete(d.likely, name)
	d.running, d.stepped = append(d.running, s), true
	if d.width == nil {
		d.progress(name + " …" + inBrackets("likely "+roughly(s.likely), s.likely > 0))
	}
	d.draw()
	d.animate()
	return s
}

func (d *display) end(s *step, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	i := slices.Index(d.running, s)
	if i < 0 {
		return
	}
	d.flush(s)
	d.running = slices.Delete(d.running, i, i+1)
	took := exactly(d.now().Sub(s.start))
	switch {
	case errors.Is(err, context.Canceled):
		d.progress(s.name + " … stopped after " + took)
	case err != nil:
		d.printFailure(s, took)
	case d.width != nil:
		d.progress("✓ " + s.name + "  " + took)
	default:
		left := d.left()
		d.progress(s.name + " … done " + took + inBrackets("likely "+roughly(left)+" left", left > 0))
	}
	d.draw()
}

// printFailure prints the end of a failed step with the tail of its output.
// It is shown even with --quiet: it is part of the error.
func (d *display) printFailure(s *step, took string) {
	mark := ""
	if d.width != nil {
		mark = "✗ "
	}
	d.print(d.stamp() + mark + s.name + " … failed after " + took)
	if d.verbose {
		return
	}
	for _, line := range s.tail {
		d.print("    " + clean(line))
	}
}

// left is the likely time until all expected steps are done. The caller has
// the mutex.
func (d *display) left() time.Duration {
	var left time.Duration
	for _, t := range d.likely {
		left += t
	}
	for _, s := range d.running {
		left += max(0, s.likely-d.now().Sub(s.start))
	}
	return left
}

// Note prints one line.
func (d *display) Note(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.quiet {
		return
	}
	for line := range strings.Lines(fmt.Sprintf(format, args...)) {
		d.print(d.stamp() + strings.TrimRight(line, "\n"))
	}
	d.draw()
}

// Output returns a writer for what containers print during the step that began
// last. Without a step, all but --verbose drop it.
func (d *display) Output() io.Writer {
	d.mu.Lock()
	defer d.mu.Unlock()
	if n := len(d.running); n > 0 {
		return stepWriter{d, d.running[n-1]}
	}
	return stepWriter{d, &step{}}
}

type stepWriter struct {
	display *display
	step    *step
}

func (w stepWriter) Write(p []byte) (int, error) {
	d, s := w.display, w.step
	d.mu.Lock()
	defer d.mu.Unlock()
	n := len(p)
	for len(p) > 0 {
		i := bytes.IndexAny(p, "\r\n") // a progress bar rewrites its line
		if i < 0 {
			s.line = append(s.line, p[:min(len(p), max(0, tailLineSize-len(s.line)))]...)
			break
		}
		s.line = append(s.line, p[:min(i, max(0, tailLineSize-len(s.line)))]...)
		p = p[i+1:]
		d.flush(s)
	}
	if d.pending.Len() > 0 {
		d.draw()
	}
	return n, nil
}

// flush takes in a line of output. The caller has the mutex.
func (d *display) flush(s *step) {
	if len(s.line) == 0 {
		return
	}
	if d.verbose {
		d.print("    " + clean(s.line))
	}
	if len(s.tail) == tailLines {
		s.tail = slices.Delete(s.tail, 0, 1)
	}
	s.tail = append(s.tail, s.line)
	s.line = nil
}

// lines returns a writer that prints whole lines, each Write one or more; the
// logger writes to it.
func (d *display) lines() io.Writer { return lineWriter{d} }

type lineWriter struct{ display *display }

func (w lineWriter) Write(p []byte) (int, error) {
	d := w.display
	d.mu.Lock()
	defer d.mu.Unlock()
	for line := range bytes.Lines(p) {
		d.print(d.stamp() + clean(line))
	}
	d.draw()
	return len(p), nil
}

// Close takes the live lines off the terminal. What is shown after it comes as
// lines. It may be called more than once.
func (d *display) Close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stop != nil && !d.closed {
		close(d.stop)
	}
	d.closed = true
	d.erase()
	d.draw()
}

// progress prints a line that --quiet leaves out.
func (d *display) progress(text string) {
	if !d.quiet {
		d.print(d.stamp() + text)
	}
}

// stamp opens plain lines once there are steps: the time since the start.
func (d *display) stamp() string {
	if d.width != nil || !d.stepped {
		return ""
	}
	return fmt.Sprintf("[%5s] ", clock(d.now().Sub(d.start)))
}
