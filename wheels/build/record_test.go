package build

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRecordTail(t *testing.T) {
	var log bytes.Buffer
	r := &record{w: &log}
	if err := r.begin("a"); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(r, "of an earlier hook")
	if err := r.begin("b"); err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		fmt.Fprintf(r, "line %d\n", i)
	}
	io.WriteString(r, "in ")
	io.WriteString(r, "pieces\nlong "+strings.Repeat("x", 2*maxLine)+"\nno end")
	tail, hosts := r.end()
	if len(tail) != 40 || tail[0] != "line 63" || tail[37] != "in pieces" || len(tail[38]) != maxLine || tail[39] != "no end" {
		t.Errorf("%d: %q", len(tail), tail)
	}
	if hosts != nil {
		t.Error(hosts)
	}
	if s := log.String(); !strings.HasPrefix(s, "\n==> a\nof an earlier hook\n\n==> b\nline 0\n") || !strings.HasSuffix(s, "xxx\nno end") {
		t.Errorf("%.60q … %q", s, s[len(s)-20:])
	}
}

func TestRecordBound(t *testing.T) {
	var log countWriter
	r := &record{w: &log}
	chunk := bytes.Repeat([]byte("0123456789abcde\n"), 1<<16) // 1 MiB
	for range maxLog>>20 + 3 {
		if n, err := r.Write(chunk); n != len(chunk) || err != nil {
			t.Fatal(n, err)
		}
	}
	fmt.Fprintln(r, "the last line")
	if want := "\npybake: the log is cut here, after 256 MiB\n"; log.n != maxLog+int64(len(want)) || log.last != want[1:] {
		t.Errorf("%d bytes, the last line is %q", log.n, log.last)
	}
	if tail, _ := r.end(); tail[len(tail)-1] != "the last line" {
		t.Error(tail)
	}
}

// countWriter keeps the number of bytes and the last line.
type countWriter struct {
	n    int64
	last string
}

func (w *countWriter) Write(p []byte) (int, error) {
	w.n += int64(len(p))
	start := bytes.LastIndexByte(bytes.TrimSuffix(p, []byte("\n")), '\n') + 1
	w.last = string(p[start:])
	return len(p), nil
}

func TestRecordFails(t *testing.T) {
	full := errors.New("full")
	r := &record{w: failing{full}}
	if _, err := r.Write([]byte("x")); !errors.Is(err, full) {
		t.Error(err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func TestReached(t *testing.T) {
	for line, want := range map[string][]string{
		"pybake: the build asks for files.example.org":                  {"files.example.org"},
		"x pybake: the build asks for files.example.org":                nil,
		"curl: (6) Could not resolve host: a.example.org":               {"a.example.org"},
		"curl: (7) Failed to connect to 192.0.2.7 port 443 after 0 ms":  {"192.0.2.7"},
		"curl: (7) Failed to connect to 127.0.0.1 port 443 after 0 ms":  nil,
		"fatal: unable to access 'https://git.example.org/x/y.git/': x": {"git.example.org"},
		"fatal: unable to access 'https://u:p@git.example.org/x': x":    {"git.example.org"},
		"Failed to resolve 'Index.example.org' ([Errno -2] Name or":     {"index.example.org"},
		"HTTPSConnectionPool(host='pypi.example.org', port=443): Max":   {"pypi.example.org"},
		"wget: unable to resolve host address ‘w.example.org’":          {"w.example.org"},
		"Connecting to 192.0.2.8:80... failed: Network is unreachable.": {"192.0.2.8"},
		"dial tcp: lookup proxy.example.org on 127.0.0.1:53: no such":   {"proxy.example.org"},
		"dial tcp 192.0.2.9:443: connect: network is unreachable":       {"192.0.2.9"},
		"dial tcp [2001:db8::1]:443: connect: network is unreachable":   {"2001:db8::1"},
		"ssh: connect to host s.example.org port 22: Network is":        {"s.example.org"},
		"Connection refused by localhost":                               nil,
	} {
		r := &record{w: io.Discard}
		fmt.Fprintln(r, line)
		fmt.Fprintln(r, line)
		if _, hosts := r.end(); !cmp.Equal(want, hosts) {
			t.Errorf("%s: %q", line, hosts)
		}
	}
	r := &record{w: io.Discard}
	fmt.Fprintln(r, asked+"b.example.org\n"+asked+"a.example.org\nCould not resolve host: b.example.org")
	if _, hosts := r.end(); !cmp.Equal([]string{"a.example.org", "b.example.org"}, hosts) {
		t.Error(hosts)
	}
}

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"plain é":                          "plain é",
		"\x1b[1;31merror\x1b[0m: x":        "error: x",
		"\x1b]0;title\x07x\x1b]8;;\x1b\\y": "xy",
		"10%\r50%\r100%\r":                 "100%",
		"a\tb\x00\x08\x7fc\u009b\u202e":    "a bc",
		"\xff\xfe":                         "\ufffd",
	} {
		if got := printable(in); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
}
