package refresh

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pybake/pybake/artifacts"
)

// mostReasons bounds the list of Reasons.
const mostReasons = 40

// Reasons is why an artifact is built anew: the inputs that are other than those it
// was made from, one a line, as people say it:
//
//	openssl 3.0.17-1 → 3.0.18-1 in bookworm
//	version 3.13.5 → 3.13.15
//	idna 3.10 → 3.11
//
// A package of the distro that moved in the base image and in the toolchain is told
// once. The list is no longer than 40 lines, the last of them being how many more
// there are.
func Reasons(before, after []artifacts.Input, codename string) []string {
	var told, digests []string
	add := func(list *[]string, line string) {
		if !slices.Contains(*list, line) {
			*list = append(*list, line)
		}
	}
	for _, c := range artifacts.Compare(before, after) {
		name, packaged := distroPackage(c.Name)
		switch {
		case c.Name == "package.version": // follows from the others
		case packaged:
			add(&told, moved(name, shown(c.Old), shown(c.New))+" in "+codename)
		case strings.HasPrefix(c.Name, "wheel."):
			name, was, is := strings.TrimPrefix(c.Name, "wheel."), shown(c.Old), shown(c.New)
			if was == is {
				add(&told, name+" "+is+" is another file")
				continue
			}
			add(&told, moved(name, was, is))
		case c.Old != nil && c.New != nil && isDigest(c.Old.Value) && isDigest(c.New.Value):
			add(&digests, inputName(c.Name)+" changed"+noted(c))
		case c.New == nil && isDigest(c.Old.Value):
			add(&digests, inputName(c.Name)+" removed")
		case c.Old == nil && isDigest(c.New.Value):
			add(&digests, inputName(c.Name)+" added")
		default:
			add(&told, c.String())
		}
	}
	told = append(told, digests...)
	if more := len(told) - mostReasons; more > 0 {
		told = append(told[:mostReasons], fmt.Sprintf("and %d more", more))
	}
	return told
}

// distroPackage is the package of the distro that an input is: "openssl" of
// "builder.package.openssl:amd64".
func distroPackage(input string) (name string, ok bool) {
	for _, prefix := range []string{"base.package.", "builder.package.", "apt.", "package."} {
		if rest, found := strings.CutPrefix(input, prefix); found {
			name, _, ok = strings.Cut(rest, ":")
			return name, ok
		}
	}
	return "", false
}

// shown is the first word of a value, which is followed by hashes: a version.
func shown(in *artifacts.Input) string {
	if in == nil {
		return ""
	}
	word, _, _ := strings.Cut(in.Value, " ")
	return word
}

func moved(name, old, new string) string {
	switch {
	case old == "":
		return name + " added: " + new
	case new == "":
		return name + " removed: " + old
	case old == new:
		return name + " " + old + ", other bytes"
	}
	return name + " " + old + " → " + new
}

func isDigest(value string) bool {
	return strings.HasPrefix(value, "sha256:") || len(value) == 64 && strings.Trim(value, "0123456789abcdef") == ""
}

var inputNames = map[string]string{
	"base": "the base image", "python": "the Python", "profile": "the training profile", "source": "the source",
}

func inputName(name string) string {
	if text, ok := inputNames[name]; ok {
		return text
	}
	return name
}

// noted are the notes of an input whose value says nothing to people.
func noted(c artifacts.Change) string {
	if c.Old.Note == "" && c.New.Note == "" || c.Old.Note == c.New.Note {
		return ""
	}
	return ": " + c.Old.Note + " → " + c.New.Note
}
