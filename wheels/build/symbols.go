package build

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/pybake/pybake/internal/elfcheck"
	"github.com/pybake/pybake/internal/pattern"
)

// SymbolsDir is where symbols are beside a wheel: files called
// .build-id/ab/cdef….debug within it, by the build id of what they belong to, as gdb
// looks for them in a debug-file-directory.
const SymbolsDir = "debug"

const (
	symbolsStep = "symbols"
	maxSymbols  = 10000 // files and directories
)

var (
	symbolsFile = pattern.New(`^\.build-id/[0-9a-f]{2}/[0-9a-f]{2,126}\.debug$`)
	symbolsDirs = pattern.New(`^\.build-id(/[0-9a-f]{2})?$`)
)

// symbols takes debug information out of the wheel and brings it into dir.
func (r *Run) symbols(ctx context.Context, name, dir string) (err error) {
	q := r.request(symbolsStep, nil)
	q.Wheel, q.Debug = name, debugDir
	q.Source, q.Env = "/", map[string]string{"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
	n := 0
	if err := r.hook(ctx, &n, symbolsStep, q); err != nil || n == 0 {
		return err
	}
	to := filepath.Join(dir, SymbolsDir)
	defer func() {
		if err != nil {
			os.RemoveAll(to)
		}
	}()
	err = r.output(ctx, symbolsStep, debugDir, func(stream io.Reader) error { return takeSymbols(to, stream, maxWheel) })
	if bad, ok := errors.AsType[*symbolsError](err); ok {
		return r.fail(symbolsStep, BadOutput, bad.Error())
	}
	return err
}

// symbolsError is what is wrong with files of debug information.
type symbolsError struct{ name, what string }

func (e *symbolsError) Error() string {
	return fmt.Sprintf("among the symbols is %.200q, which is %s", e.name, e.what)
}

// takeSymbols copies the files out of the tar of a directory, at most so many bytes.
// Anything that is no file of debug information is a *symbolsError.
func takeSymbols(dir string, stream io.Reader, limit int64) error {
	members := tar.NewReader(stream)
	for n := 0; ; n++ {
		h, err := members.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		_, name, _ := strings.Cut(strings.TrimSuffix(h.Name, "/"), "/")
		limit -= h.Size
		switch {
		case n == maxSymbols || limit < 0:
			return &symbolsError{name, "too much"}
		case h.Typeflag == tar.TypeDir && (name == "" || symbolsDirs.MatchString(name)):
		case h.Typeflag != tar.TypeReg:
			return &symbolsError{name, typeName(h.Typeflag)}
		case !symbolsFile.MatchString(name):
			return &symbolsError{name, "no name of a build id"}
		default:
			if err := takeSymbol(filepath.Join(dir, filepath.FromSlash(name)), members); err != nil {
				return err
			}
			id, err := elfcheck.BuildID(filepath.Join(dir, filepath.FromSlash(name)))
			if err != nil || path.Join(".build-id", id[:2], id[2:]+".debug") != name {
				return &symbolsError{name, "no ELF file of that build id"}
			}
		}
	}
}

// takeSymbol copies one file, of a name that is new.
func takeSymbol(name string, r io.Reader) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Close())
}
