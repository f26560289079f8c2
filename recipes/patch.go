package recipes

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"

	"github.com/pybake/pybake/internal/patch"
	"github.com/pybake/pybake/internal/pattern"
	"github.com/pybake/pybake/internal/strict"
)

// Patch is a unified diff, as package patch reads them: wheels/NAME/FILE for the
// recipe wheels/NAME.toml. A file of the project goes over the embedded one.
type Patch struct {
	File   string `toml:"file" json:"file"` // "no-ssl2.patch"
	Why    string `toml:"why" json:"-"`     // the bug, with its address
	SHA256 string `toml:"-" json:"sha256"`  // of the text, in hex
	Text   []byte `toml:"-" json:"-"`
}

var patchPattern = pattern.New(`^[A-Za-z0-9][A-Za-z0-9._-]*\.patch$`)

func (p *problems) patches(key string, patches []Patch) {
	for i, patch := range patches {
		key := element(key, i)
		p.match(key+".file", patch.File, patchPattern, `the name of a file, such as "gcc14.patch"`)
		p.required(key+".why", patch.Why)
		if slices.ContainsFunc(patches[:i], func(other Patch) bool { return other.File == patch.File }) {
			p.add(key+".file", "%q: given twice", patch.File)
		}
	}
}

// loadPatches reads the files that the project's recipes name.
func (s *Set) loadPatches(errs *strict.Errors) {
	for _, name := range slices.Sorted(maps.Keys(s.wheels)) {
		for _, err := range s.wheels[name].loadPatches(s.project, name) {
			add(errs, path.Join("wheels", name+".toml"), err)
		}
	}
}

// loadPatches reads the files that the recipe of a package names: the project's, else the
// embedded one.
func (w Wheel) loadPatches(project fs.FS, name string) (errs []error) {
	lists := [][]Patch{w.Patches}
	for _, when := range w.When {
		lists = append(lists, when.Patches)
	}
	for _, list := range lists {
		for i := range list {
			if !patchPattern.MatchString(list[i].File) {
				continue // which is said already
			}
			if err := list[i].load(project, path.Join("wheels", name, list[i].File)); err != nil {
				errs = append(errs, err)
			}
		}
	}
	return errs
}

func (p *Patch) load(project fs.FS, file string) (err error) {
	p.Text, err = fs.ReadFile(embedded, file)
	if project != nil {
		text, own := fs.ReadFile(project, file)
		if own == nil || !errors.Is(own, fs.ErrNotExist) {
			p.Text, err = text, own
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("no patch recipes/%s", file)
	}
	if err != nil {
		return err
	}
	sum := sha256.Sum256(p.Text)
	p.SHA256 = hex.EncodeToString(sum[:])
	_, err = patch.Parse("recipes/"+file, p.Text)
	return err
}

// Patched are the patches that the recipe names, to apply.
func (w Wheel) Patched(name string) (patch.Set, error) {
	var set patch.Set
	for _, p := range w.Patches {
		read, err := patch.Parse(path.Join("recipes/wheels", name, p.File), p.Text)
		if err != nil {
			return nil, err
		}
		set = append(set, read)
	}
	return set, nil
}
