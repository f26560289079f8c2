package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// refreshParts are what bench refresh measures, in this order.
var refreshParts = []string{"night", "plan", "publish", "bump"}

// refreshBench is one run of bench refresh.
type refreshBench struct {
	session
	read  string   // of what is only read, in memory if this machine can
	parts []string // of refreshParts
}

// runRefresh is bench refresh.
func runRefresh(ctx context.Context, args []string) error {
	b := &refreshBench{session: newSession()}
	flags := b.flagSet("refresh", 7)
	only := flags.String("only", strings.Join(refreshParts, ","), "`parts` to measure")
	if err := b.parse(flags, args); err != nil {
		return err
	}
	b.parts = strings.Split(*only, ",")
	for _, part := range b.parts {
		if !slices.Contains(refreshParts, part) {
			return fmt.Errorf("usage: bench refresh --only %s: %q is none of them", strings.Join(refreshParts, ","), part)
		}
	}
	rows, err := b.measure(ctx)
	if err != nil {
		return err
	}
	return b.print(rows)
}

// measure makes the directories of the run, and measures its parts.
func (b *refreshBench) measure(ctx context.Context) (rows []*row, err error) {
	defer func() {
		if b.keep {
			b.say("kept: %s %s", b.dir, b.read)
			return
		}
		err = errors.Join(err, os.RemoveAll(b.dir), os.RemoveAll(b.read))
	}()
	if err := b.open(ctx); err != nil {
		return nil, err
	}
	memory := "/dev/shm" // that of Linux
	if info, err := os.Stat(memory); err != nil || !info.IsDir() {
		memory = b.dir
	}
	if b.read, err = os.MkdirTemp(memory, "pybake-bench-"); err != nil {
		return nil, err
	}
	for _, part := range []struct {
		name    string
		measure func(context.Context) ([]*row, error)
	}{{"night", b.night}, {"plan", b.plan}, {"publish", b.publish}, {"bump", b.bump}} {
		if !slices.Contains(b.parts, part.name) {
			continue
		}
		more, err := part.measure(ctx)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", part.name, err)
		}
		rows = append(rows, more...)
		b.say("%s: done", part.name)
	}
	return rows, nil
}

// process is what a program that ended was like.
type process struct {
	stdout  string
	seconds float64 // from its start to its end
	cpu     float64 // seconds of processors
	peak    float64 // bytes of memory that were resident at once
}

// pybakeIn runs pybake in the directory of a project, with variables beside those of the
// environment.
func (b *refreshBench) pybakeIn(ctx context.Context, dir string, env []string, args ...string) (p process, err error) {
	cmd := exec.CommandContext(ctx, b.pybake, args...)
	cmd.Dir, cmd.Env = dir, append(append(os.Environ(), "PYBAKE_STORE=", "PYBAKE_CACHE="+filepath.Join(dir, "cache")), env...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
	cmd.WaitDelay = 20 * time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	start := time.Now()
	err = cmd.Run()
	p.seconds, p.stdout = time.Since(start).Seconds(), stdout.String()
	if err != nil {
		return p, fmt.Errorf("pybake %s: %w\n%s", strings.Join(args, " "), err, tail(stdout.String()+stderr.String(), 40))
	}
	p.cpu = (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		p.peak = float64(usage.Maxrss) * 1024
	}
	return p, nil
}
