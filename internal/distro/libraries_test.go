package distro

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

var amd64Dirs = []string{"/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib", "/usr/lib", "/lib64", "/usr/lib64"}

func TestLibraryDirs(t *testing.T) {
	got, err := Target{Arch: "amd64"}.LibraryDirs()
	if diff := cmp.Diff(amd64Dirs, got); diff != "" || err != nil {
		t.Error(err, diff)
	}
	got, err = Target{Arch: "armhf"}.LibraryDirs()
	want := []string{"/lib/arm-linux-gnueabihf", "/usr/lib/arm-linux-gnueabihf", "/lib", "/usr/lib"}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(err, diff)
	}
	if _, err := (Target{Arch: "vax"}).LibraryDirs(); err == nil {
		t.Error("an unknown architecture has library directories")
	}
}

func TestParseLibraries(t *testing.T) {
	const paths = `/lib/x86_64-linux-gnu/libc.so.6
/usr/lib/x86_64-linux-gnu/libc.so.6
/usr/lib/x86_64-linux-gnu/gconv.d
/lib64/ld-linux-x86-64.so.2
/usr/lib/os-release
= 0
./usr/lib/x86_64-linux-gnu/
./usr/lib/x86_64-linux-gnu/libpq.so.5
./usr/lib/x86_64-linux-gnu/libc.so.6
= 1
./usr/lib/x86_64-linux-gnu/libpq.so.5
./usr/lib/x86_64-linux-gnu/libz.so.1
./usr/lib/x86_64-linux-gnu/blas/libblas.so.3
./usr/lib/i386-linux-gnu/libm.so.6
`
	got, err := parseLibraries(paths, amd64Dirs, []string{"a.deb", "b.deb"})
	want := map[string]string{"ld-linux-x86-64.so.2": "", "libc.so.6": "", "libpq.so.5": "a.deb", "libz.so.1": "b.deb"}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(err, diff)
	}
	for _, bad := range []string{"= 2\n", "= -1\n", "= x\n"} {
		if _, err := parseLibraries(bad, amd64Dirs, []string{"a.deb", "b.deb"}); err == nil {
			t.Errorf("%q is read", bad)
		}
	}
}

func TestParseOwners(t *testing.T) {
	const out = "libpq.so.5\tlibpq5:amd64: /usr/lib/x86_64-linux-gnu/libpq.so.5.17\n" +
		"libGL.so.1\tdiversion by glx-diversions from: /usr/lib/x86_64-linux-gnu/libGL.so.1\n" +
		"libGL.so.1\tdiversion by glx-diversions to: /usr/lib/mesa-diverted/libGL.so.1\n" +
		"libGL.so.1\tlibgl1:amd64: /usr/lib/x86_64-linux-gnu/libGL.so.1\n" +
		"libone.so.1\tone, two:amd64: /usr/lib/libone.so.1\n" +
		"libtwo.so.1\n"
	got := parseOwners(out)
	want := map[string]string{"libpq.so.5": "libpq5", "libGL.so.1": "libgl1", "libone.so.1": "one"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestParseContents(t *testing.T) {
	const out = `usr/lib/x86_64-linux-gnu/libGL.so.1                     libs/libgl1
usr/lib/x86_64-linux-gnu/libGL.so.1                     libs/libgl1
usr/lib/x86_64-linux-gnu/nvidia/libGL.so.1              contrib/libs/nvidia
usr/lib/i386-linux-gnu/libGL.so.1 libs/libgl1-i386
lib/libpq.so.5	libs/zpq,universe/libs/libpq5,contrib/libs/libpq5-other
usr/lib/x86_64-linux-gnu/libpq.so.5.17 libs/libpq5
usr/lib/with space/libpq.so.5 libs/space
libGL.so.1
`
	got := ownersIn(parseContents(out), amd64Dirs, []string{"libGL.so.1", "libpq.so.5", "libnone.so.1"})
	want := map[string][]Owner{
		"libGL.so.1": {{"libgl1", "main"}},
		"libpq.so.5": {{"libpq5", "universe"}, {"libpq5-other", "contrib"}, {"zpq", "main"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
