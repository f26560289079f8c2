package project

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/pybake/pybake/internal/pattern"
)

// schema is a JSON schema, as far as pybake.toml needs one.
type schema struct {
	Schema      string             `json:"$schema,omitempty"`
	Ref         string             `json:"$ref,omitempty"`
	Title       string             `json:"title,omitempty"`
	Description string             `json:"description,omitempty"`
	Type        string             `json:"type,omitempty"`
	Default     any                `json:"default,omitempty"`
	Examples    []any              `json:"examples,omitempty"`
	Enum        []string           `json:"enum,omitempty"`
	Pattern     string             `json:"pattern,omitempty"`
	MinLength   int                `json:"minLength,omitempty"`
	Minimum     *float64           `json:"minimum,omitempty"`
	Maximum     *float64           `json:"maximum,omitempty"`
	Items       *schema            `json:"items,omitempty"`
	Unique      bool               `json:"uniqueItems,omitempty"`
	Properties  map[string]*schema `json:"properties,omitempty"`
	Names       *schema            `json:"propertyNames,omitempty"`
	Additional  any                `json:"additionalProperties,omitempty"` // false, or a schema
	MinKeys     int                `json:"minProperties,omitempty"`
	Required    []string           `json:"required,omitempty"`
	Defs        map[string]*schema `json:"$defs,omitempty"`
}

// rule is what the schema says of a key beyond its type. Pattern, words and bounds
// hold for the values of an array and of a table of any names, too.
type rule struct {
	text     string          // what the key is for
	pattern  *pattern.Regexp // of a string
	words    []string        // all that there are
	min, max float64         // both 0: no bounds
	value    any             // that holds where none is given
	example  any             // of the whole value
	names    *pattern.Regexp // of the keys of a table of any names
	list     bool            // an array that may hold a value more than once
	blank    bool            // a string that may be empty
	required bool
}

// Schema is the JSON schema of pybake.toml, draft 2020-12: for editors, which know
// by it what can be written and what it means. What Load accepts is valid by it, if
// python and distro are what recipes can know; Load refuses more. Every table is
// closed: it has no other keys.
func Schema() []byte {
	s := &schemas{defs: map[string]*schema{}}
	top := s.table(reflect.TypeFor[Project]())
	top.Schema, top.Title = "https://json-schema.org/draft/2020-12/schema", File
	top.Description, top.Defs = "What a project bakes.", s.defs
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(top); err != nil { // of strings, numbers and tables of these
		panic(fmt.Sprintf("encode the schema of %s: %v", File, err))
	}
	return b.Bytes()
}

// schemas makes schemas of types. A table that is within another is a definition.
type schemas struct {
	defs map[string]*schema // by name of the type: "Image"
}

var textType = reflect.TypeFor[encoding.TextUnmarshaler]()

// table is the schema of a struct.
func (s *schemas) table(t reflect.Type) *schema {
	table := &schema{Type: "object", Properties: map[string]*schema{}, Additional: false}
	for _, f := range reflect.VisibleFields(t) {
		key := f.Tag.Get("toml")
		if key == "" || key == "-" {
			continue
		}
		r := rules[t.Name()+"."+key]
		value := s.value(f.Type, r)
		value.Description, value.Default = r.text, r.value
		if r.example != nil {
			value.Examples = []any{r.example}
		}
		table.Properties[key] = value
		if r.required {
			table.Required = append(table.Required, key)
		}
	}
	if t == reflect.TypeFor[Exclude]() {
		table.MinKeys = 1
	}
	return table
}

// value is the schema of a value of a type, by its rule.
func (s *schemas) value(t reflect.Type, r rule) *schema {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case reflect.PointerTo(t).Implements(textType), t.Kind() == reflect.String:
		return text(t, r)
	case t.Kind() == reflect.Struct:
		if s.defs[t.Name()] == nil {
			s.defs[t.Name()] = &schema{} // it may hold itself
			s.defs[t.Name()] = s.table(t)
		}
		return &schema{Ref: "#/$defs/" + t.Name()}
	case t.Kind() == reflect.Slice:
		return &schema{Type: "array", Items: s.value(t.Elem(), r), Unique: !r.list}
	case t.Kind() == reflect.Map:
		table := &schema{Type: "object", Additional: s.value(t.Elem(), r)}
		if r.names != nil {
			table.Names = &schema{Pattern: r.names.String()}
		}
		return table
	case t.Kind() == reflect.Bool:
		return &schema{Type: "boolean"}
	}
	number := &schema{Type: "integer"}
	if t.Kind() == reflect.Float64 {
		number.Type = "number"
	}
	if r.min != 0 || r.max != 0 {
		number.Minimum, number.Maximum = &r.min, &r.max
	}
	return number
}

// text is the schema of a string.
func text(t reflect.Type, r rule) *schema {
	value := &schema{Type: "string", Enum: r.words}
	pattern := map[reflect.Type]*pattern.Regexp{
		reflect.TypeFor[Size](): sizePattern, reflect.TypeFor[Duration](): durationPattern, reflect.TypeFor[Age](): agePattern,
	}[t]
	if r.pattern != nil {
		pattern = r.pattern
	}
	switch {
	case pattern != nil && r.blank:
		value.Pattern = "^$|" + pattern.String()
	case pattern != nil:
		value.Pattern = pattern.String()
	case r.words == nil && !r.blank:
		value.MinLength = 1
	}
	return value
}
