package strict

import (
	"slices"
	"strings"
)

// Near are the known words that somebody who wrote word may have meant, the
// nearest first: those that differ in case only, in at most a third of their
// letters (by insertions, deletions, changes and swaps of neighbours), or of
// which one starts with the other.
func Near(word string, known []string) []string {
	type candidate struct {
		word     string
		distance int
	}
	var near []candidate
	lower := strings.ToLower(word)
	for _, k := range known {
		kl := strings.ToLower(k)
		longest := max(len(lower), len(kl))
		if longest > 64 {
			continue
		}
		d := distance(lower, kl)
		short := min(len(lower), len(kl))
		prefix := short >= 3 && (strings.HasPrefix(kl, lower) || strings.HasPrefix(lower, kl))
		if d <= max(1, longest/3) && d < longest || prefix {
			near = append(near, candidate{k, d})
		}
	}
	slices.SortStableFunc(near, func(a, b candidate) int { return a.distance - b.distance })
	words := make([]string, len(near))
	for i, c := range near {
		words[i] = c.word
	}
	return words
}

// distance is the optimal string alignment distance.
func distance(a, b string) int {
	before, prev, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := prev[j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			row[j] = min(prev[j]+1, row[j-1]+1, change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, prev, row = prev, row, before
	}
	return prev[len(b)]
}
