package artifacts

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// keyVersion opens every encoding; it changes when the encoding does.
const keyVersion = "pybake-key-1"

// Input is one thing that can change an artifact. Name and Value are UTF-8;
// Value may be empty and may hold anything, newlines included.
type Input struct {
	Name  string `json:"name"`           // "builder.package.gcc-14"
	Value string `json:"value"`          // "14.2.0-19 sha256:5f1c…"
	Note  string `json:"note,omitempty"` // shown to people, no part of the key: "from deb.example.org"
}

// Key is the SHA-256 over a kind and its inputs: 64 lower-case hex digits.
type Key string

// Short returns the first 12 digits, enough to tell artifacts apart on a screen.
func (k Key) Short() string {
	return string(k[:min(len(k), 12)])
}

func (k Key) valid() bool {
	return len(k) == 2*sha256.Size && isHex(string(k))
}

func isHex(s string) bool {
	return strings.Trim(s, "0123456789abcdef") == ""
}

// NewKey computes the key of an artifact from its kind and inputs, in whatever
// order they come. The package comment has the encoding. An input without a
// name, one named twice and text that is not UTF-8 are errors.
func NewKey(kind string, inputs []Input) (Key, error) {
	h := sha256.New()
	writeNetstring(h, keyVersion)
	writeNetstring(h, kind)
	last := ""
	for _, in := range sortedInputs(inputs) {
		switch {
		case in.Name == "":
			return "", fmt.Errorf("key of %s: input without a name (value %q)", kind, in.Value)
		case in.Name == last:
			return "", fmt.Errorf("key of %s: input %s given twice", kind, in.Name)
		case !utf8.ValidString(in.Name), !utf8.ValidString(in.Value), !utf8.ValidString(in.Note):
			return "", fmt.Errorf("key of %s: input %q is not UTF-8", kind, in.Name)
		}
		last = in.Name
		writeNetstring(h, in.Name)
		writeNetstring(h, in.Value)
	}
	return Key(hex.EncodeToString(h.Sum(nil))), nil
}

// writeNetstring writes s to a hash, which never fails.
func writeNetstring(w io.Writer, s string) {
	io.WriteString(w, strconv.Itoa(len(s))+":"+s+",")
}

// sortedInputs returns a copy of inputs, sorted by the bytes of their names.
func sortedInputs(inputs []Input) []Input {
	return slices.SortedStableFunc(slices.Values(inputs), func(a, b Input) int {
		return cmp.Compare(a.Name, b.Name)
	})
}

// Change is one difference between two lists of inputs. Old is nil for an
// input that was added, New for one that was removed.
type Change struct {
	Name string `json:"name"`
	Old  *Input `json:"old"`
	New  *Input `json:"new"`
}

// Compare answers "why is this rebuilt?": the inputs whose values differ
// between two lists, sorted by name. Notes are not compared.
func Compare(before, after []Input) []Change {
	before, after = sortedInputs(before), sortedInputs(after)
	var changes []Change
	for len(before) > 0 || len(after) > 0 {
		switch {
		case len(after) == 0 || len(before) > 0 && before[0].Name < after[0].Name:
			changes = append(changes, Change{Name: before[0].Name, Old: &before[0]})
			before = before[1:]
		case len(before) == 0 || after[0].Name < before[0].Name:
			changes = append(changes, Change{Name: after[0].Name, New: &after[0]})
			after = after[1:]
		default:
			if before[0].Value != after[0].Value {
				changes = append(changes, Change{Name: after[0].Name, Old: &before[0], New: &after[0]})
			}
			before, after = before[1:], after[1:]
		}
	}
	return changes
}

// String returns the change on one line:
//
//	builder.package.openssl 3.0.17-1 → 3.0.18-1
//	builder.package.zstd added: 1.5.7-1
//	builder.package.bzip2 removed: 1.0.8-6
//
// A value that is empty or holds control characters is quoted.
func (c Change) String() string {
	switch {
	case c.Old == nil && c.New == nil:
		return c.Name
	case c.Old == nil:
		return c.Name + " added: " + printable(c.New.Value)
	case c.New == nil:
		return c.Name + " removed: " + printable(c.Old.Value)
	}
	return c.Name + " " + printable(c.Old.Value) + " → " + printable(c.New.Value)
}

func printable(value string) string {
	if value == "" || strings.ContainsFunc(value, unicode.IsControl) {
		return strconv.Quote(value)
	}
	return value
}
