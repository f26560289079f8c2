package project

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pybake/pybake/internal/pattern"
	"github.com/pybake/pybake/internal/strict"
)

// The grammar of an image reference, as the distribution project has it.
var (
	componentPattern = pattern.New(`^[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*$`)
	domainPattern    = pattern.New(`^(?:` + domainPart + `(?:\.` + domainPart + `)*|\[[a-fA-F0-9:]+\])(?::[0-9]{1,5})?$`)
	tagPattern       = pattern.New(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$`)
	hexPattern       = pattern.New(`^[0-9a-f]{64}$`)
)

const (
	domainPart = `(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])`
	maxName    = 255 // bytes of a reference without its tag
)

// What the variables of a tag may look like.
var tagSamples = map[string]string{"version": "1.0", "name": "web", "distro": "trixie", "python": "3.13.5"}

// CheckTag is whether a text can be a tag of an image, with {version} {name}
// {distro} and {python} in it or not.
func CheckTag(text string) error {
	ref, err := Replace(text, tagSamples)
	if err != nil {
		return fmt.Errorf("%q: %w", text, err)
	}
	if err := checkReference(ref); err != nil {
		return fmt.Errorf("%q: %w", text, err)
	}
	return nil
}

func checkReference(ref string) error {
	want := errors.New(`want an image reference such as "registry.example.org/shop:1"`)
	name, tag, tagged := ref, "", false
	if i := strings.LastIndexByte(ref, ':'); i > strings.LastIndexByte(ref, '/') {
		name, tag, tagged = ref[:i], ref[i+1:], true
	}
	components := name
	if first, rest, ok := strings.Cut(name, "/"); ok && (first == "localhost" || strings.ContainsAny(first, ".:[")) {
		if !domainPattern.MatchString(first) {
			return want
		}
		components = rest
	}
	switch {
	case strings.Contains(ref, "@"):
		return errors.New("a tag names no digest")
	case tagged && !tagPattern.MatchString(tag):
		return want
	case len(name) > maxName:
		return fmt.Errorf("more than %d bytes", maxName)
	case hexPattern.MatchString(name):
		return errors.New("looks like the ID of an image")
	case components != strings.ToLower(components):
		return errors.New("want lower-case letters in what is before the tag")
	}
	for component := range strings.SplitSeq(components, "/") {
		if !componentPattern.MatchString(component) {
			return want
		}
	}
	return nil
}

// fullTag is the form in which two tags that the engine takes for one are equal.
func fullTag(tag string) string {
	tag = strings.TrimPrefix(strings.TrimPrefix(tag, "docker.io/"), "library/")
	if strings.LastIndexByte(tag, ':') <= strings.LastIndexByte(tag, '/') {
		tag += ":latest"
	}
	return tag
}

// checkImageName is whether there can be a reference NAME:latest.
func checkImageName(name string) error {
	if !componentPattern.MatchString(name) || hexPattern.MatchString(name) || len(name) > 100 {
		return errors.New(`want a name of at most 100 lower-case letters, digits and single . _ or - between them, such as "web"`)
	}
	return nil
}

// stacked is an image or variant as the checks of what stands on what see it.
type stacked struct {
	Image           // of a variant the one that it varies, without its tags
	key    string   // of its table: "images.web.variants.tests"
	of     string   // of the table that says what it stands on: "images.web"
	on     *stacked // what it stands on; nil: a distro
	bottom bool     // it leads down to a distro
}

// stacks reports what is wrong with images beside each other.
func (r *reporter) stacks(images map[string]Image) {
	all := map[string]*stacked{}
	for name, image := range images {
		key := keyOf("images", name)
		all[name] = &stacked{Image: image, key: key, of: key}
	}
	for _, name := range slices.Sorted(maps.Keys(images)) {
		image, of := images[name], keyOf("images", name)
		for _, variant := range slices.Sorted(maps.Keys(image.Variants)) {
			key, full := keyOf(of+".variants", variant), name+"-"+variant
			if other, clash := all[full]; clash {
				r.report(key, "makes an image %s, and so does %s", full, other.key)
				continue
			}
			image.Tags = image.Variants[variant].Tags
			all[full] = &stacked{Image: image, key: key, of: of}
		}
	}
	names := slices.Sorted(maps.Keys(all))
	for _, s := range all {
		s.on = all[s.From]
	}
	r.cycles(all, names)
	for _, name := range names {
		if s := all[name]; s.key == s.of {
			r.from(all, s)
			r.below(s)
		}
	}
	r.tags(all, names)
}

// cycles reports each cycle once, and marks what leads to a distro.
func (r *reporter) cycles(all map[string]*stacked, names []string) {
	seen := map[string]bool{}
	for _, name := range names {
		var path []string
		for all[name] != nil && !seen[name] {
			path, seen[name] = append(path, name), true
			name = all[name].From
		}
		if i := slices.Index(path, name); i >= 0 {
			r.report(all[name].of+".from", "a cycle: %s → %s", strings.Join(path[i:], " → "), name)
			continue
		}
		for _, name := range slices.Backward(path) {
			s := all[name]
			s.bottom = s.on == nil || s.on.bottom
		}
	}
}

// from reports what is neither an image nor the form of a distro.
func (r *reporter) from(all map[string]*stacked, s *stacked) {
	if s.From == "" || s.on != nil || codenamePattern.MatchString(s.From) {
		return
	}
	if near := strict.Near(s.From, slices.Sorted(maps.Keys(all))); len(near) > 0 {
		r.report(s.key+".from", "%q: neither a distro nor an image; did you mean %q?", s.From, near[0])
		return
	}
	r.report(s.key+".from", `%q: neither a distro such as "trixie" nor an image`, s.From)
}

// below reports what an image has though one that it stands on has it.
func (r *reporter) below(s *stacked) {
	if !s.bottom {
		return
	}
	python, app := s.Python != "", s.App != ""
	for b := s.on; b != nil && (python || app); b = b.on {
		switch {
		case python && b.Python != "":
			r.report(s.key+".python", "%q: %s, which it stands on, has python = %q", s.Python, b.key, b.Python)
			python = false
		case python && (b.Wheels != "" || b.App != ""):
			r.report(s.key+".python", "%q: %s, which it stands on, needs a Python already; name it there", s.Python, b.key)
			python = false
		}
		if app && b.App != "" {
			r.report(s.key+".app", "%q: %s, which it stands on, has app = %q", s.App, b.key, b.App)
			app = false
		}
	}
}

// tags reports two images with one tag, as far as that is certain before
// versions are known. Those that the file gives none have NAME:latest.
func (r *reporter) tags(all map[string]*stacked, names []string) {
	first := map[string]string{} // by tag: the table of its image
	for _, name := range names {
		if len(all[name].Tags) == 0 {
			first[name+":latest"] = all[name].key
		}
	}
	for _, name := range names {
		s := all[name]
		if !s.bottom {
			continue
		}
		vars := map[string]string{"name": name, "distro": "", "python": "{python}", "version": "{version}"}
		for b := s; b != nil; b = b.on {
			vars["distro"] = b.From
			if b.Python != "" {
				vars["python"] = b.Python
			}
			if b.App != "" && vars["version"] == "{version}" {
				vars["version"] = "{version of " + b.App + "}"
			}
		}
		for i, text := range s.Tags {
			tag, err := Replace(text, vars)
			if err != nil {
				continue // CheckTag says it
			}
			tag = fullTag(tag)
			if other, twice := first[tag]; twice && other != s.key {
				r.report(fmt.Sprintf("%s.tags[%d]", s.key, i), "%q: %s has that tag too", text, other)
			}
			first[tag] = s.key
		}
	}
}
