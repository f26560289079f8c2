package check

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/pybake/pybake/internal/elfcheck"
	"github.com/pybake/pybake/internal/image/layer"
	"github.com/pybake/pybake/internal/pattern"
)

// entrypointExists is "entrypoint exists".
func (s *state) entrypointExists() (f found, err error) {
	what, argv := "ENTRYPOINT", s.Entrypoint
	if len(argv) == 0 {
		what, argv = "CMD", s.Cmd
	}
	if len(argv) == 0 {
		f.note("neither ENTRYPOINT nor CMD")
		return f, nil
	}
	words := []string{argv[0]}
	if behind := behindInit(argv); behind != "" {
		words = append(words, behind)
	}
	for _, word := range words {
		said, err := s.program(word, 0)
		if bad := problem(""); errors.As(err, &bad) {
			f.bad("%s %q: %v", what, word, bad)
		} else if err != nil {
			return f, err
		} else {
			f.note("%s", said)
		}
	}
	return f, nil
}

// behindInit is the command that tini runs; "" if there is no tini.
func behindInit(argv []string) string {
	if path.Base(argv[0]) != "tini" {
		return ""
	}
	for i, word := range argv[1:] {
		switch {
		case word == "--" && i+2 < len(argv):
			return argv[i+2]
		case !strings.HasPrefix(word, "-"):
			return word
		}
	}
	return ""
}

// problem is what is wrong with a program.
type problem string

func (p problem) Error() string { return string(p) }

func wrong(format string, args ...any) error { return problem(fmt.Sprintf(format, args...)) }

// mostScripts is how many interpreters that are scripts themselves Linux follows.
const mostScripts = 4

// program looks a word up as execvp(3) does and follows its interpreters. It
// returns the paths on the way: "/venv/bin/shop, /opt/python/3.13/bin/python3.13".
func (s *state) program(word string, depth int) (string, error) {
	e, err := s.which(word)
	if err != nil {
		return "", err
	}
	said := "/" + e.Name
	if f, ok := s.elf[content(e)]; ok {
		return said, s.linked(e, f)
	}
	head, err := s.head(e)
	if err != nil {
		return "", err
	}
	if elfcheck.Magic(head) {
		return said, nil
	}
	line, ok := bytes.CutPrefix(head, []byte("#!"))
	if !ok {
		return "", wrong("%s is neither a program nor a script that begins with #!", s.where(e))
	}
	line, _, _ = bytes.Cut(line, []byte("\n"))
	words := strings.Fields(string(line))
	switch {
	case len(words) == 0 || strings.HasSuffix(words[0], "\r"):
		return "", wrong("%s begins with #!%s", s.where(e), strconv.Quote(string(line)))
	case depth >= mostScripts:
		return "", wrong("%s is interpreted by scripts of scripts", s.where(e))
	}
	more, err := s.program(words[0], depth+1)
	if err == nil && path.Base(words[0]) == "env" {
		more, err = s.throughEnv(words[1:], depth)
	}
	if bad := problem(""); errors.As(err, &bad) {
		return "", wrong("interpreter of %s: %v", s.where(e), bad)
	}
	return said + ", " + more, err
}

// throughEnv follows "#!/usr/bin/env [-S] [NAME=VALUE] PROGRAM".
func (s *state) throughEnv(words []string, depth int) (string, error) {
	i := slices.IndexFunc(words, func(w string) bool { return !strings.HasPrefix(w, "-") && !strings.Contains(w, "=") })
	if i < 0 {
		return "", wrong("env runs nothing")
	}
	return s.program(words[i], depth+1)
}

// linked is whether the loader of a program is there.
func (s *state) linked(e layer.Entry, f *elfcheck.File) error {
	if f.Machine != s.Machine {
		return wrong("%s is for %s, and this is %s", s.where(e), f.Machine, s.Machine)
	}
	if f.Interp != "" {
		if target, ok := s.Tree.Lookup(f.Interp); !ok || !isFile(target) {
			return wrong("%s wants the loader %s, which is not there", s.where(e), f.Interp)
		}
	}
	return nil
}

// which finds a program as the user would. The entry is what links lead to.
func (s *state) which(word string) (layer.Entry, error) {
	if strings.Contains(word, "/") {
		at := word
		if !path.IsAbs(at) {
			at = path.Join("/", s.Workdir, at)
		}
		return s.executable(at)
	}
	var refused error
	search := s.variable("PATH")
	for dir := range strings.SplitSeq(search, ":") {
		e, err := s.executable(path.Join("/", dir, word))
		if err == nil {
			return e, nil
		}
		if _, there := s.Tree.Lookup(path.Join("/", dir, word)); there && refused == nil {
			refused = err
		}
	}
	if refused != nil {
		return layer.Entry{}, refused
	}
	return layer.Entry{}, wrong("is not on PATH, %s", search)
}

// executable is the file that a path leads to, if the user may execute it.
func (s *state) executable(at string) (layer.Entry, error) {
	e, ok := s.Tree.Lookup(at)
	switch {
	case !ok:
		return e, wrong("%s is not there", at)
	case !isFile(e):
		return e, wrong("%s is no file", at)
	}
	uid, gid, err := s.ids()
	if err != nil {
		return e, err
	}
	may := func(e layer.Entry) bool {
		switch {
		case uid == 0:
			return e.Mode&0o111 != 0
		case uid == e.UID:
			return e.Mode&0o100 != 0
		case gid == e.GID:
			return e.Mode&0o010 != 0
		}
		return e.Mode&0o001 != 0
	}
	if !may(e) {
		return e, wrong("%s: mode %04o, owner %d:%d: user %s cannot execute it", s.where(e), e.Mode, e.UID, e.GID, s.User)
	}
	for dir := path.Dir(e.Name); dir != "."; dir = path.Dir(dir) {
		if d, ok := s.Tree.Entry(dir); ok && uid != 0 && !may(d) {
			return e, wrong("%s: user %s cannot enter %s", at, s.User, s.where(d))
		}
	}
	return e, nil
}

var ids = pattern.New(`^([0-9]+)(?::([0-9]+))?$`)

// ids are those of the user.
func (i Image) ids() (uid, gid int, err error) {
	if i.User == "" {
		return 0, 0, nil
	}
	m := ids.FindStringSubmatch(i.User)
	if m == nil {
		return 0, 0, fmt.Errorf("user %q: want UID:GID", i.User)
	}
	uid, err = strconv.Atoi(m[1])
	if err == nil && m[2] != "" {
		gid, err = strconv.Atoi(m[2])
	}
	return uid, gid, err
}
