package nfpm

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
)

// TestControl reads what TestGolden wrote, from a .deb that ends after its control
// member.
func TestControl(t *testing.T) {
	for _, compression := range []string{"zstd", "xz", "gzip"} {
		deb := build(t, sample(t, compression))
		at := bytes.Index(deb, []byte("data.tar"))
		if at < 0 {
			t.Fatal("no data member")
		}
		cut := io.MultiReader(bytes.NewReader(deb[:at]), broken{})
		got, err := Control(cut)
		want, fail := os.ReadFile("testdata/control.golden")
		if fail != nil {
			t.Fatal(fail)
		}
		if err != nil || got != string(want) {
			t.Errorf("%s: %q, %v", compression, got, err)
		}
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("read too far") }

func TestControlErrors(t *testing.T) {
	whole := arOf("debian-binary", "2.0\n", "control.tar", tarOf(t, entry{name: "./control", text: "Package: a\n"}))
	for name, c := range map[string]struct{ deb, want string }{
		"nothing":     {"", "read control of deb: not an ar archive"},
		"no binary":   {arOf("control.tar", ""), `member "control.tar": want debian-binary`},
		"no control":  {arOf("debian-binary", "2.0\n"), "ar header"},
		"data first":  {arOf("debian-binary", "2.0\n", "data.tar.xz", ""), `member "data.tar.xz": want control.tar`},
		"compression": {arOf("debian-binary", "2.0\n", "control.tar.lz", ""), `compression ".lz"`},
		"no file":     {arOf("debian-binary", "2.0\n", "control.tar", tarOf(t, entry{name: "./md5sums", text: "x"})), "no control file"},
		"empty":       {arOf("debian-binary", "2.0\n", "control.tar", tarOf(t, entry{name: "./control", text: ""})), "no control file"},
		"twice":       {arOf("debian-binary", "2.0\n", "control.tar", tarOf(t, entry{name: "./control", text: "a"}, entry{name: "control", text: "b"})), "control: there twice"},
		"a link":      {arOf("debian-binary", "2.0\n", "control.tar", tarOf(t, entry{name: "./control", link: "/etc/passwd"})), "control: not a regular file"},
		"long":        {arOf("debian-binary", "2.0\n", "control.tar", tarOf(t, entry{name: "./control", text: strings.Repeat("x", maxControl+1)})), "control: longer than"},
		"cut":         {whole[:150], "unexpected EOF"},
	} {
		if got, err := Control(strings.NewReader(c.deb)); err == nil || got != "" || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %q, %v, want %s", name, got, err, c.want)
		}
	}
	if got, err := Control(strings.NewReader(whole)); err != nil || got != "Package: a\n" {
		t.Errorf("what the others are made from: %q, %v", got, err)
	}
}

// arOf is an ar archive of members, each a name and its bytes.
func arOf(members ...string) string {
	out := "!<arch>\n"
	for i := 0; i < len(members); i += 2 {
		out += fmt.Sprintf("%-16s%-12d%-6d%-6d%-8s%-10d`\n%s", members[i], 0, 0, 0, "100644", len(members[i+1]), members[i+1])
		if len(members[i+1])%2 == 1 {
			out += "\n"
		}
	}
	return out
}

// entry is one of a tar: a regular file, or a symlink if link is not empty.
type entry struct{ name, text, link string }

func tarOf(t *testing.T, entries ...entry) string {
	t.Helper()
	var out strings.Builder
	w := tar.NewWriter(&out)
	for _, e := range entries {
		h := &tar.Header{Name: e.name, Typeflag: tar.TypeReg, Size: int64(len(e.text))}
		if e.link != "" {
			h.Typeflag, h.Linkname = tar.TypeSymlink, e.link
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, e.text); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}
