package python

import (
	"io"
	"strings"
	"testing"

	"github.com/pybake/pybake/artifacts"
)

// told is a reporter that keeps what it is told.
type told struct{ notes []string }

func (*told) Step(string) func(error)      { return func(error) {} }
func (t *told) Note(text string, _ ...any) { t.notes = append(t.notes, text) }
func (*told) Output() io.Writer            { return io.Discard }

// TestShipped: a profile of the recipes is taken where its conditions are those of the
// plan, without an engine, and pinned by its content.
func TestShipped(t *testing.T) {
	store, err := artifacts.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	report := &told{}
	b := &Builder{Store: store, Report: report}
	p := planFor(t, request("3.13.5"))
	for range 2 { // from the recipes, then from the store
		pin, err := b.Train(t.Context(), p)
		if err != nil || pin.Digest != p.shipped.Digest || pin.Compiler != p.shipped.Compiler {
			t.Errorf("%+v, %v", pin, err)
		}
	}
	if len(report.notes) != 1 {
		t.Errorf("told %q", report.notes)
	}

	damaged := *p
	damaged.shipped.Digest = "sha256:" + sum("7")
	if _, err := b.takeShipped(t.Context(), &damaged); err == nil || !strings.Contains(err.Error(), "but its recipe says") {
		t.Error(err)
	}
	for _, change := range []func(*Plan){
		func(p *Plan) { p.shipped.Compiler += "+1" },
		func(p *Plan) { p.shipped.Variant += "0" },
		func(p *Plan) { p.shipped.Workload += " x" },
	} {
		other := *p
		change(&other)
		if dir, err := b.takeShipped(t.Context(), &other); dir != "" || err != nil {
			t.Errorf("%+v is taken: %s, %v", other.shipped, dir, err)
		}
	}
}

// TestMismatches: functions without counts are counted wherever the output is cut, and those that only moved are not.
func TestMismatches(t *testing.T) {
	const text = "Objects/dictobject.c:10:1: warning: the control flow of function ‘a’ does not match its profile data (counter ‘arcs’) [-Wcoverage-mismatch]\n" +
		"Objects/dictobject.c:20:1: warning: source locations for function ‘b’ have changed, the profile data may be out of date [-Wcoverage-mismatch]\n" +
		"Objects/dictobject.c:30:1: warning: number of counters in profile data for function ‘c’ does not match its profile data (counter ‘arcs’, expected 4 and have 5) [-Wcoverage-mismatch]\n"
	for cut := range len(text) {
		var m mismatches
		io.WriteString(&m, text[:cut])
		io.WriteString(&m, text[cut:])
		if m.n != 2 {
			t.Fatalf("%d counted, cut before %q", m.n, text[cut:])
		}
	}
}
