package whl

import (
	"fmt"
	"strings"
)

// BadError is what is wrong with a wheel, all of it. The problems name the
// member that they are about.
type BadError struct {
	File     string   // "foo-1.0-py3-none-any.whl"
	Problems []string // `"foo/a.py": not in RECORD`; at least one, at most 100
	More     int      // problems that are not listed
}

func (e *BadError) Error() string {
	text := e.File + ": " + strings.Join(e.Problems, "; ")
	if e.More > 0 {
		text += fmt.Sprintf("; and %d more", e.More)
	}
	return text
}

const maxProblems = 100

// problems are collected while reading.
type problems struct {
	list []string
	more int
}

func (p *problems) add(format string, args ...any) {
	if len(p.list) == maxProblems {
		p.more++
		return
	}
	p.list = append(p.list, fmt.Sprintf(format, args...))
}

func (p *problems) err(file string) error {
	if len(p.list) == 0 {
		return nil
	}
	return &BadError{File: file, Problems: p.list, More: p.more}
}

// quote is a name for an error, cut if it is long.
func quote(name string) string { return fmt.Sprintf("%.200q", name) }
