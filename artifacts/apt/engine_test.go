//go:build engine

package apt

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pybake/pybake/artifacts/sign"
	"github.com/pybake/pybake/nfpm"
)

// box is a running container whose apt knows no repository.
type box struct {
	id     string
	distro string
}

// startBox starts one of the distro's minimal root, which is made first if the
// engine does not have it.
func startBox(t *testing.T, distro string, options ...string) *box {
	t.Helper()
	ref := "pybake-test/base:" + distro
	if _, err := docker(nil, "image", "inspect", ref); err != nil {
		tarball := filepath.Join(t.TempDir(), distro+".tar")
		if out, err := exec.Command("mmdebstrap", "--quiet", "--variant=minbase", distro, tarball).CombinedOutput(); err != nil {
			t.Fatalf("mmdebstrap %s: %v\n%s", distro, err, out)
		}
		if _, err := docker(nil, "import", tarball, ref); err != nil {
			t.Fatal(err)
		}
	}
	args := append([]string{"run", "--detach", "--init"}, options...)
	id, err := docker(nil, append(args, ref, "sleep", "3600")...)
	if err != nil {
		t.Fatalf("a container engine is needed: %v", err)
	}
	b := &box{strings.TrimSpace(id), distro}
	t.Cleanup(func() {
		if _, err := docker(nil, "rm", "--force", "--volumes", b.id); err != nil {
			t.Error(err)
		}
	})
	b.run(t, "rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/*")
	return b
}

// try runs a shell script and returns all it printed.
func (b *box) try(script string) (string, error) {
	return docker(nil, "exec", "--env=LC_ALL=C", "--env=DEBIAN_FRONTEND=noninteractive", b.id, "sh", "-euc", "exec 2>&1\n"+script)
}

func (b *box) run(t *testing.T, script string) string {
	t.Helper()
	out, err := b.try(script)
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return out
}

// refused wants the script to fail, and to say one of the texts.
func (b *box) refused(t *testing.T, script string, want ...string) {
	t.Helper()
	out, err := b.try(script)
	if err == nil || !slices.ContainsFunc(want, func(w string) bool { return strings.Contains(out, w) }) {
		t.Errorf("%s: %v, want %q\n%s", script, err, want, out)
	}
	t.Log(complaints(out))
}

// complaints are the lines of what apt printed that name a problem.
func complaints(out string) string {
	return strings.Join(slices.DeleteFunc(strings.Split(out, "\n"), func(line string) bool {
		return !strings.HasPrefix(line, "E: ") && !strings.HasPrefix(line, "W: ") && !strings.HasPrefix(line, "N: ") &&
			!strings.HasPrefix(line, "Err:")
	}), "\n")
}

func (b *box) write(t *testing.T, path, text string) {
	t.Helper()
	if _, err := docker(strings.NewReader(text), "exec", "--interactive", b.id, "sh", "-c", "cat >"+path); err != nil {
		t.Fatal(err)
	}
}

// forget takes from apt what it knows.
func (b *box) forget(t *testing.T) {
	t.Helper()
	b.run(t, "rm -rf /var/lib/apt/lists/* /etc/apt/sources.list.d/*; apt-get clean; dpkg --purge pybake-tiny pybake-common")
}

func docker(stdin io.Reader, args ...string) (string, error) {
	cmd := exec.Command("docker", args...)
	cmd.Stdin = stdin
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("docker %s: %w: %s", args[0], err, stderr.String())
	}
	return string(out), err
}

// site is a web server whose files may be replaced while it serves.
type site struct {
	URL string

	mu    sync.Mutex
	files map[string][]byte
	asked []string
	after func(path string) // called after a file was served
}

// startSite listens where containers of the engine's bridge reach it: at the first address
// of its network. An engine that has just been installed does not tell it as the gateway.
func startSite(t *testing.T) *site {
	t.Helper()
	network, err := docker(nil, "network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Subnet}}")
	if err != nil {
		t.Fatal(err)
	}
	prefix, err := netip.ParsePrefix(strings.TrimSpace(network))
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(prefix.Masked().Addr().Next().String(), "0"))
	if err != nil {
		t.Fatal(err)
	}
	s := &site{}
	server := httptest.NewUnstartedServer(s)
	server.Listener.Close()
	server.Listener = listener
	server.Start()
	t.Cleanup(server.Close)
	s.URL = server.URL + "/"
	return s
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/")
	s.mu.Lock()
	data, ok := s.files[name]
	s.asked = append(s.asked, name)
	after := s.after
	s.mu.Unlock()
	if !ok {
		http.NotFound(w, r)
		return
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
	if after != nil {
		after(name)
	}
}

// publish replaces all files.
func (s *site) publish(files map[string][]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files, s.asked, s.after = files, nil, nil
}

// requests are the paths that were asked for since the last publish.
func (s *site) requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked)
}

func keys(t *testing.T) *sign.Keys {
	t.Helper()
	k, err := sign.Generate("pybake-test", time.Now().Add(-30*24*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// signer signs with k; nothing if k is nil.
func signer(k *sign.Keys, now time.Time) func([]byte) ([]byte, []byte, error) {
	return func(release []byte) (inline, detached []byte, err error) {
		if inline, err = k.ClearSign(release, now); err == nil {
			detached, err = k.Detach(release, now)
		}
		return inline, detached, err
	}
}

// tiny is a repository of pybake-tiny of the version and of pybake-common, which
// it depends on, made at a time and valid for a day, and their files.
func tiny(t *testing.T, codename, version string, date time.Time) (*Repository, map[string][]byte) {
	t.Helper()
	files := map[string][]byte{}
	r := &Repository{
		Origin: "pybake", Label: "pybake", Codename: codename, Description: "a test",
		Date: date, ValidUntil: date.Add(24 * time.Hour), Architectures: []string{"amd64"},
	}
	for _, p := range []*nfpm.Package{
		{Name: "pybake-tiny", Version: version, Arch: "amd64", Depends: []string{"pybake-common (= " + version + ")", "base-files"}},
		{Name: "pybake-common", Version: version, Arch: "all"},
	} {
		p.Maintainer, p.Section, p.Priority = "Jo Doe <jo@example.org>", "python", "optional"
		p.Synopsis, p.Description = "a test", "First paragraph.\n\nSecond one."
		p.Time, p.Compression = time.Unix(1763690400, 0), "xz"
		p.Files = []nfpm.File{{Path: "/opt/" + p.Name + "/version", Content: []byte(version)}}
		var deb bytes.Buffer
		if err := p.Build(&deb); err != nil {
			t.Fatal(err)
		}
		control, err := nfpm.Control(bytes.NewReader(deb.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		sum := hexSum(deb.Bytes())
		name := "pool/" + sum[:2] + "/" + sum + "/" + p.FileName()
		files[name] = deb.Bytes()
		r.Packages = append(r.Packages, Package{Control: control, Filename: name, Size: int64(deb.Len()), SHA256: sum})
	}
	return r, files
}

// publication is all files of a repository: rendered, and its pool.
func publication(t *testing.T, k *sign.Keys, r *Repository, pool map[string][]byte) map[string][]byte {
	t.Helper()
	list, err := r.Files(signer(k, time.Now()))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	maps.Copy(files, pool)
	for _, f := range list {
		files[f.Path] = f.Data
	}
	return files
}

// volume makes a volume of the files and returns its name.
func volume(t *testing.T, distro string, files map[string][]byte) string {
	t.Helper()
	name, err := docker(nil, "volume", "create")
	if err != nil {
		t.Fatal(err)
	}
	name = strings.TrimSpace(name)
	t.Cleanup(func() {
		if _, err := docker(nil, "volume", "rm", name); err != nil {
			t.Error(err)
		}
	})
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	for _, path := range slices.Sorted(maps.Keys(files)) {
		if err := w.WriteHeader(&tar.Header{Name: path, Mode: 0o644, Size: int64(len(files[path]))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(files[path]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := docker(&archive, "run", "--rm", "--interactive", "--volume", name+":/repo", "pybake-test/base:"+distro,
		"tar", "-x", "-C", "/repo"); err != nil {
		t.Fatal(err)
	}
	return name
}
