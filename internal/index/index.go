// Package index asks package indexes what files a project has.
//
// # What an index says
//
// A project's page is at URL/NAME/, the name normalised (PEP 503). It is asked
// for as JSON (PEP 691, 700) and as HTML (PEP 503, 629), in this order of
// preference; the Content-Type of the answer rules, so an index may send
// either:
//
//	application/vnd.pypi.simple.v1+json   files, meta.api-version
//	application/vnd.pypi.simple.v1+html   <a href>, <base href>, <meta name="pypi:repository-version">
//	text/html                             likewise
//
// Any other type is an error, and so is version 2 of the interface. A file has
// a name that ends like a distribution (.whl, .tar.gz, .zip and so on) and an
// http or https address; other links are passed over. Of its hashes those of
// sha256, sha384 and sha512 count. Yanked files (PEP 592), the Python that is
// required, and metadata beside the file (PEP 658, 714) are told as they are
// given. A page has at most 64 MiB unpacked and 250,000 files.
//
// 404 and 410 mean that an index does not know a project. 408, 425, 429, 500,
// 502, 503, 504, a timeout and a cut connection are tried again, after a pause
// that doubles or that Retry-After asks for, up to a minute. There are at most
// ten redirects, and none from https to http.
//
// # Credentials
//
// An index has the user and password of its URL, else those of netrc, else
// those that [Client.Credentials] gives when a URL has a user only or a server
// answers 401. They are sent as basic authentication, and only to the scheme,
// host and port of the index: neither to where it redirects to nor to another
// host that has its files, unless netrc has that host and it is reached by
// https. They are in no label, address, error or cached answer.
//
// # Configuration
//
// [ReadPip] and [ReadUV] read what pip and uv are told about indexes, [ParseNetrc]
// netrc; [Where] tells where these files are. They take texts and a function
// for the environment, and touch neither.
//
// # Cache
//
// Below [Client.Cache], which may be the cache of a fetch.Fetcher:
//
//	index/page/1f/1f03…        a page, or that there is none: to be asked for only if changed, and for offline
//	index/match/8c/8cd2…       an answer of Match, by indexes, name and hashes
//	index/metadata/93/93e5…    METADATA, by the hash of the wheel
//
// Each begins with the SHA-256 of what follows, and is written by renaming. One
// that is damaged is as good as none.
package index

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pybake/pybake/internal/fetch"
	"github.com/pybake/pybake/internal/pep"
)

// Index is a package index.
type Index struct {
	Name string // how it is called, without credentials: "corp"; empty: its URL without what is secret
	URL  string // "https://user:password@pypi.example.org/simple"

	// Explicit is an index for packages that name it: Project passes over it.
	Explicit bool

	// Absent are statuses that say, beside 404 and 410, that it does not know
	// a project: 403 of a bucket that cannot be listed.
	Absent []int
}

// Label is how people are told of the index.
func (i Index) Label() string {
	if i.Name == "" {
		return Label(i.URL)
	}
	return fetch.Redact(i.Name)
}

// malformed is said instead of what may not be shown.
const malformed = "malformed URL"

// Label is a URL without user, password, query and fragment.
func Label(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Scheme == "" || u.Opaque != "" {
		return malformed // which may be one because of the password
	}
	u.User, u.RawQuery, u.ForceQuery, u.Fragment, u.RawFragment = nil, "", false, "", ""
	return u.String()
}

// File is a file of a project.
type File struct {
	Name           string            // "numpy-2.1.0-cp313-cp313-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"
	URL            string            // absolute, without fragment and credentials; Label for people, as it may have a query
	Hashes         map[string]string // "sha256", "sha384", "sha512" → lower-case hex; may be empty
	Size           int64             // bytes; 0: the index does not say
	RequiresPython string            // ">=3.11", unchecked; or empty
	Yanked         bool
	YankedReason   string
	Uploaded       time.Time // zero: the index does not say (HTML)
	Metadata       bool      // URL+".metadata" exists
	MetadataSHA256 string    // of that; or empty
	Index          string    // label
}

// Client asks indexes. It may be used by several goroutines; its fields are not
// changed after first use.
type Client struct {
	HTTP    *http.Client // proxies and certificates; nil: http.DefaultClient
	Indexes []Index      // by priority
	Netrc   *Netrc       // or nil
	Cache   string       // directory, made when needed: "/root/.cache/pybake"; empty: nothing is kept
	Offline bool         // only what is cached

	// Credentials, if set, is a keyring: asked at most once for each index, or
	// host that has files, by its URL, in which there is the user if that is
	// known.
	Credentials func(ctx context.Context, u *url.URL) (user, password string, ok bool)

	Attempts int           // tries; 0: 4
	Backoff  time.Duration // before the second try, then doubling; 0: 500 ms
	Stall    time.Duration // without a byte for so long, a try has failed; 0: 30 s

	once    sync.Once
	client  *http.Client // HTTP with credentials
	mu      sync.Mutex
	flights map[string]*flight // by URL of the page
	rings   ring
}

// UnknownProjectError says that no index knows a project.
type UnknownProjectError struct {
	Name    string
	Indexes []string // labels of those asked
}

func (e *UnknownProjectError) Error() string {
	if len(e.Indexes) == 0 {
		return fmt.Sprintf("project %s: no index to ask", e.Name)
	}
	return fmt.Sprintf("project %s: unknown to %s", e.Name, strings.Join(e.Indexes, " and "))
}

// NoMatchError says that indexes know a project but no file with a given hash.
type NoMatchError struct {
	Name   string
	Hashes []string // expected
	Found  []string // "https://pypi.example.org/simple lists 12 files, 3 of them without a hash"
}

func (e *NoMatchError) Error() string {
	hashes := e.Hashes[0]
	if n := len(e.Hashes); n > 1 {
		hashes = fmt.Sprintf("%s or %d others", hashes, n-1)
	}
	return fmt.Sprintf("project %s: no file has %s: %s", e.Name, hashes, strings.Join(e.Found, "; "))
}

// Project is what the first index that knows a project has of it, in the order
// of the page, and perhaps nothing. The maps of the files are not to be
// changed.
//
// Errors: *[UnknownProjectError]; *[AccessError]; one that wraps
// fetch.ErrOffline.
func (c *Client) Project(ctx context.Context, name string) ([]File, error) {
	if !pep.ValidName(name) {
		return nil, fmt.Errorf("project %.80q: not a name", name)
	}
	name = pep.NormalizeName(name)
	unknown := &UnknownProjectError{Name: name}
	for _, ix := range c.Indexes {
		if ix.Explicit {
			continue
		}
		files, known, err := c.page(ctx, ix, name)
		if err != nil || known {
			return files, err
		}
		unknown.Indexes = append(unknown.Indexes, ix.Label())
	}
	return nil, unknown
}

// Match is the files of a project that have one of the hashes ("sha256:…"),
// whatever they are called. Indexes are asked in order, explicit ones too, as
// long as a hash is missing. What was found once is found again without
// network.
//
// Errors: *[NoMatchError] and those of Project.
func (c *Client) Match(ctx context.Context, name string, hashes []string) ([]File, error) {
	if !pep.ValidName(name) || len(hashes) == 0 {
		return nil, fmt.Errorf("project %.80q: not a name, or no hash to look for", name)
	}
	name = pep.NormalizeName(name)
	if files := c.matched(name, hashes); files != nil {
		return files, nil
	}
	wanted := map[string]bool{}
	for _, h := range hashes {
		wanted[h] = true
	}
	unknown := &UnknownProjectError{Name: name}
	nothing := &NoMatchError{Name: name, Hashes: hashes}
	var found []File
	for _, ix := range c.Indexes {
		files, known, err := c.page(ctx, ix, name)
		if err != nil {
			return nil, err
		}
		if !known {
			unknown.Indexes = append(unknown.Indexes, ix.Label())
			continue
		}
		here := slices.DeleteFunc(slices.Clone(files), func(f File) bool { return !f.hasOneOf(wanted) })
		found = append(found, here...)
		for _, f := range here {
			for algorithm, digits := range f.Hashes {
				delete(wanted, algorithm+":"+digits)
			}
		}
		if len(wanted) == 0 {
			break
		}
		nothing.Found = append(nothing.Found, ix.lists(files))
	}
	switch {
	case len(found) > 0:
		return found, c.keepMatch(name, hashes, found)
	case len(nothing.Found) > 0:
		return nil, nothing
	}
	return nil, unknown
}

func (f File) hasOneOf(hashes map[string]bool) bool {
	for algorithm, digits := range f.Hashes {
		if hashes[algorithm+":"+digits] {
			return true
		}
	}
	return false
}

// lists is what a NoMatchError says of an index.
func (i Index) lists(files []File) string {
	text, bare := fmt.Sprintf("%s lists %d files", i.Label(), len(files)), 0
	for _, f := range files {
		if len(f.Hashes) == 0 {
			bare++
		}
	}
	if bare > 0 {
		text += fmt.Sprintf(", %d of them without a hash", bare)
	}
	return text
}

// flight is a page on its way, or here.
type flight struct {
	done  chan struct{}
	files []File
	known bool
	err   error
}

// page is what one index says of a project: asked for once, however many want
// to know, and again only after an error.
func (c *Client) page(ctx context.Context, ix Index, name string) (files []File, known bool, err error) {
	key := ix.URL + "\x00" + name
	for {
		c.mu.Lock()
		f := c.flights[key]
		if f == nil {
			f = &flight{done: make(chan struct{})}
			if c.flights == nil {
				c.flights = map[string]*flight{}
			}
			c.flights[key] = f
			c.mu.Unlock()
			c.fly(ctx, f, key, ix, name)
			return slices.Clone(f.files), f.known, f.err
		}
		c.mu.Unlock()
		select {
		case <-ctx.Done():
			return nil, false, ctx.Err()
		case <-f.done:
		}
		// Who gave up did so for itself only.
		if cause := f.err; cause == nil || !errors.Is(cause, context.Canceled) && !errors.Is(cause, context.DeadlineExceeded) {
			return slices.Clone(f.files), f.known, f.err
		}
	}
}

func (c *Client) fly(ctx context.Context, f *flight, key string, ix Index, name string) {
	defer close(f.done)
	if f.files, f.known, f.err = c.load(ctx, ix, name); f.err != nil {
		f.err = fmt.Errorf("project %s: index %s: %w", name, ix.Label(), f.err)
		c.mu.Lock()
		delete(c.flights, key)
		c.mu.Unlock()
	}
}
