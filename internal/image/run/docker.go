package run

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/pybake/pybake/internal/engine"
)

// Docker is the docker command that runs what s says, with the same effect: a
// path of the host that does not exist is refused, memory includes swap.
func Docker(s engine.RunSpec) []string {
	argv := []string{"docker", "run", "--rm"}
	for _, f := range []struct {
		flag string
		set  bool
	}{{"--interactive", s.Interactive}, {"--tty", s.TTY}, {"--init", s.Init}, {"--read-only", s.ReadOnly}} {
		if f.set {
			argv = append(argv, f.flag)
		}
	}
	add := func(flag, value string) {
		if value != "" {
			argv = append(argv, flag, value)
		}
	}
	add("--user", s.User)
	add("--workdir", s.Workdir)
	add("--hostname", s.Hostname)
	add("--network", s.Network)
	if g := s.GPUs; g != nil {
		switch {
		case len(g.IDs) > 0:
			add("--gpus", fields("device="+strings.Join(g.IDs, ",")))
		case g.Count < 0:
			add("--gpus", "all")
		default:
			add("--gpus", strconv.Itoa(g.Count))
		}
	}
	if s.Memory > 0 {
		add("--memory", strconv.FormatInt(s.Memory, 10))
		add("--memory-swap", strconv.FormatInt(s.Memory, 10))
	}
	if s.CPUs > 0 {
		add("--cpus", strconv.FormatFloat(s.CPUs, 'f', -1, 64))
	}
	if s.PIDs > 0 {
		add("--pids-limit", strconv.FormatInt(s.PIDs, 10))
	}
	for _, target := range slices.Sorted(maps.Keys(s.Tmpfs)) {
		add("--tmpfs", strings.TrimSuffix(target+":"+s.Tmpfs[target], ":"))
	}
	for _, b := range s.Binds {
		add("--mount", mountOf(b))
	}
	for _, p := range s.Ports {
		add("--publish", publishOf(p))
	}
	for _, line := range s.Env {
		add("--env", line)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Labels)) {
		add("--label", name+"="+s.Labels[name])
	}
	args := s.Cmd
	if len(s.Entrypoint) > 0 {
		argv = append(argv, "--entrypoint", s.Entrypoint[0])
		args = slices.Concat(s.Entrypoint[1:], s.Cmd)
	}
	return slices.Concat(argv, []string{s.Image}, args)
}

// mountOf is a bind as --mount has it: --volume would make a path that is not there.
func mountOf(b engine.Bind) string {
	kind := "type=volume"
	if strings.HasPrefix(b.Source, "/") {
		kind = "type=bind"
	}
	parts := []string{kind, "source=" + b.Source, "target=" + b.Target}
	if b.ReadOnly {
		parts = append(parts, "readonly")
	}
	return fields(parts...)
}

// fields is a line of CSV, as docker reads --mount and --gpus.
func fields(parts ...string) string {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	_ = w.Write(parts) // of a buffer: never fails
	w.Flush()
	return strings.TrimSuffix(b.String(), "\n")
}

func publishOf(p engine.PortBinding) string {
	text := p.Port + "/" + cmp.Or(p.Proto, "tcp")
	if p.HostPort != "" || p.HostIP != "" {
		text = p.HostPort + ":" + text
	}
	if strings.Contains(p.HostIP, ":") {
		p.HostIP = "[" + p.HostIP + "]"
	}
	if p.HostIP != "" {
		text = p.HostIP + ":" + text
	}
	return strings.TrimSuffix(text, "/tcp")
}

// safe are the characters that mean nothing to a shell.
const safe = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-"

// Quote is a command line as one would type it into a shell.
func Quote(argv []string) string {
	words := make([]string, len(argv))
	for i, arg := range argv {
		if arg == "" || strings.Trim(arg, safe) != "" {
			arg = "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
		}
		words[i] = arg
	}
	return strings.Join(words, " ")
}
