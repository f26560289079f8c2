package index

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/pybake/pybake/internal/fetch"
)

// AccessError says that a server wants credentials, or others.
type AccessError struct {
	Status *fetch.StatusError // 401 or 403
	Host   string             // "pypi.example.org"
	Used   string             // where the credentials came from: "netrc"; empty: there were none
	Asked  []string           // where there were none
}

func (e *AccessError) Error() string {
	if e.Used != "" {
		return fmt.Sprintf("%v: the credentials from %s were refused", e.Status, e.Used)
	}
	return fmt.Sprintf("%v: no credentials for %s, neither in %s", e.Status, e.Host, strings.Join(e.Asked, " nor in "))
}

func (e *AccessError) Unwrap() error { return e.Status }

func (c *Client) accessError(ctx context.Context, u *url.URL, status *fetch.StatusError) error {
	cred := c.credentials(ctx, u)
	e := &AccessError{Status: status, Host: u.Host, Used: cred.from, Asked: []string{"the URL of the index", "netrc"}}
	if c.Credentials != nil {
		e.Asked = append(e.Asked, "the keyring")
	}
	return e
}

// credential is what a request is sent with.
type credential struct {
	user, password string
	from           string // "netrc"; empty: there is none
}

// Where credentials come from, as an AccessError says it.
const (
	fromURL     = "the URL of the index"
	fromNetrc   = "netrc"
	fromKeyring = "the keyring"
)

// transport adds the credentials that a request's own host is to have, which
// makes redirects safe: each is a request of its own.
type transport struct {
	c    *Client
	base http.RoundTripper
}

func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.User != nil { // net/http has seen to it
		return t.base.RoundTrip(req)
	}
	ctx := req.Context()
	cred := t.c.credentials(ctx, req.URL)
	resp, err := t.base.RoundTrip(cred.sign(req))
	if err != nil || resp.StatusCode != http.StatusUnauthorized {
		return resp, err
	}
	ringed := t.c.ask(ctx, t.c.realm(req.URL))
	if ringed.from == "" || ringed == cred {
		return resp, nil
	}
	io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // for the connection to be used again
	resp.Body.Close()
	return t.base.RoundTrip(ringed.sign(req))
}

func (c credential) sign(req *http.Request) *http.Request {
	req = req.Clone(req.Context())
	req.Header.Del("Authorization")
	if c.from != "" {
		req.SetBasicAuth(c.user, c.password)
	}
	return req
}

// credentials are what a request to u is sent with.
func (c *Client) credentials(ctx context.Context, u *url.URL) credential {
	realm := c.realm(u)
	if ringed, asked := c.rings.known(realm); asked && ringed.from != "" {
		return ringed
	}
	user := realm.User.Username()
	if password, ok := realm.User.Password(); ok {
		return credential{user, password, fromURL}
	}
	if login, password, ok := c.netrc(u, user); ok {
		return credential{login, password, fromNetrc}
	}
	if user == "" {
		return credential{}
	}
	if ringed := c.ask(ctx, realm); ringed.from != "" {
		return ringed
	}
	return credential{user, "", fromURL} // a token, perhaps
}

// realm is the URL of the index that a URL belongs to: of those on the same
// scheme, host and port that with the longest common beginning of paths, those
// with a user first. Without any it is the server itself.
func (c *Client) realm(u *url.URL) *url.URL {
	best, score := &url.URL{Scheme: u.Scheme, Host: u.Host, Path: "/"}, -1
	for _, ix := range c.Indexes {
		base, err := url.Parse(ix.URL)
		if err != nil || !sameOrigin(base, u) {
			continue
		}
		common := 0
		if base.User != nil {
			common = 1 << 20
		}
		a, b := strings.Split(base.Path, "/"), strings.Split(u.Path, "/")
		for i := 0; i < len(a) && i < len(b) && a[i] == b[i]; i++ {
			common++
		}
		if common > score {
			best, score = base, common
		}
	}
	return best
}

func sameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && strings.EqualFold(a.Hostname(), b.Hostname()) && port(a) == port(b)
}

func port(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	return map[string]string{"http": "80", "https": "443"}[u.Scheme]
}

// netrc is what netrc has for a host: for one that is no index by https only,
// and not by its default entry, as anybody may link to anything.
func (c *Client) netrc(u *url.URL, user string) (login, password string, ok bool) {
	if c.Netrc == nil {
		return "", "", false
	}
	index := false
	for _, ix := range c.Indexes {
		base, err := url.Parse(ix.URL)
		index = index || err == nil && sameOrigin(base, u)
	}
	if !index && u.Scheme != "https" {
		return "", "", false
	}
	return c.Netrc.find(u.Hostname(), user, index)
}

// ring remembers what the keyring said.
type ring struct {
	mu   sync.Mutex
	said map[string]credential // by realm
}

func (r *ring) known(realm *url.URL) (credential, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	cred, ok := r.said[realm.String()]
	return cred, ok
}

// ask asks the keyring, once for each realm.
func (c *Client) ask(ctx context.Context, realm *url.URL) credential {
	if c.Credentials == nil {
		return credential{}
	}
	c.rings.mu.Lock() // one question at a time
	defer c.rings.mu.Unlock()
	if cred, ok := c.rings.said[realm.String()]; ok {
		return cred
	}
	u := *realm
	u.User, u.RawQuery = nil, ""
	if user := realm.User.Username(); user != "" {
		u.User = url.User(user)
	}
	var cred credential
	if user, password, ok := c.Credentials(ctx, &u); ok {
		cred = credential{user, password, fromKeyring}
	}
	if ctx.Err() != nil {
		return cred // an interrupted answer is none
	}
	if c.rings.said == nil {
		c.rings.said = map[string]credential{}
	}
	c.rings.said[realm.String()] = cred
	return cred
}

// Place is a fetch.Place that downloads whole URLs, such as File.URL, which
// its Names are to be, with the client's credentials.
func (c *Client) Place(label string) fetch.Place {
	place := fetch.URL("", label, c.http())
	open := place.Open
	place.Open = func(ctx context.Context, name string, from int64) (fetch.Body, error) {
		if _, err := parseURL(name); err != nil {
			return fetch.Body{}, err
		}
		body, err := open(ctx, name, from)
		status, ok := err.(*fetch.StatusError)
		if !ok || status.Code != http.StatusUnauthorized && status.Code != http.StatusForbidden {
			return body, err
		}
		u, bad := url.Parse(status.Where)
		if bad != nil {
			return body, err
		}
		return body, c.accessError(ctx, u, status)
	}
	return place
}
