package strict

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// Doc knows where in a file each key and value stands.
type Doc struct {
	file string
	data []byte
	root *node
	ends []int // offsets of the newlines, once one was asked for

	decoded bool
}

// node is a value of the file, or a table, which may stand in several places.
type node struct {
	kind   nodeKind
	key    int // offset of the key that names it, or of the array element
	value  int // offset of the value; of a table that of its key
	text   string
	keys   []string // of a table, in the order of the file
	fields map[string]*node
	items  []*node // of an array
}

type nodeKind int

const (
	tableNode nodeKind = iota
	arrayNode
	stringNode
	boolNode
	intNode
	floatNode
	timeNode
)

// Errorf is a problem with the value of a key of the file ("base[2].digest");
// if that key is not there, with the table that would hold it, and so on up
// to the file itself. %w works as in fmt.Errorf.
func (d *Doc) Errorf(key, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	offset, found := d.find(key)
	e := &Error{File: d.file, Key: key, Msg: err.Error(), Err: errors.Unwrap(err)}
	if found {
		e.Line, e.Col = d.position(offset)
	}
	return e
}

// Decoded reports whether the values were decoded: there was no problem, or
// none but unknown keys.
func (d *Doc) Decoded() bool { return d.decoded }

// Has reports whether the file itself gives the key.
func (d *Doc) Has(key string) bool {
	n := d.root
	for _, part := range splitKey(key) {
		if n = n.child(part); n == nil {
			return false
		}
	}
	return true
}

// find is the offset of the value of a key, or of the nearest table around it
// other than the file.
func (d *Doc) find(key string) (offset int, found bool) {
	n := d.root
	for _, part := range splitKey(key) {
		next := n.child(part)
		if next == nil {
			break
		}
		n, offset, found = next, next.value, true
	}
	return offset, found
}

func (n *node) child(part string) *node {
	if n.kind != arrayNode {
		return n.fields[part]
	}
	if i, err := strconv.Atoi(part); err == nil && i >= 0 && i < len(n.items) {
		return n.items[i]
	}
	return nil
}

func (d *Doc) errorAt(offset int, key, msg string) *Error {
	e := &Error{File: d.file, Key: key, Msg: msg}
	e.Line, e.Col = d.position(offset)
	return e
}

func (d *Doc) position(offset int) (line, col int) {
	if d.ends == nil {
		d.ends = []int{}
		for i, c := range d.data {
			if c == '\n' {
				d.ends = append(d.ends, i)
			}
		}
	}
	line, _ = slices.BinarySearch(d.ends, offset)
	if line == 0 {
		return 1, offset + 1
	}
	return line + 1, offset - d.ends[line-1]
}

// parse fills in the tree, up to the first syntax error.
func (d *Doc) parse() *Error {
	var p unstable.Parser
	p.Reset(d.data)
	b := &builder{doc: d, p: &p, rowsLive: map[string]int{}}
	table := d.root
	for p.NextExpression() {
		expr := p.Expression()
		if err := b.count(expr); err != nil {
			return err
		}
		var err *Error
		switch expr.Kind {
		case unstable.Table, unstable.ArrayTable:
			table, err = b.table(expr)
		case unstable.KeyValue:
			err = b.keyValue(table, expr, 1)
		}
		if err != nil {
			return err
		}
	}
	var perr *unstable.ParserError
	if err := p.Error(); errors.As(err, &perr) {
		return d.errorAt(int(p.Range(perr.Highlight).Offset), keyString(perr.Key), perr.Message)
	} else if err != nil {
		return &Error{File: d.file, Msg: err.Error(), Err: err}
	}
	return nil
}

// builder makes nodes of the parser's expressions.
type builder struct {
	doc         *Doc
	p           *unstable.Parser
	keys, items int // so far
	live        int // of keys, those that a key given twice is looked for among
	work        int // sum of live over all keys

	row      string         // the table of the file that keys now go to: ".build"; "" for the file itself
	rowsLive map[string]int // live of each
}

// count refuses more keys than a file of ours ever has. What looks for keys
// given twice compares each with all before it, except those in earlier
// elements of an array of tables: so they are not counted as work.
func (b *builder) count(expr *unstable.Node) *Error {
	it := expr.Key()
	it.Next()
	if expr.Kind != unstable.KeyValue {
		b.row = "." + string(it.Node().Data)
		if expr.Kind == unstable.ArrayTable && it.IsLast() {
			b.live -= b.rowsLive[b.row]
			delete(b.rowsLive, b.row)
		}
	}
	b.keys++
	b.live++
	b.work += b.live
	b.rowsLive[b.row]++
	if b.keys > MaxRows || b.work > MaxKeys*(MaxKeys+1)/2 {
		return b.doc.errorAt(int(it.Node().Raw.Offset), "", fmt.Sprintf("more than %d keys and tables", b.keys-1))
	}
	return nil
}

// table is the node of a [table] or [[table]] header.
func (b *builder) table(expr *unstable.Node) (*node, *Error) {
	at := b.doc.root
	depth := 0
	for it := expr.Key(); it.Next(); {
		part := it.Node()
		if depth++; depth > MaxDepth {
			return nil, b.tooDeep(int(part.Raw.Offset))
		}
		last := it.IsLast()
		next := at.fields[string(part.Data)]
		switch {
		case next == nil && last && expr.Kind == unstable.ArrayTable:
			next = at.add(part, arrayNode)
		case next == nil:
			next = at.add(part, tableNode)
		}
		at = next
		if at.kind != arrayNode {
			continue
		}
		if last && expr.Kind == unstable.ArrayTable {
			offset := int(part.Raw.Offset)
			at.items = append(at.items, &node{kind: tableNode, key: offset, value: offset})
		}
		if n := len(at.items); n > 0 {
			at = at.items[n-1]
		}
	}
	return at, nil
}

// keyValue adds a possibly dotted key with its value to a table.
func (b *builder) keyValue(at *node, expr *unstable.Node, depth int) *Error {
	for it := expr.Key(); it.Next(); depth++ {
		part := it.Node()
		if depth > MaxDepth {
			return b.tooDeep(int(part.Raw.Offset))
		}
		if !it.IsLast() {
			next := at.fields[string(part.Data)]
			if next == nil {
				next = at.add(part, tableNode)
			}
			at = next
			continue
		}
		if at.fields[string(part.Data)] != nil {
			return nil // given twice: duplicates says so
		}
		return b.value(at.add(part, tableNode), expr.Value(), depth)
	}
	return nil
}

// value fills in a node from the parser's value.
func (b *builder) value(n *node, v *unstable.Node, depth int) *Error {
	n.value = b.offset(v, n.value)
	if depth > MaxDepth {
		return b.tooDeep(n.value)
	}
	switch v.Kind {
	case unstable.InlineTable:
		for it := v.Children(); it.Next(); {
			if err := b.count(it.Node()); err != nil {
				return err
			}
			if err := b.keyValue(n, it.Node(), depth+1); err != nil {
				return err
			}
		}
	case unstable.Array:
		n.kind = arrayNode
		for it := v.Children(); it.Next(); {
			if b.items++; b.items > MaxItems {
				return b.doc.errorAt(n.value, "", fmt.Sprintf("more than %d elements of arrays", MaxItems))
			}
			item := &node{key: n.value, value: n.value}
			if err := b.value(item, it.Node(), depth+1); err != nil {
				return err
			}
			n.items = append(n.items, item)
		}
	case unstable.String:
		n.kind, n.text = stringNode, string(v.Data)
	case unstable.Bool:
		n.kind = boolNode
	case unstable.Integer:
		n.kind = intNode
	case unstable.Float:
		n.kind = floatNode
	default:
		n.kind = timeNode
	}
	return nil
}

// offset is where a value starts; around says it for one whose start the
// parser does not keep.
func (b *builder) offset(v *unstable.Node, around int) int {
	if v.Raw.Length > 0 {
		return int(v.Raw.Offset)
	}
	return around
}

func (b *builder) tooDeep(offset int) *Error {
	return b.doc.errorAt(offset, "", fmt.Sprintf("nested more than %d deep", MaxDepth))
}

func (n *node) add(part *unstable.Node, kind nodeKind) *node {
	offset := int(part.Raw.Offset)
	child := &node{kind: kind, key: offset, value: offset}
	if n.fields == nil {
		n.fields = map[string]*node{}
	}
	name := string(part.Data)
	n.keys = append(n.keys, name)
	n.fields[name] = child
	return child
}

// join is the key of a part of a table.
func join(key, part string) string {
	if part == "" || strings.Trim(part, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != "" {
		part = strconv.Quote(part)
	}
	if key == "" {
		return part
	}
	return key + "." + part
}

func keyString(parts []string) string {
	key := ""
	for _, part := range parts {
		key = join(key, part)
	}
	return key
}

// splitKey takes apart what join and an index in brackets make.
func splitKey(key string) []string {
	var parts []string
	for key != "" {
		if quoted, err := strconv.QuotedPrefix(key); err == nil {
			part, _ := strconv.Unquote(quoted)
			parts, key = append(parts, part), key[len(quoted):]
		} else if i := strings.IndexAny(key, ".[]"); i < 0 {
			parts, key = append(parts, key), ""
		} else {
			if i > 0 {
				parts = append(parts, key[:i])
			}
			key = key[i+1:]
			continue
		}
		key = strings.TrimPrefix(key, ".")
	}
	return parts
}
