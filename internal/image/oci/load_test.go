package oci

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
)

func TestLoad(t *testing.T) {
	i := newImage(t, strings.Repeat("x", 100<<10), "base", "python", "app")
	ids := []string{i.Layers[0].DiffID, i.Layers[1].DiffID, i.Layers[2].DiffID}
	refused := errors.New("refused")
	for _, tt := range []struct {
		what   string
		have   []string
		refuse int   // so many times
		sent   []int // layers of each archive
		err    bool
	}{
		{"all", nil, 0, []int{3}, false},
		{"the lowest", ids[:1], 0, []int{2}, false},
		{"every one", ids, 0, []int{0}, false},
		{"more", append(slices.Clone(ids), "sha256:more"), 0, []int{0}, false},
		{"others", []string{"sha256:other", ids[1]}, 0, []int{3}, false},
		{"not from the bottom", ids[1:], 0, []int{3}, false},
		{"a fork", []string{ids[0], ids[2]}, 0, []int{2}, false},
		{"wrong", ids[:2], 1, []int{1, 3}, false},
		{"never", ids[:2], 2, []int{1, 3}, true},
		{"refused", nil, 1, []int{3}, true},
	} {
		t.Run(tt.what, func(t *testing.T) {
			var sent []int
			err := i.Load(t.Context(), loader(func(_ context.Context, r io.Reader) error {
				n, indexed := 0, false
				for _, e := range entries(t, r) {
					indexed = indexed || e.name == "index.json"
					for _, l := range i.Layers {
						if e.name == "blobs/sha256/"+strings.TrimPrefix(l.Digest, "sha256:") {
							n++
						}
					}
				}
				if indexed != (n == 3) {
					t.Errorf("%d layers, and an index.json is %v", n, indexed)
				}
				sent = append(sent, n)
				if len(sent) <= tt.refuse {
					return refused
				}
				return nil
			}), []string{"shop:1"}, tt.have)
			if !slices.Equal(sent, tt.sent) || errors.Is(err, refused) != tt.err || err != nil && !tt.err {
				t.Errorf("sent %v, want %v: %v", sent, tt.sent, err)
			}
		})
	}
}

func TestLoadStops(t *testing.T) {
	i := newImage(t, strings.Repeat("x", 1<<20), "base", "app")
	have := []string{i.Layers[0].DiffID}
	calls := 0
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("enough")
	err := i.Load(ctx, loader(func(ctx context.Context, r io.Reader) error {
		calls++
		cancel(stop)
		_, err := io.Copy(io.Discard, r)
		return fmt.Errorf("read the archive: %w", err)
	}), nil, have)
	if !errors.Is(err, stop) || calls != 1 {
		t.Errorf("cancelled: %v after %d calls", err, calls)
	}
	// An engine that does not read what it does not need, or gives up.
	if err := i.Load(t.Context(), loader(func(context.Context, io.Reader) error { return nil }), nil, nil); err != nil {
		t.Errorf("unread: %v", err)
	}
	gone := errors.New("gone")
	if err := i.Load(t.Context(), loader(func(context.Context, io.Reader) error { return gone }), nil, nil); !errors.Is(err, gone) {
		t.Errorf("unread, refused: %v", err)
	}
	for want, damage := range damages {
		i := newImage(t, "", "base", "app")
		if err := damage(i.Layers[1].Path); err != nil {
			t.Fatal(err)
		}
		calls := 0
		err := i.Load(t.Context(), loader(func(_ context.Context, r io.Reader) error {
			calls++
			_, err := io.Copy(io.Discard, r)
			return fmt.Errorf("bad archive: %v", err)
		}), nil, []string{i.Layers[0].DiffID})
		if err == nil || !strings.HasPrefix(err.Error(), "load image: layer app: ") || !strings.Contains(err.Error(), want) || calls != 1 {
			t.Errorf("%v after %d calls; want %q", err, calls, want)
		}
	}
}
