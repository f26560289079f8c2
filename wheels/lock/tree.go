package lock

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/pybake/pybake/internal/strict"
)

const (
	maxSize   = 8 << 20 // bytes of a file
	maxPlain  = 4 << 20 // bytes of a requirements.txt with all that it includes
	maxValues = 250_000 // keys and elements of a file
	maxDepth  = 64
	maxErrors = 200     // of all files together
	maxPkgs   = 10_000  // of a lock, with those that other targets need
	maxParts  = 150_000 // of versions, requirements and lists that are read again for each package
	indexFrom = 8       // keys of a table before it gets an index
)

type kind int

const (
	tableKind kind = iota
	arrayKind
	stringKind
	boolKind
	intKind
	floatKind
	timeKind
	nullKind
)

func (k kind) String() string {
	return [...]string{"a table", "an array", "a string", "a boolean", "an integer", "a number", "a date or time", "null"}[k]
}

// node is a value of a TOML or JSON file that knows its place.
type node struct {
	kind   kind
	closed bool // no key may be added: an inline table, a static array
	header bool // a table that had its own [header]
	pos    int  // offset of the value; of a table that of its key
	name   string
	parent *node
	text   string  // of a string, number or time
	items  []*node // of an array, or the values of a table in the order of the file
	index  map[string]*node
}

func (n *node) get(name string) *node {
	if n == nil || n.kind != tableKind {
		return nil
	}
	if n.index != nil {
		return n.index[name]
	}
	for _, item := range n.items {
		if item.name == name {
			return item
		}
	}
	return nil
}

func (n *node) add(child *node) *node {
	child.parent = n
	n.items = append(n.items, child)
	if n.kind == tableKind && len(n.items) > indexFrom {
		if n.index == nil {
			n.index = make(map[string]*node, 2*indexFrom)
			for _, item := range n.items {
				n.index[item.name] = item
			}
		}
		n.index[child.name] = child
	}
	return child
}

// key is the way from the root: package[2].source.git.
func (n *node) key() string {
	if n == nil || n.parent == nil {
		return ""
	}
	up := n.parent.key()
	if n.parent.kind == arrayKind {
		return fmt.Sprintf("%s[%d]", up, slices.Index(n.parent.items, n))
	}
	name := n.name
	if name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != "" {
		name = strconv.Quote(name)
	}
	if up == "" {
		return name
	}
	return up + "." + name
}

// document is a file that is being read, and what was wrong with it.
type document struct {
	file string
	data []byte
	ends []int32 // offsets of the newlines, once one was asked for
	errs *strict.Errors

	parts *int // counted so far, of all files together
}

// spend counts work that values of the file multiply, and is whether it may be
// done. The first time that it may not is an error.
func (d *document) spend(p place, parts int) bool {
	before := *d.parts
	*d.parts += min(parts, maxParts+1)
	if *d.parts > maxParts && before <= maxParts {
		d.errorf(p, "more than %d versions and requirements", maxParts)
	}
	return *d.parts <= maxParts
}

// spendText is spend for the parts of a constraint, and of very long versions.
func (d *document) spendText(p place, text string) bool {
	return d.spend(p, 1+strings.Count(text, ".")/4+len(strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == '|' || r == ' ' })))
}

func (d *document) place(offset int) Pos {
	if d.ends == nil {
		d.ends = make([]int32, 0, bytes.Count(d.data, []byte("\n")))
		for i, c := range d.data {
			if c == '\n' {
				d.ends = append(d.ends, int32(i))
			}
		}
	}
	line, _ := slices.BinarySearch(d.ends, int32(offset))
	start := 0
	if line > 0 {
		start = int(d.ends[line-1]) + 1
	}
	return Pos{d.file, line + 1, offset - start + 1}
}

func (d *document) pos(p place) Pos {
	if n, ok := p.(*node); ok {
		return d.place(n.pos)
	}
	offset, _ := p.at()
	return d.place(offset)
}

func (d *document) full() bool { return len(*d.errs) >= maxErrors }

// errorAt notes a problem at an offset.
func (d *document) errorAt(offset int, key, format string, args ...any) {
	if d.full() {
		return
	}
	p := d.place(offset)
	*d.errs = append(*d.errs, &strict.Error{File: d.file, Line: p.Line, Col: p.Col, Key: key, Msg: fmt.Sprintf(format, args...)})
}

// place is where something stands in a document: a *node, or an offset.
type place interface {
	at() (offset int, key string)
}

type offset int

func (n *node) at() (int, string)  { return n.pos, n.key() }
func (o offset) at() (int, string) { return int(o), "" }

// errorf notes a problem with what stands at a place.
func (d *document) errorf(p place, format string, args ...any) {
	if !d.full() {
		offset, key := p.at()
		d.errorAt(offset, key, format, args...)
	}
}

// errorOf notes a problem with the file as a whole.
func (d *document) errorOf(format string, args ...any) {
	if !d.full() {
		*d.errs = append(*d.errs, &strict.Error{File: d.file, Msg: fmt.Sprintf(format, args...)})
	}
}

// checkText refuses what is no text, and takes a byte order mark of UTF-8 off.
func (d *document) checkText() bool {
	d.data = bytes.TrimPrefix(d.data, []byte("\xef\xbb\xbf"))
	for _, mark := range []string{"\xff\xfe", "\xfe\xff"} {
		if bytes.HasPrefix(d.data, []byte(mark)) {
			d.errorAt(0, "", "byte order mark of UTF-16: save the file as UTF-8")
			return false
		}
	}
	if i := bytes.IndexByte(d.data, 0); i >= 0 {
		d.errorAt(i, "", "NUL byte: not a text file")
		return false
	}
	if utf8.Valid(d.data) {
		return true
	}
	for i := 0; i < len(d.data); {
		r, n := utf8.DecodeRune(d.data[i:])
		if r == utf8.RuneError && n == 1 {
			d.errorAt(i, "", "byte %#x: not UTF-8", d.data[i])
			break
		}
		i += n
	}
	return false
}

// want is the value of a key, or nil if it is missing or of another kind, which
// is an error.
func (d *document) want(n *node, name string, k kind) *node {
	child := n.get(name)
	if child == nil {
		return nil
	}
	return d.is(child, k)
}

// need is want for a key that may not be missing.
func (d *document) need(n *node, name string, k kind) *node {
	if n.get(name) == nil {
		d.errorf(n, "%s is missing", name)
		return nil
	}
	return d.want(n, name, k)
}

func (d *document) is(n *node, k kind) *node {
	if n.kind != k {
		d.errorf(n, "want %v, found %v", k, n.kind)
		return nil
	}
	return n
}

func (d *document) str(n *node, name string) string {
	if s := d.want(n, name, stringKind); s != nil {
		return s.text
	}
	return ""
}

func (d *document) flag(n *node, name string) bool {
	b := d.want(n, name, boolKind)
	return b != nil && b.text == "true"
}

// list is the elements of an array, all of one kind.
func (d *document) list(n *node, name string, k kind) []*node {
	array := d.want(n, name, arrayKind)
	if array == nil {
		return nil
	}
	var list []*node
	for _, item := range array.items {
		if d.is(item, k) != nil {
			list = append(list, item)
		}
	}
	return list
}

// packages is the elements of an array of packages, unless there are too many.
func (d *document) packages(root *node, name string) []*node {
	list := d.list(root, name, tableKind)
	if len(list) > maxPkgs {
		d.errorf(list[maxPkgs], "more than %d packages", maxPkgs)
		return nil
	}
	return list
}

// table is the values of a table, each with its name.
func (d *document) table(n *node, name string) []*node {
	if t := d.want(n, name, tableKind); t != nil {
		return t.items
	}
	return nil
}
