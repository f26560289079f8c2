package strict

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
)

// FuzzDecode checks that whatever the file: no panic, errors with a place in
// the file, in order; and that what is accepted the TOML library accepts too.
func FuzzDecode(f *testing.F) {
	files, err := filepath.Glob("testdata/*.toml")
	if err != nil || len(files) == 0 {
		f.Fatalf("no files: %v", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(data))
	}
	f.Fuzz(func(t *testing.T, text string) {
		doc, err := Decode("x.toml", []byte(text), &config{})
		if err == nil {
			if err := toml.Unmarshal([]byte(text), &map[string]any{}); err != nil {
				t.Errorf("accepted, but: %v", err)
			}
		} else {
			checkErrors(t, text, err)
		}
		doc.Errorf(text, "any key will do")
		doc.Has(text)
	})
}

func checkErrors(t *testing.T, text string, err error) {
	t.Helper()
	var errs Errors
	if !errors.As(err, &errs) || len(errs) == 0 {
		t.Fatalf("%T: %v", err, err)
	}
	lines := strings.Split(text, "\n")
	last := 0
	for _, e := range errs {
		if e.Line < 1 || e.Line > len(lines) || e.Col < 1 || e.Col > len(lines[e.Line-1])+1 {
			t.Errorf("not in the file: %v", e)
		}
		if e.Line < last {
			t.Errorf("not in order: %v", e)
		}
		last = e.Line
	}
}

func TestNear(t *testing.T) {
	known := []string{"bookworm", "bullseye", "jammy", "noble", "trixie"}
	for word, want := range map[string]string{
		"trixi": "trixie", "Trixie": "trixie", "trxiie": "trixie", "bookwrom": "bookworm", "buster": "",
		"nobel": "noble", "bullseye-slim": "bullseye", "": "", "sid": "", "x": "", "jamm": "jammy",
		strings.Repeat("trixie", 1000): "",
	} {
		if got := first(Near(word, known)); got != want {
			t.Errorf("%.20q: got %q, want %q", word, got, want)
		}
	}
	if got := Near("pyhton", []string{"pytho", "python"}); len(got) != 2 || got[0] != "python" {
		t.Errorf("not the nearest first: %q", got)
	}
}
