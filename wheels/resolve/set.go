package resolve

import "math/bits"

// set is a set of values of one variable.
type set []uint64

func newSet(size int) set { return make(set, (size+63)/64) }

func fullSet(size int) set {
	s := newSet(size)
	for i := range size {
		s.add(i)
	}
	return s
}

func single(size, i int) set {
	s := newSet(size)
	s.add(i)
	return s
}

func (s set) add(i int)      { s[i/64] |= 1 << (i % 64) }
func (s set) has(i int) bool { return s[i/64]&(1<<(i%64)) != 0 }

func (s set) count() (n int) {
	for _, w := range s {
		n += bits.OnesCount64(w)
	}
	return n
}

func (s set) empty() bool { return s.count() == 0 }

// first is the lowest value, -1 if there is none.
func (s set) first() int {
	for i, w := range s {
		if w != 0 {
			return i*64 + bits.TrailingZeros64(w)
		}
	}
	return -1
}

func (s set) and(o set) set {
	out := make(set, len(s))
	for i := range s {
		out[i] = s[i] & o[i]
	}
	return out
}

func (s set) or(o set) set {
	out := make(set, len(s))
	for i := range s {
		out[i] = s[i] | o[i]
	}
	return out
}

// minus is what s has and o has not.
func (s set) minus(o set) set {
	out := make(set, len(s))
	for i := range s {
		out[i] = s[i] &^ o[i]
	}
	return out
}

// within is whether o has all of s.
func (s set) within(o set) bool {
	for i := range s {
		if s[i]&^o[i] != 0 {
			return false
		}
	}
	return true
}

func (s set) meets(o set) bool {
	for i := range s {
		if s[i]&o[i] != 0 {
			return true
		}
	}
	return false
}

// bothWithin is whether o has all that a and s have in common.
func (s set) bothWithin(a, o set) bool {
	for i := range s {
		if s[i]&a[i]&^o[i] != 0 {
			return false
		}
	}
	return true
}
