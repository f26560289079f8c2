package recipes

import (
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// TestAmend writes what Amend says into the project, and looks what is in force then.
func TestAmend(t *testing.T) {
	const old = `build = ["one-dev"]
constraints = ["setuptools<81"]
env = { KEPT = "1" }
[distros.bookworm]
build = ["two-dev"]
runtime = ["run"]
[[when]]
versions = "<2"
build = ["three-dev"]
`
	more := Amendment{
		Build: []string{"new-dev", "one-dev"}, Requires: []string{"numpy>=2"}, Constraints: []string{"cython<3"},
		Env: map[string]string{"CPATH": `/usr/include/"x"`}, Memory: 4000, Minutes: 60,
	}
	for _, test := range []struct {
		distro, want string
		build        []string
	}{
		{"trixie", `build = ["one-dev", "new-dev"]
requires = ["numpy>=2"]
constraints = ["setuptools<81", "cython<3"]
memory = 4000
minutes = 60
env.CPATH = "/usr/include/\"x\""
`, []string{"one-dev", "new-dev", "three-dev"}},
		{"bookworm", `requires = ["numpy>=2"]
constraints = ["setuptools<81", "cython<3"]
memory = 4000
minutes = 60
env.CPATH = "/usr/include/\"x\""
distros.bookworm.build = ["two-dev", "new-dev", "one-dev"]
`, []string{"two-dev", "new-dev", "one-dev", "three-dev"}},
	} {
		set, err := Load(fstest.MapFS{"wheels/some-thing.toml": {Data: []byte(old)}})
		if err != nil {
			t.Fatal(err)
		}
		got := set.Amend("Some_Thing", test.distro, more)
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: %s", test.distro, diff)
		}
		before, _ := set.Wheel("some-thing", test.distro)
		// What is printed goes over the old recipe as over an embedded one.
		w := set.wheels["some-thing"]
		if _, err := decode(fstest.MapFS{"x.toml": {Data: []byte(got)}}, "x.toml", &w); err != nil {
			t.Fatal(err)
		}
		set.wheels["some-thing"] = w
		after, _ := set.Wheel("some-thing", test.distro)
		if diff := cmp.Diff(test.build, after.At("1.0").Build); diff != "" {
			t.Errorf("%s: build in force: %s", test.distro, diff)
		}
		if after.Env["KEPT"] != "1" || after.Env["CPATH"] != more.Env["CPATH"] || cmp.Diff(before.Runtime, after.Runtime) != "" {
			t.Errorf("%s: lost: %+v", test.distro, after)
		}
	}
	set, err := Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := set.Amend("psycopg2", "trixie", Amendment{Build: []string{"libpq-dev"}}); got != "" {
		t.Errorf("what is there already is added: %q", got)
	}
	if got := set.Amend("never-heard-of", "trixie", Amendment{Build: []string{"libpq-dev"}}); got != "build = [\"libpq-dev\"]\n" {
		t.Errorf("a new recipe: %q", got)
	}
}
