package gate

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pybake/pybake/internal/project"
)

func TestListed(t *testing.T) {
	packages := []project.Package{{Name: "libpq5", Version: "17.5-1", Arch: "amd64"}, {Name: "zlib1g", Version: "1:1.3", Arch: "amd64"}}
	got, err := listed("libpq5=17.5-1\nzlib1g=1:1.3\n", packages)
	if diff := cmp.Diff(packages, got); diff != "" || err != nil {
		t.Error(err, diff)
	}
	if got, err = listed("", packages); len(got) != 0 || err != nil {
		t.Error(got, err)
	}
	_, err = listed("libpq5=17.6-1\nlibpq5=17.5-1\n\n", packages)
	want := "apt.txt: \"libpq5=17.6-1\" is no package that was resolved\napt.txt: \"\" is no package that was resolved"
	if err == nil || err.Error() != want {
		t.Errorf("%v", err)
	}
}

func TestLastBytes(t *testing.T) {
	var l lastBytes
	for range 300 {
		if n, err := l.Write([]byte("0123456789")); n != 10 || err != nil {
			t.Fatal(n, err)
		}
	}
	l.Write([]byte("end"))
	if len(l) != 2000 || string(l[1990:]) != "3456789end" {
		t.Errorf("%d bytes, %q", len(l), l[1990:])
	}
}
