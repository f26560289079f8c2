package project

import (
	"fmt"
	"strconv"
	"time"

	"github.com/pybake/pybake/internal/pattern"
)

// Duration is a length of time, written with one unit: "90m", "6h", "3d", "2w".
// A day has 24 hours.
type Duration time.Duration

const (
	day  = 24 * time.Hour
	week = 7 * day
)

var durationPattern = pattern.New(`^(0|[1-9][0-9]{0,3})([mhdw])$`)

var durationUnits = []struct {
	name   string
	length time.Duration
}{{"d", day}, {"h", time.Hour}, {"m", time.Minute}, {"w", week}}

// String is the form in the file, in days, hours or minutes, whichever leaves no
// rest; of what no file can say, that of [time.Duration].
func (d Duration) String() string {
	for _, unit := range durationUnits {
		if d > 0 && time.Duration(d)%unit.length == 0 {
			return strconv.FormatInt(int64(time.Duration(d)/unit.length), 10) + unit.name
		}
	}
	return time.Duration(d).String()
}

// UnmarshalText reads a whole number of at most four digits with its unit.
func (d *Duration) UnmarshalText(text []byte) error {
	m := durationPattern.FindSubmatch(text)
	if m == nil {
		return fmt.Errorf(`%q: want a whole number with one of the units m h d w, such as "6h" or "3d"`, text)
	}
	n, err := strconv.Atoi(string(m[1]))
	if err != nil {
		return err
	}
	for _, unit := range durationUnits {
		if unit.name == string(m[2]) {
			*d = Duration(time.Duration(n) * unit.length)
		}
	}
	return nil
}
