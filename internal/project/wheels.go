package project

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pybake/pybake/internal/pattern"
	"github.com/pybake/pybake/internal/pep"
	"github.com/pybake/pybake/internal/strict"
)

// Wheels is the table [wheels]: what `pybake wheels` does where its command
// line does not say otherwise.
type Wheels struct {
	Locks       []string `toml:"locks"`       // "requirements.lock": within the directory of pybake.toml
	Allow       []string `toml:"allow"`       // options of pip that a requirements file may hold: "--index-url"
	NoBinary    []string `toml:"no-binary"`   // names, or ":all:" for those not in OnlyBinary: take no wheel
	OnlyBinary  []string `toml:"only-binary"` // names, or ":all:" for those not in NoBinary: build nothing
	Groups      []string `toml:"groups"`      // beside the default ones
	NoGroups    []string `toml:"no-groups"`   // not these
	Extras      []string `toml:"extras"`      // of the project itself
	Constraints []string `toml:"constraints"` // on build requirements: "setuptools<81"

	DebugSymbols bool `toml:"debug-symbols"` // what is built is compiled with -g, and symbols are kept

	ExcludeNewer Age `toml:"exclude-newer"` // build requirements: nothing that was uploaded later
}

// Index is an element of [[index]]: a package index, tried in the order of the
// file before those of the lock and of pip's configuration.
type Index struct {
	Name string `toml:"name"` // what people call it: "corp"; unique
	URL  string `toml:"url"`  // as in the file, ${VAR} included: "https://${USER}:${TOKEN}@pypi.example.org/simple/"
}

// Age is a point in time: a date in UTC, of which the whole day is meant
// ("2025-06-01"), a time by RFC 3339 ("2025-06-01T12:00:00Z"), or so many days
// or weeks ago ("7d", "2w").
type Age string

var (
	commentPattern = pattern.New(`(^|\s)#.*`)
	agoPattern     = pattern.New(`^([1-9][0-9]{0,3})([dw])$`)
	indexPattern   = pattern.New(`^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$`)
	schemePattern  = pattern.New(`^[a-z+]{1,10}$`)
	varPattern     = pattern.New(`\$\{[A-Za-z0-9_]+\}`)
	// A user may be named, for a keyring to know the password; what is longer than
	// a name is likely a token.
	userPattern = pattern.New(`^([A-Za-z0-9._-]{1,20}|\$\{[A-Za-z0-9_]+\})(:\$\{[A-Za-z0-9_]+\})?$`)

	// What a word of an address may be that nobody made up: 20 letters and digits
	// without a break.
	tokenPattern = pattern.New(`[A-Za-z0-9]{20,}`)

	// What a requirements file may hold beside requirements, hashes, -r and -c.
	allowable = []string{
		"--build-option", "--config-setting", "--config-settings", "--extra-index-url", "--find-links", "--global-option",
		"--index-url", "--install-option", "--no-binary", "--no-index", "--only-binary", "--pre", "--prefer-binary",
		"--trusted-host", "--use-feature",
	}
)

// Time is the first moment that is too new, for an age counted from now. An
// empty age is the zero time: no limit.
func (a Age) Time(now time.Time) (time.Time, error) {
	if a == "" {
		return time.Time{}, nil
	}
	if m := agoPattern.FindStringSubmatch(string(a)); m != nil {
		days, err := strconv.Atoi(m[1])
		if m[2] == "w" {
			days *= 7
		}
		return now.UTC().AddDate(0, 0, -days), err
	}
	if day, err := time.Parse(time.DateOnly, string(a)); err == nil {
		return day.AddDate(0, 0, 1), nil
	}
	if moment, err := time.Parse(time.RFC3339, string(a)); err == nil {
		return moment.UTC(), nil
	}
	return time.Time{}, fmt.Errorf("%q: want a date such as 2025-06-01, a time such as 2025-06-01T12:00:00Z, or an age such as 7d or 2w", string(a))
}

// Constraints are the requirements of a constraints file of pip, one a line,
// with comments. Options are refused, hashes too: what is resolved is pinned
// with the hashes of its own. Problems are [strict.Errors].
func Constraints(file, text string) ([]string, error) {
	var list []string
	var errs strict.Errors
	line := 0
	for text := range strings.Lines(strings.TrimPrefix(text, "\ufeff")) {
		line++
		text = strings.TrimSpace(commentPattern.ReplaceAllString(text, ""))
		if text == "" {
			continue
		}
		if err := checkConstraint(text); err != nil {
			errs = append(errs, &strict.Error{File: file, Line: line, Col: 1, Msg: err.Error(), Err: err})
		}
		list = append(list, text)
	}
	if len(errs) > 0 {
		return nil, errs
	}
	return list, nil
}

func checkConstraint(text string) error {
	if strings.HasPrefix(text, "-") || strings.Contains(text, " --") || strings.HasSuffix(text, `\`) {
		return fmt.Errorf("%q: want a requirement such as setuptools<81, without options", text)
	}
	r, err := pep.ParseRequirement(text)
	switch {
	case err != nil:
		return err
	case r.URL != "" || len(r.Extras) > 0:
		return fmt.Errorf("%s: a constraint has neither extras nor an address", r.Name)
	}
	return nil
}

// reporter collects problems of pybake.toml.
type reporter struct {
	doc  *strict.Doc
	errs strict.Errors
}

func (r *reporter) report(key, format string, args ...any) {
	r.errs = append(r.errs, r.doc.Errorf(key, format, args...))
}

// each reports what check says of the elements of an array, and repetitions.
func (r *reporter) each(key string, values []string, same func(string) string, check func(string) error) {
	first := map[string]int{}
	for i, value := range values {
		at := fmt.Sprintf("%s[%d]", key, i)
		if err := check(value); err != nil {
			r.report(at, "%w", err)
			continue
		}
		id := same(value)
		if j, twice := first[id]; twice {
			r.report(at, "%q: given twice, first as %s[%d]", value, key, j)
		} else {
			first[id] = i
		}
	}
}

// wheels reports what is wrong with [wheels].
func (r *reporter) wheels(w Wheels) {
	r.each("wheels.locks", w.Locks, filepath.Clean, checkLockPath)
	r.each("wheels.allow", w.Allow, asIs, func(option string) error {
		if slices.Contains(allowable, option) {
			return nil
		}
		if near := strict.Near(option, allowable); len(near) > 0 {
			return fmt.Errorf("%q: no option that can be allowed; did you mean %q?", option, near[0])
		}
		return fmt.Errorf("%q: want one of %s", option, strings.Join(allowable, ", "))
	})
	for key, names := range map[string][]string{"no-binary": w.NoBinary, "only-binary": w.OnlyBinary} {
		r.each("wheels."+key, names, pep.NormalizeName, func(name string) error {
			if name != ":all:" && !pep.ValidName(name) {
				return fmt.Errorf("%q: want the name of a package, or :all:", name)
			}
			return nil
		})
	}
	for i, name := range w.OnlyBinary {
		j := slices.IndexFunc(w.NoBinary, func(other string) bool { return pep.NormalizeName(other) == pep.NormalizeName(name) })
		if j >= 0 {
			r.report(fmt.Sprintf("wheels.only-binary[%d]", i), "%q: in wheels.no-binary too", name)
		}
	}
	for key, names := range map[string][]string{"groups": w.Groups, "no-groups": w.NoGroups, "extras": w.Extras} {
		r.each("wheels."+key, names, pep.NormalizeName, func(name string) error {
			if !pep.ValidName(name) {
				return fmt.Errorf("%q: want a name", name)
			}
			return nil
		})
	}
	r.each("wheels.constraints", w.Constraints, asIs, checkConstraint)
	if _, err := w.ExcludeNewer.Time(time.Time{}); err != nil {
		r.report("wheels.exclude-newer", "%w", err)
	}
}

// indexes reports what is wrong with [[index]].
func (r *reporter) indexes(indexes []Index) {
	first := map[string]int{}
	for i, index := range indexes {
		key := fmt.Sprintf("index[%d]", i)
		id := strings.ToLower(index.Name)
		if j, twice := first[id]; !indexPattern.MatchString(index.Name) {
			r.report(key+".name", `%q: want a name such as "corp"`, index.Name)
		} else if twice {
			r.report(key+".name", "%q: given twice, first as index[%d]", index.Name, j)
		} else {
			first[id] = i
		}
		if err := checkIndex(index.URL); err != nil {
			r.report(key+".url", "%w", err)
		}
	}
}

// checkIndex refuses an index that could be changed on the way, for what it says
// is believed when build requirements are pinned; and credentials, unless they
// are variables. No error repeats them.
func checkIndex(address string) error {
	u, err := checkSecure(address)
	switch {
	case err != nil || u == nil:
		return err
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return errors.New("an address with ? or #: want that of the index alone")
	}
	return nil
}

// checkWebhook refuses likewise an address that is told more than a report. The
// whole of it is often a secret, so what looks like one is refused, too.
func checkWebhook(address string) error {
	u, err := checkSecure(address)
	switch {
	case err != nil || u == nil:
		return err
	case u.Fragment != "":
		return errors.New("an address with #")
	case slices.ContainsFunc(tokenPattern.FindAllString(u.Path+"?"+u.RawQuery, -1), isToken):
		return errors.New("what looks like a token; write ${VAR} for it")
	}
	return nil
}

// isToken is whether a long word has letters and digits.
func isToken(word string) bool {
	return strings.ContainsAny(word, "0123456789") && strings.Trim(word, "0123456789") != ""
}

// checkSecure refuses an address that is neither https nor on this machine itself,
// and one with credentials that are no variables. What it returns has an x for
// every variable; it is nil if a variable decides where the address leads.
func checkSecure(address string) (*url.URL, error) {
	if address == "" {
		return nil, errors.New("missing or empty")
	}
	if loc := varPattern.FindStringIndex(address); loc != nil && loc[0] == 0 && !strings.Contains(address, "@") {
		return nil, nil // all or its beginning is a variable: looked at when that is known
	}
	scheme, rest, ok := strings.Cut(address, "://")
	if !ok || !schemePattern.MatchString(scheme) {
		return nil, errors.New("want an https address")
	}
	host, path, _ := strings.Cut(rest, "/")
	if user, after, found := cutLast(host, "@"); found {
		if !userPattern.MatchString(user) {
			return nil, errors.New("an address with credentials; keep them in netrc or a keyring, or write ${VAR} for them")
		}
		host = after
	}
	u, err := url.Parse(scheme + "://" + varPattern.ReplaceAllString(host+"/"+path, "x"))
	switch {
	case err != nil || u.User != nil || u.Hostname() == "":
		return nil, errors.New("not an address")
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		return nil, fmt.Errorf("http://%s/: want https: only what is on this machine itself may do without", u.Host)
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("%s: want an https address", scheme)
	}
	return u, nil
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
