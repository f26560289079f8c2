package index

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// web is a world of servers: every host of every test is here.
type web struct {
	handlers map[string]http.HandlerFunc // by scheme and host: "https://pypi.example.org"
	client   *http.Client

	mu    sync.Mutex
	asked []string // "https://pypi.example.org/simple/foo/", and the credentials, if any
}

func newWeb(t *testing.T, handlers map[string]http.HandlerFunc) *web {
	t.Helper()
	w := &web{handlers: handlers}
	plain := httptest.NewServer(http.HandlerFunc(w.serve))
	t.Cleanup(plain.Close)
	secure := httptest.NewTLSServer(http.HandlerFunc(w.serve))
	t.Cleanup(secure.Close)
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		server := plain
		if strings.HasSuffix(address, ":443") {
			server = secure
		}
		return new(net.Dialer).DialContext(ctx, network, server.Listener.Addr().String())
	}
	transport := &http.Transport{DialContext: dial, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	t.Cleanup(transport.CloseIdleConnections)
	w.client = &http.Client{Transport: transport}
	return w
}

func (w *web) serve(rw http.ResponseWriter, r *http.Request) {
	scheme := "http://"
	if r.TLS != nil {
		scheme = "https://"
	}
	line := scheme + r.Host + r.URL.RequestURI()
	if auth := r.Header.Get("Authorization"); auth != "" {
		text, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(auth, "Basic "))
		line += " " + string(text)
	}
	if referer := r.Header.Get("Referer"); referer != "" {
		line += " from " + referer
	}
	w.mu.Lock()
	w.asked = append(w.asked, line)
	w.mu.Unlock()
	if handle := w.handlers[scheme+r.Host]; handle != nil {
		handle(rw, r)
		return
	}
	http.NotFound(rw, r)
}

// said is what was asked since the last time.
func (w *web) said() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	asked := w.asked
	w.asked = nil
	return asked
}

// pages serves paths as HTML.
func pages(byPath map[string]string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		text, ok := byPath[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, text)
	}
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func (w *web) clientOf(t *testing.T, indexes ...Index) *Client {
	t.Helper()
	return &Client{HTTP: w.client, Indexes: indexes, Cache: t.TempDir(), Backoff: time.Millisecond}
}

func names(files []File) (names []string) {
	for _, f := range files {
		names = append(names, f.Name)
	}
	return names
}

func (w *web) peek() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.asked
}
