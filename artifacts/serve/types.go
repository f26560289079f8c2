package serve

import (
	"path"
	"strconv"
	"strings"
)

// The forms of a page of a simple index.
const (
	simpleJSON = "application/vnd.pypi.simple.v1+json"
	simpleHTML = "application/vnd.pypi.simple.v1+html"
	textHTML   = "text/html"
)

// forms are they, those first that are preferred, with their other names.
var forms = []struct{ mediaType, latest string }{
	{simpleJSON, "application/vnd.pypi.simple.latest+json"},
	{simpleHTML, "application/vnd.pypi.simple.latest+html"},
	{textHTML, ""},
}

// accepted is what a client accepts: a media type, or a range of them.
type accepted struct {
	mediaType string // "text/html", "text/*" or "*/*"
	quality   float64
}

// negotiate chooses the form of a page by the Accept headers of a request.
func negotiate(headers []string) string {
	ranges := parseAccept(headers)
	best, quality, exact := textHTML, 0.0, 0
	for _, form := range forms {
		q, e := wanted(ranges, form.mediaType)
		if latestQ, latestE := wanted(ranges, form.latest); latestE == named && (e < named || latestQ > q) {
			q, e = latestQ, latestE
		}
		if q > quality || q > 0 && q == quality && e > exact {
			best, quality, exact = form.mediaType, q, e
		}
	}
	if q, _ := wanted(ranges, textHTML); exact < named && q == quality {
		return textHTML
	}
	return best
}

// named is how exactly "text/html" names a type; "text/*" does 2, "*/*" 1.
const named = 3

// wanted is the quality of a media type, by what names it most exactly.
func wanted(ranges []accepted, mediaType string) (quality float64, exact int) {
	family, _, _ := strings.Cut(mediaType, "/")
	for _, r := range ranges {
		e := 0
		switch r.mediaType {
		case mediaType:
			e = named
		case family + "/*":
			e = 2
		case "*/*":
			e = 1
		}
		if e > exact {
			quality, exact = r.quality, e
		}
	}
	return quality, exact
}

// parseAccept reads Accept (RFC 9110, section 12.5.1). What cannot be read is left
// out.
func parseAccept(headers []string) (ranges []accepted) {
	for _, header := range headers {
		for element := range strings.SplitSeq(header, ",") {
			mediaType, rest, _ := strings.Cut(element, ";")
			a := accepted{strings.ToLower(strings.TrimSpace(mediaType)), 1}
			for parameter := range strings.SplitSeq(rest, ";") {
				key, value, _ := strings.Cut(strings.TrimSpace(parameter), "=")
				if !strings.EqualFold(strings.TrimSpace(key), "q") {
					continue
				}
				q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
				if err != nil || !(q >= 0 && q <= 1) {
					a.mediaType = ""
				}
				a.quality = q
			}
			if a.mediaType != "" {
				ranges = append(ranges, a)
			}
		}
	}
	return ranges
}

// byName and byExtension are the types of files; all text is UTF-8.
var byName = map[string]string{
	"InRelease":   "text/plain",
	"Packages":    "text/plain",
	"Release":     "text/plain",
	"Release.gpg": "application/pgp-signature",
}

var byExtension = map[string]string{
	".asc":      "application/pgp-keys",
	".atom":     "application/atom+xml",
	".css":      "text/css",
	".deb":      "application/vnd.debian.binary-package",
	".gz":       "application/gzip",
	".html":     textHTML,
	".js":       "text/javascript",
	".json":     "application/json",
	".log":      "text/plain",
	".metadata": "text/plain",
	".png":      "image/png",
	".prom":     "text/plain; version=0.0.4",
	".pub":      "text/plain",
	".sources":  "text/plain",
	".svg":      "image/svg+xml",
	".tar":      "application/x-tar",
	".toml":     "application/toml",
	".txt":      "text/plain",
	".xml":      "application/xml",
	".zst":      "application/zstd",
}

// contentType is the Content-Type of a file, by its name alone. A wheel is
// "application/octet-stream", like all that is not known.
func contentType(name string) string {
	base := path.Base(name)
	switch {
	case byName[base] != "":
		return withCharset(byName[base])
	case base == "index.json" && strings.HasPrefix(name, "simple/"):
		return simpleJSON
	case byExtension[path.Ext(base)] != "":
		return withCharset(byExtension[path.Ext(base)])
	}
	return "application/octet-stream"
}

func withCharset(mediaType string) string {
	if strings.HasPrefix(mediaType, "text/") {
		return mediaType + "; charset=utf-8"
	}
	return mediaType
}
