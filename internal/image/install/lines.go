package install

import "bytes"

// done receives the output of install.py and hands on the names of wheels in
// it. It never makes the writer wait.
type done struct {
	names chan string // has room for all
	known map[string]bool
	rest  []byte // of a line
}

func newDone(wheels []Wheel) *done {
	d := &done{names: make(chan string, len(wheels)), known: map[string]bool{}}
	for _, w := range wheels {
		d.known[w.Name] = true
	}
	return d
}

// Write never fails. What is not the name of a wheel, or was said already, is
// ignored: interpreters have things to say of their own.
func (d *done) Write(p []byte) (int, error) {
	d.rest = append(d.rest, p...)
	for {
		line, rest, ok := bytes.Cut(d.rest, []byte("\n"))
		if !ok {
			return len(p), nil
		}
		d.rest = rest
		if name := string(line); d.known[name] {
			delete(d.known, name)
			d.names <- name
		}
	}
}

// tail keeps the end of what is written to it.
type tail []byte

func (t *tail) Write(p []byte) (int, error) {
	*t = append(*t, p...)
	if extra := len(*t) - 16<<10; extra > 0 {
		*t = append((*t)[:0], (*t)[extra:]...)
	}
	return len(p), nil
}
