package oci

import (
	"fmt"

	"github.com/distribution/reference"
)

// tags reads references, each of which has a tag afterwards; no two are the same.
func tags(refs []string) ([]reference.NamedTagged, error) {
	var all []reference.NamedTagged
	seen := map[string]bool{}
	for _, s := range refs {
		named, err := reference.ParseNormalizedNamed(s)
		if err != nil {
			return nil, fmt.Errorf("image name %q: %w", s, err)
		}
		if _, ok := named.(reference.Digested); ok {
			return nil, fmt.Errorf("image name %q: a name with a digest cannot be given to an image", s)
		}
		tagged := reference.TagNameOnly(named).(reference.NamedTagged)
		if !seen[tagged.String()] {
			all = append(all, tagged)
		}
		seen[tagged.String()] = true
	}
	return all, nil
}
