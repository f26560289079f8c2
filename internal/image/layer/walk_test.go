package layer

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var all = []m{
	dir("./"), dir("d/"), file("./d/f", "content"), hardlink("d/l", "./d/f"), symlink("s", "/d/f"),
	{tar.TypeReg, "su", "", func(h *tar.Header) {
		h.Mode, h.Uid, h.Gid = 0o4755, 5, 6
		h.PAXRecords = map[string]string{capability: "cap"}
	}},
	file("d/.wh.x", ""), file("d/"+opaque, ""), file(opaque, ""), device(tar.TypeChar, "null"),
}

var allEntries = []string{
	`{Name:d Type:5 Mode:755}`,
	`{Name:d/f Type:0 Mode:644 Size:7} content`,
	`{Name:d/l Type:1 Mode:644 Link:d/f}`,
	`{Name:s Type:2 Mode:777 Link:/d/f}`,
	`{Name:su Type:0 Mode:4755 UID:5 GID:6 Capability:cap}`,
	`{Name:d/x Whiteout:true}`,
	`{Name:d Opaque:true}`,
	`{Name:. Opaque:true}`,
	`{Name:null Type:3 Mode:644}`,
}

// show is an entry without the fields that are zero.
func show(e Entry) string {
	s := "{Name:" + e.Name
	for _, f := range []struct {
		is   bool
		text string
	}{
		{e.Type != 0, fmt.Sprintf(" Type:%c", e.Type)}, {e.Mode != 0, fmt.Sprintf(" Mode:%o", e.Mode)},
		{e.UID != 0, fmt.Sprint(" UID:", e.UID)}, {e.GID != 0, fmt.Sprint(" GID:", e.GID)},
		{e.Size != 0, fmt.Sprint(" Size:", e.Size)}, {e.Link != "", " Link:" + e.Link},
		{e.Capability != "", " Capability:" + e.Capability},
		{e.Whiteout, " Whiteout:true"}, {e.Opaque, " Opaque:true"},
	} {
		if f.is {
			s += f.text
		}
	}
	return s + "}"
}

func walked(r io.Reader) (lines []string, err error) {
	err = Walk(r, func(e Entry, content io.Reader) error {
		data, err := io.ReadAll(content)
		lines = append(lines, strings.TrimSpace(show(e)+" "+string(data)))
		return err
	})
	return lines, err
}

func TestWalk(t *testing.T) {
	for name, data := range map[string][]byte{
		"plain": archive(t, all...), "compressed": gz(archive(t, all...)), "plain fragment": members(t, all...), "fragment": gz(members(t, all...)),
		"members": append(gz(members(t, all[:4]...)), gz(archive(t, all[4:]...))...), "padded": append(archive(t, all...), make([]byte, 9*1024)...),
	} {
		got, err := walked(bytes.NewReader(data))
		if diff := cmp.Diff(allEntries, got); diff != "" || err != nil {
			t.Errorf("%s: %v %s", name, err, diff)
		}
	}
	stop := errors.New("stop")
	n := 0
	err := Walk(bytes.NewReader(archive(t, all...)), func(Entry, io.Reader) error { n++; return stop })
	if err != stop || n != 1 {
		t.Errorf("stopped with %v after %d", err, n)
	}
}

func TestWalkRefuses(t *testing.T) {
	whole := archive(t, all...)
	pressed := gz(whole)
	for _, c := range []struct {
		data []byte
		want string
	}{
		{nil, "it is empty"},
		{[]byte("\x1f\x8b"), "unexpected EOF"},
		{[]byte("x"), "unexpected EOF"},
		{pressed[:len(pressed)-3], "unexpected EOF"},
		{whole[:700], "unexpected EOF"},
		{append(bytes.Clone(pressed), gz(members(t, file("hidden", "")))...), "something follows the end of the archive"},
		{[]byte(strings.Repeat("x", 1024)), "invalid tar header"},
		{archive(t, file("/abs", "")), `entry "/abs": name is absolute`},
		{archive(t, file("d/../../x", "")), `name contains ".."`},
		{archive(t, device(tar.TypeCont, "x")), "unknown type"},
	} {
		if _, err := walked(bytes.NewReader(c.data)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
	bad := Blob{Path: write(t, "bad.gz", whole[:700])}
	all := func(Entry, io.Reader) error { return nil }
	if err := bad.Walk(all); err == nil || !strings.Contains(err.Error(), bad.Path) {
		t.Errorf("no path in %v", err)
	}
	if err := (Blob{Path: "/proc/none"}).Walk(all); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

func TestReadFile(t *testing.T) {
	lower := joined(t, fragmentOf(t, Options{}, dir("d"), file("d/f", "low"), file("d/only", "low only"), file("w", "hidden"),
		file("gone/x", ""), file("opaque/x", ""), file("was/x", ""), file("link/x", ""), file("e", "")))
	middle := joined(t, fragmentOf(t, Options{}, hardlink("d/h", "d/f"), file("d/f", "high"), file(".wh.w", ""), file(".wh.gone", ""),
		file("opaque/"+opaque, ""), file("opaque/y", "y"), file("was", ""), symlink("link", "d"), symlink("s", "d/f")))
	upper := joined(t, fragmentOf(t, Options{}, dir("d"), file("d/h2", "top")))
	blobs := []Blob{lower, middle, upper}
	for path, want := range map[string]string{
		"d/f": "high", "/d/f": "high", "d/only": "low only", "d/h": "high", "d/h2": "top", "opaque/y": "y", "e": "", "was": "",
	} {
		got, err := ReadFile(blobs, path)
		if string(got) != want || err != nil {
			t.Errorf("%s: %q, %v; want %q", path, got, err, want)
		}
	}
	for _, path := range []string{"none", "w", "gone/x", "opaque/x", "was/x", "link/x", "d/f/g"} {
		if _, err := ReadFile(blobs, path); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v, want that it does not exist", path, err)
		}
	}
	for path, want := range map[string]string{"d": "no regular file", "s": "no regular file", "../x": `contains ".."`, "/": "name is empty"} {
		if _, err := ReadFile(blobs, path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", path, err, want)
		}
	}
	big := joined(t, gz(members(t, m{tar.TypeReg, "big", strings.Repeat("x", maxRead+1), nil})))
	if _, err := ReadFile([]Blob{big}, "big"); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Error(err)
	}
	loop := Blob{Path: write(t, "loop.tar", archive(t, hardlink("a", "b"), hardlink("b", "a")))}
	if _, err := ReadFile([]Blob{loop}, "a"); err == nil || !strings.Contains(err.Error(), "too many hard links") {
		t.Error(err)
	}
}

// What Walk passes on is fit for Stack, whatever it reads.
func FuzzWalk(f *testing.F) {
	f.Add(archive(f, all...))
	f.Add(gz(members(f, all...)))
	f.Add(archive(f, file("a/.wh..wh.x", "")))
	f.Fuzz(func(t *testing.T, data []byte) {
		var entries []Entry
		err := Walk(io.LimitReader(bytes.NewReader(data), 1<<20), func(e Entry, content io.Reader) error {
			n, err := io.Copy(io.Discard, io.LimitReader(content, 1<<20))
			if err == nil && n != min(e.Size, 1<<20) {
				t.Errorf("%s has %d bytes, not %d", e.Name, n, e.Size)
			}
			entries = append(entries, e)
			return err
		})
		if err != nil {
			return
		}
		tree := Stack(entries, entries)
		last := ""
		for e := range tree.All() {
			if clean, err := cleanName(e.Name); err != nil || clean != e.Name || e.Name <= last || e.Whiteout || e.Opaque {
				t.Errorf("%q after %q", e.Name, last)
			}
			last = e.Name
			if same, ok := tree.Entry(e.Name); !ok || same != e || tree.Layer(e) < 0 {
				t.Errorf("%q is not itself", e.Name)
			}
			tree.Lookup(e.Name)
		}
	})
}

func TestBlobIsJSON(t *testing.T) {
	data, err := json.Marshal(Blob{"/path", "sha256:a", "sha256:b", 1, 2})
	if want := `{"digest":"sha256:a","diffID":"sha256:b","size":1,"unpacked":2}`; err != nil || string(data) != want {
		t.Errorf("%s, %v; want %s", data, err, want)
	}
}
