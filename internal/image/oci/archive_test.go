package oci

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// entry is a file of an archive.
type entry struct {
	name, content string
}

// entries reads an archive and fails the test if it says more than that.
func entries(t *testing.T, r io.Reader) (all []entry) {
	t.Helper()
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag != tar.TypeReg || h.Mode != 0o644 || h.Uid != 0 || h.Gid != 0 || h.Uname != "" || h.ModTime.Unix() != 0 {
			t.Errorf("%+v", h)
		}
		all = append(all, entry{h.Name, string(content)})
	}
}

// same fails the test unless img is whole and has the identities of i.
func same(t *testing.T, i Image, img v1.Image, err error) {
	t.Helper()
	if err == nil {
		err = validate.Image(img)
	}
	if err != nil {
		t.Fatal(err)
	}
	id, _ := identities(t, i)
	if got, err := img.ConfigName(); err != nil || got.String() != id {
		t.Errorf("%s, %v; want %s", got, err, id)
	}
}

func TestArchives(t *testing.T) {
	i := newImage(t, "", "base", "python", "app")
	i.Layers = append(i.Layers, i.Layers[1]) // once more
	id, digest := identities(t, i)
	name := func(digest string) string { return "blobs/sha256/" + strings.TrimPrefix(digest, "sha256:") }
	blobs := []string{name(id), name(digest), name(i.Layers[0].Digest), name(i.Layers[1].Digest), name(i.Layers[2].Digest)}
	for what, tt := range map[string]struct {
		write func(context.Context, io.Writer, []string) error
		files []string
	}{
		"OCI":    {i.WriteLayoutTar, []string{"oci-layout", "index.json"}},
		"Docker": {i.WriteDockerArchive, []string{"oci-layout", "index.json", "manifest.json"}},
	} {
		var first, second bytes.Buffer
		refs := []string{"shop:1", "registry.example.org/shop"}
		for _, w := range []*bytes.Buffer{&first, &second} {
			if err := tt.write(t.Context(), w, refs); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(first.Bytes(), second.Bytes()) {
			t.Errorf("%s: not the same bytes", what)
		}
		dir := t.TempDir()
		var names []string
		for _, e := range entries(t, &second) {
			names = append(names, e.name)
			file := filepath.Join(dir, e.name)
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(e.content), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(append(tt.files, blobs...), names); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
		checkLayout(t, dir, i, "shop:1", "registry.example.org/shop:latest")
		if what == "Docker" {
			img, err := tarball.Image(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(first.Bytes())), nil }, nil)
			same(t, i, img, err)
			list, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
			want := `"RepoTags":["shop:1","registry.example.org/shop:latest"]`
			if err != nil || !strings.Contains(string(list), want) {
				t.Errorf("%s, %v; want %s", list, err, want)
			}
		}
	}
}

// checkLayout fails the test unless a layout holds an image under these names.
func checkLayout(t *testing.T, dir string, i Image, names ...string) {
	t.Helper()
	index, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	m, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	_, digest := identities(t, i)
	var got []string
	for _, d := range m.Manifests {
		if d.Digest.String() != digest {
			continue
		}
		got = append(got, d.Annotations["org.opencontainers.image.ref.name"])
		img, err := index.Image(d.Digest)
		same(t, i, img, err)
	}
	if diff := cmp.Diff(names, got); diff != "" {
		t.Error(diff)
	}
}

func TestArchiveStops(t *testing.T) {
	i := newImage(t, strings.Repeat("x", 1<<20), "base", "app")
	full := errors.New("no space left")
	if err := i.WriteDockerArchive(t.Context(), &limited{n: 3000, err: full}, nil); !errors.Is(err, full) || !strings.HasPrefix(err.Error(), "write Docker archive: ") {
		t.Errorf("full disk: %v", err)
	}
	stop := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(stop)
	if err := i.WriteLayoutTar(ctx, io.Discard, nil); !errors.Is(err, stop) {
		t.Errorf("cancelled: %v", err)
	}
	for want, damage := range damages {
		i := newImage(t, "", "base", "app")
		path := i.Layers[1].Path
		if err := damage(path); err != nil {
			t.Fatal(err)
		}
		err := i.WriteLayoutTar(t.Context(), io.Discard, nil)
		if err == nil || !strings.HasPrefix(err.Error(), "write OCI archive: layer app: ") || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q", err, want)
		}
	}
}

// limited is a writer with room for n bytes.
type limited struct {
	n   int
	err error
}

func (l *limited) Write(p []byte) (int, error) {
	if len(p) > l.n {
		return l.n, l.err
	}
	l.n -= len(p)
	return len(p), nil
}
