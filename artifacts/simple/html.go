package simple

import (
	"bytes"
	"html"
	"net/url"
	"strings"
)

// apiVersion is the version of the interface: 1.1 by PEP 700, 1.4 by PEP 792.
const apiVersion = "1.4"

// indexHTML is the page of all projects.
func indexHTML(title string, projects []project) []byte {
	var b bytes.Buffer
	beginHTML(&b, title, Status{})
	for _, p := range projects {
		b.WriteString(`<a href="` + p.name + `/">` + p.name + "</a><br>\n")
	}
	b.WriteString("</body>\n</html>\n")
	return b.Bytes()
}

// projectHTML is the page of a project. root leads from it to the root.
func projectHTML(p project, root string) []byte {
	var b bytes.Buffer
	b.Grow(512 + 640*len(p.files))
	beginHTML(&b, p.name, p.status)
	for _, f := range p.files {
		b.WriteString(`<a`)
		attribute(&b, "href", address(f, root))
		attribute(&b, "data-requires-python", f.RequiresPython)
		if f.MetadataSHA256 != "" {
			attribute(&b, "data-core-metadata", "sha256="+f.MetadataSHA256)
			attribute(&b, "data-dist-info-metadata", "sha256="+f.MetadataSHA256)
		}
		attribute(&b, "data-yanked", f.Yanked)
		b.WriteString(">" + f.Name + "</a><br>\n")
	}
	b.WriteString("</body>\n</html>\n")
	return b.Bytes()
}

func beginHTML(b *bytes.Buffer, title string, s Status) {
	b.WriteString("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n")
	meta(b, "viewport", "width=device-width")
	meta(b, "pypi:repository-version", apiVersion)
	meta(b, "pypi:project-status", s.State)
	meta(b, "pypi:project-status-reason", s.Reason)
	title = html.EscapeString(strings.ToValidUTF8(title, "\uFFFD"))
	b.WriteString("<title>" + title + "</title>\n</head>\n<body>\n<h1>" + title + "</h1>\n")
}

// meta writes a meta element, unless its content is empty.
func meta(b *bytes.Buffer, name, content string) {
	if content != "" {
		b.WriteString(`<meta name="` + name + `" content="` + html.EscapeString(content) + "\">\n")
	}
}

// attribute writes an attribute, unless its value is empty.
func attribute(b *bytes.Buffer, name, value string) {
	if value != "" {
		b.WriteString(" " + name + `="` + html.EscapeString(value) + `"`)
	}
}

// address is the URL of a file, with its hash.
func address(f File, root string) string { return root + escapePath(f.Path) + "#sha256=" + f.SHA256 }

// escapePath is a path as it stands in a URL. A plus is escaped too, as some
// object stores take it for a blank.
func escapePath(p string) string {
	parts := strings.Split(p, "/")
	for i, part := range parts {
		parts[i] = strings.ReplaceAll(url.PathEscape(part), "+", "%2B")
	}
	return strings.Join(parts, "/")
}
