package sdist

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
)

// BadError is what is wrong with a source.
type BadError struct {
	File    string // "foo-1.0.tar.gz"
	Member  string // "foo-1.0/../x"; "" if it is about the whole
	Problem string // `name contains ".."`
}

func (e *BadError) Error() string {
	if e.Member == "" {
		return e.File + ": " + e.Problem
	}
	return fmt.Sprintf("%s: %.200q: %s", e.File, e.Member, e.Problem)
}

// errStop ends the writer of a stream that nobody reads any more.
var errStop = errors.New("read enough")

// blame makes a BadError of what package fetch says of an archive. What the disk
// says stays as it is.
func blame(file string, err error) error {
	var bad *BadError
	var disk *fs.PathError
	switch {
	case errors.As(err, &bad):
		bad.File = file
		return bad
	case errors.As(err, &disk) || errors.Is(err, errStop):
		return fmt.Errorf("%s: %w", file, err)
	}
	text := err.Error()
	if rest, ok := strings.CutPrefix(text, "archive member "); ok {
		quoted, err := strconv.QuotedPrefix(rest)
		if err != nil {
			return &BadError{File: file, Problem: text}
		}
		if member, err := strconv.Unquote(quoted); err == nil {
			return &BadError{File: file, Member: member, Problem: strings.TrimPrefix(rest[len(quoted):], ": ")}
		}
	}
	return &BadError{File: file, Problem: text}
}
