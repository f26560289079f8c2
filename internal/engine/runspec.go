package engine

import (
	"maps"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/go-connections/nat"
)

// RunSpec says what a Run is: what the options of docker run say. Empty values
// are the image's, else the engine's.
type RunSpec struct {
	Image      string   // reference, digest or ID of an image that the engine holds
	Name       string   // part of the container's name: "web"
	Entrypoint []string // instead of the image's, and then without its Cmd
	Cmd        []string // instead of the image's
	Env        []string // "PORT=8080", over the image's own
	User       string   // "1000:1000"
	Workdir    string   // "/srv"
	Network    string   // "none", "host", "bridge", or the name of a network
	Hostname   string
	Binds      []Bind
	Ports      []PortBinding
	GPUs       *GPUs   // nil is none
	Memory     int64   // bytes, swap included; 0 is no limit
	PIDs       int64   // processes and threads; 0 is no limit
	CPUs       float64 // 1.5; 0 is no limit
	ReadOnly   bool    // the root file system is
	Init       bool    // process 1 is the engine's init, which forwards signals
	TTY        bool    // the command has a terminal
	// Interactive gives the command RunIO.Stdin.
	Interactive bool
	Tmpfs       map[string]string // mount point to options: "/tmp": "size=64m"
	Labels      map[string]string
}

// Bind is a directory or file of the engine's machine, or a volume, in a
// container.
type Bind struct {
	Source   string // "/home/me/data", which must exist, or the name of a volume, which need not: "cache"
	Target   string // "/data"
	ReadOnly bool
}

// PortBinding makes a port of a container one of the engine's machine.
type PortBinding struct {
	HostIP   string // "127.0.0.1"; empty is all
	HostPort string // "8080"; empty is any that is free
	Port     string // of the container: "80"
	Proto    string // "udp" or "sctp"; empty is "tcp"
}

// GPUs asks for GPUs.
type GPUs struct {
	Count int      // -1 is all; 0 with IDs
	IDs   []string // "0", "GPU-3a23c669-1f69-c64e-cf85-44e9b07e7a2a"
}

func (s RunSpec) config(session string) *container.Config {
	labels := map[string]string{}
	maps.Copy(labels, s.Labels)
	labels[sessionLabel] = session
	exposed := nat.PortSet{}
	for _, p := range s.Ports {
		exposed[p.port()] = struct{}{}
	}
	return &container.Config{
		Image: s.Image, Entrypoint: s.Entrypoint, Cmd: s.Cmd, Env: s.Env,
		User: s.User, WorkingDir: s.Workdir, Hostname: s.Hostname, Labels: labels, ExposedPorts: exposed,
		Tty: s.TTY, OpenStdin: s.Interactive, StdinOnce: s.Interactive,
		AttachStdin: s.Interactive, AttachStdout: true, AttachStderr: !s.TTY,
	}
}

func (s RunSpec) hostConfig() *container.HostConfig {
	h := &container.HostConfig{
		AutoRemove:     true,
		NetworkMode:    "default",
		PortBindings:   nat.PortMap{},
		ReadonlyRootfs: s.ReadOnly,
		Tmpfs:          maps.Clone(s.Tmpfs),
		Resources:      container.Resources{Memory: s.Memory, MemorySwap: s.Memory, NanoCPUs: int64(s.CPUs * 1e9)},
	}
	if s.Network != "" {
		h.NetworkMode = container.NetworkMode(s.Network)
	}
	if s.Init {
		h.Init = &s.Init
	}
	if s.PIDs > 0 {
		h.PidsLimit = &s.PIDs
	}
	if s.GPUs != nil {
		h.DeviceRequests = []container.DeviceRequest{{Count: s.GPUs.Count, DeviceIDs: s.GPUs.IDs, Capabilities: [][]string{{"gpu"}}}}
	}
	for _, b := range s.Binds {
		m := mount.Mount{Type: mount.TypeVolume, Source: b.Source, Target: b.Target, ReadOnly: b.ReadOnly}
		if strings.HasPrefix(b.Source, "/") {
			m.Type = mount.TypeBind
		}
		h.Mounts = append(h.Mounts, m)
	}
	for _, p := range s.Ports {
		h.PortBindings[p.port()] = append(h.PortBindings[p.port()], nat.PortBinding{HostIP: p.HostIP, HostPort: p.HostPort})
	}
	return h
}

func (p PortBinding) port() nat.Port {
	if p.Proto == "" {
		p.Proto = "tcp"
	}
	return nat.Port(p.Port + "/" + p.Proto)
}
