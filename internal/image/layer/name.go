package layer

import (
	"archive/tar"
	"errors"
	"fmt"
	"path"
	"strings"
)

// cleanName is a name as the normal form has it, "." for the root, or an error
// that says what is wrong with it.
func cleanName(name string) (string, error) {
	switch {
	case name == "":
		return "", errors.New("name is empty")
	case len(name) > maxName:
		return "", fmt.Errorf("name is longer than %d bytes", maxName)
	case name[0] == '/':
		return "", errors.New("name is absolute")
	case strings.Contains(name, "\x00"):
		return "", errors.New("name contains NUL")
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == ".." {
			return "", errors.New(`name contains ".."`)
		}
	}
	return path.Clean(name), nil
}

// hides says what a name hides in the layers below: target for a whiteout, the
// contents of the directory target for an opaque one.
func hides(name string) (target string, isWhiteout, isOpaque bool, err error) {
	dir, base := path.Split(name)
	if strings.HasPrefix(dir, whiteout) || strings.Contains(dir, "/"+whiteout) {
		return "", false, false, errors.New("is below a whiteout")
	}
	rest, ok := strings.CutPrefix(base, whiteout)
	switch {
	case !ok:
		return "", false, false, nil
	case base == opaque:
		return path.Clean(dir), false, true, nil
	case rest == "" || rest == "." || rest == ".." || strings.HasPrefix(base, reserved):
		return "", false, false, errors.New("is a whiteout of nothing")
	}
	return dir + rest, true, false, nil
}

// names are those of one layer, with their types. Whiteouts stand under the
// names of their own files, as regular ones.
type names struct {
	types     map[string]byte
	fine      map[string]bool // directories that were found in order
	whiteouts bool
}

func newNames() *names {
	return &names{types: map[string]byte{}, fine: map[string]bool{".": true}}
}

func (n *names) add(name string, typ byte) {
	n.types[name] = typ
	if _, is, _, _ := hides(name); is {
		n.whiteouts = true
	}
}

// check refuses a name below what is no directory, or one that the same layer
// hides. It is asked once all names were added.
func (n *names) check(name string) error {
	if err := n.hidden(name); err != nil {
		return err
	}
	parent := path.Dir(name)
	if n.fine[parent] {
		return nil
	}
	if t, ok := n.types[parent]; ok && t != tar.TypeDir {
		return fmt.Errorf("is below %.200q, which is no directory", parent)
	}
	if err := n.check(parent); err != nil {
		return err
	}
	n.fine[parent] = true
	return nil
}

func (n *names) hidden(name string) error {
	if !n.whiteouts {
		return nil
	}
	dir, base := path.Split(name)
	if _, ok := n.types[dir+whiteout+base]; ok {
		return fmt.Errorf("is beside a whiteout of %.200q", name)
	}
	return nil
}
