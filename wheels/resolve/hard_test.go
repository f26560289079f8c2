package resolve

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// many is versions 1.0 to N.0 of a package with needs in which %d is the number.
func many(name string, n int, needs ...string) string {
	var b strings.Builder
	for i := 1; i <= n; i++ {
		fmt.Fprintf(&b, "%s %d.0\n", name, i)
		for _, need := range needs {
			b.WriteString("\t" + strings.ReplaceAll(need, "%d", fmt.Sprint(i)) + "\n")
		}
	}
	return b.String()
}

// TestNoExplosion counts how often the search turns back where one that knows less
// would try every combination of packages.
func TestNoExplosion(t *testing.T) {
	var unrelated, names strings.Builder
	for i := range 30 {
		name := fmt.Sprintf("p%d", i)
		unrelated.WriteString(many(name, 100, "shared>=1"))
		names.WriteString("|" + name)
	}
	unrelated.WriteString(many("shared", 300))
	var chain strings.Builder
	for i := range 20 {
		chain.WriteString(many(fmt.Sprintf("c%d", i), 60, fmt.Sprintf("c%d==%%d.*", i+1)))
	}
	chain.WriteString(many("c20", 60))
	for _, c := range []struct {
		name, universe, requires, want string
		conflicts, asked               int
	}{
		{
			name: "conflict at the end", universe: unrelated.String() + many("first", 100, "z<2") + many("last", 100, "z>=2") + many("z", 300),
			requires: "first" + names.String() + "|last", conflicts: 5, asked: 270,
		},
		{
			name: "answer in the middle", universe: unrelated.String() + many("first", 100, "z==%d.*") + many("z", 300),
			requires: "first" + names.String() + "|z<=50", want: "first 50.0", conflicts: 2, asked: 120,
		},
		{
			name: "a chain", universe: chain.String(), requires: "c0|c20==7.*", want: "c20 7.0", conflicts: 60, asked: 1110,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFake(t, c.universe)
			r := trixie(t, f)
			s, err := r.start(t.Context(), split(c.requires))
			if err != nil {
				t.Fatal(err)
			}
			found, err := s.search(t.Context())
			t.Logf("%d conflicts, %d questions", s.conflicts, len(f.asked))
			conflict := (*ConflictError)(nil)
			switch {
			case c.want == "" && !errors.As(err, &conflict):
				t.Errorf("got %v, want a conflict", err)
			case c.want != "" && err != nil:
				t.Error(err)
			case c.want != "" && !strings.Contains(pins(s.resolution(found)), c.want):
				t.Errorf("got %s, want %s among it", pins(s.resolution(found)), c.want)
			}
			if s.conflicts > c.conflicts || len(f.asked) > c.asked {
				t.Errorf("%d conflicts and %d questions, want at most %d and %d", s.conflicts, len(f.asked), c.conflicts, c.asked)
			}
			if c.want == "" {
				golden(t, "hard.txt", err.Error()+"\n")
			}
		})
	}
}

// TestCore holds that what is told of a conflict is one, and that no line of it
// is superfluous.
func TestCore(t *testing.T) {
	cores, extras := 0, 0
	for seed := range uint64(600) {
		w := newWorld(t, rand.New(rand.NewPCG(seed, 3)), false)
		f := newFake(t, w.text)
		s, err := w.resolver(t, f).start(t.Context(), w.roots)
		if err != nil {
			continue
		}
		s.desperate = true
		why, err := s.attempt(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if why == nil {
			continue
		}
		cores++
		core := s.core(why)
		if !s.contradicts(core) {
			t.Errorf("seed %d: no conflict: %v", seed, s.explain(why))
		}
		for i, c := range core {
			if s.contradicts(slices.Delete(slices.Clone(core), i, i+1)) {
				t.Errorf("seed %d: %s is superfluous: %v", seed, s.line(core, c), s.explain(why))
			}
			if c.by != nil && c.by.extra != "" {
				extras++
			}
		}
	}
	if t.Logf("%d conflicts, %d claims of extras", cores, extras); cores < 50 || extras < 10 {
		t.Error("too few conflicts to tell")
	}
}

// TestLimit holds that a search ends.
func TestLimit(t *testing.T) {
	s := &search{Resolver: trixie(t, newFake(t, "")), solver: &solver{}}
	x, y := s.solver.variable(2), s.solver.variable(2)
	zero := single(2, 0)
	for _, c := range []*clause{
		s.newClause(term{x, zero}), s.newClause(term{y, zero}), s.newClause(term{x, single(2, 1)}, term{y, single(2, 1)}),
	} {
		why, err := s.outcome(s.add(c))
		if limit := (*LimitError)(nil); errors.As(err, &limit) {
			golden(t, "limit.txt", err.Error()+"\n")
			return
		}
		if why != nil || err != nil {
			t.Fatal(why, err)
		}
	}
	t.Error("no end")
}
