package publish

import (
	"fmt"
	"testing"

	"github.com/pybake/pybake/artifacts/sign"
)

// many is a set of 1,000 wheels for one target, of which those with numbers from
// changed on are in a version of their own.
func many(b *testing.B, d *Directory, changed, version int) Set {
	b.Helper()
	made := &builder{d: d}
	s := Set{Entries: []Entry{made.python("trixie", "3.13.5-1+deb13", day(1))}}
	var wheels []Wheel
	for i := range 1000 {
		text := fmt.Sprint("wheel ", i)
		if i >= changed {
			text += fmt.Sprint(" in version ", version)
		}
		wheels = append(wheels, made.wheel(fmt.Sprintf("project%d", i), "1.0", text))
	}
	s.Entries = append(s.Entries, made.house("trixie", "3.13", day(1), wheels...))
	if made.err != nil {
		b.Fatal(made.err)
	}
	return s
}

func publishMany(b *testing.B, d *Directory, keys *sign.Keys, s Set, n, of int) *Generation {
	g, err := d.Publish(b.Context(), Release{Set: s, Keys: keys, Now: day(n), URL: "https://baked.example.org/", Of: of})
	if err != nil {
		b.Fatal(err)
	}
	return g
}

// BenchmarkPublish publishes 1,000 wheels of which 10 changed since the generation
// before.
func BenchmarkPublish(b *testing.B) {
	d := open(b, b.TempDir())
	keys := newKeys(b)
	publishMany(b, d, keys, many(b, d, 990, 0), 1, 0)
	n := 1
	for b.Loop() {
		n++
		b.StopTimer()
		s := many(b, d, 990, n)
		b.StartTimer()
		publishMany(b, d, keys, s, n, 0)
	}
}

// BenchmarkFirst publishes 1,000 wheels for the first time.
func BenchmarkFirst(b *testing.B) {
	keys := newKeys(b)
	for b.Loop() {
		b.StopTimer()
		d := open(b, b.TempDir())
		s := many(b, d, 1000, 0)
		b.StartTimer()
		publishMany(b, d, keys, s, 1, 0)
	}
}

// BenchmarkRollback goes back and forth between two generations of 1,000 wheels.
func BenchmarkRollback(b *testing.B) {
	d := open(b, b.TempDir())
	keys := newKeys(b)
	before := publishMany(b, d, keys, many(b, d, 990, 1), 1, 0)
	after := publishMany(b, d, keys, many(b, d, 990, 2), 2, 0)
	for n := 3; b.Loop(); n++ {
		before, after = after, publishMany(b, d, keys, before.Set, n, before.Number)
	}
}

// BenchmarkCurrent is what a night without changes asks.
func BenchmarkCurrent(b *testing.B) {
	d := open(b, b.TempDir())
	publishMany(b, d, newKeys(b), many(b, d, 990, 1), 1, 0)
	for b.Loop() {
		if _, err := d.Current(); err != nil {
			b.Fatal(err)
		}
	}
}
