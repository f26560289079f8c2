package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// command is a program that is run and, maybe, timed.
type command struct {
	dir  string
	env  []string // beside the environment of this process
	args []string
}

// run runs the command and returns what it printed and how long it took. What
// went wrong is told with the end of what it said.
func (c command) run(ctx context.Context) (string, float64, error) {
	cmd := exec.CommandContext(ctx, c.args[0], c.args[1:]...)
	cmd.Dir, cmd.Env = c.dir, append(os.Environ(), c.env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}                   // an interrupt of ours does not come twice
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) } // pybake and docker clean up
	cmd.WaitDelay = 20 * time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	start := time.Now()
	err := cmd.Run()
	took := time.Since(start).Seconds()
	if err != nil {
		return "", 0, fmt.Errorf("%s: %w\n%s", strings.Join(c.args, " "), err, tail(stdout.String()+stderr.String(), 40))
	}
	return strings.TrimSpace(stdout.String()), took, nil
}

// tail is the last n lines.
func tail(s string, n int) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

func (s *session) dockerRun(ctx context.Context, args ...string) (string, float64, error) {
	return command{args: append([]string{s.docker, "run", "--rm", "--network", "none"}, args...)}.run(ctx)
}

// inspect is what a template makes of an image, or "" if there is no such image.
func (s *session) inspect(ctx context.Context, ref, template string) string {
	out, _, err := command{args: []string{s.docker, "image", "inspect", "--format", template, ref}}.run(ctx)
	if err != nil {
		return ""
	}
	return out
}

// removeImages removes those of the images that are there.
func (s *session) removeImages(ctx context.Context, refs ...string) error {
	for _, ref := range refs {
		if s.inspect(ctx, ref, "{{.Id}}") == "" {
			continue
		}
		if _, _, err := (command{args: []string{s.docker, "image", "rm", ref}}).run(ctx); err != nil {
			return err
		}
	}
	return nil
}
