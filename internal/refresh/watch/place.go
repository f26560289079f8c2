package watch

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/pybake/pybake/internal/fetch"
)

// place is a place that was opened: a directory or an address, and for a CSV the
// name of the file in it.
type place struct {
	fetch.Place
	dir   string   // a path; empty for an address
	base  *url.URL // an address that ends in a slash, or that of the CSV
	table string   // "releases.csv", or the whole address; empty for a tree
}

// open tells what a place is. Nothing of an address is asked yet.
func (w *Watcher) open(name string) (*place, error) {
	label := fetch.Redact(name)
	if !strings.Contains(name, "://") {
		return openPath(name, label)
	}
	u, err := url.Parse(name)
	switch {
	case err != nil:
		return nil, errors.New("malformed address") // the cause quotes it
	case u.Scheme == "file":
		return openPath(u.Path, label)
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return nil, errors.New("want a path, or an address with http, https or file")
	}
	p := &place{base: u}
	if strings.EqualFold(path.Ext(u.Path), ".csv") {
		if u.Scheme == "http" && !loopback(u.Hostname()) {
			return nil, errors.New("hashes that come over plain http prove nothing: want https, or a file")
		}
		p.table = u.String()
	} else {
		p.base = u.JoinPath("./") // with a slash at its end
	}
	p.Place = fetch.URL(p.base.String(), label, w.client(p.table != ""))
	return p, nil
}

func openPath(name, label string) (*place, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return &place{Place: fetch.Dir(name, label), dir: name}, nil
	}
	dir, file := filepath.Split(name)
	return &place{Place: fetch.Dir(cmp.Or(dir, "."), label), dir: dir, table: file}, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// client is the client of the Watcher, which never follows from https to http,
// and with stay to no other host.
func (w *Watcher) client(stay bool) *http.Client {
	c := http.Client{}
	if w.HTTP != nil {
		c = *w.HTTP
	}
	further := c.CheckRedirect
	c.CheckRedirect = func(req *http.Request, via []*http.Request) error {
		switch last := via[len(via)-1].URL; {
		case len(via) >= 10:
			return fmt.Errorf("%w ten times", errRedirect)
		case last.Scheme == "https" && req.URL.Scheme != "https":
			return fmt.Errorf("%w from https to %s", errRedirect, req.URL.Scheme)
		case stay && req.URL.Host != via[0].URL.Host:
			return fmt.Errorf("%w to another host, %s", errRedirect, req.URL.Host)
		case further != nil:
			return further(req, via)
		}
		return nil
	}
	return &c
}

// bound is what a file may take.
type bound struct {
	bytes int64
	time  time.Duration
}

var (
	small   = bound{8 << 20, 2 * time.Minute} // listings, tables, keys and signatures
	archive = bound{256 << 20, time.Hour}     // ten times what a release has
)

// sink receives a file, perhaps several times from its beginning.
type sink interface {
	io.Writer
	Reset()
}

func (w *Watcher) text(ctx context.Context, p *place, name string) ([]byte, error) {
	var buf bytes.Buffer
	err := w.get(ctx, p, name, small, &buf)
	return buf.Bytes(), err
}

// get reads a file of a place, tries again after transient trouble, and counts
// an ended Fetcher.Stall as that.
func (w *Watcher) get(ctx context.Context, p *place, name string, most bound, to sink) error {
	if p.Network && w.Fetcher.Offline {
		return fetch.ErrOffline
	}
	within, cancel := context.WithTimeoutCause(ctx, most.time, fmt.Errorf("%s: took longer than %v", fetch.Redact(name), most.time))
	defer cancel()
	pause := cmp.Or(w.Fetcher.Backoff, 500*time.Millisecond)
	for tries := 1; ; tries++ {
		err := w.try(within, p, name, most.bytes, to)
		switch {
		case err == nil:
			return nil
		case within.Err() != nil:
			return context.Cause(within)
		case tries >= cmp.Or(w.Fetcher.Attempts, 4) || !p.Network || !transient(err):
			return err
		}
		select {
		case <-within.Done():
			return context.Cause(within)
		case <-time.After(pause):
		}
		pause *= 2
	}
}

func (w *Watcher) try(ctx context.Context, p *place, name string, limit int64, to sink) error {
	stall := cmp.Or(w.Fetcher.Stall, 30*time.Second)
	stalled := fmt.Errorf("%s: nothing came for %v", fetch.Redact(name), stall)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	clock := time.AfterFunc(stall, func() { cancel(stalled) })
	defer clock.Stop()

	body, err := p.Open(ctx, name, 0)
	if err != nil {
		if context.Cause(ctx) == stalled {
			return stalled
		}
		return err
	}
	defer body.Close()
	if body.Size > limit {
		return fmt.Errorf("%s: %w of %d bytes", body.Where, errTooLong, limit)
	}
	to.Reset()
	n, err := io.Copy(to, &watched{io.LimitReader(body, limit+1), clock, stall})
	switch {
	case context.Cause(ctx) == stalled:
		return stalled
	case err != nil:
		return fmt.Errorf("%s: after %d bytes: %w", body.Where, n, err)
	case n > limit:
		return fmt.Errorf("%s: %w of %d bytes", body.Where, errTooLong, limit)
	}
	return nil
}

// watched sets a clock back whenever something came.
type watched struct {
	io.Reader
	clock *time.Timer
	stall time.Duration
}

func (r *watched) Read(buf []byte) (int, error) {
	n, err := r.Reader.Read(buf)
	if n > 0 {
		r.clock.Reset(r.stall)
	}
	return n, err
}

// transient tells whether trouble with an address may be gone at the next try.
func transient(err error) bool {
	if status, ok := errors.AsType[*fetch.StatusError](err); ok {
		return slices.Contains([]int{
			http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests,
			http.StatusInternalServerError, http.StatusBadGateway,
			http.StatusServiceUnavailable, http.StatusGatewayTimeout,
		}, status.Code)
	}
	dns, isDNS := errors.AsType[*net.DNSError](err)
	final := isDNS && dns.IsNotFound || errors.Is(err, syscall.ECONNREFUSED) ||
		errors.Is(err, errTooLong) || errors.Is(err, errRedirect) || errors.As(err, new(*diskError))
	return !final
}
