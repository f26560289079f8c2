package fetch

import (
	"errors"
	"fmt"
	"strings"

	"github.com/pybake/pybake/internal/pattern"
)

// ErrNotHere is what a place answers that works but has no such file.
var ErrNotHere = errors.New("not there")

// ErrOffline is the answer of a Network place that was not asked because the
// Fetcher is Offline.
var ErrOffline = errors.New("not asked: offline")

// MismatchError says that a place sent other bytes than the file's. Nothing
// has read them, and they were removed.
type MismatchError struct {
	Place string // label
	Where string // path, or URL without credentials
	File  File   // what was expected
	Found string // what came has this instead of File's hash of that length; "" if it was longer than File.Size and not read to its end
}

func (e *MismatchError) Error() string {
	if e.Found == "" {
		return fmt.Sprintf("%s: %s is not %s: expected %d bytes, found more", e.Place, e.Where, e.File.Name, e.File.Size)
	}
	w := e.File.expected(e.Found)
	return fmt.Sprintf("%s: %s is not %s: expected %s %s, found %s",
		e.Place, e.Where, e.File.Name, w.algorithm, w.digits, e.Found)
}

// FailedError says that no place gave any of the wanted files. It prints as
// one line of what was wanted, then one indented line for every answer:
//
//	no place has Python-3.11.9.tar.xz (sha256 9b1e8966…) or Python-3.11.9.tgz (sha256 e7de3240…)
//	  cache /root/.cache/pybake: not there
//	  python.org: GET https://…: dial tcp: lookup www.example.org: no such host
//
// errors.Is and errors.As look through every answer.
type FailedError struct {
	Want  []File
	Trail []Answer
}

func (e *FailedError) Error() string {
	var b strings.Builder
	b.WriteString("no place has ")
	for i, f := range e.Want {
		if i > 0 {
			b.WriteString(" or ")
		}
		b.WriteString(f.String())
	}
	for _, a := range e.Trail {
		text := a.Err.Error()
		if _, ok := a.Err.(*MismatchError); !ok {
			text = a.Place + ": " + text
		}
		b.WriteString("\n  " + strings.ReplaceAll(text, "\n", " "))
	}
	return b.String()
}

// Unwrap returns the answers' errors.
func (e *FailedError) Unwrap() []error {
	all := make([]error, len(e.Trail))
	for i, a := range e.Trail {
		all[i] = a.Err
	}
	return all
}

// localError is trouble with the cache, for which no other place is a remedy.
type localError struct{ err error }

func (e *localError) Error() string { return e.err.Error() }
func (e *localError) Unwrap() error { return e.err }

// transientError may be gone at the next try.
type transientError struct{ err error }

func (e *transientError) Error() string { return e.err.Error() }
func (e *transientError) Unwrap() error { return e.err }

// unreachableError came before any answer to an HTTP request.
type unreachableError struct{ err error }

func (e *unreachableError) Error() string { return e.err.Error() }
func (e *unreachableError) Unwrap() error { return e.err }

// redacted prints an error of net/http without what its URLs may give away.
type redacted struct{ err error }

func (e *redacted) Error() string { return Redact(e.err.Error()) }
func (e *redacted) Unwrap() error { return e.err }

var (
	userinfo = pattern.New(`://[^/\s"]*@`)
	query    = pattern.New(`(://[^\s"?#]*)[?#][^\s"]*`)
)

// Redact removes user, password, query and fragment from every URL in a text.
func Redact(text string) string {
	return query.ReplaceAllString(userinfo.ReplaceAllString(text, "://"), "$1")
}
