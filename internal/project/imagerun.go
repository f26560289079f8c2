package project

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/pybake/pybake/internal/pattern"
)

// Run is a table [images.NAME.run] or [images.NAME.runs.RUN]: how a container
// of the image is run. Every string knows {user} {uid} {gid} {root} {workdir}
// {image} {version} and ${NAME}; see [ReplaceEnv].
type Run struct {
	Entrypoint []string          `toml:"entrypoint"` // instead of the image's, and of its cmd; nil if it is not given
	Command    []string          `toml:"command"`    // instead of the image's cmd; nil if it is not given
	Volumes    []string          `toml:"volumes"`    // "{root}/data:/data:ro", "cache:/var/cache/shop"; see ParseVolume
	Ports      []string          `toml:"ports"`      // "127.0.0.1:8080:8080"; see ParsePublish
	Env        map[string]string `toml:"env"`        // "TOKEN": "${TOKEN}"
	Network    string            `toml:"network"`    // "none", "host", "bridge" or a name; or empty
	GPUs       string            `toml:"gpus"`       // "all", "2", "device=0,1"; or empty; see ParseGPUs
	User       string            `toml:"user"`       // "{uid}:{gid}"; or empty
	Workdir    string            `toml:"workdir"`    // "/srv"; or empty
	Memory     Size              `toml:"memory"`     // 0 if it is not given
	CPUs       float64           `toml:"cpus"`       // 1.5; likewise
	PIDs       int64             `toml:"pids"`       // likewise
	ReadOnly   bool              `toml:"read-only"`  // the root
	TTY        bool              `toml:"tty"`
	Tmpfs      []string          `toml:"tmpfs"` // "/tmp", "/run:size=16m"; see ParseTmpfs
}

// Volume is what is mounted where: "SOURCE:TARGET", with ":ro" or ":rw".
type Volume struct {
	Source   string // "/srv/data", an absolute path; or the name of a volume: "cache"
	Target   string // "/data"
	ReadOnly bool
}

// Publish is a port of a container on the host: "PORT", "HOSTPORT:PORT" or
// "IP:HOSTPORT:PORT", where HOSTPORT may be empty, with "/udp" or the like.
type Publish struct {
	HostIP   string // "127.0.0.1", "::1"; or empty: all
	HostPort string // "8080"; or empty: one that is free
	Port     string // "80"
	Proto    string // "tcp", "udp" or "sctp"
}

// GPUs are those that a container gets: "all", a number, or "device=" with
// numbers or IDs.
type GPUs struct {
	Count int      // -1: all; 0: those of IDs
	IDs   []string // "0", "GPU-3a23c669-1f69-c64e-cf85-44e9b07e7a2a"
}

const minMemory = 6 << 20 // the engine refuses less

var (
	volumePattern  = pattern.New(`^[A-Za-z0-9][A-Za-z0-9_.-]*$`) // names of volumes and networks
	devicePattern  = pattern.New(`^device=([A-Za-z0-9][A-Za-z0-9/_.:-]*(?:,[A-Za-z0-9][A-Za-z0-9/_.:-]*)*)$`)
	runUserPattern = pattern.New(`^[A-Za-z0-9_][A-Za-z0-9_.-]*(:[A-Za-z0-9_][A-Za-z0-9_.-]*)?$`)
	tmpfsPattern   = pattern.New(`^[a-z_]+(=[A-Za-z0-9%]+)?(,[a-z_]+(=[A-Za-z0-9%]+)?)*$`)

	// What the variables of a run configuration may look like.
	runSamples = map[string]string{
		"user": "user", "uid": "1000", "gid": "1000", "root": "/root", "workdir": "/root", "image": "image:1", "version": "1",
	}
)

// ParseVolume reads a volume. Its errors, as those of the others, say what is
// wanted and leave it to the caller to name the text.
func ParseVolume(text string) (Volume, error) {
	parts := strings.Split(text, ":")
	if len(parts) < 2 || len(parts) > 3 {
		return Volume{}, errors.New("want SOURCE:TARGET or SOURCE:TARGET:ro")
	}
	v := Volume{Source: parts[0], Target: parts[1]}
	if len(parts) == 3 {
		if v.ReadOnly = parts[2] == "ro"; !v.ReadOnly && parts[2] != "rw" {
			return Volume{}, fmt.Errorf("%q: want ro or rw", parts[2])
		}
	}
	if !volumePattern.MatchString(v.Source) {
		if err := checkAbsolute(v.Source); err != nil {
			return Volume{}, fmt.Errorf("source %q: want an absolute path such as {root}/data, or the name of a volume", v.Source)
		}
	}
	return v, checkMount(v.Target)
}

// checkMount refuses where nothing can be mounted.
func checkMount(target string) error {
	if target == "/" {
		return errors.New("target /: want another directory than the root")
	}
	if err := checkAbsolute(target); err != nil {
		return fmt.Errorf("target %q: %w", target, err)
	}
	return nil
}

// ParseTmpfs reads "TARGET" or "TARGET:OPTIONS".
func ParseTmpfs(text string) (target, options string, err error) {
	target, options, given := strings.Cut(text, ":")
	if given && !tmpfsPattern.MatchString(options) {
		return "", "", fmt.Errorf("options %q: want some such as size=64m,mode=1777", options)
	}
	return target, options, checkMount(target)
}

// ParsePublish reads a port to publish.
func ParsePublish(text string) (Publish, error) {
	want := errors.New("want PORT, HOSTPORT:PORT or IP:HOSTPORT:PORT, such as 127.0.0.1:8080:80")
	rest, proto, given := strings.Cut(text, "/")
	if !given {
		proto = "tcp"
	}
	p := Publish{Proto: proto}
	ip, after, hasIP := "", "", false
	if strings.HasPrefix(rest, "[") {
		ip, after, hasIP = strings.Cut(rest[1:], "]:")
	} else if strings.Count(rest, ":") == 2 {
		ip, after, hasIP = strings.Cut(rest, ":")
	}
	if hasIP {
		addr, err := netip.ParseAddr(ip)
		if err != nil || addr.Zone() != "" {
			return Publish{}, fmt.Errorf("%q: want an IP address such as 127.0.0.1", ip)
		}
		p.HostIP, rest = ip, after
	}
	host, port, both := strings.Cut(rest, ":")
	if both {
		p.HostPort, p.Port = host, port
	} else {
		p.Port = rest
	}
	switch {
	case hasIP && !both, !isPort(p.Port), p.HostPort != "" && !isPort(p.HostPort):
		return Publish{}, want
	case !slices.Contains([]string{"tcp", "udp", "sctp"}, proto):
		return Publish{}, fmt.Errorf("%q: want tcp, udp or sctp", proto)
	}
	return p, nil
}

// ParseGPUs reads a request for GPUs.
func ParseGPUs(text string) (GPUs, error) {
	if text == "all" {
		return GPUs{Count: -1}, nil
	}
	if m := devicePattern.FindStringSubmatch(text); m != nil {
		return GPUs{IDs: strings.Split(m[1], ",")}, nil
	}
	if n, err := strconv.Atoi(text); err == nil && n >= 1 && n <= 1024 && strconv.Itoa(n) == text {
		return GPUs{Count: n}, nil
	}
	return GPUs{}, errors.New(`want "all", a number such as "2", or devices such as "device=0,1"`)
}

// run reports what is wrong with a run configuration.
func (r *reporter) run(key string, run Run) {
	none := func(string) error { return nil }
	for field, words := range map[string][]string{".entrypoint": run.Entrypoint, ".command": run.Command} {
		for i, text := range words {
			r.value(fmt.Sprintf("%s[%d]", key+field, i), text, none)
		}
		r.texts(key+field, words)
	}
	for _, name := range slices.Sorted(maps.Keys(run.Env)) {
		r.value(keyOf(key+".env", name), run.Env[name], none)
	}
	r.env(key+".env", run.Env)
	r.mounts(key, run)
	r.published(key, run)
	for _, f := range []struct {
		field, text string
		check       func(string) error
	}{
		{".network", run.Network, func(s string) error {
			if !volumePattern.MatchString(s) {
				return errors.New(`want "none", "host", "bridge" or the name of a network`)
			}
			return nil
		}},
		{".gpus", run.GPUs, func(s string) error { _, err := ParseGPUs(s); return err }},
		{".user", run.User, func(s string) error {
			if !runUserPattern.MatchString(s) {
				return errors.New(`want a user such as "app" or "{uid}:{gid}"`)
			}
			return nil
		}},
		{".workdir", run.Workdir, checkAbsolute},
	} {
		if r.given(key+f.field, f.text); f.text != "" {
			r.value(key+f.field, f.text, f.check)
		}
	}
	if r.doc.Has(key+".memory") && run.Memory < minMemory {
		r.report(key+".memory", `%s: want at least "6MiB"`, run.Memory)
	}
	if r.doc.Has(key+".cpus") && !(run.CPUs >= 0.01 && run.CPUs <= 100_000) {
		r.report(key+".cpus", "%v: want a number of CPUs from 0.01", run.CPUs)
	}
	if r.doc.Has(key+".pids") && (run.PIDs < 1 || run.PIDs > 1<<22) { // the kernel's own limit
		r.report(key+".pids", "%d: want a number of processes from 1 to %d", run.PIDs, 1<<22)
	}
}

// mounts reports what is wrong with volumes and tmpfs.
func (r *reporter) mounts(key string, run Run) {
	first := map[string]string{} // by target
	mount := func(at, text string, parse func(string) (string, error)) {
		r.value(at, text, func(sample string) error {
			target, err := parse(sample)
			if err != nil {
				return err
			}
			if other, twice := first[target]; twice {
				return fmt.Errorf("%s mounts something at %s, too", other, target)
			}
			first[target] = at
			return nil
		})
	}
	for i, text := range run.Volumes {
		mount(fmt.Sprintf("%s.volumes[%d]", key, i), text, func(s string) (string, error) {
			v, err := ParseVolume(s)
			return v.Target, err
		})
	}
	for i, text := range run.Tmpfs {
		mount(fmt.Sprintf("%s.tmpfs[%d]", key, i), text, func(s string) (string, error) {
			target, _, err := ParseTmpfs(s)
			return target, err
		})
	}
}

// published reports what is wrong with ports.
func (r *reporter) published(key string, run Run) {
	first := map[Publish]string{}
	for i, text := range run.Ports {
		at := fmt.Sprintf("%s.ports[%d]", key, i)
		r.value(at, text, func(sample string) error {
			p, err := ParsePublish(sample)
			if err != nil {
				return err
			}
			if run.Network == "none" || run.Network == "host" {
				return fmt.Errorf("no port can be published with network = %q", run.Network)
			}
			if p.HostPort != "" {
				p.Port = "" // a port of the host is taken once
			}
			if other, twice := first[p]; twice {
				return fmt.Errorf("%s publishes that port, too", other)
			}
			first[p] = at
			return nil
		})
	}
}

// value reports variables that there are not, and what check says of a value
// with likely ones in their place. What the environment decides is for later.
func (r *reporter) value(key, text string, check func(sample string) error) {
	sample, err := Replace(text, runSamples)
	if err == nil && !strings.Contains(sample, "${") {
		err = check(sample)
	}
	if err != nil {
		r.report(key, "%q: %w", text, err)
	}
}
