package index

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/pybake/pybake/internal/fetch"
)

// maxWait is the longest pause that a server may ask for.
const maxWait = time.Minute

// errUnchanged is status 304.
var errUnchanged = errors.New("unchanged")

// response is what came with status 200.
type response struct {
	url    *url.URL // after redirects, without user
	header http.Header
	body   []byte
}

// get asks for a whole document, and again after transient trouble. It answers
// fetch.ErrNotHere where there is none, with the statuses in absent too, and
// errUnchanged.
func (c *Client) get(ctx context.Context, where *url.URL, header http.Header, limit int64, absent []int) (*response, error) {
	attempts, pause := c.Attempts, c.Backoff
	if attempts <= 0 {
		attempts = 4
	}
	if pause <= 0 {
		pause = 500 * time.Millisecond
	}
	for tries := 1; ; tries++ {
		resp, err := c.try(ctx, where, header, limit, absent)
		again, transient := errors.AsType[*transientError](err)
		switch {
		case err == nil:
			return resp, nil
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case !transient:
			return nil, err
		case again.wait > maxWait:
			return nil, fmt.Errorf("%w; to be asked again in %v", err, again.wait)
		case tries >= attempts:
			return nil, fmt.Errorf("%w (after %d tries)", err, tries)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(max(pause, again.wait)):
		}
		pause *= 2
	}
}

// transientError may be gone at the next try.
type transientError struct {
	err  error
	wait time.Duration // that the server asks for
}

func (e *transientError) Error() string { return e.err.Error() }
func (e *transientError) Unwrap() error { return e.err }

func (c *Client) try(ctx context.Context, where *url.URL, header http.Header, limit int64, absent []int) (*response, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stall := c.Stall
	if stall <= 0 {
		stall = 30 * time.Second
	}
	stalled := fmt.Errorf("nothing came for %v", stall)
	watch := time.AfterFunc(stall, func() { cancel(stalled) })
	defer watch.Stop()

	wrong := func(err error) error {
		if context.Cause(ctx) == stalled {
			err = &transientError{err: stalled}
		}
		return fmt.Errorf("GET %s: %w", Label(where.String()), err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, where.String(), nil)
	if err != nil {
		return nil, wrong(errors.New(malformed))
	}
	req.Header = header.Clone()
	if req.Header == nil {
		req.Header = http.Header{}
	}
	req.Header.Set("User-Agent", "pybake")
	resp, err := c.http().Do(req)
	if err != nil {
		return nil, wrong(requestError(err))
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // for the connection to be used again
		return nil, c.statusError(ctx, resp, absent)
	}
	body, err := io.ReadAll(&watched{io.LimitReader(resp.Body, limit+1), watch, stall})
	if err == nil && ctx.Err() != nil {
		err = context.Cause(ctx) // net/http may take a connection that it closes itself for the end
	}
	if err != nil {
		return nil, wrong(fmt.Errorf("after %d bytes: %w", len(body), requestError(err)))
	}
	if int64(len(body)) > limit {
		return nil, wrong(fmt.Errorf("longer than the limit of %d bytes", limit))
	}
	final := *resp.Request.URL
	final.User = nil
	return &response{&final, resp.Header, body}, nil
}

// watched puts a watch back at every byte.
type watched struct {
	io.Reader
	watch *time.Timer
	stall time.Duration
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Reader.Read(p)
	if n > 0 {
		w.watch.Reset(w.stall)
	}
	return n, err
}

// statusError words and classes an answer that is no document.
func (c *Client) statusError(ctx context.Context, resp *http.Response, absent []int) error {
	where := Label(resp.Request.URL.String())
	status := &fetch.StatusError{Where: where, Code: resp.StatusCode}
	switch code := resp.StatusCode; {
	case slices.Contains(absent, code):
		return fmt.Errorf("GET %s: %d: %w", where, code, fetch.ErrNotHere)
	case code == http.StatusNotModified:
		return errUnchanged
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		return c.accessError(ctx, resp.Request.URL, status)
	case slices.Contains([]int{408, 425, 429, 500, 502, 503, 504}, code):
		return &transientError{status, retryAfter(resp.Header.Get("Retry-After"), time.Now())}
	}
	return status
}

// retryAfter reads seconds or a date; 0 if it is neither.
func retryAfter(text string, now time.Time) time.Duration {
	if n, err := strconv.Atoi(text); err == nil {
		return time.Duration(min(max(n, 0), 1<<30)) * time.Second
	}
	if t, err := http.ParseTime(text); err == nil {
		return max(t.Sub(now), 0).Round(time.Second)
	}
	return 0
}

// requestError words and classes an error of net/http.
func requestError(err error) error {
	cause := err
	if u, ok := errors.AsType[*url.Error](err); ok {
		cause = u.Err // where is said already
	}
	cause = &redacted{cause}
	dns, isDNS := errors.AsType[*net.DNSError](err)
	timeout, isNet := errors.AsType[net.Error](err)
	switch {
	case isDNS && dns.IsNotFound || errors.Is(err, syscall.ECONNREFUSED):
	case isDNS && dns.IsTemporary, isNet && timeout.Timeout(),
		errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF),
		errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return &transientError{err: cause}
	}
	return cause
}

// redacted prints an error of net/http without what its URLs may give away.
type redacted struct{ err error }

func (e *redacted) Error() string { return fetch.Redact(e.err.Error()) }
func (e *redacted) Unwrap() error { return e.err }

// http is the client's HTTP with credentials, and bounded redirects.
func (c *Client) http() *http.Client {
	c.once.Do(func() {
		given := c.HTTP
		if given == nil {
			given = http.DefaultClient
		}
		base := given.Transport
		if base == nil {
			base = http.DefaultTransport
		}
		c.client = &http.Client{
			Transport: &transport{c, base},
			Jar:       given.Jar,
			Timeout:   given.Timeout,
			CheckRedirect: func(req *http.Request, via []*http.Request) error {
				req.Header.Del("Referer") // whose query may be secret
				switch {
				case len(via) >= 10:
					return errors.New("stopped after 10 redirects")
				case req.URL.Scheme != "https" && via[len(via)-1].URL.Scheme == "https":
					return fmt.Errorf("redirected from https to %s", Label(req.URL.String()))
				case given.CheckRedirect != nil:
					return given.CheckRedirect(req, via)
				}
				return nil
			},
		}
	})
	return c.client
}
