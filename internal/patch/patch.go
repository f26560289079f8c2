// Package patch reads unified diffs and applies them to the files of a tree.
//
// It is strict: every line of context stands where the diff says, with neither fuzz
// nor offset, so that a patch for another version is an error and not a guess. A diff
// is what git diff or diff -u prints; the first part of a name is dropped, as by
// patch -p1. What a diff of text cannot say is refused: binary files, renames, copies
// and modes. Lines before a file's header are for people, and are passed over.
package patch

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/bluekeyes/go-gitdiff/gitdiff"
)

// Patch is one file with diffs, of one file of a tree each.
type Patch struct {
	Name string // for errors: "numpy/gcc14.patch"

	diffs []diff
}

// diff is what happens to one file.
type diff struct {
	file string // "numpy/core/setup.py"
	*gitdiff.File
}

// Error is why a patch does not apply.
type Error struct {
	Patch   string // its name
	File    string // of the tree
	Hunk    int    // of the file, from 1; 0 if it is about the whole
	Line    int    // of the file, from 1; 0 if none is to blame
	Problem string
}

func (e *Error) Error() string {
	where := e.Patch + ": " + e.File
	if e.Hunk > 0 {
		where += fmt.Sprintf(": hunk %d", e.Hunk)
	}
	if e.Line > 0 {
		where += fmt.Sprintf(", line %d of the file", e.Line)
	}
	return where + ": " + e.Problem
}

// Parse reads a patch. Without any diff it is an error.
func Parse(name string, text []byte) (*Patch, error) {
	found, _, err := gitdiff.Parse(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %s", name, strings.TrimPrefix(err.Error(), "gitdiff: "))
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%s: no diff in it", name)
	}
	byGit := bytes.HasPrefix(text, []byte("diff --git ")) || bytes.Contains(text, []byte("\ndiff --git "))
	p := &Patch{Name: name}
	for _, f := range found {
		file := f.NewName
		if f.IsDelete {
			file = f.OldName
		}
		if !byGit { // of git's headers the library drops it
			_, file, _ = strings.Cut(file, "/")
		}
		problem := refused(f)
		switch {
		case !fs.ValidPath(file) || file == ".":
			problem = "want the name of a file below a first part, as for patch -p1"
		case slices.ContainsFunc(p.diffs, func(d diff) bool { return d.file == file }):
			problem = "two diffs of it; want one"
		}
		if problem != "" {
			return nil, &Error{Patch: name, File: file, Problem: problem}
		}
		p.diffs = append(p.diffs, diff{file, f})
	}
	return p, nil
}

// refused is why a diff is not applied; "" if it is.
func refused(f *gitdiff.File) string {
	switch {
	case f.IsBinary:
		return "a binary file, which no patch changes"
	case f.IsRename || f.IsCopy:
		return "a rename or copy; want the lines of both files"
	case f.IsNew && f.NewMode != 0 && f.NewMode != 0o100644, !f.IsNew && f.NewMode != 0 && f.NewMode != f.OldMode:
		return "another mode than 0644, which no patch sets"
	case len(f.TextFragments) == 0:
		return "no hunk"
	}
	return ""
}

// Set is patches in the order in which they apply.
type Set []*Patch

// Files are the names of the files that the patches change, make or remove, sorted.
func (s Set) Files() []string {
	var names []string
	for _, p := range s {
		for _, d := range p.diffs {
			names = append(names, d.file)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Edit applies what the patches say of a file to its bytes. There is no file where
// they are nil, before and after. The error is an *Error.
func (s Set) Edit(file string, data []byte) ([]byte, error) {
	for _, p := range s {
		for _, d := range p.diffs {
			if d.file != file {
				continue
			}
			var err *Error
			if data, err = d.apply(data); err != nil {
				err.Patch, err.File = p.Name, file
				return nil, err
			}
		}
	}
	return data, nil
}

func (d diff) apply(data []byte) ([]byte, *Error) {
	switch {
	case d.IsNew && data != nil:
		return nil, &Error{Problem: "is there already"}
	case !d.IsNew && data == nil:
		return nil, &Error{Problem: "no such file"}
	}
	var out bytes.Buffer
	if err := gitdiff.Apply(&out, bytes.NewReader(data), d.File); err != nil {
		return nil, d.explain(data, err)
	}
	if d.IsDelete {
		return nil, nil
	}
	return append([]byte{}, out.Bytes()...), nil
}

// explain says which line of the file is not what the patch wants.
func (d diff) explain(data []byte, err error) *Error {
	e := &Error{Problem: strings.TrimPrefix(err.Error(), "conflict: ")}
	at, ok := errors.AsType[*gitdiff.ApplyError](err)
	if !ok || at.Fragment == 0 {
		return e
	}
	e.Hunk, e.Line = at.Fragment, int(at.Line)
	lines := bytes.SplitAfter(data, []byte("\n"))
	hunk := d.TextFragments[at.Fragment-1]
	if at.FragmentLine > 0 && e.Line > 0 && e.Line <= len(lines) {
		e.Problem = fmt.Sprintf("is %.200q, not %.200q", lines[e.Line-1], hunk.Lines[at.FragmentLine-1].Line)
	}
	return e
}
