package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pybake/pybake/artifacts"
)

// clockwork is a clock that goes on only when told.
type clockwork struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clockwork) time() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clockwork) pass(seconds float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(time.Duration(seconds * float64(time.Second)))
}

func testDisplay(out io.Writer, width int) (*display, *clockwork) {
	clock := &clockwork{now: time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)}
	return newDisplay(&system{
		stderr: out,
		getenv: func(name string) string { return map[string]string{"TERM": "xterm"}[name] },
		width:  func() int { return width },
		now:    clock.time,
	}), clock
}

func TestPlainLines(t *testing.T) {
	var out strings.Builder
	d, clock := testDisplay(&out, 0)
	d.Note("before any step")
	d.Expect([]artifacts.Step{{Name: "fetch", Seconds: 3}, {Name: "compile", Seconds: 400}, {Name: "check", Seconds: 20}})
	end := d.Step("fetch")
	clock.pass(2.04)
	end(nil)
	end(errors.New("ended twice"))
	end = d.Step("compile")
	fmt.Fprintf(d.Output(), "gcc -c a.c\ngcc -c b.c\n")
	clock.pass(34)
	other := d.Step("fetch more")
	d.Note("two\nlines")
	other(context.Canceled)
	for i := range 25 {
		fmt.Fprintf(d.Output(), "line %d\r\n", i)
	}
	fmt.Fprint(d.Output(), "\x1b[31merror:\x1b[0m no semicolon")
	end(errors.New("exit status 2"))
	d.Close()

	want := `before any step
[ 0:00] fetch … (likely 5 s)
[ 0:02] fetch … done 2.0 s (likely 7 min left)
[ 0:02] compile … (likely 7 min)
[ 0:36] fetch more …
[ 0:36] two
[ 0:36] lines
[ 0:36] fetch more … stopped after 0.0 s
[ 0:36] compile … failed after 34 s
`
	for i := 6; i < 25; i++ {
		want += fmt.Sprintf("    line %d\n", i)
	}
	want += "    error: no semicolon\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestVerboseAndQuiet(t *testing.T) {
	for _, test := range []struct {
		verbose, quiet bool
		want           string
	}{
		{verbose: true, want: "a note\n[ 0:00] compile …\n    gcc\n    error\n[ 0:00] compile … failed after 0.0 s\n"},
		{quiet: true, want: "[ 0:00] compile … failed after 0.0 s\n    gcc\n    error\n"},
	} {
		var out strings.Builder
		d, _ := testDisplay(&out, 0)
		d.say(test.verbose, test.quiet)
		d.Note("a note")
		end := d.Step("compile")
		fmt.Fprint(d.Output(), "gcc\nerror\n")
		end(errors.New("exit status 1"))
		d.Close()
		if diff := cmp.Diff(test.want, out.String()); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	}
}

// screen is a terminal: it understands just what the display uses.
type screen struct {
	mu       sync.Mutex
	width    int
	lines    [][]rune
	row, col int
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := []rune(string(p))
	for i := 0; i < len(text); i++ {
		for len(s.lines) <= s.row {
			s.lines = append(s.lines, nil)
		}
		switch r := text[i]; r {
		case '\r':
			s.col = 0
		case '\n':
			s.row, s.col = s.row+1, 0
		case 0x1b:
			i = s.escape(text, i+2)
		default:
			line := append(s.lines[s.row][:min(s.col, len(s.lines[s.row]))], r)
			if s.col++; s.col > s.width {
				panic("a line wraps: " + string(line))
			}
			if len(line) < len(s.lines[s.row]) {
				line = s.lines[s.row]
				line[s.col-1] = r
			}
			s.lines[s.row] = line
		}
	}
	return len(p), nil
}

// escape carries out the escape sequence whose parameter begins at i, and
// returns where it ends.
func (s *screen) escape(text []rune, i int) int {
	n := 0
	for ; text[i] >= '0' && text[i] <= '9'; i++ {
		n = 10*n + int(text[i]-'0')
	}
	line := s.lines[s.row]
	switch text[i] {
	case 'A':
		s.row -= n
	case 'K':
		s.lines[s.row] = line[:min(s.col, len(line))]
	case 'J':
		s.lines = append(s.lines[:s.row:s.row], line[:min(s.col, len(line))])
	default:
		panic("unknown escape sequence " + string(text[i]))
	}
	return i
}

// text returns what is on the screen, with one frame of the spinner for all.
func (s *screen) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	for _, line := range s.lines {
		text := strings.TrimRight(string(line), " ")
		for _, frame := range spinner {
			text = strings.Replace(text, string(frame), "*", 1)
		}
		b.WriteString(text + "\n")
	}
	return strings.TrimRight(b.String(), "\n")
}

func TestLiveLines(t *testing.T) {
	terminal := &screen{width: 60}
	d, clock := testDisplay(terminal, terminal.width)
	expect := func(want string) {
		t.Helper()
		d.mu.Lock()
		d.draw()
		d.mu.Unlock()
		if diff := cmp.Diff(strings.TrimPrefix(want, "\n"), terminal.text()); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	}
	d.Expect([]artifacts.Step{{Name: "compile", Seconds: 400}, {Name: "check", Seconds: 80}})
	fetch := d.Step("fetch")
	expect("* fetch  0:00, likely 8 min left")
	clock.pass(12)
	fetch(nil)
	expect("✓ fetch  12 s")

	compile := d.Step("compile")
	output := d.Output()
	clock.pass(100)
	expect("✓ fetch  12 s\n* compile  1:40, likely 6 min left")
	fmt.Fprintf(output, "configure: ok\ngcc -pthread -c -g -O3 -Wall Objects/dictobject.c -o Objects/dictobject.o\n")
	expect("✓ fetch  12 s\n* compile  1:40, likely 6 min left  gcc -pthread -c -g -O3…")

	train := d.Step("train")
	d.Note("a note")
	expect(`
✓ fetch  12 s
a note
* compile  1:40, likely 6 min left  gcc -pthread -c -g -O3…
* train  0:00`)
	compile(nil)
	expect("✓ fetch  12 s\na note\n✓ compile  1 min 40 s\n* train  0:00, likely 1 min left")
	train(errors.New("killed"))
	expect("✓ fetch  12 s\na note\n✓ compile  1 min 40 s\n✗ train … failed after 0.0 s")

	check := d.Step("check")
	d.Close()
	check(nil)
	expect(`
✓ fetch  12 s
a note
✓ compile  1 min 40 s
✗ train … failed after 0.0 s
✓ check  0.0 s`)
}

// TestManyAtOnce is for the race detector, and for a screen that stays whole.
func TestManyAtOnce(t *testing.T) {
	terminal := &screen{width: 40}
	d, _ := testDisplay(terminal, terminal.width)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			end := d.Step(fmt.Sprintf("step %d", i))
			for range 100 {
				fmt.Fprintln(d.Output(), strings.Repeat("x", 100))
			}
			end(nil)
		})
	}
	all.Wait()
	d.Close()
	if got := terminal.text(); strings.Count(got, "✓") != 8 || strings.Contains(got, "x") {
		t.Errorf("screen:\n%s", got)
	}
}

func TestPlainWhere(t *testing.T) {
	for _, test := range []struct {
		env   map[string]string
		width int
		live  bool
	}{
		{map[string]string{"TERM": "xterm"}, 80, true},
		{map[string]string{"TERM": "xterm"}, 0, false},
		{map[string]string{"TERM": "dumb"}, 80, false},
		{map[string]string{}, 80, false},
		{map[string]string{"TERM": "xterm", "NO_COLOR": "1"}, 80, false},
		{map[string]string{"TERM": "xterm", "CI": "true"}, 80, false},
	} {
		d := newDisplay(&system{getenv: func(name string) string { return test.env[name] }, width: func() int { return test.width }, now: time.Now})
		if live := d.width != nil; live != test.live {
			t.Errorf("%v, %d columns: live %v", test.env, test.width, live)
		}
	}
}

func TestTruncate(t *testing.T) {
	for _, test := range []struct {
		text    string
		columns int
		want    string
	}{
		{"short", 5, "short"},
		{"longer", 5, "long…"},
		{"日本語", 5, "日本…"},
		{"日本語", 6, "日本語"},
		{"", 5, ""},
	} {
		if got := truncate(test.text, test.columns); got != test.want {
			t.Errorf("truncate(%q, %d) = %q, want %q", test.text, test.columns, got, test.want)
		}
	}
}

func TestTimes(t *testing.T) {
	for _, test := range []struct {
		seconds                  float64
		exactly, roughly, ticked string
	}{
		{0.04, "0.0 s", "5 s", "0:00"},
		{9.5, "9.5 s", "10 s", "0:09"},
		{34, "34 s", "35 s", "0:34"},
		{365, "6 min 5 s", "6 min", "6:05"},
		{4900, "81 min 40 s", "1 h 20 min", "81:40"},
	} {
		d := time.Duration(test.seconds * float64(time.Second))
		if got := [3]string{exactly(d), roughly(d), clock(d)}; got != [3]string{test.exactly, test.roughly, test.ticked} {
			t.Errorf("%v: %q", d, got)
		}
	}
}
