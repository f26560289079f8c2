package engine

import (
	"archive/tar"
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
)

// Spec says what a container is. Zero values are the strict ones.
type Spec struct {
	Image   string            // reference, digest or ID of an image that the engine holds
	Purpose string            // part of the container's name: "python-3.13.5-trixie"
	Limit   time.Duration     // required: the container ends by itself after this long, rounded up to a second
	Network bool              // false: only a loopback interface
	NoNames bool              // without Network: /etc/hosts and /etc/resolv.conf are the image's, if it has any; a start takes half as long
	Caps    []string          // capabilities to have, "CHOWN"; every other one is dropped
	Memory  int64             // bytes, swap included; 0 is no limit
	PIDs    int64             // processes and threads; 0 is no limit
	CPUs    float64           // 1.5; 0 is no limit
	IPv6    bool              // without Network: the loopback interface has ::1 as well, which takes a kernel that knows IPv6
	Env     []string          // "LANG=C.UTF-8", for every Exec
	Tmpfs   map[string]string // mount point to options: "/tmp": "exec,size=1g"
	Mounts  []Mount           // volumes

	ReadOnly bool   // nothing can be written but to a tmpfs; Put is refused, too
	Hostname string // empty is "pybake"

	// For containers with Network; ignored without.
	CABundle []byte   // PEM; commands find it through SSL_CERT_FILE and the like, apt through APT_CONFIG
	Proxy    []string // environment in both spellings: "https_proxy=http://proxy.example.org:3128"
}

// Container is a running container. Its methods may be called from several
// goroutines.
type Container struct {
	ID   string
	Name string // "pybake-python-3.13.5-trixie-4f1c02aa"

	engine  *Engine
	env     []string
	mounts  []string // targets
	limit   time.Duration
	started time.Time // by this machine's clock, just after the start
	created string    // by the engine's clock, RFC 3339
}

// The CA bundle lies in a volume of its own, so that Commit does not keep it
// and installing ca-certificates does not replace it.
const (
	caDir     = "/run/pybake"
	caFile    = caDir + "/ca.pem"
	aptConfig = caDir + "/apt.conf"
)

const (
	sessionLabel = "org.pybake.session"
	hostname     = "pybake"
	startGrace   = 3 * time.Second // a cancelled start may take so long to learn what it must remove
)

// Start makes a container and starts it. If it fails, or ctx is cancelled
// meanwhile, no container is left.
func (e *Engine) Start(ctx context.Context, s Spec) (*Container, error) {
	op := "start container from " + s.Image
	if s.Limit <= 0 {
		return nil, errors.New(op + ": no time limit given")
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", op, context.Cause(ctx))
	}
	c := &Container{Name: containerName(s.Purpose), engine: e, env: s.environment(), mounts: s.targets(), limit: s.Limit}
	if err := c.start(ctx, s); err != nil {
		err = e.explain(ctx, op, err)
		if removeErr := e.removeContainer(ctx, c.Name); removeErr != nil && !IsGone(err) {
			err = errors.Join(err, removeErr)
		}
		return nil, err
	}
	return c, nil
}

// start creates, fills and starts the container. Requests outlive ctx a
// little: one cut off half-way would leave a container that nobody knows of.
func (c *Container) start(ctx context.Context, s Spec) error {
	late, cancel := lag(ctx, startGrace)
	defer cancel()
	api := c.engine.api
	for _, m := range s.Mounts {
		if err := m.Volume.there(late); err != nil {
			return err
		}
	}
	made, err := api.ContainerCreate(late, s.config(c.engine.session.id), s.hostConfig(c.engine.session.id), nil, nil, c.Name)
	if err != nil {
		return err
	}
	c.ID = made.ID
	if s.hasCA() {
		files, err := caFiles(s.CABundle)
		if err != nil {
			return err
		}
		if err := api.CopyToContainer(late, c.ID, caDir, files, container.CopyToContainerOptions{}); err != nil {
			return fmt.Errorf("put the CA bundle: %w", err)
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err := api.ContainerStart(late, c.ID, container.StartOptions{}); err != nil {
		return err
	}
	c.started = time.Now()
	info, err := api.ContainerInspect(late, c.ID)
	if err != nil {
		return err
	}
	c.created = info.Created
	return ctx.Err()
}

// config is the part of the container that Commit could keep: nearly nothing.
func (s Spec) config(session string) *container.Config {
	seconds := int64((s.Limit + time.Second - 1) / time.Second)
	return &container.Config{
		Image:      s.Image,
		Hostname:   cmp.Or(s.Hostname, hostname),
		Entrypoint: []string{"sleep", strconv.FormatInt(seconds, 10)},
		Labels:     map[string]string{sessionLabel: session},
		// A network namespace of the runtime's, with nothing in it that the
		// engine would have to set up.
		NetworkDisabled: s.NoNames && !s.Network,
	}
}

// hostConfig is the box around it.
func (s Spec) hostConfig(session string) *container.HostConfig {
	initProcess := true
	h := &container.HostConfig{
		AutoRemove:     true,
		Init:           &initProcess,
		NetworkMode:    "none",
		CapDrop:        []string{"ALL"},
		CapAdd:         s.Caps,
		SecurityOpt:    []string{"no-new-privileges"},
		ReadonlyRootfs: s.ReadOnly,
		Tmpfs:          maps.Clone(s.Tmpfs),
		Resources:      container.Resources{Memory: s.Memory, MemorySwap: s.Memory, NanoCPUs: int64(s.CPUs * 1e9)},
	}
	if s.PIDs > 0 {
		h.PidsLimit = &s.PIDs
	}
	if s.Network {
		h.NetworkMode = "default"
	}
	if s.IPv6 && !s.Network {
		h.Sysctls = map[string]string{"net.ipv6.conf.all.disable_ipv6": "0"}
	}
	for _, m := range s.Mounts {
		h.Mounts = append(h.Mounts, m.Volume.mount(m.Target, !m.Writable))
	}
	if s.hasCA() {
		h.Mounts = append(h.Mounts, mount.Mount{
			Type: mount.TypeVolume, Target: caDir,
			VolumeOptions: &mount.VolumeOptions{Labels: map[string]string{sessionLabel: session}},
		})
	}
	return h
}

func (s Spec) hasCA() bool { return s.Network && len(s.CABundle) > 0 }

// targets is where something is mounted.
func (s Spec) targets() []string {
	targets := slices.Collect(maps.Keys(s.Tmpfs))
	for _, m := range s.Mounts {
		targets = append(targets, m.Target)
	}
	if s.hasCA() {
		targets = append(targets, caDir)
	}
	return targets
}

// environment is what every command of the container gets.
func (s Spec) environment() []string {
	var env []string
	if s.hasCA() {
		for _, name := range []string{"SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "PIP_CERT", "CARGO_HTTP_CAINFO"} {
			env = append(env, name+"="+caFile)
		}
		env = append(env, "APT_CONFIG="+aptConfig)
	}
	if s.Network {
		env = append(env, s.Proxy...)
	}
	return append(env, s.Env...)
}

// caFiles is a tar of the bundle and of the apt setting that names it; apt
// reads no environment variable for that.
func caFiles(bundle []byte) (io.Reader, error) {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, f := range []struct {
		name string
		data []byte
	}{
		{"ca.pem", bundle},
		{"apt.conf", []byte("Acquire::https::CAInfo \"" + caFile + "\";\n")},
	} {
		if err := w.WriteHeader(&tar.Header{Name: f.name, Mode: 0o644, Size: int64(len(f.data))}); err != nil {
			return nil, err
		}
		if _, err := w.Write(f.data); err != nil {
			return nil, err
		}
	}
	return &buf, w.Close()
}

// Put unpacks a tar, which may be compressed with gzip, bzip2 or xz, into a
// directory of the container. The directory must exist (else the error is an
// fs.ErrNotExist); directories between it and a file are made. Owner and mode
// are those of the headers. A failure may leave some of the files.
func (c *Container) Put(ctx context.Context, dir string, files io.Reader) error {
	op := "put files into " + dir + " of container " + c.Name
	readErr, err := upload(ctx, files, func(r io.Reader) error {
		return c.engine.api.CopyToContainer(ctx, c.ID, dir, r, container.CopyToContainerOptions{})
	})
	if readErr != nil {
		return fmt.Errorf("%s: read the files: %w", op, readErr)
	}
	if err == nil {
		return nil
	}
	if missing := c.missing(ctx, dir); missing != nil {
		err = missing
	}
	return c.explain(ctx, op, err)
}

// Get reads a file or directory of the container as a tar whose names begin
// with the last element of path. A path that is not there is an
// fs.ErrNotExist. If the container ends meanwhile, or the stream is cut, the
// reader ends with an error that satisfies IsGone, never with io.EOF, and
// before the mark that ends the tar.
func (c *Container) Get(ctx context.Context, path string) (io.ReadCloser, error) {
	op := "get " + path + " from container " + c.Name
	body, _, err := c.engine.api.CopyFromContainer(ctx, c.ID, path)
	if err != nil {
		if missing := c.missing(ctx, path); missing != nil {
			err = missing
		}
		return nil, c.explain(ctx, op, err)
	}
	return c.files(ctx, op, body), nil
}

// files is a tar out of the container. An engine ends the stream in good order
// even if the container vanished under it: the end is believed only while the
// container runs.
func (c *Container) files(ctx context.Context, op string, body io.ReadCloser) io.ReadCloser {
	return newFiles(body, func(err error) error {
		if err != io.EOF {
			return c.explain(ctx, op, err)
		}
		if dead := c.alive(ctx); dead != nil {
			return c.explain(ctx, op, dead)
		}
		return io.EOF
	})
}

// missing returns an fs.ErrNotExist if the container runs but has no such path.
func (c *Container) missing(ctx context.Context, path string) error {
	_, err := c.engine.api.ContainerStatPath(ctx, c.ID, path)
	if !cerrdefs.IsNotFound(err) || c.alive(ctx) != nil {
		return nil
	}
	return &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
}

// Remove kills the container's processes and removes it with its volumes,
// whether or not ctx is cancelled. It returns when the container is no more;
// one that is already gone is no error.
func (c *Container) Remove(ctx context.Context) error {
	return c.engine.removeContainer(ctx, c.ID)
}

// removeContainer removes a container by name or ID. The engine removes it by
// itself when it ends, so the two may get in each other's way: try until the
// engine does not know it any more.
func (e *Engine) removeContainer(ctx context.Context, id string) error {
	late, cancel := cleanup(ctx)
	defer cancel()
	for {
		err := e.api.ContainerRemove(late, id, container.RemoveOptions{Force: true, RemoveVolumes: true})
		if err == nil || cerrdefs.IsNotFound(err) {
			return nil
		}
		op := "remove container " + id
		if isConnection(err) {
			return &goneError{op, err}
		}
		select {
		case <-late.Done():
			return fmt.Errorf("%s: %w", op, err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// cleanup returns a context for removing things: bounded, deaf to
// cancellation, and shorter when somebody waits for the end.
func cleanup(ctx context.Context) (context.Context, context.CancelFunc) {
	limit := time.Minute
	if ctx.Err() != nil {
		limit = 3 * time.Second
	}
	return context.WithTimeout(context.WithoutCancel(ctx), limit)
}

// lag returns a context that ends only grace after ctx does.
func lag(ctx context.Context, grace time.Duration) (context.Context, context.CancelFunc) {
	late, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(grace, cancel) })
	return late, func() { stop(); cancel() }
}

// containerName makes a unique name that says what the container is for.
func containerName(purpose string) string {
	word := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '_' {
			return r
		}
		return '-'
	}, purpose)
	if word == "" {
		word = "job"
	}
	return "pybake-" + word + "-" + randomHex(4)
}

// randomHex returns n random bytes in hexadecimal.
func randomHex(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails
	return hex.EncodeToString(b)
}
