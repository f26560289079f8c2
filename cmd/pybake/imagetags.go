package main

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pybake/pybake/internal/pattern"
	"github.com/pybake/pybake/internal/project"
)

// tags are the references of an image.
func tags(one project.Image, vars map[string]string) ([]string, error) {
	var out []string
	for _, tag := range one.Tags {
		for _, name := range slices.Sorted(maps.Keys(vars)) {
			if vars[name] == "" && uses(tag, name) {
				return nil, usagef("", "image %s: tag %s: nothing says a %s", one.Name, tag, name)
			}
		}
		full, err := project.Replace(tag, vars)
		if err == nil {
			err = checkReference(full)
		}
		if err != nil {
			return nil, usagef("", "image %s: tag %s: %w", one.Name, tag, err)
		}
		if name := full[strings.LastIndexByte(full, '/')+1:]; !strings.Contains(name, ":") {
			full += ":latest"
		}
		out = append(out, full)
	}
	return out, nil
}

// checkReference is project.CheckTag for what has no variables.
func checkReference(ref string) error {
	if strings.ContainsAny(ref, "{}") {
		return fmt.Errorf("%q: want an image reference", ref)
	}
	return project.CheckTag(ref)
}

// uses is whether a tag has a variable.
func uses(tag, name string) bool {
	vars := map[string]string{"name": "", "distro": "", "version": "", "python": ""}
	vars[name] = "\x00"
	text, err := project.Replace(tag, vars)
	return err == nil && strings.Contains(text, "\x00")
}

// checkTags refuses tags that will come to nothing, before anything is made: 1
// stands for a version that only what is made tells.
func checkTags(p *project.Project, one project.Image) error {
	vars := map[string]string{"name": one.Name, "distro": cmp.Or(one.Distro(p), one.From), "version": "", "python": ""}
	for _, link := range standing(p, one) {
		if link.App != "" {
			vars["version"] = "1"
		}
		if link.Python != "" || link.Wheels != "" || link.App != "" {
			vars["python"] = "1"
		}
	}
	var errs []error
	for i, tag := range one.Tags {
		single := one
		single.Tags = []string{tag}
		_, err := tags(single, vars)
		errs = append(errs, p.At(one.Key(fmt.Sprintf("tags[%d]", i)), err))
	}
	return errors.Join(errs...)
}

var notInTags = pattern.New(`[^A-Za-z0-9_.-]`)

// tagSafe is a version as a tag can have it: "1.4.2+g1f2e3d" has a plus.
func tagSafe(version string) string { return notInTags.ReplaceAllString(version, "-") }
