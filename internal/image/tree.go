package image

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/image/install"
	"github.com/pybake/pybake/internal/image/layer"
)

// tree is what one wheel becomes in /venv.
type tree struct {
	key   string // of the cache
	wheel install.Wheel
}

func (t tree) keep() string { return strings.Join(t.wheel.Keep, ",") }

// tree is that of a wheel, on the Python of the plan, for the link that is planned.
func (p *Plan) tree(name, path, file, sha256, version string) tree {
	keep := slices.Compact(slices.Sorted(slices.Values(slices.Concat(p.keep, p.recipe(name, version).Keep))))
	t := tree{wheel: install.Wheel{Path: path, Name: file, SHA256: sha256, Keep: keep}}
	key, err := artifacts.NewKey("tree", []artifacts.Input{
		{Name: "wheel", Value: sha256}, {Name: "file", Value: file}, {Name: "python", Value: p.pythonVersion()},
		{Name: "keep", Value: t.keep()}, {Name: "install", Value: install.Format}, {Name: "format", Value: Format},
	})
	if err != nil {
		panic(err) // names are constants, values come from checked file names
	}
	t.key = string(key)
	return t
}

// contents is what a tree holds: of directories "", of other files a hash of what
// they are, by name.
type contents map[string]string

// indexKey is the key of the contents of a tree.
func indexKey(key string) string { return key + "-index" }

// trees returns fragments that together hold the trees of a layer, and makes those
// that are missing. What layers below have at the same places is compared.
func (b *Builder) trees(ctx context.Context, p *Plan, n int, lower []Layer, dir string) ([]string, error) {
	var trees []tree
	for _, l := range p.Layers[:n] {
		trees = append(trees, l.trees...)
	}
	below := len(trees)
	trees = append(trees, p.Layers[n].trees...)
	paths, indexes := make([]string, len(trees)), make([]contents, len(trees))
	var missing []int
	for i, t := range trees {
		index, ok, err := b.index(t.key)
		if ok && i >= below { // of those below no more is wanted
			paths[i], ok, err = b.Trees.Get(t.key)
		}
		if err != nil {
			return nil, err
		}
		if indexes[i] = index; !ok {
			missing = append(missing, i)
		}
	}
	if len(missing) > 0 {
		err := b.timed("install "+plural(len(missing), "wheel"), func() error { return b.install(ctx, p, lower, trees, missing, paths, indexes) })
		if err != nil {
			return nil, err
		}
	}
	return combine(trees, paths, indexes, below, dir)
}

func (b *Builder) index(key string) (c contents, ok bool, err error) {
	path, ok, err := b.Trees.Get(indexKey(key))
	if err != nil || !ok {
		return nil, false, err
	}
	return c, true, readJSON(path, &c)
}

// install makes the trees that are missing.
func (b *Builder) install(ctx context.Context, p *Plan, lower []Layer, trees []tree, missing []int, paths []string, indexes []contents) error {
	c, err := b.pythonContainer(ctx, p, lower)
	if err != nil {
		return err
	}
	defer c.Remove(ctx)
	var wheels []install.Wheel
	at := map[string]int{}
	for _, i := range missing {
		wheels = append(wheels, trees[i].wheel)
		at[trees[i].wheel.Name] = i
	}
	err = install.Trees(ctx, c, p.Series, wheels, b.jobs, func(w install.Wheel, files io.Reader) (err error) {
		i := at[w.Name]
		indexes[i] = contents{}
		if paths[i], err = b.Trees.Add(trees[i].key, func(out io.Writer) error { return fragment(out, files, indexes[i]) }); err != nil {
			return err
		}
		_, err = b.Trees.Add(indexKey(trees[i].key), func(out io.Writer) error { return json.NewEncoder(out).Encode(indexes[i]) })
		return err
	})
	if err != nil {
		return err
	}
	return c.Remove(ctx)
}

// fragment writes a tree without its directories, and notes all that it holds. An
// engine takes no layer that lists a directory twice.
func fragment(w io.Writer, files io.Reader, index contents) error {
	r, out := io.Pipe()
	go func() { out.CloseWithError(withoutDirectories(out, files, index)) }()
	defer r.Close()
	return layer.Fragment(w, r, layer.Options{Latest: Epoch})
}

func withoutDirectories(w io.Writer, files io.Reader, index contents) error {
	tr, tw := tar.NewReader(files), tar.NewWriter(w)
	for {
		h, err := tr.Next()
		if err == io.EOF {
			return tw.Close()
		}
		if err != nil {
			return err
		}
		name := path.Clean(h.Name)
		if h.Typeflag == tar.TypeDir {
			index[name] = ""
			continue
		}
		if err := tw.WriteHeader(h); err != nil {
			return err
		}
		sum := sha256.New()
		fmt.Fprintf(sum, "%c %o %s\n", h.Typeflag, h.Mode, h.Linkname)
		if _, err := io.Copy(io.MultiWriter(tw, sum), tr); err != nil {
			return err
		}
		index[name] = hex.EncodeToString(sum.Sum(nil))
	}
}

// combine returns the fragments of trees that are to lie side by side, without the
// first ones, which lie below: first one of the directories of all. A file that
// several have, with the same contents, is taken from the first.
func combine(trees []tree, paths []string, indexes []contents, below int, dir string) ([]string, error) {
	owner := map[string]int{}
	dirs := map[string]bool{}
	again := map[int]map[string]bool{} // by tree: what an earlier one has
	for i, index := range indexes {
		for _, name := range slices.Sorted(maps.Keys(index)) {
			first, twice := owner[name]
			if twice && indexes[first][name] != index[name] {
				return nil, fmt.Errorf("%s and %s have different files at /%s", trees[first].wheel.Name, trees[i].wheel.Name, name)
			}
			if !twice {
				owner[name] = i
			}
			if index[name] == "" && i >= below {
				dirs[name] = true
			}
			if index[name] == "" || !twice {
				continue
			}
			if again[i] == nil {
				again[i] = map[string]bool{}
			}
			again[i][name] = true
		}
	}
	all, err := writeDirectories(filepath.Join(dir, "directories"), slices.Sorted(maps.Keys(dirs)))
	if err != nil {
		return nil, err
	}
	out := []string{all}
	for i, path := range paths[below:] {
		i += below
		if again[i] != nil {
			if path, err = without(path, filepath.Join(dir, fmt.Sprint(i)), again[i]); err != nil {
				return nil, err
			}
		}
		out = append(out, path)
	}
	return out, nil
}

func writeDirectories(name string, dirs []string) (string, error) {
	var text bytes.Buffer
	tw := tar.NewWriter(&text)
	for _, d := range dirs {
		if err := tw.WriteHeader(&tar.Header{Name: d + "/", Typeflag: tar.TypeDir, Mode: 0o755, ModTime: Epoch}); err != nil {
			return "", err
		}
	}
	if err := tw.Close(); err != nil {
		return "", err
	}
	return name, create(name, func(w io.Writer) error { return layer.Fragment(w, &text, layer.Options{Latest: Epoch}) })
}

// without writes a fragment anew that leaves some files out.
func without(from, to string, names map[string]bool) (string, error) {
	f, err := os.Open(from)
	if err != nil {
		return "", err
	}
	defer f.Close()
	unpacked, err := gzip.NewReader(f)
	if err != nil {
		return "", err
	}
	whole := io.MultiReader(unpacked, bytes.NewReader(make([]byte, 1024))) // a fragment has no end of archive
	return to, create(to, func(w io.Writer) error {
		return layer.Fragment(w, whole, layer.Options{Latest: Epoch, Drop: func(name string, _ *tar.Header) bool { return names[name] }})
	})
}

func create(name string, write func(io.Writer) error) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	err = write(f)
	if closed := f.Close(); err == nil {
		err = closed
	}
	return err
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
