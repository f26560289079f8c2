package watch

import (
	"fmt"
	"time"

	"github.com/pybake/pybake/recipes"
)

// soon is how many days before it an end of life is told.
const soon = 90

// EndOfLife notes the series that get no more security fixes, or soon will not.
func EndOfLife(series []recipes.Series, now time.Time) (notes []string) {
	for _, s := range series {
		if s.Status(now) == "eol" {
			notes = append(notes, fmt.Sprintf("%s reached its end of life on %s: no more security fixes", s.Series, s.EOL))
			continue
		}
		end, err := time.Parse(time.DateOnly, s.EOL)
		if err != nil {
			continue // no recipe has that
		}
		switch days := int(end.Sub(now.UTC().Truncate(24*time.Hour)) / (24 * time.Hour)); {
		case days == 0:
			notes = append(notes, fmt.Sprintf("%s reaches its end of life today", s.Series))
		case days == 1:
			notes = append(notes, fmt.Sprintf("%s reaches its end of life on %s, tomorrow", s.Series, s.EOL))
		case days <= soon:
			notes = append(notes, fmt.Sprintf("%s reaches its end of life on %s, in %d days", s.Series, s.EOL, days))
		}
	}
	return notes
}
