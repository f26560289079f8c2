package index

import (
	"bytes"
	"io"
	"net/url"
	"strings"

	"golang.org/x/net/html"
)

// maxTag is the longest tag, in bytes.
const maxTag = 1 << 20

// html reads a page of PEP 503. It is read as it comes, as no more than three
// kinds of tags matter.
func (c *collector) html(body []byte) error {
	z := html.NewTokenizer(bytes.NewReader(body))
	z.SetMaxBuf(maxTag)
	based := false
	for {
		switch z.Next() {
		case html.ErrorToken:
			if err := z.Err(); err != io.EOF {
				return err
			}
			return nil
		case html.StartTagToken, html.SelfClosingTagToken:
		default:
			continue
		}
		tag, more := z.TagName()
		var err error
		switch string(tag) {
		case "a":
			if attrs := attributes(z, more); attrs["href"] != "" {
				err = c.anchor(attrs)
			}
		case "base":
			// The first that has an address rules.
			if href := attributes(z, more)["href"]; href != "" && !based {
				based = true
				if ref, bad := url.Parse(strings.TrimSpace(href)); bad == nil {
					c.base = c.base.ResolveReference(ref)
				}
			}
		case "meta":
			if attrs := attributes(z, more); attrs["name"] == "pypi:repository-version" {
				err = checkVersion(attrs["content"])
			}
		}
		if err != nil {
			return err
		}
	}
}

// attributes are those that matter; the first of a name rules.
func attributes(z *html.Tokenizer, more bool) map[string]string {
	attrs := map[string]string{}
	for more {
		var key, value []byte
		key, value, more = z.TagAttr()
		name := string(key)
		switch _, twice := attrs[name]; {
		case twice:
		case name == "href", name == "name", name == "content", strings.HasPrefix(name, "data-"):
			attrs[name] = string(value)
		}
	}
	return attrs
}

func (c *collector) anchor(attrs map[string]string) error {
	f := File{RequiresPython: strings.TrimSpace(attrs["data-requires-python"])}
	f.YankedReason, f.Yanked = attrs["data-yanked"]
	// PEP 714 renamed it; the new name rules.
	text, ok := attrs["data-core-metadata"]
	if !ok {
		text, ok = attrs["data-dist-info-metadata"]
	}
	if ok && text != "false" {
		f.Metadata = true
		if algorithm, digits, _ := strings.Cut(text, "="); algorithm == "sha256" && isHex(digits, 64) {
			f.MetadataSHA256 = strings.ToLower(digits)
		}
	}
	return c.add(f, attrs["href"])
}
