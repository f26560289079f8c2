package project

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"

	"github.com/pybake/pybake/internal/strict"
)

func TestSchema(t *testing.T) {
	golden(t, "schema.json", string(Schema()))
	used := map[string]bool{}
	for _, table := range []reflect.Type{
		reflect.TypeFor[Project](), reflect.TypeFor[Distro](), reflect.TypeFor[Wheels](), reflect.TypeFor[Index](), reflect.TypeFor[Image](),
		reflect.TypeFor[Variant](), reflect.TypeFor[Run](), reflect.TypeFor[Matrix](), reflect.TypeFor[Exclude](), reflect.TypeFor[Refresh](), reflect.TypeFor[Publication](),
	} {
		for _, f := range reflect.VisibleFields(table) {
			key := f.Tag.Get("toml")
			if key == "" || key == "-" {
				continue
			}
			used[table.Name()+"."+key] = true
			if rules[table.Name()+"."+key].text == "" {
				t.Errorf("%s: no description of %s", table.Name(), key)
			}
		}
	}
	for key := range rules {
		if !used[key] {
			t.Errorf("%s: described, but there is no such key", key)
		}
	}
}

// TestSchemaExamples: every example of the schema itself is valid where it stands.
func TestSchemaExamples(t *testing.T) {
	v := newValidator(t)
	seen := 0
	var walk func(at string, s map[string]any)
	walk = func(at string, s map[string]any) {
		examples, _ := s["examples"].([]any)
		if value, ok := s["default"]; ok {
			examples = append(examples, value)
		}
		for _, example := range examples {
			seen++
			for _, problem := range v.check(at, s, example) {
				t.Errorf("example: %s", problem)
			}
		}
		for _, part := range []string{"properties", "$defs"} {
			tables, _ := s[part].(map[string]any)
			for key, value := range tables {
				walk(at+"."+key, value.(map[string]any))
			}
		}
	}
	walk("", v.top)
	if seen < 40 {
		t.Errorf("only %d examples", seen)
	}
}

// TestSchemaFiles: files that Load accepts are valid, and of those that it refuses
// the schema finds what it can.
func TestSchemaFiles(t *testing.T) {
	v := newValidator(t)
	refresh, err := os.ReadFile("testdata/refresh.toml")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"refresh": string(refresh), "shop": shop, "tools": tools, "empty": ""} {
		if _, err := loadText(t, text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, problem := range v.file(t, text) {
			t.Errorf("%s: %s", name, problem)
		}
	}
	names, err := filepath.Glob("testdata/*-*.toml")
	if err != nil || len(names) < 5 {
		t.Fatalf("%q, %v", names, err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		problems := v.file(t, string(text))
		slices.Sort(problems)
		golden(t, strings.TrimSuffix(filepath.Base(name), ".toml")+"-schema.golden", strings.Join(problems, "\n")+"\n")
	}
}

// FuzzSchema: what Load accepts is valid by the schema.
func FuzzSchema(f *testing.F) {
	v := newValidator(f)
	f.Add(shop)
	f.Add(tools)
	names, err := filepath.Glob("testdata/*.toml")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
		for line := range strings.Lines(string(text)) { // one key, with the table that it is in
			f.Add("[matrix]\n" + line)
			f.Add("[images.web]\nfrom = \"trixie\"\n" + line)
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		p := &Project{}
		_, err := decode(File, []byte(text), p, func(doc *strict.Doc) strict.Errors { return p.problems(doc, "/shop") })
		if err != nil || p.Python != "" && !pythonPattern.MatchString(p.Python) || p.Distro != "" && !codenamePattern.MatchString(p.Distro) {
			return
		}
		for _, problem := range v.file(t, text) {
			t.Error(problem)
		}
	})
}

// validator knows as much of JSON schema as Schema uses. It refuses the rest.
type validator struct{ top map[string]any }

func newValidator(t testing.TB) validator {
	var top map[string]any
	if err := json.Unmarshal(Schema(), &top); err != nil {
		t.Fatal(err)
	}
	return validator{top}
}

func (v validator) file(t *testing.T, text string) []string {
	t.Helper()
	var doc map[string]any
	if err := toml.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(doc)
	if err != nil {
		return []string{err.Error()} // inf or nan
	}
	var value any
	if err := json.Unmarshal(data, &value); err != nil {
		t.Fatal(err)
	}
	return v.check("", v.top, value)
}

// check is what is wrong with a value: "publish.keep: less than 1".
func (v validator) check(at string, s map[string]any, value any) (problems []string) {
	for word, want := range s {
		switch word {
		case "$schema", "$defs", "title", "description", "default", "examples":
		case "$ref":
			def := v.top["$defs"].(map[string]any)[strings.TrimPrefix(want.(string), "#/$defs/")].(map[string]any)
			problems = append(problems, v.check(at, def, value)...)
		case "type", "enum", "pattern", "minLength", "minimum", "maximum":
			if !scalar(word, want, value) {
				problems = append(problems, fmt.Sprintf("%s: %v: not %s %v", at, value, word, want))
			}
		default:
			problems = append(problems, v.within(at, s, word, want, value)...)
		}
	}
	return problems
}

func scalar(word string, want, value any) bool {
	text, isText := value.(string)
	number, isNumber := value.(float64)
	_, isList := value.([]any)
	_, isTable := value.(map[string]any)
	_, isBool := value.(bool)
	switch word {
	case "enum":
		return slices.Contains(want.([]any), value)
	case "pattern":
		return !isText || regexp.MustCompile(want.(string)).MatchString(text)
	case "minLength":
		return !isText || len(text) >= int(want.(float64))
	case "minimum":
		return !isNumber || number >= want.(float64)
	case "maximum":
		return !isNumber || number <= want.(float64)
	}
	return map[any]bool{
		"string": isText, "number": isNumber, "integer": isNumber && number == float64(int64(number)), "boolean": isBool, "array": isList, "object": isTable,
	}[want]
}

// within is what is wrong with the parts of a value.
func (v validator) within(at string, s map[string]any, word string, want, value any) (problems []string) {
	list, _ := value.([]any)
	table, isTable := value.(map[string]any)
	report := func(format string, args ...any) { problems = append(problems, at+": "+fmt.Sprintf(format, args...)) }
	known, _ := s["properties"].(map[string]any)
	part, _ := want.(map[string]any)
	switch word {
	case "items":
		for i, item := range list {
			problems = append(problems, v.check(fmt.Sprintf("%s[%d]", at, i), part, item)...)
		}
	case "uniqueItems":
		for i, item := range list {
			if slices.ContainsFunc(list[:i], func(other any) bool { return reflect.DeepEqual(item, other) }) {
				report("given twice: %v", item)
			}
		}
	case "minProperties":
		if isTable && len(table) < int(want.(float64)) {
			report("too few keys")
		}
	case "required":
		for _, key := range want.([]any) {
			if _, ok := table[key.(string)]; isTable && !ok {
				report("no %s", key)
			}
		}
	case "propertyNames":
		for key := range table {
			problems = append(problems, v.check(keyOf(at, key), part, key)...)
		}
	case "properties":
		for key, value := range table {
			if of, ok := part[key].(map[string]any); ok {
				problems = append(problems, v.check(keyOf(at, key), of, value)...)
			}
		}
	case "additionalProperties":
		for key, value := range table {
			if _, ok := known[key]; ok {
				continue
			}
			if part != nil {
				problems = append(problems, v.check(keyOf(at, key), part, value)...)
			} else {
				report("unknown key %s", key)
			}
		}
	default:
		report("unknown word %s of the schema", word)
	}
	return problems
}
