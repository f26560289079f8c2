package whl

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/csv"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/pybake/pybake/internal/elfcheck"
)

// row is a line of RECORD.
type row struct {
	hash string // "sha256"; "" for none
	sum  string // the bytes
	size int64  // -1 for none
}

// algorithms are the hashes that RECORD may have.
func newHash(name string) hash.Hash {
	switch name {
	case "sha256":
		return sha256.New()
	case "sha384":
		return sha512.New384()
	case "sha512":
		return sha512.New()
	}
	return nil
}

// record reads RECORD (PEP 376, 427).
func (l *layout) record() map[string]row {
	rows := map[string]row{}
	data, ok := l.text("RECORD", true)
	if !ok {
		return nil
	}
	r := csv.NewReader(bytes.NewReader(data))
	r.FieldsPerRecord, r.ReuseRecord = -1, true
	for {
		fields, err := r.Read()
		if err == io.EOF {
			return rows
		}
		if err != nil {
			l.p.add("RECORD: %v", err)
			return nil
		}
		if len(fields) != 3 {
			line, _ := r.FieldPos(0)
			l.p.add("RECORD line %d: %d fields, not 3", line, len(fields))
			continue
		}
		name := strings.Clone(fields[0])
		if err := checkName(name, true); err != nil {
			l.p.add("RECORD: %s: %v", quote(name), err)
			continue
		}
		if _, twice := rows[name]; twice {
			l.p.add("%s: is in RECORD twice", quote(name))
		}
		got, problem := parseRow(fields)
		if problem != "" {
			l.p.add("%s: in RECORD %s", quote(name), problem)
		}
		rows[name] = got
	}
}

func parseRow(fields []string) (row, string) {
	out := row{size: -1}
	if fields[2] != "" {
		n, err := strconv.ParseInt(fields[2], 10, 64)
		if err != nil || n < 0 {
			return out, "with the size " + quote(fields[2])
		}
		out.size = n
	}
	if fields[1] == "" {
		return out, ""
	}
	name, text, _ := strings.Cut(fields[1], "=")
	h := newHash(name)
	if h == nil {
		return out, "with the hash " + quote(name) + ", none of sha256, sha384, sha512"
	}
	sum, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(sum) != h.Size() {
		return out, "with a malformed " + name + " hash"
	}
	out.hash, out.sum = strings.Clone(name), string(sum)
	return out, ""
}

// signature is whether a file is one that signs RECORD, so cannot be in it.
func (l *layout) signature(name string) bool {
	return name == l.info+"/RECORD.jws" || name == l.info+"/RECORD.p7s"
}

// contents reads all members once, in the order of the archive, and compares
// them with RECORD.
func (l *layout) contents() error {
	var rows map[string]row
	if l.info != "" {
		rows = l.record()
	}
	found := map[string]bool{}
	c := &content{layout: l, sha256: sha256.New()}
	defer c.spool.reset()
	for _, m := range l.a.members {
		want, listed := rows[m.name]
		found[m.name] = true
		if m.dir {
			if listed {
				l.p.add("%s: is in RECORD, but a directory", quote(m.name))
			}
			continue
		}
		exempt := m.name == l.info+"/RECORD" || l.signature(m.name)
		switch {
		case rows == nil:
		case !listed && !l.signature(m.name):
			l.p.add("%s: not in RECORD", quote(m.name))
		case listed && want.hash == "" && !exempt:
			l.p.add("%s: has no hash in RECORD", quote(m.name))
		case exempt && want.hash != "":
			l.p.add("%s: has a hash in RECORD, which it cannot have", quote(m.name))
		}
		if m.refused {
			continue
		}
		if exempt || !listed {
			want = row{size: -1}
		}
		if err := c.read(m, want); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(rows)) {
		if found[name] {
			continue
		}
		l.p.add("%s: in RECORD, but not in the archive", quote(name))
	}
	slices.SortFunc(l.w.Files, func(a, b Entry) int { return strings.Compare(a.Path, b.Path) })
	slices.SortFunc(l.w.ELF, func(a, b ELF) int { return strings.Compare(a.Path, b.Path) })
	return nil
}

// content is a member while it is read.
type content struct {
	*layout
	sha256 hash.Hash
	other  hash.Hash // the one of RECORD if that is another
	head   []byte    // the first bytes
	elf    bool
	spool  spool
}

func (c *content) Write(p []byte) (int, error) {
	c.sha256.Write(p)
	if c.other != nil {
		c.other.Write(p)
	}
	if before := len(c.head); before < 4 {
		c.head = append(c.head, p[:min(len(p), 4-len(c.head))]...)
		if c.elf = elfcheck.Magic(c.head); c.elf {
			if _, err := c.spool.Write(c.head[:before]); err != nil {
				return 0, err
			}
		}
	}
	if c.elf {
		return c.spool.Write(p)
	}
	return len(p), nil
}

// read reads a member and compares it with its line of RECORD. An error is one
// of reading or of the disk, not of the wheel.
func (c *content) read(m *member, want row) error {
	c.sha256.Reset()
	c.spool.reset()
	c.head, c.elf, c.other = c.head[:0], false, nil
	if want.hash != "" && want.hash != "sha256" {
		c.other = newHash(want.hash)
	}
	err := c.a.copy(c, m)
	if w, ok := err.(*writeError); ok {
		return w.err
	}
	if err != nil {
		c.a.refuse(m, "%v", err)
		return nil
	}
	sum := c.sha256.Sum(nil)
	got := sum
	if c.other != nil {
		got = c.other.Sum(nil)
	}
	if want.hash != "" && string(got) != want.sum {
		c.p.add("%s: has the %s %x, in RECORD %x", quote(m.name), want.hash, got, want.sum)
	}
	if want.size >= 0 && want.size != m.size {
		c.p.add("%s: has %d bytes, in RECORD %d", quote(m.name), m.size, want.size)
	}
	c.w.Files = append(c.w.Files, Entry{Path: m.name, Size: m.size, SHA256: hex.EncodeToString(sum), Exec: m.mode&0o111 != 0})
	if c.elf {
		c.addELF(m)
	}
	return nil
}

const maxELF = 10_000

// addELF keeps what an ELF file says.
func (c *content) addELF(m *member) {
	if len(c.w.ELF) == maxELF {
		c.a.refuse(m, "is one of more than %d ELF files", maxELF)
		return
	}
	f, err := elfcheck.Read(&c.spool, m.size)
	if err != nil {
		c.w.ELF = append(c.w.ELF, ELF{Path: m.name, Unreadable: err.Error()})
		c.w.Notes = append(c.w.Notes, fmt.Sprintf("%s: %v", quote(m.name), err))
		return
	}
	c.w.ELF = append(c.w.ELF, ELF{
		Path: m.name, Machine: f.Machine, Linked: f.Linked(), Foreign: f.Foreign(), Module: f.Linked() && isModule(m.name, f.Inits),
		Soname: f.Soname, Needed: f.Needed, RPath: f.RPath, RunPath: f.RunPath, GLIBC: f.GLIBC, Missing: f.Missing,
	})
}
