package nfpm

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// Depends are the relations that .deb files have in Pre-Depends and Depends
// (Debian policy 7.2), sorted, each once, without those to packages whose names
// begin with except.
func Depends(debs []string, except string) ([]string, error) {
	var all []string
	for _, deb := range debs {
		f, err := os.Open(deb)
		if err != nil {
			return nil, err
		}
		c, err := Inspect(f)
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", deb, err)
		}
		for _, field := range []string{"Pre-Depends", "Depends"} {
			for relation := range strings.SplitSeq(c.Fields[field], ",") {
				if relation = strings.TrimSpace(relation); relation != "" && !strings.HasPrefix(relation, except) {
					all = append(all, relation)
				}
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}
