package sdist

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// origin is a repository of another person.
type origin struct {
	t   *testing.T
	dir string
}

func newOrigin(t *testing.T, args ...string) *origin {
	t.Helper()
	o := &origin{t, t.TempDir()}
	o.git(append([]string{"init", "-q", "-b", "main"}, args...)...)
	return o
}

func (o *origin) git(args ...string) string {
	o.t.Helper()
	cmd := exec.Command("git", append([]string{"-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "protocol.file.allow=always"}, args...)...)
	cmd.Dir = o.dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_AUTHOR_DATE=2024-02-29T12:00:00Z", "GIT_COMMITTER_DATE=2024-02-29T12:00:00Z")
	out, err := cmd.CombinedOutput()
	if err != nil {
		o.t.Fatalf("git %s: %v: %s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// commit commits files and is the commit's name.
func (o *origin) commit(files ...string) string {
	o.t.Helper()
	for i := 0; i < len(files); i += 2 {
		put(o.t, o.dir, files[i], files[i+1])
	}
	o.git("add", ".")
	o.git("commit", "-q", "-m", "x")
	return o.git("rev-parse", "HEAD")
}

func (o *origin) url() string { return "file://" + o.dir }

func local(t *testing.T) Git {
	t.Helper()
	program, err := exec.LookPath("git")
	if err != nil {
		t.Fatal(err)
	}
	return Git{Program: program, Env: []string{"PATH=" + os.Getenv("PATH")}, Dir: t.TempDir(), Local: true}
}

// archived are the members of the archive of a commit.
func archived(t *testing.T, git Git, url, commit string) ([]string, error) {
	t.Helper()
	dst := filepath.Join(t.TempDir(), "x.tar")
	err := GitArchive(context.Background(), git, url, commit, dst)
	if left, e := os.ReadDir(git.Dir); e != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, e)
	}
	data, readErr := os.ReadFile(dst)
	if err != nil {
		if !errors.Is(readErr, os.ErrNotExist) {
			t.Errorf("after an error: %v", readErr)
		}
		return nil, err
	}
	var lines []string
	err = each(tar.NewReader(bytes.NewReader(data)), func(hdr *tar.Header, r io.Reader) error {
		if hdr.Typeflag == tar.TypeXGlobalHeader {
			return nil
		}
		body, err := io.ReadAll(r)
		lines = append(lines, hdr.Name+" "+hdr.Linkname+string(body))
		return err
	})
	return lines, err
}

func TestGitArchive(t *testing.T) {
	for _, format := range []string{"sha1", "sha256"} {
		o := newOrigin(t, "--object-format="+format)
		first := o.commit(
			"setup.py", "setup()", "version.txt", "$Format:%H%d %(describe)$", "secret", "x", ".gitattributes", "version.txt export-subst\nsecret export-ignore\n")
		o.git("tag", "v1")
		o.commit("setup.py", "later")
		lines, err := archived(t, local(t), o.url(), first)
		if err != nil {
			t.Fatal(err)
		}
		want := []string{"source/ ", "source/.gitattributes version.txt export-subst\nsecret export-ignore\n", "source/setup.py setup()", "source/version.txt " + first + " "}
		if diff := cmp.Diff(want, lines); diff != "" {
			t.Errorf("%s: %s", format, diff)
		}
	}
}

// TestGitSource: what was archived can be built.
func TestGitSource(t *testing.T) {
	o := newOrigin(t)
	commit := o.commit("libs/foo/setup.py", "setup()")
	dst := filepath.Join(t.TempDir(), "x.tar")
	if err := GitArchive(context.Background(), local(t), o.url(), commit, dst); err != nil {
		t.Fatal(err)
	}
	s, err := FromArchive(dst, "foo-0123.tar", "libs/foo")
	if err != nil || !s.Newest.Equal(noon) {
		t.Errorf("got %+v, %v", s, err)
	}
	again := GitArchive(context.Background(), local(t), o.url(), commit, dst)
	if !errors.Is(again, os.ErrExist) {
		t.Errorf("over another file: %v", again)
	}
	if _, err := os.Stat(dst); err != nil {
		t.Error(err)
	}
}

// old is a git that speaks the protocol of old servers, which give no commit that has
// no name, and makes a note of what it is told.
func old(t *testing.T) (git Git, log string) {
	t.Helper()
	git = local(t)
	dir := t.TempDir()
	log = filepath.Join(dir, "log")
	script := fmt.Sprintf("#!/bin/sh\necho \"$@\" >>%s\nexec %s -c protocol.version=0 \"$@\"\n", log, git.Program)
	git.Program = filepath.Join(dir, "git")
	if err := os.WriteFile(git.Program, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return git, log
}

// TestWholeFetch: a server that refuses the commit alone gives it with all the others.
func TestWholeFetch(t *testing.T) {
	o := newOrigin(t)
	first := o.commit("setup.py", "1", "v", "$Format:%d$", ".gitattributes", "v export-subst")
	o.git("tag", "-a", "-m", "x", "v1")
	o.commit("setup.py", "2")
	o.git("checkout", "-q", "--orphan", "gone")
	gone := o.commit("setup.py", "3")
	o.git("checkout", "-q", "main")
	o.git("branch", "-q", "-D", "gone")

	git, log := old(t)
	lines, err := archived(t, git, o.url(), first)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"source/ ", "source/.gitattributes v export-subst", "source/setup.py 1", "source/v "}, lines); diff != "" {
		t.Error(diff)
	}
	said, err := os.ReadFile(log)
	if err != nil || !strings.Contains(string(said), "refs/tags/*") {
		t.Errorf("nothing was refused: %s, %v", said, err)
	}
	_, err = archived(t, git, o.url(), gone)
	if want := "commit " + gone + " of " + o.url() + ": no branch or tag of the repository leads to it"; err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
	// A server of today has what is there.
	if _, err = archived(t, local(t), o.url(), strings.Repeat("0123", 10)); err == nil || !strings.Contains(err.Error(), "no branch or tag") {
		t.Errorf("got %v", err)
	}
}

func TestGitRefused(t *testing.T) {
	o := newOrigin(t)
	commit := o.commit("setup.py", "x", ".gitmodules", "")
	if _, err := archived(t, local(t), o.url(), commit); err != nil {
		t.Errorf(".gitmodules without a module: %v", err)
	}
	o.git("tag", "-a", "-m", "x", "v1")
	tag := o.git("rev-parse", "v1")
	tree := o.git("rev-parse", "HEAD^{tree}")
	o.git("submodule", "--quiet", "add", o.url(), "third party/x")
	modules := o.commit()
	none := local(t)
	none.Program = ""
	relative := local(t)
	relative.Dir = "x"
	remote := local(t)
	remote.Local = false
	for _, test := range []struct {
		git         Git
		url, commit string
		want        string
	}{
		{local(t), o.url(), modules, `submodules are not fetched, and it has 1: ["third party/x"]`},
		{local(t), o.url(), tag, "is a tag, not a commit"},
		{local(t), o.url(), tree, "is a tree, not a commit"},
		{local(t), o.url(), commit[:39], "want all 40 or 64 hexadecimal digits in lower case"},
		{local(t), o.url(), strings.ToUpper(commit[:39] + "a"), "want all 40 or 64 hexadecimal digits in lower case"},
		{local(t), o.url(), "--upload-pack=touch x;" + commit[22:], "want all 40 or 64 hexadecimal digits in lower case"},
		{local(t), "http://example.org/x", commit, `scheme "http": want https or ssh`},
		{local(t), "ext::sh -c touch% x", commit, `scheme "ext": want https or ssh`},
		{local(t), "--upload-pack=x", commit, `scheme "": want https or ssh`},
		{local(t), "https://-oProxyCommand=x/y", commit, "the host begins with a hyphen"},
		{local(t), "ssh://-oProxyCommand=x@example.org/y", commit, "the host begins with a hyphen"},
		{local(t), "https://exa mple.org", commit, "not an address"},
		{remote, o.url(), commit, `scheme "file": want https or ssh`},
		{none, o.url(), commit, "git is not installed on this machine: apt-get install git"},
		{relative, o.url(), commit, `directory "x" for the repository: want an absolute path`},
	} {
		dst := filepath.Join(t.TempDir(), "x.tar")
		err := GitArchive(context.Background(), test.git, test.url, test.commit, dst)
		if err == nil || !strings.HasSuffix(err.Error(), ": "+test.want) {
			t.Errorf("%s %s: got %v, want %s", test.url, test.commit, err, test.want)
		}
		if _, err := os.Stat(dst); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: left behind: %v", test.want, err)
		}
	}
}

// TestGitSays: what git says is told, but no password.
func TestGitSays(t *testing.T) {
	_, err := archived(t, local(t), "file://user:secret@localhost/none", strings.Repeat("a", 40))
	if err == nil || !strings.Contains(err.Error(), "git fetch: exit status 128: fatal: ") || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v", err)
	}
}

// TestGitRunsNothing: no setting of the user or of the environment makes git run a
// program.
func TestGitRunsNothing(t *testing.T) {
	o := newOrigin(t)
	commit := o.commit("setup.py", "x", ".gitattributes", "setup.py filter=evil")
	home, marker := t.TempDir(), filepath.Join(t.TempDir(), "ran")
	touch := "touch " + marker
	put(t, home, ".config/git/attributes", "* filter=evil\n")
	put(t, home, "template/hooks/reference-transaction", "#!/bin/sh\n"+touch+"\n")
	put(t, home, ".gitconfig", fmt.Sprintf("[filter \"evil\"]\nsmudge = \"%s; cat\"\n[init]\ntemplateDir = %s/template\n[core]\nhooksPath = %[2]s/template/hooks\n"+
		"fsmonitor = %[1]q\n", touch, home))
	if err := os.Chmod(filepath.Join(home, "template/hooks/reference-transaction"), 0o755); err != nil {
		t.Fatal(err)
	}
	git := local(t)
	git.Env = append(git.Env, "HOME="+home, "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=filter.evil.smudge", "GIT_CONFIG_VALUE_0="+touch+"; cat",
		"GIT_CONFIG_GLOBAL="+home+"/.gitconfig", "GIT_TEMPLATE_DIR="+home+"/template", "GIT_ATTR_SOURCE=x")
	if _, err := archived(t, git, o.url(), commit); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(marker); !errors.Is(err, os.ErrNotExist) {
		t.Error("it ran")
	}
	// The same settings do run it where they hold.
	cmd := exec.Command("git", "clone", "-q", o.url(), filepath.Join(t.TempDir(), "x"))
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("git clone: %v: %s", err, out)
	}
	if _, err := os.Stat(marker); err != nil {
		t.Errorf("the settings are harmless: %v", err)
	}
}

// TestGitCanceled: what git has started ends too.
func TestGitCanceled(t *testing.T) {
	git := local(t)
	git.Program = filepath.Join(t.TempDir(), "git")
	dir := t.TempDir()
	script := fmt.Sprintf("#!/bin/sh\nsleep 1000 &\necho $! >%s/pid\nmv %[1]s/pid %[1]s/child\nwait\n", dir)
	if err := os.WriteFile(git.Program, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- GitArchive(ctx, git, "file:///x", strings.Repeat("a", 40), filepath.Join(dir, "x.tar"))
	}()
	var child []byte
	for len(child) == 0 {
		child, _ = os.ReadFile(filepath.Join(dir, "child"))
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	// It was sent SIGKILL; the kernel may take a moment to carry that out.
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		state, err := os.ReadFile("/proc/" + strings.TrimSpace(string(child)) + "/status")
		if err != nil || strings.Contains(string(state), "State:\tZ") {
			break
		}
		if time.Now().After(end) {
			t.Errorf("the child lives:\n%s", state)
			break
		}
	}
	if left, err := os.ReadDir(git.Dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
