package oci

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/distribution/reference"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"golang.org/x/sync/errgroup"
)

// Options say how registries are reached.
type Options struct {
	Keychain  authn.Keychain    // credentials; nil: none
	Transport http.RoundTripper // nil: remote.DefaultTransport
	Insecure  bool              // see the package comment; certificates are not verified if Transport is an *http.Transport

	// Progress is told the bytes of layers that a registry has by now, of
	// those that it shall have. It is called by one goroutine at a time, and
	// not after Push has returned. nil is told nothing.
	Progress func(done, total int64)
}

// jobs are the layers that are sent at once.
const jobs = 4

// Push sends an image to the registries of its references, one after the other,
// and gives it these names there. Blobs that a repository has are not sent. A
// failure may leave blobs in the registry, and the names of references before.
func (i Image) Push(ctx context.Context, refs []string, o Options) error {
	img, err := i.Build()
	if err != nil {
		return err
	}
	names, err := tags(refs)
	if err != nil {
		return err
	}
	layers, err := distinct(img)
	if err != nil {
		return err
	}
	repos := map[string][]reference.NamedTagged{}
	var order []string
	for _, n := range names {
		if repos[n.Name()] == nil {
			order = append(order, n.Name())
		}
		repos[n.Name()] = append(repos[n.Name()], n)
	}
	meter := newMeter(o.Progress, layers, len(order))
	defer meter.stop()
	for _, repo := range order {
		if err := push(ctx, img, layers, repos[repo], o, meter); err != nil {
			if ctx.Err() != nil {
				err = context.Cause(ctx)
			}
			return fmt.Errorf("push %s: %w", repo, err)
		}
	}
	return nil
}

// distinct are the layers of an image, each once.
func distinct(img v1.Image) ([]v1.Layer, error) {
	layers, err := img.Layers()
	seen := map[v1.Hash]bool{}
	return slices.DeleteFunc(layers, func(l v1.Layer) bool {
		h, _ := l.Digest() // is known
		was := seen[h]
		seen[h] = true
		return was
	}), err
}

// push sends an image to one repository.
func push(ctx context.Context, img v1.Image, layers []v1.Layer, names []reference.NamedTagged, o Options, m *meter) error {
	host := reference.Domain(names[0])
	o.Insecure = o.Insecure || loopback(host)
	var how []name.Option
	if o.Insecure {
		how = append(how, name.Insecure)
	}
	registry, err := name.NewRegistry(host, how...)
	if err != nil {
		return err
	}
	over, closeIdle := o.transport()
	defer closeIdle()
	options := []remote.Option{remote.WithTransport(over), remote.WithJobs(jobs)}
	if o.Keychain != nil {
		options = append(options, remote.WithAuthFromKeychain(o.Keychain))
	}
	pusher, err := remote.NewPusher(options...)
	if err != nil {
		return err
	}
	repo := registry.Repo(reference.Path(names[0]))
	if err := upload(ctx, pusher, repo, layers, m); err != nil {
		return err
	}
	for _, n := range names {
		if err := pusher.Push(ctx, repo.Tag(n.Tag()), img); err != nil {
			return fmt.Errorf("tag %s: %w", n.Tag(), err)
		}
	}
	return nil
}

// upload sends the layers that a repository does not have.
func upload(ctx context.Context, p *remote.Pusher, repo name.Repository, layers []v1.Layer, m *meter) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(jobs)
	for _, l := range layers {
		g.Go(func() error {
			c := &counted{Layer: l, meter: m}
			if err := p.Upload(ctx, repo, c); err != nil {
				return err
			}
			return c.all()
		})
	}
	return g.Wait()
}

// IsUnauthorized reports whether err means that a registry refuses these
// credentials, or wants some.
func IsUnauthorized(err error) bool {
	var e *transport.Error
	return errors.As(err, &e) && (e.StatusCode == http.StatusUnauthorized || e.StatusCode == http.StatusForbidden)
}
