package oci

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"

	"github.com/pybake/pybake/internal/image/layer"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// newLayer makes a layer of one file, as two gzip members.
func newLayer(t *testing.T, name, content string) Layer {
	t.Helper()
	var plain, packed bytes.Buffer
	w := tar.NewWriter(&plain)
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name + ".txt", Size: int64(len(content)), Mode: 0o644}); err != nil {
		t.Fatal(err)
	}
	io.WriteString(w, content)
	w.Close()
	for half := range slices.Chunk(plain.Bytes(), plain.Len()/2) {
		z := gzip.NewWriter(&packed)
		z.Write(half)
		z.Close()
	}
	file := filepath.Join(t.TempDir(), name+".tar.gz")
	if err := os.WriteFile(file, packed.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	sum := func(b []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(b)) }
	return Layer{
		Blob: layer.Blob{
			Path: file, Digest: sum(packed.Bytes()), DiffID: sum(plain.Bytes()), Size: int64(packed.Len()), Unpacked: int64(plain.Len()),
		},
		Name: name, CreatedBy: "pybake " + name,
	}
}

// newImage makes an image of layers that hold their names, and what is given.
func newImage(t *testing.T, content string, names ...string) Image {
	t.Helper()
	i := Image{Arch: "amd64", Created: time.Date(2025, 7, 1, 12, 0, 0, 999, time.FixedZone("", 3600)), Config: Config{
		User: "1000:1000", Workdir: "/srv", Env: []string{"PATH=/venv/bin:/bin", "A=<&>"}, Entrypoint: []string{"/bin/shop"}, Cmd: []string{"serve"},
		Labels: map[string]string{"org.pybake.image": "image", "a": "b"}, Ports: []string{"8080/tcp", "53/udp"}, StopSignal: "SIGTERM",
	}}
	for _, name := range names {
		i.Layers = append(i.Layers, newLayer(t, name, name+content))
	}
	return i
}

// identities are those of an image that must be right.
func identities(t *testing.T, i Image) (id, digest string) {
	t.Helper()
	id, digest, err := i.IDs()
	if err != nil {
		t.Fatal(err)
	}
	return id, digest
}

// damages are the ways in which the file of a layer is not the layer.
var damages = map[string]func(path string) error{
	"its digest is": func(path string) error {
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		b[len(b)/2] ^= 1
		return os.WriteFile(path, b, 0o644)
	},
	"has 100 bytes, not": func(path string) error {
		return os.Truncate(path, 100)
	},
	"bytes, not": func(path string) error {
		f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = f.WriteString("more")
		return err
	},
	"no such file": os.Remove,
}

func TestBuild(t *testing.T) {
	i := newImage(t, "", "base", "python", "app")
	img, err := i.Build()
	same(t, i, img, err)
}

func TestGolden(t *testing.T) {
	i := newImage(t, "")
	for n, name := range []string{"base", "python"} {
		hex := strings.Repeat(fmt.Sprint(n), 63)
		i.Layers = append(i.Layers, Layer{
			Blob: layer.Blob{Path: "/nowhere", Digest: "sha256:a" + hex, DiffID: "sha256:b" + hex, Size: 1000, Unpacked: 2000},
			Name: name, CreatedBy: "pybake " + name,
		})
	}
	img, err := i.Build()
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for _, raw := range []func() ([]byte, error){img.RawConfigFile, img.RawManifest} {
		text, err := raw()
		if err != nil {
			t.Fatal(err)
		}
		var pretty bytes.Buffer
		if err := json.Indent(&pretty, text, "", "  "); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&got, "%s\nsha256:%x\n", &pretty, sha256.Sum256(text))
	}
	const golden = "testdata/image.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Error(diff)
	}
	id, digest := identities(t, i)
	if !strings.Contains(got.String(), "\n"+id+"\n") || !strings.Contains(got.String(), "\n"+digest+"\n") {
		t.Errorf("IDs are %s and %s", id, digest)
	}
}

func TestIDsFollow(t *testing.T) {
	i := newImage(t, "", "base", "app")
	id, digest := identities(t, i)
	moved := i
	moved.Created = i.Created.Add(time.Second)
	moved.Layers = slices.Clone(i.Layers)
	moved.Layers[0].Path, moved.Layers[1].Name = "/nowhere", "other"
	moved.Config.Ports = []string{"53/udp", "8080/tcp"}
	moved.Created = moved.Created.Add(-time.Second)
	if id2, digest2 := identities(t, moved); id2 != id || digest2 != digest {
		t.Error("paths, names or the order of ports count")
	}
	moved.Created = i.Created.Add(time.Second)
	if id2, _ := identities(t, moved); id2 == id {
		t.Error("the time does not count")
	}
	repacked := i
	repacked.Layers = slices.Clone(i.Layers)
	repacked.Layers[1].Digest = i.Layers[0].Digest
	if id2, digest2 := identities(t, repacked); id2 != id || digest2 == digest {
		t.Error("of a layer that is packed otherwise only the digest counts")
	}
}

func TestBuildRefuses(t *testing.T) {
	for want, spoil := range map[string]func(*Image){
		"image: no architecture":                                 func(i *Image) { i.Arch = "" },
		"image: no layers":                                       func(i *Image) { i.Layers = nil },
		`image: port "8080": not like 8080/tcp`:                  func(i *Image) { i.Config.Ports = []string{"8080"} },
		`image: port "1/sctp\n": not like 8080/tcp`:              func(i *Image) { i.Config.Ports = []string{"1/sctp\n"} },
		"image: layer 2 (app): size of 0 bytes":                  func(i *Image) { i.Layers[1].Size = 0 },
		"image: layer 1 (base): digest: cannot parse hash: \"\"": func(i *Image) { i.Layers[0].Digest = "" },
		"image: layer 1 (base): DiffID: ":                        func(i *Image) { i.Layers[0].DiffID = "sha256:12" },
		"image: layer 2 (app): digest: ":                         func(i *Image) { i.Layers[1].Digest = "sha512:" + strings.Repeat("0", 128) },
	} {
		i := newImage(t, "", "base", "app")
		spoil(&i)
		_, err := i.Build()
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v; want %s", err, want)
		}
		if _, _, other := i.IDs(); other == nil || other.Error() != err.Error() {
			t.Errorf("IDs: %v", other)
		}
	}
}

func TestTags(t *testing.T) {
	for refs, want := range map[string]string{
		"shop":                                     "docker.io/library/shop:latest",
		"a":                                        "docker.io/library/a:latest",
		"shop:1 docker.io/library/shop:1 shop":     "docker.io/library/shop:1 docker.io/library/shop:latest",
		"localhost/shop [::1]:5000/a/b:C_d.e-f":    "localhost/shop:latest [::1]:5000/a/b:C_d.e-f",
		"registry.example.org:5000/Shop":           `image name "registry.example.org:5000/Shop": invalid reference format: repository name (Shop) must be lowercase`,
		"shop:1:2":                                 `image name "shop:1:2": invalid reference format`,
		"ok ../shop":                               `image name "../shop": invalid reference format`,
		"shop:" + strings.Repeat("x", 129):         `image name "shop:` + strings.Repeat("x", 129) + `": invalid reference format`,
		"shop@sha256:" + strings.Repeat("0", 64):   `image name "shop@sha256:` + strings.Repeat("0", 64) + `": a name with a digest cannot be given to an image`,
		"shop:1@sha256:" + strings.Repeat("0", 64): `image name "shop:1@sha256:` + strings.Repeat("0", 64) + `": a name with a digest cannot be given to an image`,
	} {
		names, err := tags(strings.Fields(refs))
		var got []string
		for _, n := range names {
			got = append(got, n.String())
		}
		if err != nil {
			got = []string{err.Error()}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %q, want %q", refs, got, want)
		}
	}
	i := newImage(t, "", "base")
	for op, err := range map[string]error{
		"tar":    i.WriteLayoutTar(t.Context(), io.Discard, []string{"A"}),
		"docker": i.WriteDockerArchive(t.Context(), io.Discard, []string{"A"}),
		"dir":    i.WriteLayout(t.Context(), filepath.Join(t.TempDir(), "x"), "A"),
		"load":   i.Load(t.Context(), loader(nil), []string{"A"}, nil),
		"push":   i.Push(t.Context(), []string{"A"}, Options{}),
	} {
		if err == nil || !strings.HasPrefix(err.Error(), `image name "A": `) {
			t.Errorf("%s: %v", op, err)
		}
	}
}

// loader is a Loader.
type loader func(ctx context.Context, archive io.Reader) error

func (l loader) Load(ctx context.Context, archive io.Reader) error { return l(ctx, archive) }
