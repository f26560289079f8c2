package publish

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pybake/pybake/artifacts/sign"
)

// Verified is what [Verify] found.
type Verified struct {
	Number   int       `json:"number"` // of the generation
	Date     time.Time `json:"date"`
	Content  string    `json:"content"`
	Files    int       `json:"files"`  // that the list has
	Size     int64     `json:"size"`   // their bytes
	By       []string  `json:"by"`     // who signed the list, of those that are trusted: "pybake+1b0d3a4e", a fingerprint
	Suites   []Suite   `json:"suites"` // of the apt repository
	Own      bool      `json:"own"`    // no key was given, so those that the directory itself has were believed
	Trusts   []string  `json:"trusts"` // what all this rests on, a sentence each
	Problems []Problem `json:"problems"`
}

// Suite is a distro of the apt repository.
type Suite struct {
	Codename   string    `json:"codename"`   // "trixie"
	By         string    `json:"by"`         // fingerprint of the key that signed it; empty: none that is trusted
	Date       time.Time `json:"date"`       // of its Release
	ValidUntil time.Time `json:"validUntil"` // zero: for ever
}

// Problem is something that is not as it should be.
type Problem struct {
	Path string `json:"path"` // from the root: "dists/trixie/InRelease"
	Text string `json:"text"` // "sha256 is 5f1c…, the list says 9a03…"
}

func (p Problem) String() string { return p.Path + ": " + p.Text }

// Err returns an error with all problems, a line each, or nil.
func (v *Verified) Err() error {
	var errs []error
	for _, p := range v.Problems {
		errs = append(errs, errors.New(p.String()))
	}
	return errors.Join(errs...)
}

// verifying is a Verify under way.
type verifying struct {
	src   Source
	trust sign.Public
	good  map[listed]bool // files of the pool, which never change

	mu   sync.Mutex
	v    *Verified
	note []byte // the list as it is served
	list *list
}

// Verify reads all of a published directory, as clients are served it, and returns
// what is wrong with it by path: whether the list of the generation is signed by one
// of the keys that are trusted; whether every file of it has the size and hash that
// it says; of each suite of the apt repository the signatures, whether its time is
// over, and whether Release and Packages agree with the list; whether the simple
// indexes do. Of a directory also files that are not in the list are problems.
//
// If trust has no key, those that the directory has are believed, which shows damage but
// no forgery; what is not signed then is no problem. A switch meanwhile makes it begin
// anew. The error is for what kept it from looking: [ErrNone], a network, ctx.
func Verify(ctx context.Context, src Source, trust sign.Public) (*Verified, error) {
	if src.Now.IsZero() {
		src.Now = time.Now()
	}
	good := map[listed]bool{}
	for range 5 {
		c := &verifying{src: src, trust: trust, good: good, v: &Verified{By: []string{}, Suites: []Suite{}, Problems: []Problem{}}}
		if err := c.all(ctx); err != nil {
			return nil, fmt.Errorf("verify %s: %w", src, err)
		}
		again, err := src.read(ctx, currentLink+"/"+listFile, maxList)
		if ctx.Err() != nil {
			return nil, fmt.Errorf("verify %s: %w", src, context.Cause(ctx))
		}
		if err == nil && bytes.Equal(c.note, again) {
			slices.SortFunc(c.v.Problems, func(a, b Problem) int {
				return cmp.Or(strings.Compare(a.Path, b.Path), strings.Compare(a.Text, b.Text))
			})
			c.v.Problems = slices.Compact(c.v.Problems)
			return c.v, nil
		}
	}
	return nil, fmt.Errorf("verify %s: it changed again and again meanwhile", src)
}

func (c *verifying) problem(path, format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.v.Problems = append(c.v.Problems, Problem{path, fmt.Sprintf(format, args...)})
}

func (c *verifying) all(ctx context.Context) (err error) {
	path := currentLink + "/" + listFile
	c.note, err = c.src.read(ctx, path, maxList)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := c.src.read(ctx, formatFile, 1<<16); err != nil {
			return fmt.Errorf("it is no published directory: %s: %w", formatFile, err)
		}
		if c.src.Dir != "" {
			if _, err := os.Lstat(filepath.Join(c.src.Dir, currentLink)); err == nil {
				return fmt.Errorf("%s: %w", path, fs.ErrNotExist)
			}
		}
		return ErrNone
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if c.list, err = parseList(unsigned(c.note)); err != nil {
		c.problem(path, "%v", err)
		return nil
	}
	c.v.Number, c.v.Date, c.v.Content, c.v.Files = c.list.Number, c.list.Date, c.list.Content, len(c.list.Files)
	for _, f := range c.list.Files {
		c.v.Size += f.Size
	}
	c.chooseTrust(ctx)
	c.checkList(ctx)
	if err := c.checkFiles(ctx); err != nil {
		return err
	}
	c.checkApt(ctx)
	if err := c.checkSimple(ctx); err != nil {
		return err
	}
	c.checkOthers()
	return ctx.Err()
}

// chooseTrust takes the keys of the directory where none are given, and says so.
func (c *verifying) chooseTrust(ctx context.Context) {
	if c.trust.Note == "" && len(c.trust.OpenPGP) == 0 {
		var text []byte
		for _, name := range []string{"pybake.asc", "pybake.pub"} {
			if data, err := c.src.read(ctx, name, 1<<20); err == nil {
				text = append(append(text, data...), '\n')
			}
		}
		c.v.Own = true
		if own, err := sign.ParsePublic(text); err == nil {
			c.trust = own
		}
	}
	from := "given"
	if c.v.Own {
		from = "which is in the directory itself: whoever can write there can replace it"
	}
	if len(c.trust.OpenPGP) > 0 {
		c.v.Trusts = append(c.v.Trusts, fmt.Sprintf("the OpenPGP key %s (%s), %s", c.trust.Fingerprint, c.trust.Name, from))
	}
	for line := range strings.Lines(c.trust.Note) {
		c.v.Trusts = append(c.v.Trusts, fmt.Sprintf("the key for lists %s, %s", strings.TrimSpace(line), from))
	}
	if len(c.v.Trusts) == 0 {
		c.v.Trusts = append(c.v.Trusts, "NO KEY: nothing is signed, so the hashes show damage, but not who published this")
	}
	if len(c.trust.OpenPGP) == 0 && c.trust.Note != "" {
		c.v.Trusts = append(c.v.Trusts, "for the apt repository only the list of files: without an OpenPGP key its own signatures are not checked")
	}
	c.v.Trusts = append(c.v.Trusts, "that report/ is harmless: it is in no list")
}

// checkList checks the signatures of the list: one of those that can be checked must
// hold.
func (c *verifying) checkList(ctx context.Context) {
	var errs []error
	if c.trust.Note != "" {
		text, by, err := c.trust.VerifyNote(c.note)
		if err == nil && text != unsigned(c.note) {
			err = errors.New("the text that is signed is another")
		}
		if err == nil {
			c.v.By = append(c.v.By, by)
		}
		errs = append(errs, err)
	}
	if len(c.trust.OpenPGP) > 0 {
		signature, err := c.src.read(ctx, currentLink+"/"+listSignature, 1<<20)
		if err == nil {
			var by string
			if by, err = sign.VerifyDetached([][]byte{c.trust.OpenPGP}, []string{c.trust.Fingerprint}, bytes.NewReader(c.note), signature); err == nil {
				c.v.By = append(c.v.By, by)
			}
		}
		if err != nil {
			err = fmt.Errorf("%s: %w", listSignature, err)
		}
		errs = append(errs, err)
	}
	if len(c.v.By) > 0 {
		return
	}
	for _, err := range errs {
		c.problem(currentLink+"/"+listFile, "%v", err)
	}
}

// checkFiles reads every file of the list.
func (c *verifying) checkFiles(ctx context.Context) error {
	workers := 8
	if c.src.Dir != "" {
		workers = runtime.GOMAXPROCS(0)
	}
	return parallel(ctx, workers, len(c.list.Files), func(i int) error {
		f := c.list.Files[i]
		c.mu.Lock()
		known := c.good[f]
		c.mu.Unlock()
		if known {
			return nil
		}
		err := c.checkFile(ctx, f)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			c.problem(f.served(), "%v", err)
		} else if f.inPool() {
			c.mu.Lock()
			c.good[f] = true
			c.mu.Unlock()
		}
		return nil
	})
}

func (c *verifying) checkFile(ctx context.Context, f listed) error {
	r, err := c.src.open(ctx, f.served())
	if errors.Is(err, fs.ErrNotExist) {
		return errors.New("missing")
	}
	if err != nil {
		return err
	}
	defer r.Close()
	size, sum, err := hashAll(ctx, r, f.Size)
	switch {
	case err != nil:
		return withoutPath(err)
	case size > f.Size:
		return fmt.Errorf("more than %d bytes, which the list says", f.Size)
	case size != f.Size:
		return fmt.Errorf("%d bytes, the list says %d", size, f.Size)
	case sum != f.SHA256:
		return fmt.Errorf("sha256 is %s, the list says %s", sum, f.SHA256)
	}
	return nil
}

// checkOthers looks for files in the generation that are not in its list.
func (c *verifying) checkOthers() {
	if c.src.Dir == "" {
		return
	}
	dir := filepath.Join(c.src.Dir, generationsDir, generationName(c.list.Number))
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || path == listFile || path == listSignature {
			return err
		}
		if _, ok := c.list.find(path); !ok {
			c.problem(path, "it is not in the list")
		}
		return nil
	})
	if err != nil {
		c.problem(generationsDir+"/"+generationName(c.list.Number), "%v", withoutPath(err))
	}
}
