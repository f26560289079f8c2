package distro

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pybake/pybake/internal/fetch"
)

// bootstrap runs mmdebstrap into the cache. What it had printed when it, or
// the cache, failed is not kept.
func (m *Maker) bootstrap(ctx context.Context, t Target) (digest, path string, err error) {
	run, end := context.WithCancel(ctx)
	defer end()
	cmd := m.mmdebstrap(run, t)
	var said strings.Builder
	cmd.Stderr = io.MultiWriter(&said, m.Report.Output())
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return "", "", fmt.Errorf("mmdebstrap: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return "", "", fmt.Errorf("mmdebstrap: %w", err)
	}
	// What it started may hold the pipe for longer than it lives.
	defer context.AfterFunc(run, func() { pipe.Close() })()
	out := &output{pipe: pipe, wait: sync.OnceValue(cmd.Wait)}
	file, err := m.Fetcher.Add(ctx, "base-"+t.String()+".tar", out)
	end() // if Add gave up, nobody reads the pipe any more
	if waitErr := out.wait(); err != nil && ctx.Err() == nil && out.failed {
		err = fmt.Errorf("%w: %s", waitErr, lastErrors(said.String()))
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return "", "", fmt.Errorf("mmdebstrap %s: %w", t.Distro.Codename, err)
	}
	got, err := m.Fetcher.Get(ctx, []fetch.File{file}, nil)
	if err != nil {
		return "", "", err
	}
	return "sha256:" + file.SHA256, got.Path, nil
}

// mmdebstrap is the command that prints the tar of a root file system.
func (m *Maker) mmdebstrap(ctx context.Context, t Target) *exec.Cmd {
	recipe := t.Distro.Base.Mmdebstrap
	args := []string{
		"--quiet", "--variant=" + recipe.Variant, "--architectures=" + t.Arch,
		"--components=" + strings.Join(recipe.Components, ","), "--format=tar", t.Distro.Codename, "-",
	}
	if mirror := m.Mirror[t.Distro.Codename]; mirror != "" {
		args = append(args, mirror)
	}
	cmd := exec.CommandContext(ctx, cmp.Or(m.Mmdebstrap, "mmdebstrap"), args...)
	// It mounts and unmounts: let it end in its own way before it is killed.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 4 * time.Second
	cmd.Env = append(slices.Clone(m.Environ), "SOURCE_DATE_EPOCH="+epoch, "LC_ALL=C.UTF-8")
	return cmd
}

// output is what a command prints. It ends in good order only if the command
// does.
type output struct {
	pipe   io.Reader
	wait   func() error
	failed bool // the command did, and Read said so
}

func (o *output) Read(p []byte) (int, error) {
	n, err := o.pipe.Read(p)
	if errors.Is(err, io.EOF) {
		if waitErr := o.wait(); waitErr != nil {
			o.failed, err = true, waitErr
		}
	}
	return n, err
}
