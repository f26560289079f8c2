package publish

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Source is where [Verify] reads: a directory of this machine, or an address.
type Source struct {
	Dir  string       // "/srv/published"
	URL  string       // "https://baked.example.org/", if Dir is empty
	HTTP *http.Client // for URL; nil: http.DefaultClient
	Now  time.Time    // for Valid-Until; zero: the clock's
}

// String is the directory or the address, without what may be a password.
func (s Source) String() string {
	if s.Dir != "" {
		return s.Dir
	}
	u, err := url.Parse(s.URL)
	if err != nil {
		return "an address that is none"
	}
	return u.Redacted()
}

// open opens a file by its path from the root. What is not there is fs.ErrNotExist.
func (s Source) open(ctx context.Context, path string) (io.ReadCloser, error) {
	if s.Dir != "" {
		f, err := os.Open(filepath.Join(s.Dir, local(path)))
		if err != nil {
			return nil, withoutPath(err)
		}
		if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
			f.Close()
			return nil, errors.New("not a regular file")
		}
		return f, nil
	}
	u, err := url.Parse(s.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, errors.New("not an http or https address")
	}
	u.Path, u.RawPath, u.RawQuery, u.Fragment = strings.TrimSuffix(u.Path, "/")+"/"+path, "", "", ""
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, errors.New("not an http or https address")
	}
	req.Header.Set("Accept-Encoding", "identity") // the bytes as they are
	client := s.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, withoutPath(err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp.Body, nil
	}
	resp.Body.Close()
	if resp.StatusCode == http.StatusNotFound || resp.StatusCode == http.StatusGone {
		return nil, fs.ErrNotExist
	}
	return nil, fmt.Errorf("the server answers %s", resp.Status)
}

// withoutPath takes the file or the address out of an error: it is told beside it.
func withoutPath(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

// read reads a file of at most limit bytes.
func (s Source) read(ctx context.Context, path string, limit int64) ([]byte, error) {
	f, err := s.open(ctx, path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("more than %d bytes", limit)
	}
	return data, err
}

// served is the path at which a file of the list is served: through the links at the
// root, but for what has none, or may have one that leads to a later report.
func (f listed) served() string {
	if f.Path == setFile || f.Path == recordFile || strings.HasPrefix(f.Path, reportLink+"/") {
		return currentLink + "/" + f.Path
	}
	return f.Path
}
