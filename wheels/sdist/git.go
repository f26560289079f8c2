package sdist

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/pybake/pybake/internal/fetch"
)

// Git says how git is run. It reads no configuration, asks nothing, and runs no
// hooks. What https needs it takes from .netrc, what ssh needs from its agent.
type Git struct {
	Program string   // "/usr/bin/git"; "" if there is none
	Env     []string // "PATH=/usr/bin"; of variables of git those for certificates alone
	Dir     string   // for a repository that is removed again
	Local   bool     // file: addresses too
}

// GitArchive fetches a commit, given by its whole name, and writes its files as a tar
// to dst, which must not exist.
func GitArchive(ctx context.Context, git Git, address, commit, dst string) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("commit %.64s of %s: %w", commit, fetch.Redact(address), err)
		}
	}()
	if err := git.check(address, commit); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(git.Dir, "git-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	r := &repository{git: git, dir: dir, commit: commit}
	if err := r.fetch(ctx, address); err != nil {
		return err
	}
	if err := r.verify(ctx); err != nil {
		return err
	}
	if err := r.forget(ctx); err != nil {
		return err
	}
	out, err := os.OpenFile(dst, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	err = r.run(ctx, out, "archive", "--format=tar", "--prefix=source/", commit)
	if err = errors.Join(err, out.Close()); err != nil {
		os.Remove(dst)
	}
	return err
}

func (g Git) check(address, commit string) error {
	if (len(commit) != 40 && len(commit) != 64) || strings.Trim(commit, "0123456789abcdef") != "" {
		return errors.New("want all 40 or 64 hexadecimal digits in lower case")
	}
	u, err := url.Parse(address)
	if err != nil {
		return errors.New("not an address")
	}
	switch {
	case u.Scheme == "https" || u.Scheme == "ssh" || u.Scheme == "file" && g.Local:
	default:
		return fmt.Errorf("scheme %q: want https or ssh", u.Scheme)
	}
	if strings.HasPrefix(u.Host, "-") || strings.HasPrefix(u.User.Username(), "-") {
		return errors.New("the host begins with a hyphen")
	}
	if g.Program == "" {
		return errors.New("git is not installed on this machine: apt-get install git")
	}
	if !filepath.IsAbs(g.Dir) {
		return fmt.Errorf("directory %q for the repository: want an absolute path", g.Dir)
	}
	return nil
}

// repository is a bare one that holds the commit.
type repository struct {
	git    Git
	dir    string
	commit string
	stdin  io.Reader // of the next command
}

// fetch makes the repository and gets the commit alone. A server may refuse that: then
// all that it has names for.
func (r *repository) fetch(ctx context.Context, address string) error {
	format := "sha1"
	if len(r.commit) == 64 {
		format = "sha256"
	}
	if err := r.run(ctx, nil, "init", "-q", "--bare", "--template=", "--object-format="+format, "."); err != nil {
		return err
	}
	get := []string{"fetch", "-q", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules"}
	err := r.run(ctx, nil, append(get, "--depth=1", "--", address, r.commit)...)
	var failed *gitError
	if !errors.As(err, &failed) || !failed.refusal() {
		return err
	}
	if err := r.run(ctx, nil, append(get, "--", address, "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")...); err != nil {
		return err
	}
	if err := r.run(ctx, nil, "cat-file", "-e", r.commit); err != nil {
		return errors.New("no branch or tag of the repository leads to it")
	}
	return nil
}

// forget takes away what "$Format:%d$" would show: names, and that the history is cut.
func (r *repository) forget(ctx context.Context) error {
	var names bytes.Buffer
	if err := r.run(ctx, &names, "for-each-ref", "--format=delete %(refname)"); err != nil {
		return err
	}
	r.stdin = &names
	if err := r.run(ctx, nil, "update-ref", "--no-deref", "--stdin"); err != nil {
		return err
	}
	r.stdin = nil
	err := os.Remove(filepath.Join(r.dir, "shallow"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// verify asks whether what was fetched is the commit, with nothing left out.
func (r *repository) verify(ctx context.Context) error {
	var kind, tree bytes.Buffer
	if err := r.run(ctx, &kind, "cat-file", "-t", r.commit); err != nil {
		return err
	}
	if kind := strings.TrimSpace(kind.String()); kind != "commit" {
		return fmt.Errorf("is a %s, not a commit", kind)
	}
	if err := r.run(ctx, &tree, "ls-tree", "-r", "-z", "--full-tree", r.commit); err != nil {
		return err
	}
	var modules []string
	for entry := range strings.SplitSeq(tree.String(), "\x00") {
		if info, name, _ := strings.Cut(entry, "\t"); strings.HasPrefix(info, "160000 ") {
			modules = append(modules, name)
		}
	}
	if len(modules) > 0 {
		return fmt.Errorf("submodules are not fetched, and it has %d: %.500q", len(modules), modules)
	}
	return nil
}

// run runs git in the repository.
func (r *repository) run(ctx context.Context, stdout io.Writer, args ...string) error {
	settings := []string{
		"core.hooksPath=/dev/null", "core.attributesFile=/dev/null", "core.fsmonitor=false", "credential.helper=",
		"gc.auto=0", "maintenance.auto=false", "advice.detachedHead=false",
		"protocol.allow=never", "protocol.https.allow=always", "protocol.ssh.allow=always",
	}
	if r.git.Local {
		settings = append(settings, "protocol.file.allow=always")
	}
	var all []string
	for _, s := range settings {
		all = append(all, "-c", s)
	}
	cmd := exec.CommandContext(ctx, r.git.Program, append(all, args...)...)
	cmd.Dir, cmd.Env, cmd.Stdin, cmd.Stdout = r.dir, r.git.environ(r.dir), r.stdin, stdout
	said := &last{max: 2000}
	cmd.Stderr = said
	// What git starts ends with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	err := cmd.Run()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return &gitError{args[0], fetch.Redact(strings.TrimSpace(string(said.data))), err}
	}
	return nil
}

// environ is the environment of git: what was given, and nothing of the user's that
// could make it run programs or write elsewhere.
func (g Git) environ(dir string) []string {
	return append(g.own(),
		"LC_ALL=C", "GIT_DIR="+dir, "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_ATTR_NOSYSTEM=1",
		"GIT_TERMINAL_PROMPT=0", "GIT_ASKPASS=/bin/false", "SSH_ASKPASS=/bin/false",
		"GIT_SSH_COMMAND=ssh -o BatchMode=yes", "GIT_NO_REPLACE_OBJECTS=1", "GIT_LFS_SKIP_SMUDGE=1",
	)
}

// own is the environment that was given, with nothing that tells git where to work.
func (g Git) own() (env []string) {
	for _, v := range g.Env {
		if !strings.HasPrefix(v, "GIT_") || strings.HasPrefix(v, "GIT_SSL_CA") {
			env = append(env, v)
		}
	}
	return env
}

// gitError is what git said.
type gitError struct {
	command string
	said    string
	err     error
}

func (e *gitError) Error() string { return fmt.Sprintf("git %s: %v: %s", e.command, e.err, e.said) }
func (e *gitError) Unwrap() error { return e.err }

// refusal is whether a server does not give a commit by its name alone, or knows it not.
func (e *gitError) refusal() bool {
	for _, text := range []string{"unadvertised object", "not our ref", "shallow", "couldn't find remote ref", "no such remote ref"} {
		if strings.Contains(e.said, text) {
			return true
		}
	}
	return false
}

// last keeps the end of what is written.
type last struct {
	data []byte
	max  int
}

func (l *last) Write(p []byte) (int, error) {
	l.data = append(l.data, p...)
	if over := len(l.data) - l.max; over > 0 {
		l.data = append(l.data[:0], l.data[over:]...)
	}
	return len(p), nil
}
