package wheels

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/wheels/build"
)

// DifferError says that building a wheel twice gave two.
type DifferError struct {
	Members []string // files of the wheel that differ, or that only one of them has
	Where   int64    // the first byte of the first of them that does
}

func (e *DifferError) Error() string {
	more := ""
	if n := len(e.Members) - 1; n > 0 {
		more = fmt.Sprintf(" (and %d more files)", n)
	}
	return fmt.Sprintf("not reproducible: built twice, %s differs from byte %d on%s", e.Members[0], e.Where, more)
}

// again builds the wheel a second time and compares.
func (t *task) again(ctx context.Context, first *Wheel, draft *artifacts.Draft) error {
	if err := t.job.Close(ctx); err != nil {
		return err
	}
	t.job = nil
	second := &task{b: t.b, p: t.p, source: t.source, src: t.src, rust: t.rust, tools: t.tools, rustPath: t.rustPath, log: t.log}
	defer second.close(ctx)
	// Another number of jobs, so that an order that depends on it shows.
	if err := second.start(ctx, 1, t.pin.Packages); err != nil {
		return err
	}
	raw, err := draft.Scratch("again")
	if err != nil {
		return err
	}
	name, err := second.job.Wheel(ctx, raw)
	if err != nil {
		return err
	}
	canonical := filepath.Join(raw, "canonical")
	if err := t.rewrite(canonical, raw, name); err != nil {
		return err
	}
	if err := sameWheel(first.path, canonical); err != nil {
		return err
	}
	return sameSymbols(draft.Dir(), raw)
}

// sameWheel compares two wheels; what differs is a *DifferError.
func sameWheel(one, two string) error {
	a, err := os.ReadFile(one)
	if err != nil {
		return err
	}
	b, err := os.ReadFile(two)
	if err != nil {
		return err
	}
	if bytes.Equal(a, b) {
		return nil
	}
	before, err := members(a)
	if err != nil {
		return err
	}
	after, err := members(b)
	if err != nil {
		return err
	}
	e := differ(before, after)
	if e == nil {
		e = &DifferError{Members: []string{"the archive itself"}, Where: firstDifference(a, b)}
	}
	return e
}

// sameSymbols compares the symbols in two directories likewise.
func sameSymbols(one, two string) error {
	before, err := symbolsIn(one)
	if err != nil {
		return err
	}
	after, err := symbolsIn(two)
	if err != nil {
		return err
	}
	if e := differ(before, after); e != nil {
		return e
	}
	return nil
}

func symbolsIn(dir string) (map[string][]byte, error) {
	out := map[string][]byte{}
	tree := os.DirFS(dir)
	err := fs.WalkDir(tree, build.SymbolsDir, func(name string, entry fs.DirEntry, err error) error {
		if name == build.SymbolsDir && errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil && !entry.IsDir() {
			out[name], err = fs.ReadFile(tree, name)
		}
		return err
	})
	return out, err
}

// differ is what differs between two sets of files; nil if nothing does.
func differ(before, after map[string][]byte) *DifferError {
	e := &DifferError{}
	for name, data := range before {
		if !bytes.Equal(data, after[name]) || after[name] == nil {
			e.Members = append(e.Members, name)
		}
	}
	for name := range after {
		if before[name] == nil {
			e.Members = append(e.Members, name)
		}
	}
	if len(e.Members) == 0 {
		return nil
	}
	slices.SortFunc(e.Members, func(x, y string) int { // RECORD differs whenever anything does
		return slices.Compare([]string{last(x), x}, []string{last(y), y})
	})
	e.Where = firstDifference(before[e.Members[0]], after[e.Members[0]])
	return e
}

func last(name string) string {
	if len(name) > 7 && name[len(name)-7:] == "/RECORD" {
		return "1"
	}
	return "0"
}

func members(wheel []byte) (map[string][]byte, error) {
	z, err := zip.NewReader(bytes.NewReader(wheel), int64(len(wheel)))
	if err != nil {
		return nil, err
	}
	out := map[string][]byte{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			return nil, err
		}
		data, err := io.ReadAll(r)
		r.Close()
		if err != nil {
			return nil, err
		}
		out[f.Name] = append([]byte{}, data...)
	}
	return out, nil
}

func firstDifference(a, b []byte) int64 {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return int64(i)
		}
	}
	return int64(min(len(a), len(b)))
}
