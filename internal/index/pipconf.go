package index

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pybake/pybake/internal/strict"
)

// Config is what pip or uv is told about indexes.
type Config struct {
	// Indexes by priority. One without URL is the tool's own default, which
	// the configuration names nowhere; see WithDefault.
	Indexes []Index
	NoIndex bool   // there shall be none
	Cert    string // file of more certificate authorities; or empty
	Proxy   string // URL, which may hold credentials; or empty

	// Notes are what is written there and not done, each with its place:
	// "/etc/pip.conf:3: trusted-host: not honoured, ...".
	Notes []string
}

// WithDefault is the indexes with this one in the place of the tool's own, which
// is left out if the URL is empty.
func (c Config) WithDefault(address string) []Index {
	var all []Index
	for _, ix := range c.Indexes {
		if ix.URL == "" {
			ix.URL = address
		}
		if ix.URL != "" && !slices.ContainsFunc(all, func(o Index) bool { return o.URL == ix.URL }) {
			all = append(all, ix)
		}
	}
	return all
}

// ReadPip reads pip's configuration: the files of Where.PipFiles that there
// are, in this order, and the variables PIP_… of the environment. A later file
// rules over an earlier one, [install] over [global], the environment over
// all, key by key: a list is replaced, not made longer. index-url comes before
// extra-index-url. All problems are told at once, as strict.Errors, beside
// which the rest is still returned.
func ReadPip(files []Text, getenv func(string) string) (Config, error) {
	r := &pipReader{settings: map[string]setting{}}
	sections := map[string]map[string]setting{"global": {}, "install": {}}
	for _, text := range files {
		file, errs := parseINI(text)
		r.errs = append(r.errs, errs...)
		for name, into := range sections {
			for key, value := range file[name] {
				into[strings.TrimPrefix(strings.ReplaceAll(key, "_", "-"), "--")] = value
			}
		}
	}
	for _, name := range []string{"global", "install"} {
		for key, value := range sections[name] {
			if value.value != "" {
				r.settings[key] = value
			}
		}
	}
	for _, key := range []string{
		"index-url", "extra-index-url", "no-index", "cert", "proxy", "find-links", "trusted-host", "client-cert",
	} {
		name := "PIP_" + strings.ToUpper(strings.ReplaceAll(key, "-", "_"))
		if value := getenv(name); value != "" {
			r.settings[key] = setting{value: value, file: name}
		}
	}
	config := r.config()
	sortErrors(r.errs)
	return config, r.errs.Err()
}

type pipReader struct {
	settings map[string]setting // by key, the ones that rule
	errs     strict.Errors
}

func (r *pipReader) config() Config {
	c := Config{Cert: r.settings["cert"].value, Proxy: r.settings["proxy"].value}
	unsupported := map[string]string{
		"find-links":   "not supported, only indexes are asked",
		"trusted-host": "not honoured, certificates are always checked: name the authority with cert",
		"client-cert":  "not supported",
	}
	for _, key := range slices.Sorted(maps.Keys(unsupported)) {
		if s, ok := r.settings[key]; ok {
			c.Notes = append(c.Notes, s.errorf("", "%s: %s", key, unsupported[key]).Error())
		}
	}
	if s, ok := r.settings["no-index"]; ok {
		switch strings.ToLower(s.value) {
		case "y", "yes", "t", "true", "on", "1":
			c.NoIndex = true
			return c
		case "n", "no", "f", "false", "off", "0":
		default:
			r.errs = append(r.errs, s.errorf("no-index", "want true or false"))
		}
	}
	if s, ok := r.settings["index-url"]; !ok {
		c.Indexes = append(c.Indexes, Index{})
	} else if r.good(s, "index-url", s.value) {
		c.Indexes = append(c.Indexes, Index{URL: s.value})
	}
	s := r.settings["extra-index-url"]
	for _, address := range strings.Fields(s.value) {
		if r.good(s, "extra-index-url", address) {
			c.Indexes = append(c.Indexes, Index{URL: address})
		}
	}
	return c
}

func (r *pipReader) good(s setting, key, address string) bool {
	_, err := parseURL(address)
	if err != nil {
		r.errs = append(r.errs, s.errorf(key, "%v", err))
	}
	return err == nil
}

// Expand puts the environment's variables into an address that has them as
// ${NAME}. One that is not set, or empty, is an error that names it, and so is
// one that would end the user's part of the URL, in which characters like "/"
// are to be percent-encoded.
func Expand(address string, getenv func(string) string) (string, error) {
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(address, "${")
		b.WriteString(before)
		if !ok {
			return b.String(), nil
		}
		name, after, ok := strings.Cut(rest, "}")
		if !ok || !isVariable(name) {
			return "", fmt.Errorf("%.40q: not a variable of the environment", "${"+name)
		}
		value := getenv(name)
		if value == "" {
			return "", fmt.Errorf("environment variable %s is not set", name)
		}
		host, _, _ := strings.Cut(after, "/")
		if strings.Contains(host, "@") && strings.ContainsAny(value, "/?#\\@ \t\r\n") {
			return "", fmt.Errorf("environment variable %s: has characters that a URL needs percent-encoded", name)
		}
		b.WriteString(value)
		address = after
	}
}

func isVariable(name string) bool {
	for i, c := range name {
		letter := c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}
