package resolve

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// puzzle is clauses that come in when a value is tried, as needs of a version do.
type puzzle struct {
	values []int               // of each variable, 0 included
	first  [][]term            // clauses from the beginning
	at     map[[2]int][][]term // clauses by variable and value
	eager  bool                // clauses of a value come in before another variable is decided
}

func newPuzzle(rnd *rand.Rand) *puzzle {
	p := &puzzle{at: map[[2]int][][]term{}, eager: rnd.IntN(2) == 0}
	for range 4 + rnd.IntN(4) {
		p.values = append(p.values, 3+rnd.IntN(2))
	}
	// Of the terms of a clause at most one holds for 0.
	some := func(v int, zero bool) term {
		s := newSet(p.values[v])
		for i := 1; i < p.values[v]; i++ {
			if rnd.IntN(2) == 0 {
				s.add(i)
			}
		}
		if zero {
			s.add(0)
		}
		return term{v, s}
	}
	variable := func() int { return rnd.IntN(len(p.values)) }
	for range 2 + rnd.IntN(2) {
		v := variable()
		zero := newSet(p.values[v])
		zero.add(0)
		p.first = append(p.first, []term{{v, zero}})
	}
	for range rnd.IntN(14) {
		p.first = append(p.first, []term{some(variable(), false), some(variable(), false)})
	}
	for v, n := range p.values {
		for value := 1; value < n; value++ {
			for range 1 + rnd.IntN(2) {
				one := newSet(n)
				one.add(value)
				p.at[[2]int{v, value}] = append(p.at[[2]int{v, value}], []term{{v, one}, some(variable(), true)})
			}
		}
	}
	return p
}

// broken is whether a clause holds.
func broken(answer []int, clauses [][]term) bool {
	return slices.ContainsFunc(clauses, func(c []term) bool {
		return !slices.ContainsFunc(c, func(t term) bool { return !t.set.has(answer[t.v]) })
	})
}

func (p *puzzle) good(answer []int) bool {
	for v, value := range answer {
		if broken(answer, p.at[[2]int{v, value}]) {
			return false
		}
	}
	return !broken(answer, p.first)
}

func (p *puzzle) exists(answer []int) bool {
	if len(answer) == len(p.values) {
		return p.good(answer)
	}
	for value := range p.values[len(answer)] {
		if p.exists(append(slices.Clone(answer), value)) {
			return true
		}
	}
	return false
}

// solve is an answer, or why there is none.
func (p *puzzle) solve() (answer []int, why *clause, s *solver) {
	s = &solver{limit: 1_000_000}
	for _, n := range p.values {
		s.variable(n)
	}
	add := func(clauses [][]term) *clause {
		for _, terms := range clauses {
			c := s.newClause(slices.Clone(terms)...)
			if c != nil {
				c.fact = &fact{clauses: []*clause{c}}
			}
			if why, ok := s.add(c); !ok {
				return why
			}
		}
		return nil
	}
	if why := add(p.first); why != nil {
		return nil, why, s
	}
	known := map[[2]int]bool{}
	for {
		v := slices.IndexFunc(s.now, func(now set) bool { return !now.has(0) && now.count() > 1 })
		for i, now := range s.now {
			if now.count() == 1 && !now.has(0) && !known[[2]int{i, now.first()}] && (p.eager || v < 0) {
				v = i
			}
		}
		if v < 0 {
			break
		}
		key := [2]int{v, s.now[v].first()}
		if !known[key] && (p.eager || s.now[v].count() == 1) {
			known[key] = true
			if why := add(p.at[key]); why != nil {
				return nil, why, s
			}
		} else if why, ok := s.decide(v, key[1]); !ok {
			return nil, why, s
		}
	}
	for _, now := range s.now {
		answer = append(answer, now.first())
	}
	return answer, nil, s
}

// checkPuzzle holds an answer against all answers, and a reason against what was stated.
func checkPuzzle(p *puzzle) (conflicts int, found bool, err error) {
	answer, why, s := p.solve()
	exists := p.exists(nil)
	switch {
	case answer != nil && !p.good(answer):
		return 0, false, fmt.Errorf("%v is no answer", answer)
	case answer != nil && !exists:
		return 0, false, fmt.Errorf("%v should not exist", answer)
	case answer == nil && why == nil:
		return 0, false, fmt.Errorf("gave up")
	case answer == nil && exists:
		return 0, false, fmt.Errorf("no answer where one exists")
	case answer == nil:
		core := &puzzle{values: p.values}
		for _, f := range why.facts() {
			core.first = append(core.first, f.clauses[0].terms)
		}
		if core.exists(nil) {
			return 0, false, fmt.Errorf("the reason is none")
		}
	}
	for i, e := range s.trail {
		if i > 0 && e.level < s.trail[i-1].level {
			return 0, false, fmt.Errorf("levels fall")
		}
	}
	return s.conflicts, answer != nil, nil
}

func TestSolver(t *testing.T) {
	found, hard, all := 0, 0, 0
	const puzzles = 1500
	for seed := range uint64(puzzles) {
		conflicts, ok, err := checkPuzzle(newPuzzle(rand.New(rand.NewPCG(seed, 2))))
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if ok {
			found++
		}
		if all += conflicts; conflicts > 3 {
			hard++
		}
	}
	t.Logf("%d of %d solved, %d with more than 3 conflicts, %d in all", found, puzzles, hard, all)
	if found < puzzles/10 || found > puzzles*9/10 || hard < puzzles/50 {
		t.Error("the puzzles are too alike")
	}
	// Going back further than needed, or forgetting what was learned, takes more.
	if most := 3220; all > most {
		t.Errorf("%d conflicts, want at most %d", all, most)
	}
}

func FuzzSolver(f *testing.F) {
	for seed := range uint64(8) {
		f.Add(seed, seed)
	}
	f.Fuzz(func(t *testing.T, a, b uint64) {
		if _, _, err := checkPuzzle(newPuzzle(rand.New(rand.NewPCG(a, b)))); err != nil {
			t.Fatal(err)
		}
	})
}
