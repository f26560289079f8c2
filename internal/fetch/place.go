package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Place is somewhere that files come from; [Dir] and [URL] make them.
type Place struct {
	Label   string // how trails and errors call it: "python.org", "--source /srv/mirror"
	Strict  bool   // the user named it: other bytes from here are an error at once
	Network bool   // not asked when offline

	// Names lists what the place may call a file, in the order to try, where
	// that is not File.Name: "pool/main/p/python3.13/python3.13_3.13.5.orig.tar.xz"
	// below a mirror, or a whole URL. nil: File.Name.
	Names func(File) []string

	// Open opens the file that the place calls name. A place that can may
	// leave out the first from bytes, and then says so in Body.From. It
	// answers ErrNotHere (wrapped or not) if it has no such file.
	Open func(ctx context.Context, name string, from int64) (Body, error)
}

// Body is a file as a place sends it.
type Body struct {
	io.ReadCloser
	Where string // path, or URL without credentials
	From  int64  // offset of the first byte sent
	Size  int64  // bytes of the whole file; -1: unknown
}

// Dir is a local directory.
func Dir(path, label string) Place {
	return Place{Label: label, Open: func(_ context.Context, name string, _ int64) (Body, error) {
		if !filepath.IsLocal(name) {
			return Body{}, fmt.Errorf("%q: not a path below a directory", name)
		}
		where := filepath.Join(path, name)
		// Asked first: opening a fifo would wait for a writer.
		info, err := os.Stat(where)
		if errors.Is(err, fs.ErrNotExist) {
			return Body{}, fmt.Errorf("%s: %w", name, ErrNotHere)
		}
		if err != nil {
			return Body{}, err
		}
		if !info.Mode().IsRegular() {
			return Body{}, fmt.Errorf("%s: not a regular file", where)
		}
		file, err := os.Open(where)
		if err != nil {
			return Body{}, err
		}
		return Body{ReadCloser: file, Where: where, Size: info.Size()}, nil
	}}
}

// URL is a directory of a server, to whose URL the file's name is appended;
// a name that is itself a whole URL replaces it, and then base may be "".
// Schemes are http, https and file. Credentials belong into the URL and are
// left out of label. The client brings proxies, certificates and the bound on
// redirects (ten, unless it has its own).
func URL(base, label string, client *http.Client) Place {
	label = Redact(label)
	u, err := url.Parse(base)
	switch {
	case err != nil:
		// The cause quotes the URL, perhaps in the middle of a password.
		label = strings.ReplaceAll(label, Redact(base), "malformed URL")
		return Place{Label: label, Open: func(context.Context, string, int64) (Body, error) {
			return Body{}, errors.New("malformed URL")
		}}
	case u.Scheme == "file":
		return Dir(u.Path, label)
	}
	return Place{Label: label, Network: true, Open: func(ctx context.Context, name string, from int64) (Body, error) {
		target, err := below(u, name)
		if err != nil {
			return Body{}, err
		}
		return get(ctx, client, target, from)
	}}
}

func below(base *url.URL, name string) (*url.URL, error) {
	target := base
	if strings.Contains(name, "://") {
		u, err := url.Parse(name)
		if err != nil {
			return nil, errors.New("malformed URL")
		}
		target = u
	} else {
		if !filepath.IsLocal(name) {
			return nil, fmt.Errorf("%q: not a path below a URL", name)
		}
		segments := strings.Split(name, "/")
		for i, s := range segments {
			segments[i] = url.PathEscape(s)
		}
		target = base.JoinPath(segments...)
	}
	if target.Scheme != "http" && target.Scheme != "https" || target.Host == "" {
		return nil, fmt.Errorf("%s: not an http, https or file URL", Redact(target.String()))
	}
	return target, nil
}

func get(ctx context.Context, client *http.Client, target *url.URL, from int64) (Body, error) {
	where := Redact(target.String())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return Body{}, &redacted{err}
	}
	req.Header.Set("User-Agent", "pybake")
	req.Header.Set("Accept-Encoding", "identity") // or a .tgz may arrive unpacked
	if from > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", from))
	}
	resp, err := client.Do(req)
	if err != nil {
		return Body{}, requestError(where, resp != nil, err)
	}
	body := Body{ReadCloser: resp.Body, Where: where, Size: -1}
	switch {
	case resp.StatusCode == http.StatusOK:
		body.Size = resp.ContentLength
		return body, nil
	case resp.StatusCode == http.StatusPartialContent && from > 0:
		if body.From, body.Size, err = contentRange(resp.Header.Get("Content-Range")); err == nil && body.From == from {
			return body, nil
		}
		fallthrough
	case resp.StatusCode == http.StatusRequestedRangeNotSatisfiable && from > 0:
		resp.Body.Close()
		return get(ctx, client, target, 0)
	}
	resp.Body.Close()
	err = &StatusError{where, resp.StatusCode}
	switch resp.StatusCode {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests,
		http.StatusInternalServerError, http.StatusBadGateway,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		err = &transientError{err}
	}
	return Body{}, err
}

// contentRange reads "bytes 100-199/200"; a size of "*" is -1.
func contentRange(header string) (from, size int64, err error) {
	span, whole, ok := strings.Cut(strings.TrimPrefix(header, "bytes "), "/")
	first, _, ok2 := strings.Cut(span, "-")
	if !ok || !ok2 {
		return 0, 0, fmt.Errorf("Content-Range %q: malformed", header)
	}
	if from, err = strconv.ParseInt(first, 10, 64); err != nil {
		return 0, 0, fmt.Errorf("Content-Range %q: malformed", header)
	}
	if size, err = strconv.ParseInt(whole, 10, 64); err != nil {
		size = -1
	}
	return from, size, nil
}

// requestError words and classes an error of http.Client.Do. With an answer it
// was the client that refused to go on, say after too many redirects.
func requestError(where string, answered bool, err error) error {
	cause := err
	if u, ok := errors.AsType[*url.Error](err); ok {
		cause = u.Err // where is said already
	}
	worded := error(&redacted{fmt.Errorf("GET %s: %w", where, cause)})
	if answered {
		return worded
	}
	dns, isDNS := errors.AsType[*net.DNSError](err)
	timeout, isNet := errors.AsType[net.Error](err)
	switch {
	case isDNS && dns.IsNotFound || errors.Is(err, syscall.ECONNREFUSED):
	case isDNS && dns.IsTemporary, isNet && timeout.Timeout(),
		errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF),
		errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		worded = &transientError{worded}
	}
	return &unreachableError{worded}
}

// StatusError is an HTTP status that brings no file.
type StatusError struct {
	Where string // URL without credentials
	Code  int    // 404
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("GET %s: %d %s", e.Where, e.Code, http.StatusText(e.Code))
}

// Is makes 404 and 410 an ErrNotHere.
func (e *StatusError) Is(target error) bool {
	return target == ErrNotHere && (e.Code == http.StatusNotFound || e.Code == http.StatusGone)
}
