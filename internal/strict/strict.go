// Package strict decodes the TOML files that people write for pybake
// (pybake.toml, pybake.lock, recipes) and tells every problem of a file at
// once, each with its place:
//
//	pybake.toml:3:1: pythn: unknown key; did you mean "python"?
//	pybake.toml:4:11: sources: want an array of strings, found a string
//
// A file is UTF-8 without NUL or byte order mark, at most [MaxSize] bytes, and
// has at most [MaxKeys] keys and [MaxItems] elements of arrays, nested at most
// [MaxDepth] deep. Where most of them are in an array of tables ([[build]]),
// there may be [MaxRows] keys. So any file is read or
// refused within a second. Within a file of valid syntax every unknown
// key and every value of the wrong type is reported; of syntax errors, and of
// keys given twice, only the first, for what follows one means nothing.
//
// Lines and columns count from 1, columns in bytes. A key is written as TOML
// writes it, with the index of an array element from 0: distros.trixie.mirror,
// minutes."3.13", base[2].digest.
//
// Decoding goes over what the target already holds, key by key: a table of the
// file changes the fields or map entries that it names and no other, an array
// replaces the whole slice.
package strict

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2"
)

const (
	MaxSize  = 4 << 20 // bytes of a file
	MaxDepth = 32      // tables and arrays within each other
	MaxKeys  = 10_000  // keys and table headers of a file, or as much work as they make
	MaxRows  = 60_000  // keys and table headers where they make less
	MaxItems = 100_000 // elements of its arrays

	maxErrors = 1000 // problems after which no more are looked for
	maxShown  = 100  // problems that the text of Errors shows
	maxKey    = 200  // bytes of a key that the text of an Error shows
)

// Error is one problem of a file.
type Error struct {
	File      string // as given to Decode: "pybake.toml"
	Line, Col int    // from 1; 0 if the problem has no place in the file
	Key       string // "distros.trixie.mirror"; empty if it is about no key
	Msg       string // "unknown key"
	Near      string // what was likely meant: "mirror"; or empty
	Err       error  // the cause, if there is one; its text is in Msg
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", e.Line, e.Col)
	}
	if len(e.Key) > maxKey {
		b.WriteString(": " + strings.ToValidUTF8(e.Key[:maxKey], "") + "…")
	} else if e.Key != "" {
		b.WriteString(": " + e.Key)
	}
	b.WriteString(": " + e.Msg)
	if e.Near != "" {
		fmt.Fprintf(&b, "; did you mean %q?", e.Near)
	}
	return b.String()
}

func (e *Error) Unwrap() error { return e.Err }

// Errors are the problems of a file in the order of its lines, one a line of
// the text, which ends with a count where there are too many to read. It is
// never empty when it is returned as an error.
type Errors []*Error

func (e Errors) Error() string {
	var lines []string
	for _, err := range e[:min(len(e), maxShown)] {
		lines = append(lines, err.Error())
	}
	if more := len(e) - len(lines); more > 0 {
		lines = append(lines, fmt.Sprintf("%s: %d more problems", e[0].File, more))
	}
	return strings.Join(lines, "\n")
}

func (e Errors) Unwrap() []error {
	errs := make([]error, len(e))
	for i, err := range e {
		errs[i] = err
	}
	return errs
}

// Err is e as an error: nil if there is no problem.
func (e Errors) Err() error {
	if len(e) == 0 {
		return nil
	}
	return e
}

// Sort puts the problems of a file into the order of its lines.
func Sort(errs Errors) {
	slices.SortStableFunc(errs, func(a, b *Error) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col), strings.Compare(a.Key, b.Key))
	})
}

// Decode decodes the TOML in data over the struct that into points to, whose
// fields are named by `toml:"name"` tags. A type that implements
// encoding.TextUnmarshaler is decoded from a string. file is only named in
// errors, which are always [Errors]. If they are about unknown keys only, into
// has the rest of the values, and the document says that it is Decoded, so that
// the caller can look for more problems; else into is left as it was.
//
// The document that is returned places the problems that the caller finds in
// the values. It is there even beside an error, and then knows the keys up to
// the first syntax error.
func Decode(file string, data []byte, into any) (*Doc, error) {
	doc := &Doc{file: file, data: data, root: &node{kind: tableNode}}
	if err := doc.checkText(); err != nil {
		return doc, Errors{err}
	}
	if err := doc.parse(); err != nil {
		return doc, Errors{err}
	}
	target := reflect.ValueOf(into)
	if target.Kind() != reflect.Pointer || target.Elem().Kind() != reflect.Struct {
		return doc, Errors{{File: file, Msg: fmt.Sprintf("decoding into %T: not a pointer to a struct", into)}}
	}
	c := checker{doc: doc}
	c.check(doc.root, target.Type().Elem(), "")
	if len(c.errs) == 0 && target.Elem().IsZero() {
		return doc, doc.decodeNew(target.Elem())
	}
	if err := doc.duplicates(); err != nil {
		c.errs = append(c.errs, err)
	}
	if len(c.errs) == c.unknown {
		if err := toml.Unmarshal(data, into); err != nil {
			c.errs = append(c.errs, doc.tomlError(err))
		} else {
			doc.decoded = true
		}
	}
	Sort(c.errs)
	return doc, c.errs.Err()
}

// decodeNew fills in a target that holds nothing yet, or leaves it so. Decoding
// into another of its type finds what duplicates does, and is done once only.
func (d *Doc) decodeNew(target reflect.Value) error {
	values := reflect.New(target.Type())
	if err := toml.Unmarshal(d.data, values.Interface()); err != nil {
		return Errors{d.tomlError(err)}
	}
	target.Set(values.Elem())
	d.decoded = true
	return nil
}

// checkText refuses what no text file of ours holds.
func (d *Doc) checkText() *Error {
	if len(d.data) > MaxSize {
		return &Error{File: d.file, Msg: fmt.Sprintf("%d bytes: more than %d, which is as much as is read", len(d.data), MaxSize)}
	}
	for _, mark := range []string{"\xef\xbb\xbf", "\xff\xfe", "\xfe\xff"} {
		if bytes.HasPrefix(d.data, []byte(mark)) {
			return d.errorAt(0, "", "byte order mark: save the file as UTF-8 without one")
		}
	}
	if i := bytes.IndexByte(d.data, 0); i >= 0 {
		return d.errorAt(i, "", "NUL byte: not a text file")
	}
	for rest, i := d.data, 0; len(rest) > 0; {
		r, n := utf8.DecodeRune(rest)
		if r == utf8.RuneError && n == 1 {
			return d.errorAt(i, "", fmt.Sprintf("byte %#x: not UTF-8", rest[0]))
		}
		rest, i = rest[n:], i+n
	}
	return nil
}

// duplicates finds what is wrong with the document whatever its target: a key
// or table given twice, a number or a date out of range.
func (d *Doc) duplicates() *Error {
	var values map[string]any
	if err := toml.Unmarshal(d.data, &values); err != nil {
		return d.tomlError(err)
	}
	return nil
}

// tomlError gives an error of the TOML library our form.
func (d *Doc) tomlError(err error) *Error {
	var de *toml.DecodeError
	if !errors.As(err, &de) {
		return &Error{File: d.file, Msg: strings.TrimPrefix(err.Error(), "toml: "), Err: err}
	}
	e := &Error{File: d.file, Key: keyString(de.Key()), Msg: strings.TrimPrefix(de.Error(), "toml: "), Err: err}
	e.Line, e.Col = de.Position()
	return e
}
