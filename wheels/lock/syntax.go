package lock

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// parseTOML is the tree of a TOML file; nil after an error, of which there is
// only one, as what follows a syntax error means nothing.
func (d *document) parseTOML() *node {
	if bytes.Count(d.data, []byte(",")) > maxValues {
		d.errorOf("more than %d values", maxValues)
		return nil
	}
	b := &tomlBuilder{doc: d, root: &node{kind: tableKind}}
	b.p.Reset(d.data)
	table := b.root
	for b.p.NextExpression() {
		expr := b.p.Expression()
		switch expr.Kind {
		case unstable.Table, unstable.ArrayTable:
			table = b.table(expr)
		case unstable.KeyValue:
			b.keyValue(table, expr, 1)
		}
		if b.failed {
			return nil
		}
	}
	var perr *unstable.ParserError
	if err := b.p.Error(); errors.As(err, &perr) {
		d.errorAt(int(b.p.Range(perr.Highlight).Offset), strings.Join(perr.Key, "."), "%s", perr.Message)
		return nil
	} else if err != nil {
		d.errorOf("%v", err)
		return nil
	}
	return b.root
}

type tomlBuilder struct {
	doc    *document
	p      unstable.Parser
	root   *node
	count  int
	failed bool
}

func (b *tomlBuilder) fail(offset int, format string, args ...any) {
	if !b.failed {
		b.failed = true
		b.doc.errorAt(offset, "", format, args...)
	}
}

// new is a node in its parent, unless there are too many or it is too deep.
func (b *tomlBuilder) new(at *node, name string, k kind, pos, depth int) *node {
	if b.count++; b.count > maxValues {
		b.fail(pos, "more than %d values", maxValues)
	}
	if depth > maxDepth {
		b.fail(pos, "nested more than %d deep", maxDepth)
	}
	return at.add(&node{kind: k, name: name, pos: pos})
}

// table is the node of a [table] or [[table]] header.
func (b *tomlBuilder) table(expr *unstable.Node) *node {
	at := b.root
	depth := 0
	for it := expr.Key(); it.Next() && !b.failed; {
		part, name := it.Node(), string(it.Node().Data)
		pos := int(part.Raw.Offset)
		depth++
		next := at.get(name)
		if !it.IsLast() {
			if next == nil {
				next = b.new(at, name, tableKind, pos, depth)
			}
			at = b.enter(next, pos)
			continue
		}
		if expr.Kind == unstable.ArrayTable {
			if next == nil {
				next = b.new(at, name, arrayKind, pos, depth)
			} else if next.kind != arrayKind || next.closed {
				b.fail(pos, "%s: is not an array of tables above", name)
				return at
			}
			return b.new(next, "", tableKind, pos, depth)
		}
		switch {
		case next == nil:
			next = b.new(at, name, tableKind, pos, depth)
		case next.kind != tableKind || next.closed || next.header:
			b.fail(pos, "%s: given twice", name)
		}
		next.header, next.pos = true, pos
		at = next
	}
	return at
}

// enter is the table that a part of a header names: the last of an array.
func (b *tomlBuilder) enter(n *node, pos int) *node {
	if n.kind == arrayKind && !n.closed && len(n.items) > 0 {
		n = n.items[len(n.items)-1]
	}
	if n.kind != tableKind || n.closed {
		b.fail(pos, "%s: is no table that can be added to", n.name)
	}
	return n
}

func (b *tomlBuilder) keyValue(at *node, expr *unstable.Node, depth int) {
	for it := expr.Key(); it.Next() && !b.failed; depth++ {
		name, pos := string(it.Node().Data), int(it.Node().Raw.Offset)
		next := at.get(name)
		if !it.IsLast() {
			if next == nil {
				next = b.new(at, name, tableKind, pos, depth)
			} else if next.kind != tableKind || next.closed || next.header {
				b.fail(pos, "%s: given twice", name)
			}
			at = next
			continue
		}
		if next != nil {
			b.fail(pos, "%s: given twice", name)
			return
		}
		n := b.new(at, name, tableKind, pos, depth)
		b.value(n, expr.Value(), depth)
	}
}

func (b *tomlBuilder) value(n *node, v *unstable.Node, depth int) {
	if v.Raw.Length > 0 {
		n.pos = int(v.Raw.Offset)
	}
	switch v.Kind {
	case unstable.InlineTable:
		for it := v.Children(); it.Next() && !b.failed; {
			b.keyValue(n, it.Node(), depth+1)
		}
		n.close()
	case unstable.Array:
		n.kind, n.closed = arrayKind, true
		for it := v.Children(); it.Next() && !b.failed; {
			b.value(b.new(n, "", tableKind, n.pos, depth+1), it.Node(), depth+1)
		}
	case unstable.String:
		n.kind, n.text = stringKind, string(v.Data)
	case unstable.Bool:
		n.kind, n.text = boolKind, string(v.Data)
	case unstable.Integer:
		n.kind, n.text = intKind, string(v.Data)
		if _, err := strconv.ParseInt(n.text, 0, 64); err != nil {
			b.fail(n.pos, "%s: not an integer of 64 bits", n.text)
		}
	case unstable.Float:
		n.kind, n.text = floatKind, string(v.Data)
	default:
		n.kind, n.text = timeKind, string(v.Data)
	}
	// An element without a place of its own is where its first value is.
	if n.parent.kind == arrayKind && v.Raw.Length == 0 && len(n.items) > 0 {
		n.pos = n.items[0].pos
	}
}

// close ends an inline table and the tables that dotted keys made in it.
func (n *node) close() {
	n.closed = true
	for _, item := range n.items {
		if item.kind == tableKind && !item.closed {
			item.close()
		}
	}
}

// parseJSON is the tree of a JSON file; nil after an error.
func (d *document) parseJSON() *node {
	p := &jsonParser{doc: d, dec: json.NewDecoder(bytes.NewReader(d.data))}
	p.dec.UseNumber()
	root := &node{}
	if p.value(root, 0); p.failed {
		return nil
	}
	at := p.next()
	if _, err := p.dec.Token(); err != io.EOF {
		d.errorAt(at, "", "more after the end of the JSON value")
		return nil
	}
	return root
}

type jsonParser struct {
	doc    *document
	dec    *json.Decoder
	count  int
	failed bool
}

func (p *jsonParser) fail(offset int, format string, args ...any) {
	if !p.failed {
		p.failed = true
		p.doc.errorAt(min(offset, len(p.doc.data)), "", format, args...)
	}
}

// next is the offset of the token that comes next.
func (p *jsonParser) next() int {
	at := int(p.dec.InputOffset())
	for at < len(p.doc.data) && strings.IndexByte(" \t\r\n,:", p.doc.data[at]) >= 0 {
		at++
	}
	return at
}

func (p *jsonParser) token() json.Token {
	at := p.next()
	t, err := p.dec.Token()
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &syntax):
		p.fail(at, "%s", strings.TrimPrefix(syntax.Error(), "json: "))
	case err != nil:
		p.fail(at, "the JSON ends too early")
	}
	return t
}

// value reads the value that comes next into n.
func (p *jsonParser) value(n *node, depth int) {
	if p.count++; p.count > maxValues {
		p.fail(p.next(), "more than %d values", maxValues)
	}
	if depth > maxDepth {
		p.fail(p.next(), "nested more than %d deep", maxDepth)
	}
	if p.failed {
		return
	}
	n.pos = p.next()
	switch t := p.token().(type) {
	case json.Delim:
		n.kind = tableKind
		if t == '[' {
			n.kind = arrayKind
		}
		for !p.failed && p.dec.More() {
			child := &node{parent: n}
			if t == '{' {
				at := p.next()
				child.name, _ = p.token().(string)
				if n.get(child.name) != nil {
					p.fail(at, "%s: given twice", child.name)
				}
			}
			n.add(child)
			p.value(child, depth+1)
		}
		if !p.failed {
			p.token()
		}
	case string:
		n.kind, n.text = stringKind, t
	case bool:
		n.kind, n.text = boolKind, strconv.FormatBool(t)
	case json.Number:
		n.kind, n.text = intKind, t.String()
		if strings.ContainsAny(n.text, ".eE") {
			n.kind = floatKind
		}
	case nil:
		n.kind = nullKind
	}
}
