package index

import (
	"errors"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/pybake/pybake/internal/strict"
)

// uvTable is what uv.toml, or [tool.uv] of pyproject.toml, says of indexes.
type uvTable struct {
	Index             []uvIndex `toml:"index"`
	IndexURL          string    `toml:"index-url"`
	ExtraIndexURL     []string  `toml:"extra-index-url"`
	NoIndex           bool      `toml:"no-index"`
	FindLinks         []string  `toml:"find-links"`
	AllowInsecureHost []string  `toml:"allow-insecure-host"`
}

type uvIndex struct {
	Name     string `toml:"name"`
	URL      string `toml:"url"`
	Default  bool   `toml:"default"`
	Explicit bool   `toml:"explicit"`
	Format   string `toml:"format"` // "simple" or "flat"
	Absent   []int  `toml:"ignore-error-codes"`
}

// ReadUV reads uv's configuration: the files of Where.UVFiles that there are,
// in this order, and the variables UV_… of the environment. A later file rules
// over an earlier one, the environment over all; indexes add up, those that
// rule first. The default index comes last, the first of a name is taken, an
// explicit index is for Match only. UV_INDEX_NAME_USERNAME and _PASSWORD are
// put into the URL. All problems are told at once, as strict.Errors, beside
// which the rest is still returned.
func ReadUV(files []Text, getenv func(string) string) (Config, error) {
	r := &uvReader{getenv: getenv}
	r.environment()
	for i, text := range slices.Backward(files) {
		name := path.Base(text.Path)
		beside := path.Join(path.Dir(text.Path), "uv.toml")
		if name == "pyproject.toml" && slices.ContainsFunc(files[i:], func(t Text) bool { return path.Clean(t.Path) == beside }) {
			continue // uv reads one of them
		}
		r.file(text)
	}
	config := r.config()
	sortErrors(r.errs)
	return config, r.errs.Err()
}

// uvFound is an index and how it was come by.
type uvFound struct {
	Index
	isDefault bool
}

// uvReader gathers what all places say, those that rule first.
type uvReader struct {
	getenv       func(string) string
	errs         strict.Errors
	notes        []string
	none         *bool // no-index
	index, extra []uvFound
	plain        *uvFound // index-url
}

func (r *uvReader) environment() {
	list := func(variable string) []string { return strings.Fields(r.getenv(variable)) }
	for _, variable := range []string{"UV_DEFAULT_INDEX", "UV_INDEX"} {
		for _, text := range list(variable) {
			ix := Index{URL: text}
			if name, address, ok := strings.Cut(text, "="); ok && !strings.ContainsAny(name, ":/?") {
				ix = Index{Name: name, URL: address}
			}
			if r.good(setting{file: variable}, "", ix.URL) {
				r.index = append(r.index, uvFound{ix, variable == "UV_DEFAULT_INDEX"})
			}
		}
	}
	for _, text := range list("UV_EXTRA_INDEX_URL") {
		if r.good(setting{file: "UV_EXTRA_INDEX_URL"}, "", text) {
			r.extra = append(r.extra, uvFound{Index{URL: text}, false})
		}
	}
	if text := r.getenv("UV_INDEX_URL"); text != "" && r.good(setting{file: "UV_INDEX_URL"}, "", text) {
		r.plain = &uvFound{Index{URL: text}, true}
	}
	if text := strings.ToLower(r.getenv("UV_NO_INDEX")); text != "" {
		none := text == "1" || text == "true" || text == "yes" || text == "on" || text == "t" || text == "y"
		r.none = &none
	}
	if r.getenv("UV_FIND_LINKS") != "" {
		r.note(setting{file: "UV_FIND_LINKS"}.errorf("", "not supported, only indexes are asked"))
	}
	if r.getenv("UV_INSECURE_HOST") != "" {
		r.note(setting{file: "UV_INSECURE_HOST"}.errorf("", "not honoured, certificates are always checked"))
	}
}

func (r *uvReader) note(e *strict.Error) { r.notes = append(r.notes, e.Error()) }

func (r *uvReader) good(s setting, key, address string) bool {
	_, err := parseURL(address)
	if err != nil {
		r.errs = append(r.errs, s.errorf(key, "%v", err))
	}
	return err == nil
}

func (r *uvReader) file(text Text) {
	var whole struct {
		Tool struct {
			UV uvTable `toml:"uv"`
		} `toml:"tool"`
	}
	table, prefix, into := &whole.Tool.UV, "tool.uv.", any(&whole)
	if path.Base(text.Path) != "pyproject.toml" {
		prefix, into = "", any(table)
	}
	// Only for the places: what else there is in these files is uv's business.
	doc, _ := strict.Decode(text.Path, text.Data, &struct{}{})
	if err := toml.Unmarshal(text.Data, into); err != nil {
		e := &strict.Error{File: text.Path, Msg: "malformed TOML", Err: err}
		if bad, ok := errors.AsType[*toml.DecodeError](err); ok {
			e.Line, e.Col = bad.Position()
			e.Key, e.Msg = strings.Join(bad.Key(), "."), strings.TrimPrefix(bad.Error(), "toml: ")
		}
		r.errs = append(r.errs, e)
		return
	}
	report := func(key, format string, args ...any) {
		r.errs = append(r.errs, doc.Errorf(prefix+key, format, args...))
	}
	r.table(table, doc, prefix, report)
	if r.none == nil && doc.Has(prefix+"no-index") {
		r.none = &table.NoIndex
	}
	if len(table.FindLinks) > 0 {
		r.note(doc.Errorf(prefix+"find-links", "not supported, only indexes are asked"))
	}
	if len(table.AllowInsecureHost) > 0 {
		r.note(doc.Errorf(prefix+"allow-insecure-host", "not honoured, certificates are always checked"))
	}
}

func (r *uvReader) table(table *uvTable, doc *strict.Doc, prefix string, report func(key, format string, args ...any)) {
	for i, ix := range table.Index {
		key := "index[" + strconv.Itoa(i) + "]"
		if _, err := parseURL(ix.URL); err != nil {
			report(key+".url", "%v", err)
			continue
		}
		if ix.Format == "flat" {
			r.note(doc.Errorf(prefix+key+".format", "flat is not supported: the index is left out"))
			continue
		}
		r.index = append(r.index, uvFound{Index{Name: ix.Name, URL: ix.URL, Explicit: ix.Explicit, Absent: ix.Absent}, ix.Default})
	}
	for i, address := range table.ExtraIndexURL {
		if _, err := parseURL(address); err != nil {
			report("extra-index-url["+strconv.Itoa(i)+"]", "%v", err)
			continue
		}
		r.extra = append(r.extra, uvFound{Index{URL: address}, false})
	}
	if table.IndexURL != "" {
		if _, err := parseURL(table.IndexURL); err != nil {
			report("index-url", "%v", err)
		} else if r.plain == nil {
			r.plain = &uvFound{Index{URL: table.IndexURL}, true}
		}
	}
}

func (r *uvReader) config() Config {
	c := Config{Notes: r.notes}
	if r.none != nil && *r.none {
		c.NoIndex = true
		return c
	}
	all := slices.Concat(r.index, r.extra)
	if r.plain != nil {
		all = append(all, *r.plain)
	}
	byDefault := &Index{}
	defaulted, names := false, map[string]bool{}
	for _, found := range all {
		ix := r.signed(found.Index)
		switch {
		case ix.Name != "" && names[ix.Name]:
			continue
		case found.isDefault && defaulted:
			continue
		case found.isDefault && ix.Explicit:
			byDefault, defaulted = nil, true
			c.Indexes = append(c.Indexes, ix)
		case found.isDefault:
			byDefault, defaulted = &ix, true
		default:
			c.Indexes = append(c.Indexes, ix)
		}
		names[ix.Name] = true
	}
	if byDefault != nil {
		c.Indexes = append(c.Indexes, *byDefault)
	}
	return c
}

// signed puts the credentials that the environment has for an index by its
// name into its URL.
func (r *uvReader) signed(ix Index) Index {
	if ix.Name == "" {
		return ix
	}
	name := []byte(strings.ToUpper(ix.Name))
	for i, c := range name {
		if (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
			name[i] = '_'
		}
	}
	user, password := r.getenv("UV_INDEX_"+string(name)+"_USERNAME"), r.getenv("UV_INDEX_"+string(name)+"_PASSWORD")
	u, err := url.Parse(ix.URL)
	if err != nil || user == "" && password == "" {
		return ix
	}
	if u.User = url.UserPassword(user, password); password == "" {
		u.User = url.User(user)
	}
	ix.URL = u.String()
	return ix
}
