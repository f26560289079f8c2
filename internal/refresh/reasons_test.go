package refresh

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pybake/pybake/artifacts"
)

func TestReasons(t *testing.T) {
	digest := func(c byte) string {
		return "sha256:" + string(append(make([]byte, 0, 64), []byte(fmt.Sprintf("%064x", c))...))
	}
	in := func(pairs ...string) (list []artifacts.Input) {
		for i := 0; i < len(pairs); i += 2 {
			list = append(list, artifacts.Input{Name: pairs[i], Value: pairs[i+1]})
		}
		return list
	}
	for _, test := range []struct {
		name          string
		before, after []artifacts.Input
		want          []string
	}{
		{"nothing", in("version", "3.13.5"), in("version", "3.13.5"), nil},
		{"a release", in("version", "3.13.5", "package.version", "3.13.5-1"), in("version", "3.13.15", "package.version", "3.13.15-1"),
			[]string{"version 3.13.5 → 3.13.15"}},
		{"a package in base and toolchain is told once",
			in("base.package.openssl:amd64", "3.0.17-1", "builder.package.openssl:amd64", "3.0.17-1 "+digest(1)),
			in("base.package.openssl:amd64", "3.0.18-1", "builder.package.openssl:amd64", "3.0.18-1 "+digest(2)),
			[]string{"openssl 3.0.17-1 → 3.0.18-1 in bookworm"}},
		{"packages come and go", in("builder.package.a:all", "1 x"), in("builder.package.b:all", "2 x"),
			[]string{"a removed: 1 in bookworm", "b added: 2 in bookworm"}},
		{"the same version with other bytes", in("builder.package.a:all", "1 "+digest(1)), in("builder.package.a:all", "1 "+digest(2)),
			[]string{"a 1, other bytes in bookworm"}},
		{"a wheel of the lock", in("wheel.idna", "3.10 "+digest(1)), in("wheel.idna", "3.11 "+digest(2)), []string{"idna 3.10 → 3.11"}},
		{"a wheel built anew", in("wheel.lxml", "5.0 key:a"), in("wheel.lxml", "5.0 key:b"), []string{"lxml 5.0 is another file"}},
		{"digests come last", in("base", digest(1), "zlib", "1"), in("base", digest(2), "zlib", "2"),
			[]string{"zlib 1 → 2", "the base image changed"}},
		{"a hash that is no longer known", in("source.tgz", digest(1), "source.xz", digest(2), "version", "1"), in("source.xz", digest(3), "version", "2"),
			[]string{"version 1 → 2", "source.tgz removed", "source.xz changed"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, Reasons(test.before, test.after, "bookworm")); diff != "" {
				t.Error(diff)
			}
		})
	}
	var before, after []artifacts.Input
	for i := range 100 {
		before = append(before, in(fmt.Sprintf("apt.p%03d:all", i), "1")...)
		after = append(after, in(fmt.Sprintf("apt.p%03d:all", i), "2")...)
	}
	if got := Reasons(before, after, "trixie"); len(got) != mostReasons+1 || got[mostReasons] != "and 60 more" {
		t.Errorf("%d reasons, the last %q", len(got), got[len(got)-1])
	}
}
