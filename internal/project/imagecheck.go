package project

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/pybake/pybake/internal/pattern"
	"github.com/pybake/pybake/internal/pep"
	"github.com/pybake/pybake/internal/strict"
)

var (
	pythonPattern    = pattern.New(`^3\.(0|[1-9][0-9]?)(\.(0|[1-9][0-9]?)((a|b|rc)[1-9][0-9]?)?)?$`)
	aptPattern       = pattern.New(`^[a-z0-9][a-z0-9+.-]+$`) // Debian policy 5.6.1
	imageUserPattern = pattern.New(`^([a-z_][a-z0-9_-]{0,31}):([1-9][0-9]{0,4})$`)
	portPattern      = pattern.New(`^([1-9][0-9]{0,4})(?:/(tcp|udp|sctp))?$`)

	layerNames = []string{"base", "python", "apt", "wheels", "app", "files", "total"}
	keepWords  = []string{"tests", "headers", "sources", "docs", "metadata", "typing"}
	ownPaths   = []string{"/venv", "/opt/python", "/proc", "/sys", "/dev"} // no files of a project go there
)

// CheckImage is what is wrong with an image that no file describes, without
// what it stands on: one error a line, each beginning with the field, "apt[0]".
func CheckImage(i Image) error {
	doc, err := strict.Decode("", nil, &struct{}{})
	if err != nil {
		return err
	}
	r := &reporter{doc: doc}
	r.image("images", i)
	var errs []error
	for _, e := range r.errs {
		errs = append(errs, errors.New(strings.TrimPrefix(e.Key, "images.")+": "+e.Msg))
	}
	return errors.Join(errs...)
}

// images reports what is wrong with [images].
func (r *reporter) images(images map[string]Image) {
	for _, name := range slices.Sorted(maps.Keys(images)) {
		key, image := keyOf("images", name), images[name]
		if err := checkImageName(name); err != nil {
			r.report(key, "%w", err)
		}
		if r.given(key+".from", image.From); image.From == "" && !r.doc.Has(key+".from") {
			r.report(key+".from", `missing: want a distro such as "trixie", or another image`)
		}
		r.image(key, image)
		for _, variant := range slices.Sorted(maps.Keys(image.Variants)) {
			key, v := keyOf(key+".variants", variant), image.Variants[variant]
			if err := checkImageName(variant); err != nil {
				r.report(key, "%w", err)
			}
			r.variant(key, v, image.Wheels)
		}
		if image.Run != nil {
			r.run(key+".run", *image.Run)
		}
		for _, run := range slices.Sorted(maps.Keys(image.Runs)) {
			key := keyOf(key+".runs", run)
			if err := checkImageName(run); err != nil {
				r.report(key, "%w", err)
			}
			r.run(key, image.Runs[run])
		}
	}
	r.stacks(images)
}

// image reports what is wrong with the fields of an image, each for itself.
func (r *reporter) image(key string, i Image) {
	if r.given(key+".python", i.Python); i.Python != "" && !pythonPattern.MatchString(i.Python) {
		r.report(key+".python", `%q: want a version such as "3.13.5", or a series such as "3.13"`, i.Python)
	}
	if r.given(key+".wheels", i.Wheels); i.Wheels != "" && (!isLocal(i.Wheels) || filepath.Clean(i.Wheels) == ".") {
		r.report(key+".wheels", "%q: want the path of a lock within the directory of %s", i.Wheels, File)
	}
	if r.given(key+".app", i.App); i.App != "" && !isLocal(i.App) {
		r.report(key+".app", "%q: want a directory within that of %s", i.App, File)
	}
	r.variant(key, Variant{
		Apt: i.Apt, Extras: i.Extras, Groups: i.Groups, NoGroups: i.NoGroups, Files: i.Files, Entrypoint: i.Entrypoint, Cmd: i.Cmd,
		Env: i.Env, Labels: i.Labels, Check: i.Check, Keep: i.Keep, Tags: i.Tags,
	}, i.Wheels)
	if r.given(key+".user", i.User); i.User != "" {
		if err := checkImageUser(i.User); err != nil {
			r.report(key+".user", "%w", err)
		}
	}
	if r.given(key+".workdir", i.Workdir); i.Workdir != "" {
		if err := checkAbsolute(i.Workdir); err != nil {
			r.report(key+".workdir", "%q: %w", i.Workdir, err)
		}
	}
	r.each(key+".ports", i.Ports, func(port string) string { return strings.TrimSuffix(port, "/tcp") }, func(port string) error {
		if m := portPattern.FindStringSubmatch(port); m == nil || !isPort(m[1]) {
			return fmt.Errorf(`%q: want a port such as "8080" or "53/udp"`, port)
		}
		return nil
	})
	for _, name := range slices.Sorted(maps.Keys(i.MaxSize)) {
		if err := checkWord(name, layerNames); err != nil {
			r.report(keyOf(key+".max-size", name), "%w", err)
		}
	}
}

// variant reports what is wrong with the fields that a variant can have, too.
func (r *reporter) variant(key string, v Variant, wheels string) {
	r.each(key+".apt", v.Apt, asIs, func(name string) error {
		if !aptPattern.MatchString(name) {
			return fmt.Errorf(`%q: want the name of a package of the distro, such as "libpq5"`, name)
		}
		return nil
	})
	for _, f := range []struct {
		field string
		names []string
	}{{".extras", v.Extras}, {".groups", v.Groups}, {".no-groups", v.NoGroups}} {
		if len(f.names) > 0 && wheels == "" {
			r.report(key+f.field, "chooses from a lock, but the image has no wheels")
		}
		r.each(key+f.field, f.names, pep.NormalizeName, func(name string) error {
			if !pep.ValidName(name) {
				return fmt.Errorf("%q: want a name", name)
			}
			if f.field == ".no-groups" && slices.ContainsFunc(v.Groups, func(g string) bool { return pep.NormalizeName(g) == pep.NormalizeName(name) }) {
				return fmt.Errorf("%q: in groups too", name)
			}
			return nil
		})
	}
	r.files(key+".files", v.Files)
	r.command(key+".entrypoint", v.Entrypoint)
	r.texts(key+".cmd", v.Cmd)
	r.command(key+".check", v.Check)
	r.env(key+".env", v.Env)
	for _, name := range slices.Sorted(maps.Keys(v.Labels)) {
		at := keyOf(key+".labels", name)
		switch {
		case name == "" || strings.ContainsFunc(name, func(c rune) bool { return c <= ' ' || c == '=' || c == 0x7f }):
			r.report(at, `%q: want the name of a label, such as "org.example.team"`, name)
		case name == "org.pybake" || strings.HasPrefix(name, "org.pybake."):
			r.report(at, "pybake gives labels of this name itself")
		}
		r.text(at, v.Labels[name])
	}
	r.each(key+".keep", v.Keep, asIs, func(word string) error { return checkWord(word, keepWords) })
	r.each(key+".tags", v.Tags, fullTag, CheckTag)
}

// files reports what is wrong with targets and sources of files.
func (r *reporter) files(key string, files map[string]string) {
	for _, target := range slices.Sorted(maps.Keys(files)) {
		at, source := keyOf(key, target), files[target]
		if err := checkTarget(target); err != nil {
			r.report(at, "%w", err)
		}
		if !isLocal(source) || filepath.Clean(source) == "." {
			r.report(at, "%q: want the path of a file or directory within the directory of %s", source, File)
		}
	}
}

// env reports what no variable of an environment can be.
func (r *reporter) env(key string, env map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(env)) {
		at := keyOf(key, name)
		if name == "" || strings.ContainsAny(name, "=\x00") {
			r.report(at, "%q: want the name of an environment variable", name)
		}
		r.text(at, env[name])
		if strings.ContainsAny(env[name], "\n\r") {
			r.report(at, "a line break: a Dockerfile cannot say that")
		}
	}
}

// command reports what is wrong with a command line; [] is none.
func (r *reporter) command(key string, argv []string) {
	if len(argv) > 0 && argv[0] == "" {
		r.report(key+"[0]", "empty: want a program")
	}
	r.texts(key, argv)
}

func (r *reporter) texts(key string, values []string) {
	for i, value := range values {
		r.text(fmt.Sprintf("%s[%d]", key, i), value)
	}
}

// text refuses what neither a command line nor an environment can hold.
func (r *reporter) text(key, value string) {
	if strings.ContainsRune(value, 0) {
		r.report(key, "holds a NUL")
	}
}

// given refuses a key that is given and empty.
func (r *reporter) given(key, value string) {
	if value == "" && r.doc.Has(key) {
		r.report(key, "empty")
	}
}

// isLocal is whether a path stays within the directory that it is relative to.
// Where its symbolic links lead is for whoever reads it to see.
func isLocal(path string) bool { return filepath.IsLocal(path) && !strings.ContainsRune(path, 0) }

func isPort(digits string) bool {
	n, err := strconv.Atoi(digits)
	return err == nil && n >= 1 && n <= 65535 && strconv.Itoa(n) == digits
}

func checkImageUser(user string) error {
	if user == "app" || user == "root" {
		return nil
	}
	m := imageUserPattern.FindStringSubmatch(user)
	if m == nil {
		return fmt.Errorf(`%q: want "app", "root", or a name and a number such as "shop:2000"`, user)
	}
	switch uid, err := strconv.Atoi(m[2]); {
	case m[1] == "app" || m[1] == "root":
		return fmt.Errorf("%q: %s has a number already; want %q, or another name", user, m[1], m[1])
	case err != nil || uid > 59999:
		return fmt.Errorf("%q: want a number from 1 to 59999", user)
	}
	return nil
}

// checkAbsolute refuses what is no clean absolute path.
func checkAbsolute(name string) error {
	switch {
	case !path.IsAbs(name):
		return errors.New("want an absolute path")
	case path.Clean(name) != name:
		return fmt.Errorf("want %q", path.Clean(name))
	case strings.ContainsFunc(name, func(c rune) bool { return c < ' ' || c == 0x7f }):
		return errors.New("a path with control characters")
	case len(name) > 4095 || slices.ContainsFunc(strings.Split(name, "/"), func(part string) bool { return len(part) > 255 }):
		return errors.New("a path that is too long")
	}
	return nil
}

// checkTarget refuses a path in an image where files of a project cannot go.
func checkTarget(target string) error {
	if err := checkAbsolute(target); err != nil {
		return err
	}
	if target == "/" {
		return errors.New("want the path of one file or directory")
	}
	for _, own := range ownPaths {
		if target == own || strings.HasPrefix(target, own+"/") {
			return fmt.Errorf("%s is not for files", own)
		}
	}
	if strings.Contains(target, "/.wh.") { // OCI image spec, layer: whiteouts
		return errors.New("a layer cannot hold a name that begins with .wh.")
	}
	return nil
}

func checkWord(word string, known []string) error {
	if slices.Contains(known, word) {
		return nil
	}
	if near := strict.Near(word, known); len(near) > 0 {
		return fmt.Errorf("%q: unknown; did you mean %q?", word, near[0])
	}
	return fmt.Errorf("%q: unknown; want one of %s", word, strings.Join(known, ", "))
}
