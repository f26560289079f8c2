package check

import (
	"encoding/binary"
	"path"
	"strings"
)

// Bytecode begins with a magic, then flags (PEP 552): bit 0 is that a hash
// follows and no time, bit 1 that the interpreter compares it.
const (
	pycHead   = 8
	unchecked = 1
)

// bytecodeThere is "bytecode is there". A source that does not compile has no
// bytecode, and nobody but a Python can tell; so a distribution is only at
// fault if none of its modules has any.
func (s *state) bytecodeThere() (f found, err error) {
	type tally struct{ sources, compiled int }
	tallies := map[string]*tally{}
	var order, missing []string
	stdlib := "opt/python/" + s.Series + "/lib/python" + s.Series + "/"
	total := 0
	for e := range s.Tree.All() {
		if !isFile(e) || path.Ext(e.Name) != ".py" {
			continue
		}
		who := "the standard library"
		if d := s.owners[e.Name]; d != nil && strings.HasPrefix(e.Name, s.site()+"/") {
			who = d.label()
		} else if !strings.HasPrefix(e.Name, stdlib) {
			continue
		}
		t := tallies[who]
		if t == nil {
			t = &tally{}
			tallies[who] = t
			order = append(order, who)
		}
		t.sources++
		dir, base := path.Split(e.Name)
		pyc := dir + "__pycache__/" + strings.TrimSuffix(base, ".py") + ".cpython-" + strings.ReplaceAll(s.Series, ".", "") + ".pyc"
		at, ok := s.Tree.Entry(pyc)
		if !ok {
			missing = append(missing, "/"+e.Name)
			continue
		}
		t.compiled++
		total++
		if head, ok := s.heads[content(at)]; ok && (len(head) < pycHead || binary.LittleEndian.Uint32(head[4:]) != unchecked) {
			f.bad("/%s is no bytecode with an unchecked hash", pyc)
		}
	}
	for _, who := range order {
		if t := tallies[who]; t.compiled == 0 {
			f.bad("%s: no bytecode for %s", who, plural(t.sources, "module"))
		}
	}
	f.note("%s", plural(total, "module"))
	for _, name := range missing {
		f.note("%s has none", name)
	}
	return f, nil
}
