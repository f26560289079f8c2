package pep

import (
	"errors"
	"testing"
	"unicode/utf8"
)

// fuzz seeds f with strings that parse and with some that do not, and puts every
// other to all parsers: what one takes must come back from its String, and
// what it refuses it must refuse with a place inside the input.
func fuzz(f *testing.F, parse func(string) error) {
	v := readVectors(f)
	for i, s := range v.Strings {
		if err := parse(s); err == nil && i%4 == 0 || i%40 == 0 {
			f.Add(s)
		}
	}
	f.Fuzz(func(t *testing.T, s string) {
		err := parse(s)
		if err == nil {
			if !utf8.ValidString(s) {
				t.Errorf("%q was taken", s)
			}
			roundTrip(t, s)
			return
		}
		var e *Error
		if !errors.As(err, &e) || e.Col < 0 || e.Col > len(s) || e.Input != s || e.Cause == "" {
			t.Errorf("%q: error %#v", s, err)
		}
	})
}

func FuzzVersion(f *testing.F) {
	fuzz(f, func(s string) error { _, err := ParseVersion(s); return err })
}

func FuzzSpecifier(f *testing.F) {
	fuzz(f, func(s string) error { _, err := ParseSpecifiers(s); return err })
}

func FuzzRequirement(f *testing.F) {
	fuzz(f, func(s string) error { _, err := ParseRequirement(s); return err })
}

func FuzzMarker(f *testing.F) {
	env, err := EnvFor("3.13.5", "x86_64")
	if err != nil {
		f.Fatal(err)
	}
	fuzz(f, func(s string) error {
		m, err := ParseMarker(s)
		if err == nil {
			m.Eval(env, nil, nil) // it may fail, not panic
			m.Eval(env, []string{"a"}, []string{})
		}
		return err
	})
}

func FuzzWheelName(f *testing.F) {
	fuzz(f, func(s string) error { _, err := ParseWheelName(s); return err })
}

func FuzzSdistName(f *testing.F) {
	fuzz(f, func(s string) error { _, err := ParseSdistName(s, ""); return err })
}

func FuzzTag(f *testing.F) {
	fuzz(f, func(s string) error { _, err := ParseTag(s); return err })
}
