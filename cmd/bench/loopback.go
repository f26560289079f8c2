package main

import (
	"fmt"
	"html"
	"net"
	"net/http"
	"strings"
)

// serve serves on loopback until it is closed.
func serve(h http.Handler) (address string, server *http.Server, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	server = &http.Server{Handler: h}
	go server.Serve(l)
	return "http://" + l.Addr().String() + "/", server, nil
}

// simpleIndex is a simple index (PEP 503) and its files. The pages of projects are in
// simple/.
type simpleIndex struct {
	files map[string]indexFile // by name
	pages map[string][]string  // names of files by project
}

// indexFile is a file on this machine, or in memory.
type indexFile struct {
	sha256 string // in hex
	path   string
	data   []byte
}

func (x *simpleIndex) add(project, name string, f indexFile) {
	if x.files == nil {
		x.files, x.pages = map[string]indexFile{}, map[string][]string{}
	}
	if _, known := x.files[name]; !known {
		x.pages[project] = append(x.pages[project], name)
	}
	x.files[name] = f
}

func (x *simpleIndex) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if name, ok := strings.CutPrefix(r.URL.Path, "/files/"); ok {
		f, known := x.files[name]
		w.Header().Set("Cache-Control", "max-age=365000000, immutable")
		switch {
		case !known:
			http.NotFound(w, r)
		case f.path != "":
			http.ServeFile(w, r, f.path)
		default:
			w.Write(f.data)
		}
		return
	}
	names := x.pages[strings.Trim(strings.TrimPrefix(r.URL.Path, "/simple/"), "/")]
	if names == nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/html")
	w.Header().Set("Cache-Control", "max-age=600")
	for _, name := range names {
		fmt.Fprintf(w, "<a href=\"/files/%s#sha256=%s\">%s</a>\n", html.EscapeString(name), x.files[name].sha256, html.EscapeString(name))
	}
}
