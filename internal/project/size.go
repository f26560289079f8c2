package project

import (
	"fmt"
	"math/big"
	"strconv"

	"github.com/pybake/pybake/internal/pattern"
)

// Size is a number of bytes, written with a unit: "2MB", "1.5 GiB", "512B".
type Size int64

var sizePattern = pattern.New(`^([0-9]{1,19}(?:\.[0-9]{1,9})?) ?(B|kB|MB|GB|KiB|MiB|GiB)$`)

var sizeUnits = []struct {
	name  string
	bytes int64
}{{"GiB", 1 << 30}, {"GB", 1e9}, {"MiB", 1 << 20}, {"MB", 1e6}, {"KiB", 1 << 10}, {"kB", 1e3}, {"B", 1}}

// String is the shortest form that UnmarshalText reads as the same number.
func (s Size) String() string {
	best := ""
	for _, unit := range sizeUnits {
		if text := strconv.FormatInt(int64(s)/unit.bytes, 10) + unit.name; int64(s)%unit.bytes == 0 && (best == "" || len(text) < len(best)) {
			best = text
		}
	}
	return best
}

// MarshalText is String.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a whole number of bytes below 8 EiB.
func (s *Size) UnmarshalText(text []byte) error {
	m := sizePattern.FindSubmatch(text)
	if m == nil {
		return fmt.Errorf(`size %q: want a number with one of the units B kB MB GB KiB MiB GiB, such as "2MB"`, text)
	}
	number, ok := new(big.Rat).SetString(string(m[1]))
	if !ok {
		return fmt.Errorf("size %q: not a number", text)
	}
	for _, unit := range sizeUnits {
		if unit.name == string(m[2]) {
			number.Mul(number, new(big.Rat).SetInt64(unit.bytes))
		}
	}
	if !number.IsInt() {
		return fmt.Errorf("size %q: not a whole number of bytes", text)
	}
	if !number.Num().IsInt64() {
		return fmt.Errorf("size %q: too large", text)
	}
	*s = Size(number.Num().Int64())
	return nil
}
