//go:build engine

package nfpm

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestDpkg gives packages to the dpkg of the distros, one claim a subtest. The
// subtests of a container build on each other.
func TestDpkg(t *testing.T) {
	for _, c := range []struct{ distro, compression string }{
		{"trixie", "zstd"}, {"trixie", "xz"}, {"trixie", "gzip"}, {"bullseye", "xz"}, {"bullseye", "gzip"},
	} {
		t.Run(c.distro+" "+c.compression, func(t *testing.T) {
			box := startBox(t, c.distro)
			p := sample(t, c.compression)
			box.ship(t, p, "1.deb")
			before := box.run(t, snapshot)
			t.Run("dpkg-deb parses it", func(t *testing.T) { dpkgDeb(t, box, p) })
			t.Run("installs without a warning", func(t *testing.T) {
				if out := box.run(t, "dpkg -i /1.deb 2>&1"); strings.Contains(out, "warning") || strings.Contains(out, "error") {
					t.Error(out)
				}
			})
			t.Run("dpkg -V finds nothing changed", func(t *testing.T) {
				if out := box.run(t, "dpkg -V pybake-sample"); out != "" {
					t.Error(out)
				}
			})
			t.Run("dpkg -V finds a changed file", func(t *testing.T) {
				out, err := box.try("f=/opt/python/3.13/bin/python3.13; cp -p $f /keep; echo x >>$f; dpkg -V pybake-sample; mv /keep $f")
				if err != nil || !strings.HasSuffix(out, " /opt/python/3.13/bin/python3.13\n") {
					t.Errorf("%q, %v", out, err)
				}
			})
			t.Run("files have their modes, owners and times", func(t *testing.T) { installedFiles(t, box, p) })
			t.Run("scripts ran", func(t *testing.T) {
				box.equals(t, "cat /var/log/pybake-sample", "preinst install\npostinst configure \n")
			})
			t.Run("upgrades", func(t *testing.T) { upgrade(t, box, p) })
			t.Run("purge leaves nothing", func(t *testing.T) {
				box.run(t, "dpkg -P pybake-sample 2>&1")
				if diff := cmp.Diff(strings.Split(before, "\n"), strings.Split(box.run(t, snapshot), "\n")); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
	t.Run("bullseye zstd", func(t *testing.T) {
		box := startBox(t, "bullseye")
		box.ship(t, sample(t, "zstd"), "1.deb")
		t.Run("is refused", func(t *testing.T) {
			if out, err := box.try("dpkg -i /1.deb 2>&1"); err == nil || !strings.Contains(out, "data.tar.zst") {
				t.Errorf("%s, %v", out, err)
			}
		})
	})
}

// snapshot lists every path but dpkg's logs, backups and locks, and but /opt: no
// package of the minimal root owns it, so dpkg removes it when it is empty.
const snapshot = `find / -xdev \( -path /proc -o -path /sys -o -path /dev \) -prune -o -print |
	grep -Ev '^/opt$|^/var/log/dpkg.log$|^/var/lib/dpkg/(available|lock|.*-old|triggers/Lock|info/format)|^/(1|2).deb$' | LC_ALL=C sort`

// dpkgDeb compares what dpkg-deb reads with what Inspect reads.
func dpkgDeb(t *testing.T, box *box, p *Package) {
	c := inspect(t, build(t, p))
	for field, want := range c.Fields {
		box.equals(t, "dpkg-deb -f /1.deb "+field, want+"\n")
	}
	var want []string
	for _, f := range c.Files {
		want = append(want, f.Path)
	}
	slices.Sort(want)
	var got []string
	for line := range strings.Lines(box.run(t, "dpkg-deb --fsys-tarfile /1.deb | tar -t --quoting-style=literal")) {
		got = append(got, filepath.Join("/", strings.TrimSuffix(line, "\n")))
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	box.run(t, "dpkg-deb -I /1.deb && dpkg-deb -c /1.deb")
}

// installedFiles compares the files of p with those in the container.
func installedFiles(t *testing.T, box *box, p *Package) {
	for _, f := range p.Files {
		want := fmt.Sprintf("%o root root %d\n", f.mode(), p.Time.Unix())
		quoted := "'" + f.Path + "'"
		if f.Dir {
			want = fmt.Sprintf("%o root root\n", f.mode())
			box.equals(t, "stat -c '%a %U %G' "+quoted, want)
			continue
		}
		box.equals(t, "stat -c '%a %U %G %Y' "+quoted, want)
		switch {
		case f.Link != "":
			box.equals(t, "readlink "+quoted, f.Link+"\n")
		case f.Source != "":
			data, err := os.ReadFile(f.Source)
			if err != nil {
				t.Fatal(err)
			}
			box.equals(t, "cat "+quoted, string(data))
		}
	}
}

// upgrade goes to a higher version that has lost a file and changed another.
func upgrade(t *testing.T, box *box, p *Package) {
	const lost, changed = "/opt/python/3.13/lib/python3.13/os.py", "/usr/share/doc/pybake-sample/copyright"
	next, old := *p, p.Version
	next.Version = "1:3.13.5-1+deb12" // higher: p is a "~rc1"
	next.Files = slices.DeleteFunc(slices.Clone(p.Files), func(f File) bool { return f.Path == lost || f.Path == changed })
	next.Files = append(next.Files, File{Path: changed, Content: []byte("new\n")})
	box.ship(t, &next, "2.deb")
	if out := box.run(t, "rm /var/log/pybake-sample; dpkg -i --refuse-downgrade /2.deb 2>&1"); strings.Contains(out, "warning") {
		t.Error(out)
	}
	box.equals(t, "dpkg-query -Wf '${Version} ${Status}' pybake-sample", next.Version+" install ok installed")
	box.equals(t, "cat "+changed, "new\n")
	box.equals(t, "test ! -e "+lost+" && dpkg -V pybake-sample", "")
	box.equals(t, "cat /var/log/pybake-sample", "prerm upgrade "+next.Version+"\npreinst upgrade "+old+" "+next.Version+
		"\npostrm upgrade "+next.Version+"\npostinst configure "+old+"\n")
}

// A box is a running container without a network.
type box struct{ id string }

// startBox starts one of the distro's minimal root, which is made first if the
// engine does not have it.
func startBox(t *testing.T, distro string) *box {
	t.Helper()
	ref := "pybake-test/base:" + distro
	if docker(nil, "image", "inspect", ref).err != nil {
		tarball := filepath.Join(t.TempDir(), distro+".tar")
		if out, err := exec.Command("mmdebstrap", "--quiet", "--variant=minbase", distro, tarball).CombinedOutput(); err != nil {
			t.Fatalf("mmdebstrap %s: %v\n%s", distro, err, out)
		}
		if r := docker(nil, "import", tarball, ref); r.err != nil {
			t.Fatalf("a container engine is needed: %v\n%s", r.err, r.out)
		}
	}
	r := docker(nil, "run", "--detach", "--init", "--network=none", ref, "sleep", "3600")
	if r.err != nil {
		t.Fatalf("a container engine is needed: %v\n%s", r.err, r.out)
	}
	b := &box{id: strings.TrimSpace(r.out)}
	t.Cleanup(func() {
		if r := docker(nil, "rm", "--force", "--volumes", b.id); r.err != nil {
			t.Errorf("%v\n%s", r.err, r.out)
		}
	})
	return b
}

// ship puts the package into the root directory of the box.
func (b *box) ship(t *testing.T, p *Package, name string) {
	t.Helper()
	deb := strings.NewReader(string(build(t, p)))
	if r := docker(deb, "exec", "--interactive", b.id, "sh", "-c", "cat >/"+name); r.err != nil {
		t.Fatalf("%v\n%s", r.err, r.out)
	}
}

// try runs a shell script and returns what it printed.
func (b *box) try(script string) (string, error) {
	r := docker(nil, "exec", "--env=LC_ALL=C", b.id, "sh", "-c", script)
	return r.out, r.err
}

func (b *box) run(t *testing.T, script string) string {
	t.Helper()
	out, err := b.try(script)
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return out
}

func (b *box) equals(t *testing.T, script, want string) {
	t.Helper()
	if got := b.run(t, script); got != want {
		t.Errorf("%s: %q, want %q", script, got, want)
	}
}

type result struct {
	out string
	err error
}

func docker(stdin io.Reader, args ...string) result {
	cmd := exec.Command("docker", args...)
	cmd.Stdin = stdin
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("docker %s: %w: %s", args[0], err, stderr.String())
	}
	return result{string(out), err}
}
