package whl

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pybake/pybake/internal/elfcheck/elftest"
)

var epoch = time.Date(2024, 2, 29, 12, 34, 57, 0, time.FixedZone("east", 3600))

func rewritten(t *testing.T, name string, data []byte, epoch time.Time) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := Rewrite(&out, put(t, data), name, epoch); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestRewrite makes one wheel in many ways, which become one.
func TestRewrite(t *testing.T) {
	f := factual().with(files{"foo/big.txt": strings.Repeat("all work and no play\n", 10_000)})
	entries := f.entries()
	exec := func(entries []entry, mode uint32) []entry {
		entries = slices.Clone(entries)
		for i := range entries {
			if strings.HasSuffix(entries[i].name, "big.txt") {
				entries[i].mode = typeRegular | mode
			}
		}
		return entries
	}
	backwards := slices.Clone(entries)
	slices.Reverse(backwards)
	stored := slices.Clone(entries)
	for i := range stored {
		stored[i].stored = i%2 == 0
		stored[i].mode = typeRegular | 0o600
		if i%3 == 0 {
			stored[i].descriptor, stored[i].zero = 16, true
		}
	}
	directories := append([]entry{{name: "foo/", mode: typeDir | 0o700}}, entries...)
	signed := f.with(files{info + "RECORD.jws": "{}", info + "RECORD": f.record(info) + info + "RECORD.jws,,\n"})
	want := rewritten(t, factualName, archiveSpec{entries: exec(entries, 0o755)}.bytes(), epoch)
	for name, entries := range map[string][]entry{
		"backwards": backwards, "stored": stored, "directories": directories, "signed": signed.entries(),
	} {
		got := rewritten(t, factualName, archiveSpec{entries: exec(entries, 0o710)}.bytes(), epoch)
		if !bytes.Equal(got, want) {
			t.Errorf("%s: other bytes", name)
		}
	}
	if got := rewritten(t, factualName, want, epoch.UTC()); !bytes.Equal(got, want) {
		t.Error("a second time: other bytes")
	}
	if got := rewritten(t, factualName, archiveSpec{entries: entries}.bytes(), epoch); bytes.Equal(got, want) {
		t.Error("the mode was lost")
	}
	w, err := Read(put(t, want), factualName)
	if err != nil {
		t.Fatal(err)
	}
	was, err := Read(put(t, archiveSpec{entries: entries}.bytes()), factualName)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(w.Modules, was.Modules) || len(w.Files) != len(was.Files) {
		t.Errorf("modules %q", w.Modules)
	}
}

// TestCanonical looks at the form with the eyes of another reader.
func TestCanonical(t *testing.T) {
	f := base().with(files{
		"zoo.py": "", "Zoo.py": "x", "foo-1.0.data/scripts/run": "#!/bin/sh\n", "foo.dist-info.py": "", "a,b.py": "x = 1\n",
		"foo/_a.so": elfText(elftest.Spec{}), "foo/text.txt": strings.Repeat("all work and no play makes a dull day\n", 5000),
	})
	f[info+"RECORD"] = strings.Replace(f.record(info), "\na,b.py,", "\n\"a,b.py\",", 1)
	data := rewritten(t, wheelName, archiveSpec{entries: f.entries()}.bytes(), epoch)
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for _, m := range z.File {
		fmt.Fprintf(&got, "%s %v method %d flags %d versions %d %d extra %d %s\n", m.Mode(), m.Name, m.Method, m.Flags, m.CreatorVersion, m.ReaderVersion, len(m.Extra),
			m.Modified.Format(time.DateTime))
	}
	r, err := z.Open(info + "RECORD")
	if err != nil {
		t.Fatal(err)
	}
	record, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	// Other bytes for the same content, after an upgrade of the compressor, are a
	// change that every stored wheel sees.
	fmt.Fprintf(&got, "\n%s\nSHA-256 of the wheel: %x\n", record, sha256.Sum256(data))
	golden(t, "testdata/canonical.golden", []byte(got.String()))
}

func TestEpoch(t *testing.T) {
	for epoch, want := range map[time.Time]string{
		time.Unix(0, 0): "1980-01-01 00:00:00",
		{}:              "1980-01-01 00:00:00",
		time.Date(2024, 2, 29, 12, 34, 57, 9, time.UTC):                 "2024-02-29 12:34:56",
		time.Date(2107, 12, 31, 23, 59, 59, 0, time.UTC):                "2107-12-31 23:59:58",
		time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC):                     "2107-12-31 23:59:58",
		time.Date(1980, 1, 1, 0, 0, 0, 0, time.FixedZone("east", 7200)): "1980-01-01 00:00:00",
	} {
		data := rewritten(t, wheelName, archiveSpec{entries: base().entries()}.bytes(), epoch)
		z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			t.Fatal(err)
		}
		if got := z.File[0].Modified.Format(time.DateTime); got != want {
			t.Errorf("%v: %s, want %s", epoch, got, want)
		}
	}
}

// TestRewriteLie shows that nothing is covered up.
func TestRewriteLie(t *testing.T) {
	f := base().with(files{info + "RECORD": base().record(info)}).with(files{"foo/__init__.py": "import sys"})
	var out bytes.Buffer
	err := Rewrite(&out, put(t, archiveSpec{entries: f.entries()}.bytes()), wheelName, epoch)
	var bad *BadError
	if !errors.As(err, &bad) || !strings.Contains(err.Error(), `"foo/__init__.py": has the sha256 `) {
		t.Errorf("%v", err)
	}
	if out.Len() > 0 {
		t.Errorf("%d bytes were written", out.Len())
	}
	if err := Rewrite(io.Discard, put(t, nil)+"gone", wheelName, epoch); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
	full := errors.New("no space left")
	err = Rewrite(failing{full}, put(t, archiveSpec{entries: base().entries()}.bytes()), wheelName, epoch)
	if !errors.Is(err, full) || errors.As(err, &bad) {
		t.Errorf("a full disk: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// TestRewriteRunPath takes what leads to the distro's libraries away, and nothing else.
func TestRewriteRunPath(t *testing.T) {
	for runPath, want := range map[string][]string{
		"/usr/lib/x86_64-linux-gnu/hdf5/serial":     nil,
		"/usr/lib/../lib64/x:/lib/x86_64-linux-gnu": nil,
		"$ORIGIN/../foo.libs":                       {"$ORIGIN/../foo.libs"},
		"/usr/lib/x86_64-linux-gnu/hdf5:$ORIGIN":    {"/usr/lib/x86_64-linux-gnu/hdf5", "$ORIGIN"},
		"/usr/lib/../local/lib":                     {"/usr/lib/../local/lib"},
		"/opt/python/3.13/lib":                      {"/opt/python/3.13/lib"},
		"/usr/libexec":                              {"/usr/libexec"},
	} {
		f := factual().with(files{"foo/_r.so": elfText(elftest.Spec{Hard: true, RunPath: runPath})})
		f = f.with(files{info + "RECORD": f.record(info)})
		data := rewritten(t, factualName, archiveSpec{entries: f.entries()}.bytes(), epoch)
		w, err := Read(put(t, data), factualName)
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(w.ELF, func(e ELF) bool { return e.Path == "foo/_r.so" })
		if i < 0 || !slices.Equal(w.ELF[i].RunPath, want) {
			t.Errorf("%s: left %q", runPath, w.ELF[i].RunPath)
		}
	}
}
