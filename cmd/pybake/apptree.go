package main

import (
	"bytes"
	"context"
	"os/exec"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/pybake/pybake/internal/pattern"
	"github.com/pybake/pybake/internal/project"
)

// told is what is known of a project beside its wheel.
type told struct {
	version, commit string
	time            time.Time
}

// ask has git be asked about a tree, in the background and once; what it returns
// waits for the answer.
func (r *imageRun) ask(ctx context.Context, dir string) func() told {
	if r.asked[dir] == nil {
		r.asked[dir] = sync.OnceValue(func() told { return r.describeTree(ctx, dir) })
		go r.asked[dir]()
	}
	return r.asked[dir]
}

// describeTree asks git what it calls a tree; nothing if it is in no repository.
func (r *imageRun) describeTree(ctx context.Context, dir string) (known told) {
	program := r.a.lookPath("git")
	if program == "" {
		return known
	}
	git := func(args ...string) string {
		cmd := exec.CommandContext(ctx, program, args...)
		var out bytes.Buffer
		cmd.Dir, cmd.Stdout, cmd.Env = dir, &out, r.a.git().Env
		if cmd.Run() != nil {
			return ""
		}
		return strings.TrimRight(out.String(), "\n")
	}
	last, changed := make(chan string, 1), make(chan string, 1)
	go func() { last <- git("log", "-1", "--format=%H %ct") }()
	go func() {
		changed <- git("--no-optional-locks", "status", "--porcelain", "--untracked-files=no", "-z", "--", ".")
	}()
	known.version = git("describe", "--tags", "--always", "--abbrev=12")
	commit, at, _ := strings.Cut(<-last, " ")
	if known.commit = commit; dirty(<-changed) && known.version != "" {
		known.version += "-dirty"
		known.commit += "-dirty"
	}
	if seconds, err := strconv.ParseInt(at, 10, 64); err == nil {
		known.time = time.Unix(seconds, 0).UTC()
	}
	return known
}

// dirty is whether git status -z names a file of a tree that goes into its wheel.
// What pybake.toml and pybake.lock say is in the keys; pinning changes the latter.
func dirty(status string) bool {
	renamed := false
	for _, entry := range strings.Split(status, "\x00") {
		name := entry
		if !renamed {
			if len(entry) < 4 {
				continue
			}
			name = entry[3:]
			renamed = strings.ContainsAny(entry[:2], "RC") // its former name follows
		} else {
			renamed = false
		}
		if base := path.Base(name); base != project.LockFile && base != project.File {
			return true
		}
	}
	return false
}

var described = pattern.New(`^v?(\d+(?:\.\d+)*(?:(?:a|b|rc)\d+)?)(?:-(\d+)-(g[0-9a-f]+))?(-dirty)?$`)

// pep440 is what git describe says as PEP 440 has it: v1.4.2-5-g1f2e3d4c5b6a is
// 1.4.2.post5+g1f2e3d4c5b6a; empty if no tag is a version.
func pep440(says string) string {
	m := described.FindStringSubmatch(says)
	if m == nil || !strings.Contains(m[1], ".") && m[2] == "" {
		return ""
	}
	version, local := m[1], m[3]
	if m[2] != "" {
		version += ".post" + m[2]
	}
	if m[4] != "" {
		local = strings.Trim(local+".dirty", ".")
	}
	if local != "" {
		version += "+" + local
	}
	return version
}
