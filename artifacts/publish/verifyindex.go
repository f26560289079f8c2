package publish

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"path"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/pybake/pybake/artifacts/sign"
)

// fetch reads a small file of the list. What is wrong with it in itself was told before.
func (c *verifying) fetch(ctx context.Context, path string) ([]byte, bool) {
	f, ok := c.list.find(path)
	if !ok {
		return nil, false
	}
	data, err := c.src.read(ctx, path, f.Size)
	return data, err == nil && int64(len(data)) == f.Size && hashBytes(data) == f.SHA256
}

// checkApt checks each suite of the list.
func (c *verifying) checkApt(ctx context.Context) {
	for _, f := range c.list.Files {
		if suite, ok := strings.CutPrefix(f.Path, "dists/"); ok {
			if suite, ok = strings.CutSuffix(suite, "/Release"); ok && !strings.Contains(suite, "/") {
				c.checkSuite(ctx, suite)
			}
		}
	}
}

func (c *verifying) checkSuite(ctx context.Context, codename string) {
	dir := "dists/" + codename + "/"
	suite := Suite{Codename: codename}
	release, ok := c.fetch(ctx, dir+"Release")
	if !ok {
		return
	}
	suite.By = c.checkSignatures(ctx, dir, release)
	fields, hashes := parseRelease(release)
	var err error
	if suite.Date, err = time.Parse(time.RFC1123, fields["Date"]); err != nil {
		c.problem(dir+"Release", "Date: %q is no time", fields["Date"])
	} else if suite.Date.After(c.src.Now.Add(maxAhead)) {
		c.problem(dir+"Release", "it is dated %s, which is in the future", fields["Date"])
	}
	if until := fields["Valid-Until"]; until != "" {
		if suite.ValidUntil, err = time.Parse(time.RFC1123, until); err != nil {
			c.problem(dir+"Release", "Valid-Until: %q is no time", until)
		} else if !suite.ValidUntil.After(c.src.Now) {
			c.problem(dir+"Release", "it was valid until %s: apt refuses it", until)
		}
	}
	for _, line := range hashes {
		words := strings.Fields(line)
		if len(words) != 3 {
			c.problem(dir+"Release", "SHA256: %.80q is no line of it", line)
			continue
		}
		c.compare(dir+"Release", listed{dir + words[2], size(words[1]), words[0]})
		if path.Base(words[2]) == "Packages" {
			c.checkPackages(ctx, dir+words[2])
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.v.Suites = append(c.v.Suites, suite)
}

// checkSignatures checks those of a suite, and returns by whom they are.
func (c *verifying) checkSignatures(ctx context.Context, dir string, release []byte) string {
	_, signed := c.list.find(dir + "InRelease")
	if len(c.trust.OpenPGP) == 0 {
		if signed && c.v.Own {
			c.problem(dir+"InRelease", "it is signed, but the directory has no key for it")
		}
		return ""
	}
	if !signed {
		c.problem(dir+"InRelease", "missing: the suite is not signed")
		return ""
	}
	inline, ok := c.fetch(ctx, dir+"InRelease")
	if !ok {
		return ""
	}
	text, by, err := c.trust.VerifyClearSigned(inline)
	if err == nil && !bytes.Equal(text, release) {
		err = errors.New("it is not Release")
	}
	if err != nil {
		c.problem(dir+"InRelease", "%v", err)
		return ""
	}
	if detached, ok := c.fetch(ctx, dir+"Release.gpg"); ok {
		if _, err := sign.VerifyDetached([][]byte{c.trust.OpenPGP}, []string{c.trust.Fingerprint}, bytes.NewReader(release), detached); err != nil {
			c.problem(dir+"Release.gpg", "%v", err)
		}
	}
	return by
}

// parseRelease returns the fields of a Release, and the lines of SHA256.
func parseRelease(text []byte) (fields map[string]string, hashes []string) {
	fields = map[string]string{}
	field := ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		if !strings.HasPrefix(line, " ") {
			field, line, _ = strings.Cut(line, ":")
			fields[field] = strings.TrimSpace(line)
		} else if field == "SHA256" {
			hashes = append(hashes, line)
		}
	}
	return fields, hashes
}

// checkPackages holds the packages of an index against the list.
func (c *verifying) checkPackages(ctx context.Context, path string) {
	text, ok := c.fetch(ctx, path)
	if !ok {
		return
	}
	for stanza := range strings.SplitSeq(string(text), "\n\n") {
		fields, _ := parseRelease([]byte(stanza))
		if strings.TrimSpace(stanza) != "" {
			c.compare(path, listed{fields["Filename"], size(fields["Size"]), fields["SHA256"]})
		}
	}
}

// size is a decimal number, or -1.
func size(digits string) int64 {
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return -1
	}
	return n
}

// compare holds what an index says of a file against the list.
func (c *verifying) compare(index string, f listed) {
	known, ok := c.list.find(f.Path)
	switch {
	case !ok:
		c.problem(index, "it names %.200q, which is not in the list", f.Path)
	case known != f:
		c.problem(index, "of %s it says %d bytes, sha256 %.64s, the list %d bytes, %s", f.Path, f.Size, f.SHA256, known.Size, known.SHA256)
	}
}

// checkSimple holds the pages of the simple indexes, in JSON, against the list.
func (c *verifying) checkSimple(ctx context.Context) error {
	var pages []string
	for _, f := range c.list.Files {
		if strings.HasPrefix(f.Path, "simple/") && strings.HasSuffix(f.Path, "/index.json") {
			pages = append(pages, f.Path)
		}
	}
	return parallel(ctx, 2*runtime.GOMAXPROCS(0), len(pages), func(i int) error {
		if err := c.checkPage(ctx, pages[i]); err != nil {
			c.problem(pages[i], "%v", err)
		}
		return nil
	})
}

func (c *verifying) checkPage(ctx context.Context, name string) error {
	data, ok := c.fetch(ctx, name)
	if !ok {
		return nil
	}
	var page struct {
		Files []struct {
			Filename string
			URL      string
			Hashes   map[string]string
			Size     int64
		}
	}
	if err := json.Unmarshal(data, &page); err != nil {
		return err
	}
	for _, f := range page.Files {
		u, err := url.Parse(f.URL)
		if err != nil || u.IsAbs() || u.Host != "" || strings.HasPrefix(u.Path, "/") {
			return fmt.Errorf("the URL of %.80q is not relative: %.200q", f.Filename, f.URL)
		}
		c.compare(name, listed{path.Join(path.Dir(name), u.Path), f.Size, f.Hashes["sha256"]})
	}
	return nil
}
