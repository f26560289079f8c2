package oci

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// shelf is a registry on loopback that notes what it is asked for.
type shelf struct {
	*httptest.Server
	mu       sync.Mutex
	requests []string // "PUT /v2/shop/manifests/1"
	before   func(w http.ResponseWriter, r *http.Request) (answered bool)
}

func newShelf(t *testing.T, secret bool) *shelf {
	s := &shelf{}
	next := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.requests = append(s.requests, r.Method+" "+r.URL.Path)
		s.mu.Unlock()
		if s.before == nil || !s.before(w, r) {
			next.ServeHTTP(w, r)
		}
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	if secret {
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return s
}

// address is the host and port of the registry.
func (s *shelf) address() string { return s.Listener.Addr().String() }

// count is the number of requests since the last call that contain what.
func (s *shelf) count(what string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.requests {
		if strings.Contains(r, what) {
			n++
		}
	}
	s.requests = nil
	return n
}

// has fails the test unless a registry has an image under this name.
func has(t *testing.T, i Image, ref string, o ...remote.Option) {
	t.Helper()
	tag, err := name.NewTag(ref)
	if err != nil {
		t.Fatal(err)
	}
	img, err := remote.Image(tag, o...)
	same(t, i, img, err)
	_, digest := identities(t, i)
	if got, err := img.Digest(); err != nil || got.String() != digest {
		t.Errorf("digest %s, %v; want %s", got, err, digest)
	}
}

func TestPush(t *testing.T) {
	s := newShelf(t, false)
	shop, mirror := s.address()+"/team/shop", s.address()+"/mirror"
	i := newImage(t, strings.Repeat("x", 1<<20), "base", "python", "app")
	i.Layers = append(i.Layers, i.Layers[0])
	var done, total int64
	o := Options{Progress: func(d, of int64) { done, total = d, of }}
	if err := i.Push(t.Context(), []string{shop + ":1", shop, mirror + ":1"}, o); err != nil {
		t.Fatal(err)
	}
	for _, ref := range []string{shop + ":1", shop + ":latest", mirror + ":1"} {
		has(t, i, ref)
	}
	if want := 2 * (i.Layers[0].Size + i.Layers[1].Size + i.Layers[2].Size); done != want || total != want {
		t.Errorf("progress ends at %d of %d; want %d", done, total, want)
	}
	if n := s.count("PATCH"); n != 4 { // all of its repositories share them
		t.Errorf("%d blobs sent", n)
	}
	done = 0
	if err := i.Push(t.Context(), []string{shop + ":1", shop + ":2"}, o); err != nil {
		t.Fatal(err)
	}
	if n := s.count("PATCH"); n != 0 || done != total || done == 0 {
		t.Errorf("%d blobs sent again, progress %d of %d", n, done, total)
	}
	next := i
	next.Layers = append(slices.Clone(i.Layers[:2]), newLayer(t, "app", "edited"))
	if err := next.Push(t.Context(), []string{shop}, Options{}); err != nil {
		t.Fatal(err)
	}
	if n := s.count("PATCH"); n != 2 {
		t.Errorf("%d blobs sent of an image with another app", n)
	}
	has(t, next, shop+":latest")
	has(t, i, shop+":1")
	has(t, i, shop+":2")
}

func TestPushTwoHosts(t *testing.T) {
	plain, secret := newShelf(t, false), newShelf(t, true)
	i := newImage(t, "", "base")
	refs := []string{plain.address() + "/shop", secret.address() + "/shop"}
	if err := i.Push(t.Context(), refs, Options{}); err != nil {
		t.Fatal(err)
	}
	has(t, i, refs[0])
	has(t, i, refs[1], remote.WithTransport(secret.Client().Transport))
}

func TestPushCredentials(t *testing.T) {
	s := newShelf(t, false)
	s.before = func(w http.ResponseWriter, r *http.Request) bool {
		if user, password, _ := r.BasicAuth(); user == "me" && password == "sesame" {
			return false
		}
		w.Header().Set("WWW-Authenticate", "Basic realm=shop")
		w.WriteHeader(http.StatusUnauthorized)
		return true
	}
	i := newImage(t, "", "base")
	ref := s.address() + "/shop"
	keys := keychain{s.address(): {Username: "me", Password: "sesame"}}
	for what, o := range map[string]Options{"none": {}, "of another": {Keychain: keychain{"registry.example.org": keys[s.address()]}}} {
		err := i.Push(t.Context(), []string{ref}, o)
		if !IsUnauthorized(err) || !strings.HasPrefix(err.Error(), "push "+ref+": ") {
			t.Errorf("credentials %s: %v", what, err)
		}
	}
	if err := i.Push(t.Context(), []string{ref}, Options{Keychain: keys}); err != nil {
		t.Fatal(err)
	}
	if IsUnauthorized(errors.New("other")) || IsUnauthorized(nil) {
		t.Error("everything is unauthorized")
	}
}

// keychain holds credentials by host.
type keychain map[string]authn.AuthConfig

func (k keychain) Resolve(r authn.Resource) (authn.Authenticator, error) {
	if c, ok := k[r.RegistryStr()]; ok {
		return authn.FromConfig(c), nil
	}
	return authn.Anonymous, nil
}

func TestPushStops(t *testing.T) {
	s := newShelf(t, false)
	i := newImage(t, strings.Repeat("x", 1<<20), "base", "app")
	ref := s.address() + "/shop"
	stop := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	s.before = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPatch {
			cancel(stop)
			io.Copy(io.Discard, r.Body)
			return true
		}
		return false
	}
	returned := false
	err := i.Push(ctx, []string{ref}, Options{Progress: func(int64, int64) {
		if returned {
			t.Error("progress after the end")
		}
	}})
	returned = true
	if !errors.Is(err, stop) {
		t.Errorf("cancelled: %v", err)
	}
	if n := s.count("/manifests/"); n != 0 {
		t.Errorf("%d manifests after the end", n)
	}
	s = newShelf(t, false)
	ref = s.address() + "/shop"
	for want, damage := range damages {
		i := newImage(t, want, "base", "app")
		if err := damage(i.Layers[1].Path); err != nil {
			t.Fatal(err)
		}
		err := i.Push(t.Context(), []string{ref}, Options{})
		if err == nil || !strings.HasPrefix(err.Error(), "push "+ref+": ") || !strings.Contains(err.Error(), "layer app: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q", err, want)
		}
		if n := s.count("PUT /v2/shop/manifests"); n != 0 {
			t.Errorf("%s: the image has a name", want)
		}
	}
}

func TestPushEncrypted(t *testing.T) {
	s := newShelf(t, true)
	i := newImage(t, "", "base")
	var mu sync.Mutex
	var asked []string
	dial := func(ctx context.Context, _, host string) (net.Conn, error) {
		mu.Lock()
		asked = append(asked, host)
		mu.Unlock()
		return (&net.Dialer{}).DialContext(ctx, "tcp", s.address())
	}
	for _, host := range []string{"10.0.0.5:5000", "registry.local", "my127.0.0.1.example.org", "registry.example.org"} {
		asked = nil
		err := i.Push(t.Context(), []string{host + "/shop"}, Options{Transport: &http.Transport{DialContext: dial}})
		if err == nil || !strings.Contains(err.Error(), "certificate") || len(asked) == 0 {
			t.Errorf("%s: %v", host, err)
		}
		for _, a := range asked {
			if strings.HasSuffix(a, ":80") {
				t.Errorf("%s: asked without encryption", host)
			}
		}
		if err := i.Push(t.Context(), []string{host + "/shop"}, Options{Transport: &http.Transport{DialContext: dial}, Insecure: true}); err != nil {
			t.Errorf("%s, insecure: %v", host, err)
		}
	}
	plain := newShelf(t, false)
	over := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", plain.address())
	}
	for _, insecure := range []bool{false, true} {
		err := i.Push(t.Context(), []string{"10.0.0.5:5000/shop"}, Options{Transport: &http.Transport{DialContext: over}, Insecure: insecure})
		if (err == nil) != insecure || (plain.count("/v2/") > 0) != insecure {
			t.Errorf("HTTP, insecure is %v: %v", insecure, err)
		}
	}
}

func TestPushRedirected(t *testing.T) {
	s, elsewhere := newShelf(t, true), newShelf(t, false)
	s.before = func(w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("WWW-Authenticate", `Bearer realm="`+elsewhere.URL+`/token",service="x"`)
		w.WriteHeader(http.StatusUnauthorized)
		return true
	}
	over := s.Client().Transport.(*http.Transport).Clone()
	over.DialContext = func(ctx context.Context, network, host string) (net.Conn, error) {
		if host == "example.com:443" {
			host = s.address()
		}
		return (&net.Dialer{}).DialContext(ctx, network, host)
	}
	keys := keychain{"example.com": {Username: "me", Password: "sesame"}}
	err := newImage(t, "", "base").Push(t.Context(), []string{"example.com/shop"}, Options{Transport: over, Keychain: keys})
	if err == nil || elsewhere.count("") > 0 {
		t.Errorf("credentials go elsewhere: %v", err)
	}
}

func TestLoopback(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "localhost:5000": true, "127.0.0.1:5000": true, "127.9.9.9": true, "[::1]:5000": true, "[::1]": true,
		"10.0.0.5:5000": false, "registry.local": false, "localhost.example.org": false, "127.0.0.1.example.org:5000": false, "[::2]:5000": false,
	} {
		if loopback(host) != want {
			t.Errorf("%s: %v", host, !want)
		}
	}
}
