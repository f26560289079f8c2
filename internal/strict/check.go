package strict

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// checker holds a document against the type it is to be decoded into.
type checker struct {
	doc     *Doc
	errs    Errors
	unknown int // of errs, those about unknown keys
}

var textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()

func (c *checker) check(n *node, t reflect.Type, key string) {
	if len(c.errs) >= maxErrors {
		return
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if reflect.PointerTo(t).Implements(textUnmarshaler) {
		c.text(n, t, key)
		return
	}
	if want := kindOf(t); n.kind != want && !(want == floatNode && n.kind == intNode) {
		c.report(n, key, "want "+typeName(t)+", found "+n.name())
		return
	}
	switch t.Kind() {
	case reflect.Struct:
		fields := fieldsOf(t)
		for _, name := range n.keys {
			child := n.fields[name]
			if field, ok := fields[name]; ok {
				c.check(child, field, join(key, name))
				continue
			}
			err := c.doc.errorAt(child.key, join(key, name), "unknown key")
			err.Near = first(Near(name, sortedKeys(fields)))
			c.errs = append(c.errs, err)
			c.unknown++
		}
	case reflect.Map:
		for _, name := range n.keys {
			c.check(n.fields[name], t.Elem(), join(key, name))
		}
	case reflect.Slice:
		for i, item := range n.items {
			c.check(item, t.Elem(), fmt.Sprintf("%s[%d]", key, i))
		}
	}
}

func (c *checker) text(n *node, t reflect.Type, key string) {
	if n.kind != stringNode {
		c.report(n, key, "want a string, found "+n.name())
		return
	}
	if err := reflect.New(t).Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(n.text)); err != nil {
		c.errs = append(c.errs, c.doc.Errorf(key, "%w", err))
	}
}

func (c *checker) report(n *node, key, msg string) {
	c.errs = append(c.errs, c.doc.errorAt(n.value, key, msg))
}

func (n *node) name() string {
	return [...]string{"a table", "an array", "a string", "a boolean", "an integer", "a number", "a date or time"}[n.kind]
}

func kindOf(t reflect.Type) nodeKind {
	switch t.Kind() {
	case reflect.Struct, reflect.Map:
		return tableNode
	case reflect.Slice:
		return arrayNode
	case reflect.String:
		return stringNode
	case reflect.Bool:
		return boolNode
	case reflect.Float32, reflect.Float64:
		return floatNode
	}
	return intNode
}

// typeName is "an array of strings".
func typeName(t reflect.Type) string {
	name := (&node{kind: kindOf(t)}).name()
	if t.Kind() != reflect.Slice {
		return name
	}
	elem := t.Elem()
	if reflect.PointerTo(elem).Implements(textUnmarshaler) {
		return name + " of strings"
	}
	_, noun, _ := strings.Cut((&node{kind: kindOf(elem)}).name(), " ")
	return name + " of " + noun + "s"
}

// fieldsOf are the keys of a struct: those of its fields that have a name in
// their toml tag.
func fieldsOf(t reflect.Type) map[string]reflect.Type {
	fields := map[string]reflect.Type{}
	for _, f := range reflect.VisibleFields(t) {
		if name, _, _ := strings.Cut(f.Tag.Get("toml"), ","); f.IsExported() && name != "" && name != "-" {
			fields[name] = f.Type
		}
	}
	return fields
}

func sortedKeys(m map[string]reflect.Type) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func first(s []string) string {
	if len(s) == 0 {
		return ""
	}
	return s[0]
}
