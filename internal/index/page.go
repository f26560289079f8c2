package index

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/pybake/pybake/internal/fetch"
)

const (
	maxPage  = 64 << 20 // bytes, unpacked
	maxFiles = 250_000
	maxTexts = 4 * maxPage // bytes of all addresses, which a long base multiplies
)

// accept is what a page is asked for as; some servers know HTML only.
const accept = jsonType + ", " + htmlType + ";q=0.2, text/html;q=0.01"

const (
	jsonType = "application/vnd.pypi.simple.v1+json"
	htmlType = "application/vnd.pypi.simple.v1+html"
)

// load asks an index for a project, and nobody before it.
func (c *Client) load(ctx context.Context, ix Index, name string) (files []File, known bool, err error) {
	base, err := parseURL(ix.URL)
	if err != nil {
		return nil, false, err
	}
	where := base.JoinPath(name, "/")
	kept := c.keptPage(where)
	if c.Offline {
		if kept == nil {
			return nil, false, fetch.ErrOffline
		}
		return kept.files(ix, name)
	}
	header := http.Header{"Accept": {accept}}
	if kept != nil && kept.ETag != "" {
		header.Set("If-None-Match", kept.ETag)
	}
	if kept != nil && kept.LastModified != "" {
		header.Set("If-Modified-Since", kept.LastModified)
	}
	resp, err := c.get(ctx, where, header, maxPage, ix.Absent)
	switch {
	case errors.Is(err, errUnchanged) && kept != nil:
		return kept.files(ix, name)
	case errors.Is(err, fetch.ErrNotHere):
		return nil, false, c.keepPage(where, &page{Status: http.StatusNotFound})
	case err != nil:
		return nil, false, err
	}
	p := &page{
		Status: http.StatusOK, URL: Label(resp.url.String()), Type: resp.header.Get("Content-Type"),
		ETag: resp.header.Get("ETag"), LastModified: resp.header.Get("Last-Modified"), body: resp.body,
	}
	if files, known, err = p.files(ix, name); err != nil {
		return nil, false, err
	}
	return files, known, c.keepPage(where, p)
}

// parseURL is an address of a server without its user.
func parseURL(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	if label := Label(address); err != nil || label == malformed {
		return nil, errors.New(malformed) // the cause would quote it
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("%s: not an http or https URL", Label(address))
	}
	u.User, u.Fragment, u.RawFragment = nil, "", ""
	return u, nil
}

// page is what an index answered.
type page struct {
	Status             int    // 200 or 404
	URL                string // where it came from after redirects, which relative addresses start from
	Type               string // Content-Type
	ETag, LastModified string
	body               []byte
}

// files reads the page.
func (p *page) files(ix Index, name string) ([]File, bool, error) {
	if p.Status == http.StatusNotFound {
		return nil, false, nil
	}
	base, err := url.Parse(p.URL)
	if err != nil {
		return nil, false, errors.New(malformed)
	}
	found, err := parse(p.Type, p.body, base, name)
	if err != nil {
		return nil, false, fmt.Errorf("GET %s: %w", Label(p.URL), err)
	}
	for i := range found {
		found[i].Index = ix.Label()
	}
	return found, true, nil
}

// parse reads a page by its type.
func parse(contentType string, body []byte, base *url.URL, name string) ([]File, error) {
	c := &collector{base: base}
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil && media == "" {
		return nil, fmt.Errorf("not a page of an index: Content-Type %.80q", contentType)
	}
	version, _ := strings.CutPrefix(media, "application/vnd.pypi.simple.v")
	version, format, _ := strings.Cut(version, "+")
	switch {
	case media == jsonType:
		err = c.json(body, name)
	case media == htmlType, media == "text/html":
		err = c.html(body)
	case strings.HasPrefix(media, "application/vnd.pypi.simple.v") && (format == "json" || format == "html"):
		err = fmt.Errorf("version %.20s of the interface, and only 1 is known", version)
	default:
		err = fmt.Errorf("not a page of an index: Content-Type %.80q", contentType)
	}
	if err != nil {
		return nil, err
	}
	return c.files, nil
}

// checkVersion refuses a page of another major version (PEP 629).
func checkVersion(version string) error {
	major, _, _ := strings.Cut(strings.TrimSpace(version), ".")
	n, err := strconv.Atoi(major)
	if err != nil || n < 0 {
		return fmt.Errorf("version %.80q of the interface: not a version", version)
	}
	if n > 1 {
		return fmt.Errorf("version %.20s of the interface, and only 1 is known", version)
	}
	return nil
}

// collector gathers the files of a page.
type collector struct {
	base  *url.URL
	files []File
	texts int // bytes of their addresses
}

// add adds a file whose address is href; its name is the last part of that
// unless it has one. What is no file of a project is passed over.
func (c *collector) add(f File, href string) error {
	ref, err := url.Parse(strings.TrimSpace(href))
	if err != nil {
		return nil
	}
	u := c.base.ResolveReference(ref)
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil
	}
	if f.Name == "" {
		escaped := u.EscapedPath()
		if f.Name, err = url.PathUnescape(escaped[strings.LastIndexByte(escaped, '/')+1:]); err != nil {
			return nil
		}
	}
	if !isFile(f.Name) {
		return nil
	}
	for _, part := range strings.Split(u.Fragment, "&") {
		if algorithm, digits, ok := strings.Cut(part, "="); ok && f.Hashes[algorithm] == "" {
			f.addHash(algorithm, digits)
		}
	}
	u.User, u.Fragment, u.RawFragment = nil, "", ""
	f.URL = u.String()
	c.texts += len(f.URL)
	if len(c.files) == maxFiles || c.texts > maxTexts {
		return fmt.Errorf("more than %d files, or %d bytes of addresses", maxFiles, maxTexts)
	}
	c.files = append(c.files, f)
	return nil
}

// addHash adds a hash if it is one that counts.
func (f *File) addHash(algorithm, digits string) {
	digits = strings.ToLower(digits)
	if size := hashSizes()[algorithm]; size == 0 || !isHex(digits, size) {
		return
	}
	if f.Hashes == nil {
		f.Hashes = map[string]string{}
	}
	f.Hashes[algorithm] = digits
}

func hashSizes() map[string]int { return map[string]int{"sha256": 64, "sha384": 96, "sha512": 128} }

func isHex(digits string, size int) bool {
	_, err := hex.DecodeString(digits)
	return err == nil && len(digits) == size
}

// isFile tells whether a name is that of a distribution.
func isFile(name string) bool {
	if strings.ContainsAny(name, "/\\\x00") || len(name) > 512 {
		return false
	}
	lower := strings.ToLower(name)
	return slices.ContainsFunc([]string{
		".whl", ".tar.gz", ".tgz", ".zip", ".tar.bz2", ".tbz", ".tar.xz", ".txz", ".tar.z", ".tar", ".egg", ".exe",
	}, func(suffix string) bool { return strings.HasSuffix(lower, suffix) && len(lower) > len(suffix) })
}
