package elfcheck

import (
	"bytes"
	"os"
	"testing"
)

// TestDifference says in which section of an ELF file, this test, the first byte is that
// differs; a build id counts if nothing else does.
func TestDifference(t *testing.T) {
	name, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	sections := sectionsOf(data)
	begin := func(name string) int64 {
		for _, s := range sections {
			if s.Name == name {
				return int64(s.Offset)
			}
		}
		t.Fatalf("this test has no section %s", name)
		return 0
	}
	id, text, end := begin(".note.gnu.build-id")+16, begin(".text")+1, int64(len(data))-1
	for _, tt := range []struct {
		flip    []int64
		where   int64
		section string
	}{
		{[]int64{id}, id, ".note.gnu.build-id"},
		{[]int64{id, text}, text, ".text"},
		{[]int64{0}, 0, ""},
		{[]int64{text, end}, text, ".text"},
	} {
		other := bytes.Clone(data)
		for _, where := range tt.flip {
			other[where] ^= 1
		}
		if where, section := Difference(data, other); where != tt.where || section != tt.section {
			t.Errorf("%d: %d in %q, want %d in %q", tt.flip, where, section, tt.where, tt.section)
		}
	}
}

func TestDifferenceOfText(t *testing.T) {
	for _, tt := range []struct {
		one, two string
		where    int64
	}{{"same", "sane", 2}, {"longer", "long", 4}, {"", "x", 0}} {
		if where, section := Difference([]byte(tt.one), []byte(tt.two)); where != tt.where || section != "" {
			t.Errorf("%q, %q: %d in %q", tt.one, tt.two, where, section)
		}
	}
}
