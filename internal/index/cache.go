package index

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// digest is the SHA-256 of parts, each ended by a NUL.
func digest(parts ...string) string { return digestOf(strings.Join(parts, "\x00") + "\x00") }

func digestOf[T string | []byte](content T) string {
	sum := sha256.Sum256([]byte(content))
	return hex.EncodeToString(sum[:])
}

func (c *Client) entry(kind, key string) string {
	return filepath.Join(c.Cache, "index", kind, key[:2], key)
}

// recall is a cached entry, or nil.
func (c *Client) recall(kind, key string) []byte {
	if c.Cache == "" {
		return nil
	}
	data, err := os.ReadFile(c.entry(kind, key))
	if err != nil {
		return nil // what cannot be read is asked for again, and then written
	}
	sum, content, ok := bytes.Cut(data, []byte("\n"))
	if !ok || digestOf(content) != string(sum) {
		return nil
	}
	return content
}

// keep writes an entry, by renaming.
func (c *Client) keep(kind, key string, content ...[]byte) (err error) {
	if c.Cache == "" {
		return nil
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("cache what an index said: %w", err)
		}
	}()
	name := c.entry(kind, key)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	// Readable by the user alone: an index may be private.
	tmp, err := os.CreateTemp(filepath.Dir(name), ".new-*")
	if err != nil {
		return err
	}
	defer func() {
		tmp.Close()
		if err != nil {
			os.Remove(tmp.Name())
		}
	}()
	sum := sha256.New()
	for _, part := range content {
		sum.Write(part)
	}
	first := []byte(hex.EncodeToString(sum.Sum(nil)) + "\n")
	for _, part := range slices.Concat([][]byte{first}, content) {
		if _, err := tmp.Write(part); err != nil {
			return err
		}
	}
	if err := tmp.Close(); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), name)
}

// keptPage is the page that was kept of an address, or nil.
func (c *Client) keptPage(where *url.URL) *page {
	header, body, _ := bytes.Cut(c.recall("page", digest(where.String())), []byte("\n"))
	p := &page{}
	if json.Unmarshal(header, p) != nil || p.Status != http.StatusOK && p.Status != http.StatusNotFound {
		return nil
	}
	p.body = body
	return p
}

func (c *Client) keepPage(where *url.URL, p *page) error {
	header, err := json.Marshal(p)
	if err != nil {
		return err
	}
	return c.keep("page", digest(where.String()), header, []byte("\n"), p.body)
}

// matchKey is the key of an answer of Match.
func (c *Client) matchKey(name string, hashes []string) string {
	var parts []string
	for _, ix := range c.Indexes {
		address := "" // of one that cannot be asked
		if u, err := parseURL(ix.URL); err == nil {
			address = u.String()
		}
		parts = append(parts, ix.Label(), address)
	}
	parts = append(parts, "", name)
	return digest(slices.Concat(parts, slices.Sorted(slices.Values(hashes)))...)
}

// matched is what was kept of an answer of Match, or nil.
func (c *Client) matched(name string, hashes []string) []File {
	var files []File
	if json.Unmarshal(c.recall("match", c.matchKey(name, hashes)), &files) != nil {
		return nil
	}
	wanted := map[string]bool{}
	for _, h := range hashes {
		wanted[h] = true
	}
	if len(files) == 0 || slices.ContainsFunc(files, func(f File) bool { return !f.hasOneOf(wanted) }) {
		return nil
	}
	return files
}

// keepMatch keeps an answer of Match, unless an address in it has a query: it
// may be signed, and then does not last.
func (c *Client) keepMatch(name string, hashes []string, files []File) error {
	if slices.ContainsFunc(files, func(f File) bool { return strings.Contains(f.URL, "?") }) {
		return nil
	}
	content, err := json.Marshal(files)
	if err != nil {
		return err
	}
	return c.keep("match", c.matchKey(name, hashes), content)
}
