package layer

import (
	"archive/tar"
	"cmp"
	"iter"
	"path"
	"slices"
	"strings"
)

// Tree is what a stack of layers shows. It does not change, and may be read by
// several goroutines.
type Tree struct {
	root   *node
	sorted []Entry
}

type node struct {
	Entry
	layer int
	kids  map[string]*node
}

// Stack lays layers on each other, the first one lowest, as an engine does: a
// file that replaces a directory hides what was in it, and a directory replaces
// what was a file or a symbolic link. A directory that no layer lists is there
// with mode 0755. A hard link has size, mode, owner and capability of what it
// links to.
func Stack(layers ...[]Entry) *Tree {
	t := &Tree{root: &node{Entry: Entry{Name: ".", Type: tar.TypeDir, Mode: 0o755}, layer: -1}}
	for n, entries := range layers {
		for _, e := range entries {
			switch at := t.at(e.Name); {
			case at == nil:
			case e.Opaque:
				at.kids = nil
			case e.Whiteout:
				t.remove(e.Name)
			}
		}
		for _, e := range entries {
			if !e.Opaque && !e.Whiteout {
				t.put(e, n)
			}
		}
	}
	t.root.collect(&t.sorted)
	slices.SortFunc(t.sorted, func(a, b Entry) int { return cmp.Compare(a.Name, b.Name) })
	return t
}

// at is the node of exactly this name, or nil.
func (t *Tree) at(name string) *node {
	at := t.root
	if name == "." {
		return at
	}
	for part := range strings.SplitSeq(name, "/") {
		if at = at.kids[part]; at == nil {
			return nil
		}
	}
	return at
}

func (t *Tree) remove(name string) {
	if parent := t.at(path.Dir(name)); parent != nil {
		delete(parent.kids, path.Base(name))
	}
}

func (t *Tree) put(e Entry, layer int) {
	if e.Type == tar.TypeLink {
		if to := t.at(e.Link); to != nil {
			e.Size, e.Mode, e.UID, e.GID, e.Capability = to.Size, to.Mode, to.UID, to.GID, to.Capability
		}
	}
	at := t.root
	for i, c := range e.Name + "/" {
		if c == '/' {
			at = at.child(e.Name[:i], layer)
		}
	}
	at.Entry, at.layer = e, layer
	if e.Type != tar.TypeDir {
		at.kids = nil
	}
}

// child is the node of that name in a directory, which is made one.
func (n *node) child(name string, layer int) *node {
	if n.Type != tar.TypeDir {
		n.Entry, n.layer = Entry{Name: n.Name, Type: tar.TypeDir, Mode: 0o755}, layer
	}
	base := path.Base(name)
	kid := n.kids[base]
	if kid == nil {
		kid = &node{Entry: Entry{Name: name, Type: tar.TypeDir, Mode: 0o755}, layer: layer}
		if n.kids == nil {
			n.kids = map[string]*node{}
		}
		n.kids[base] = kid
	}
	return kid
}

func (n *node) collect(all *[]Entry) {
	for _, kid := range n.kids {
		*all = append(*all, kid.Entry)
		kid.collect(all)
	}
}

// Lookup finds a path, "usr/bin/python3" or "/usr/bin/python3", following all
// symbolic links within the root. The name of the entry is where they lead. "."
// or "/" is the root. A loop is not found.
func (t *Tree) Lookup(path string) (Entry, bool) {
	if len(path) > maxName {
		return Entry{}, false
	}
	up := []*node{t.root} // from the root to where we are
	todo := strings.Split(path, "/")
	for links := 0; len(todo) > 0; {
		part := todo[0]
		todo = todo[1:]
		at := up[len(up)-1]
		switch {
		case at.Type != tar.TypeDir:
			return Entry{}, false
		case part == "" || part == ".":
			continue
		case part == "..":
			up = up[:max(1, len(up)-1)]
			continue
		}
		kid := at.kids[part]
		if kid == nil {
			return Entry{}, false
		}
		if kid.Type != tar.TypeSymlink {
			up = append(up, kid)
			continue
		}
		if links++; links > maxLinks {
			return Entry{}, false
		}
		if strings.HasPrefix(kid.Link, "/") {
			up = up[:1]
		}
		todo = append(strings.Split(kid.Link, "/"), todo...)
	}
	return up[len(up)-1].Entry, true
}

// Entry is the entry of exactly this name, not following symbolic links.
func (t *Tree) Entry(name string) (Entry, bool) {
	if at := t.at(name); at != nil {
		return at.Entry, true
	}
	return Entry{}, false
}

// All is every entry but the root and whiteouts, sorted by name.
func (t *Tree) All() iter.Seq[Entry] { return slices.Values(t.sorted) }

// Layer is the number of the layer that an entry of this tree comes from,
// counted from 0 at the bottom; -1 for the root and what the tree does not have.
func (t *Tree) Layer(e Entry) int {
	if at := t.at(e.Name); at != nil {
		return at.layer
	}
	return -1
}
