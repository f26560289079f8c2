package resolve

import "slices"

// solver gives each of its variables one value, so that no clause holds.
// A variable is a package, its values are 0 for "not there" and the versions. A
// variable has to be settled only when 0 is no longer possible.
type solver struct {
	full    []set // all values of a variable
	now     []set // those still possible
	watch   [][]watch
	history [][]int // of a variable: the places in trail, rising
	trail   []step
	late    []late // clauses that came after a decision
	level   int    // number of decisions

	conflicts int
	looks     int // at clauses
	limit     int // of looks
}

type late struct {
	clause *clause
	level  int
}

// clause says that its terms do not hold together. Variables rise, no set is
// empty or full.
type clause struct {
	terms []term
	from  [2]*clause // what it was learned from
	fact  *fact      // what it states, if it was not learned
}

type term struct {
	v   int
	set set
}

// watch is a clause to be looked at when a variable is within set.
type watch struct {
	set    set
	clause *clause
}

// step is one narrowing of a variable.
type step struct {
	v      int
	before set
	by     set // what it was narrowed to, apart from what it was before
	level  int
	cause  *clause // nil for a decision
}

// variable adds one with so many values.
func (s *solver) variable(values int) int {
	s.full = append(s.full, fullSet(values))
	s.now = append(s.now, fullSet(values))
	s.watch = append(s.watch, nil)
	s.history = append(s.history, nil)
	return len(s.full) - 1
}

// newClause joins terms of one variable and leaves out those that always hold.
// It is nil if its terms never hold together.
func (s *solver) newClause(terms ...term) *clause {
	slices.SortStableFunc(terms, func(a, b term) int { return a.v - b.v })
	c := &clause{}
	for _, t := range terms {
		if n := len(c.terms); n > 0 && c.terms[n-1].v == t.v {
			c.terms[n-1].set = c.terms[n-1].set.and(t.set)
		} else {
			c.terms = append(c.terms, t)
		}
	}
	for _, t := range c.terms {
		if t.set.empty() {
			return nil
		}
	}
	c.terms = slices.DeleteFunc(c.terms, func(t term) bool { return s.full[t.v].within(t.set) })
	return c
}

// add takes a clause in and narrows what follows from it. It returns false when
// there is no way, and then why; or without a reason when it takes too long.
func (s *solver) add(c *clause) (why *clause, ok bool) {
	if c == nil {
		return nil, true
	}
	s.keep(c)
	return s.settle(nil, []*clause{c})
}

// decide gives a variable a value.
func (s *solver) decide(v, value int) (why *clause, ok bool) {
	s.level++
	by := newSet(len(s.full[v]) * 64)
	by.add(value)
	s.narrow(v, by, nil)
	return s.settle(s.propagate([]int{v}), nil)
}

// keep has a clause looked at from now on.
func (s *solver) keep(c *clause) {
	for _, t := range c.terms {
		s.watch[t.v] = append(s.watch[t.v], watch{t.set, c})
	}
	if s.level > 0 {
		s.late = append(s.late, late{c, s.level})
	}
}

// settle visits clauses, and learns from conflicts until there is none.
func (s *solver) settle(conflict *clause, queue []*clause) (why *clause, ok bool) {
	for {
		for conflict == nil && len(queue) > 0 {
			conflict, queue = s.visit(queue[0]), queue[1:]
		}
		if conflict == nil {
			return nil, true
		}
		if s.conflicts++; s.looks > s.limit {
			return nil, false
		}
		learned := s.analyse(conflict)
		if len(learned.terms) == 0 {
			return learned, false
		}
		queue = slices.Concat([]*clause{learned}, s.missed(), queue)
		if learned != conflict {
			s.keep(learned)
		}
		conflict = nil
	}
}

// missed is the clauses that came after the level that the solver went back to:
// what follows from them there was not looked at.
func (s *solver) missed() (out []*clause) {
	kept := s.late[:0]
	for _, l := range s.late {
		if l.level > s.level {
			l.level = s.level
			out = append(out, l.clause)
		}
		if l.level > 0 {
			kept = append(kept, l)
		}
	}
	s.late = kept
	return out
}

// visit narrows what follows from one clause, and then from the others. It
// returns a clause that holds, if there is one.
func (s *solver) visit(c *clause) *clause {
	changed, conflict := s.unit(c)
	if conflict || changed < 0 {
		if conflict {
			return c
		}
		return nil
	}
	return s.propagate([]int{changed})
}

func (s *solver) propagate(queue []int) *clause {
	for len(queue) > 0 {
		v := queue[0]
		queue = queue[1:]
		for _, w := range s.watch[v] {
			if !s.now[v].within(w.set) {
				continue
			}
			changed, conflict := s.unit(w.clause)
			if conflict {
				return w.clause
			}
			if changed >= 0 && !slices.Contains(queue, changed) {
				queue = append(queue, changed)
			}
		}
	}
	return nil
}

// unit looks at one clause: if all terms hold but one, that one must not, and
// changed is its variable. If all hold it is a conflict.
func (s *solver) unit(c *clause) (changed int, conflict bool) {
	s.looks++
	open := -1
	for i, t := range c.terms {
		switch {
		case s.now[t.v].within(t.set):
		case !s.now[t.v].meets(t.set) || open >= 0:
			return -1, false
		default:
			open = i
		}
	}
	if open < 0 {
		return -1, true
	}
	t := c.terms[open]
	s.narrow(t.v, s.full[t.v].minus(t.set), c)
	return t.v, false
}

func (s *solver) narrow(v int, by set, cause *clause) {
	s.history[v] = append(s.history[v], len(s.trail))
	s.trail = append(s.trail, step{v, s.now[v], by, s.level, cause})
	s.now[v] = s.now[v].and(by)
}

// satisfied is the first step after which a term holds, given what else is known
// of its variable; -1 if it holds from the beginning.
func (s *solver) satisfied(t term, given set) int {
	for i, at := range s.history[t.v] {
		if s.trail[at].before.bothWithin(given, t.set) {
			if i == 0 {
				return -1
			}
			return s.history[t.v][i-1]
		}
	}
	return s.history[t.v][len(s.history[t.v])-1]
}

// analyse follows a conflict to the choice that caused it, goes back behind that
// and returns what was learned. A clause without terms means that there is no
// way.
func (s *solver) analyse(c *clause) *clause {
	for len(c.terms) > 0 {
		last, place, previous := -1, -1, -1
		for i, t := range c.terms {
			at := s.satisfied(t, s.full[t.v])
			if at > place {
				last, place, previous = i, at, max(previous, place)
			} else {
				previous = max(previous, at)
			}
		}
		t, e := c.terms[last], s.trail[place]
		previous = max(previous, s.satisfied(t, e.by))
		level := 0
		if previous >= 0 {
			level = s.trail[previous].level
		}
		if e.cause == nil || level < e.level {
			s.back(level)
			return c
		}
		c = s.resolvent(c, e.cause, t.v)
	}
	return c
}

// resolvent is what follows from two clauses by looking at one variable.
func (s *solver) resolvent(a, b *clause, v int) *clause {
	var terms []term
	joined := newSet(len(s.full[v]) * 64)
	for _, t := range slices.Concat(a.terms, b.terms) {
		if t.v == v {
			joined = joined.or(t.set)
		} else {
			terms = append(terms, t)
		}
	}
	c := s.newClause(append(terms, term{v, joined})...)
	c.from = [2]*clause{a, b}
	return c
}

// back undoes all levels above one.
func (s *solver) back(level int) {
	for len(s.trail) > 0 && s.trail[len(s.trail)-1].level > level {
		e := s.trail[len(s.trail)-1]
		s.now[e.v] = e.before
		s.history[e.v] = s.history[e.v][:len(s.history[e.v])-1]
		s.trail = s.trail[:len(s.trail)-1]
	}
	s.level = level
}

// facts are those that a clause was learned from, each once.
func (c *clause) facts() []*fact {
	var out []*fact
	seen := map[*clause]bool{}
	told := map[*fact]bool{}
	stack := []*clause{c}
	for len(stack) > 0 {
		c := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if c == nil || seen[c] {
			continue
		}
		seen[c] = true
		if c.fact != nil && !told[c.fact] {
			told[c.fact] = true
			out = append(out, c.fact)
		}
		stack = append(stack, c.from[0], c.from[1])
	}
	return out
}
