package oci

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"

	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// transport is how one registry is reached, and what ends its connections.
func (o Options) transport() (http.RoundTripper, func()) {
	base := o.Transport
	if base == nil {
		base = remote.DefaultTransport
	}
	closeIdle := func() {}
	if t, ok := base.(*http.Transport); ok {
		t = t.Clone()
		if o.Insecure {
			if t.TLSClientConfig == nil {
				t.TLSClientConfig = &tls.Config{}
			}
			t.TLSClientConfig.InsecureSkipVerify = true
		}
		base, closeIdle = t, t.CloseIdleConnections
	}
	if o.Insecure {
		return base, closeIdle
	}
	return encrypted{base}, closeIdle
}

// encrypted refuses HTTP. The registry's client would try it for names and
// addresses that look private.
type encrypted struct{ next http.RoundTripper }

func (e encrypted) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != "https" {
		if r.Body != nil {
			r.Body.Close()
		}
		return nil, fmt.Errorf("%s is not encrypted, and not asked", r.URL.Host)
	}
	return e.next.RoundTrip(r)
}

// loopback reports whether a registry is on this machine.
func loopback(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return host == "localhost" || net.ParseIP(host).IsLoopback() || host == "[::1]"
}
