package publish

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/pybake/pybake/internal/pattern"
)

// ErrNone says that nothing is published.
var ErrNone = errors.New("nothing is published")

// DamagedError is a generation that is not what its list says. Publishing again
// makes a whole one.
type DamagedError struct {
	Number int
	File   string // of the generation, or the path of one of the pool
	Err    error
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("generation %d is damaged: %s: %v", e.Number, e.File, e.Err)
}

func (e *DamagedError) Unwrap() error { return e.Err }

// Generation is one publication.
type Generation struct {
	Number  int
	Date    time.Time // of its publication, in whole seconds
	Content string    // hash of its set, without dates and what is stale
	Of      int       // the generation that it repeats, or 0
	Set     Set
	Dir     string // "/srv/published/generations/000008"
	Current bool
	Signed  string // fingerprint of the OpenPGP key; empty: apt's part is not signed
	Note    string // verifier lines of the key for notes; empty: the list has no such signature
	URL     string // as Release has it
	Origin  string // likewise
	// Warnings are for whoever publishes; only Publish gives them: former generations
	// that cannot be read, keys that changed.
	Warnings []string

	uploaded map[string]time.Time // by SHA-256 of a wheel: since when it has been published
}

// record is generation.json.
type record struct {
	Number  int       `json:"number"`
	Date    time.Time `json:"date"`
	Content string    `json:"content"`
	Of      int       `json:"of"`
	URL     string    `json:"url,omitempty"`
	Origin  string    `json:"origin"`
	Keys    keys      `json:"keys"`
}

type keys struct {
	OpenPGP  string `json:"openpgp"`            // fingerprint
	Note     string `json:"note"`               // verifier lines
	Unsigned string `json:"UNSIGNED,omitempty"` // what is not signed, and what follows
}

// stored is set.json.
type stored struct {
	Set
	Uploaded map[string]time.Time `json:"uploaded"` // by the SHA-256 of a wheel
}

var numberPattern = pattern.New(`^[0-9]{6,}$`)

func generationName(number int) string { return fmt.Sprintf("%06d", number) }

// numbers are the generations that there are, newest first.
func (d *Directory) numbers() ([]int, error) { return d.numbered(generationsDir) }

func (d *Directory) numbered(dir string) ([]int, error) {
	entries, err := os.ReadDir(d.path(dir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var all []int
	for _, e := range entries {
		n, err := strconv.Atoi(e.Name())
		if err == nil && n > 0 && numberPattern.MatchString(e.Name()) && generationName(n) == e.Name() {
			all = append(all, n)
		}
	}
	slices.Sort(all)
	slices.Reverse(all)
	return all, nil
}

// currentNumber is what the switch is at, or 0.
func (d *Directory) currentNumber() (int, error) {
	target, err := os.Readlink(d.path(currentLink))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return 0, nil
	case errors.Is(err, syscall.EINVAL):
		return 0, fmt.Errorf("%s: something else than the link is there", d.path(currentLink))
	case err != nil:
		return 0, err
	}
	dir, name := filepath.Split(target)
	n, err := strconv.Atoi(name)
	if err != nil || n < 1 || filepath.Clean(dir) != generationsDir {
		return 0, fmt.Errorf("%s leads to %s, which is no generation", d.path(currentLink), target)
	}
	return n, nil
}

// Current returns the generation that is published. The error is [ErrNone] if there is
// none, and a [*DamagedError] if it is damaged. It looks at what the generation is made
// of, not at each file of it; for that there is [Verify].
func (d *Directory) Current() (*Generation, error) {
	n, err := d.currentNumber()
	if err != nil {
		return nil, fmt.Errorf("current generation: %w", err)
	}
	if n == 0 {
		return nil, fmt.Errorf("%s: %w", d.Dir, ErrNone)
	}
	g, err := d.load(n)
	if err != nil {
		return nil, err
	}
	g.Current = true
	return g, nil
}

// Generations returns the generations that there are, newest first. The error joins a
// [*DamagedError] for each that is not among them.
func (d *Directory) Generations() ([]*Generation, error) {
	all, damaged, err := d.loadAll(d.load)
	errs := []error{err}
	for _, e := range damaged {
		errs = append(errs, e)
	}
	return all, errors.Join(errs...)
}

// loadAll returns the generations and the damage of those that cannot be read, newest
// first.
func (d *Directory) loadAll(load func(number int) (*Generation, error)) (all []*Generation, damaged []*DamagedError, err error) {
	numbers, err := d.numbers()
	if err != nil {
		return nil, nil, fmt.Errorf("read generations: %w", err)
	}
	current, err := d.currentNumber()
	if err != nil {
		return nil, nil, fmt.Errorf("read generations: %w", err)
	}
	for _, n := range numbers {
		g, err := load(n)
		if err != nil {
			if _, statErr := os.Lstat(d.generationDir(n)); errors.Is(statErr, fs.ErrNotExist) {
				continue // pruned in between
			}
			e, ok := errors.AsType[*DamagedError](err)
			if !ok {
				return nil, nil, err
			}
			damaged = append(damaged, e)
			continue
		}
		g.Current = n == current
		all = append(all, g)
	}
	return all, damaged, nil
}

func (d *Directory) generationDir(number int) string {
	return d.path(generationsDir, generationName(number))
}

// load reads a generation.
func (d *Directory) load(number int) (*Generation, error) {
	g, err := d.loadRecord(number)
	if err != nil {
		return nil, err
	}
	return g, d.loadSet(g)
}

// loadRecord reads a generation without its set.
func (d *Directory) loadRecord(number int) (*Generation, error) {
	g := &Generation{Number: number, Dir: d.generationDir(number)}
	var r record
	if err := g.decode(recordFile, &r); err != nil {
		return nil, err
	}
	if r.Number != number {
		return nil, &DamagedError{number, recordFile, fmt.Errorf("it is that of generation %d", r.Number)}
	}
	g.Date, g.Content, g.Of, g.Signed, g.Note = r.Date, r.Content, r.Of, r.Keys.OpenPGP, r.Keys.Note
	g.URL, g.Origin = r.URL, r.Origin
	return g, nil
}

// loadSet reads the set of a generation.
func (d *Directory) loadSet(g *Generation) error {
	var s stored
	if err := g.decode(setFile, &s); err != nil {
		return err
	}
	g.Set, g.uploaded = s.Set, s.Uploaded
	return nil
}

// decode reads a JSON file of a generation, which must be what the list says.
func (g *Generation) decode(file string, into any) error {
	lines, err := g.read(listFile)
	if err != nil {
		return err
	}
	data, err := g.read(file)
	if err != nil {
		return err
	}
	if !bytes.Contains(lines, fmt.Appendf(nil, "\n%s %d %s\n", hashBytes(data), len(data), file)) {
		return &DamagedError{g.Number, file, errors.New("it is not what " + listFile + " says")}
	}
	if err := json.Unmarshal(data, into); err != nil {
		return &DamagedError{g.Number, file, err}
	}
	return nil
}

// read reads a file of a generation. What keeps from reading it, other than a lack of
// permission, is damage.
func (g *Generation) read(file string) ([]byte, error) {
	data, err := os.ReadFile(filepath.Join(g.Dir, file))
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("read generation %d: %w", g.Number, err)
	}
	if err != nil {
		return nil, &DamagedError{g.Number, file, withoutPath(err)}
	}
	return data, nil
}

// list reads the list of a generation, without its signature.
func (d *Directory) list(number int) (*list, error) {
	data, err := os.ReadFile(filepath.Join(d.generationDir(number), listFile))
	if err != nil {
		return nil, &DamagedError{Number: number, File: listFile, Err: withoutPath(err)}
	}
	l, err := parseList(unsigned(data))
	if err == nil && l.Number != number {
		err = fmt.Errorf("it is that of generation %d", l.Number)
	}
	if err != nil {
		return nil, &DamagedError{Number: number, File: listFile, Err: err}
	}
	return l, nil
}

// kept are, of generations that come newest first, the newest whole one of each content,
// up to the current one; with the contents that were counted before, not more than keep.
func kept(all []*Generation, current, keep int, whole func(*Generation) bool, contents ...string) (list []*Generation) {
	for _, g := range all {
		if g.Number > current || len(contents) >= keep || slices.Contains(contents, g.Content) || !whole(g) {
			continue
		}
		contents = append(contents, g.Content)
		list = append(list, g)
	}
	return list
}
