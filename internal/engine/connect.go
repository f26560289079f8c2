// Package engine runs commands in throwaway containers over the Docker API:
// Docker Engine 20.10 (API 1.41) or newer, or Podman's compatible socket, local
// or remote. It is the only importer of docker's client.
//
// # Containers
//
// A container starts from a local image and has nothing: no network unless
// asked for, no capabilities but those asked for, no new privileges, no path
// of the host. Process 1 is the engine's init over "sleep N" (an image must
// have sleep on its PATH), where N is Spec.Limit in seconds: even after this
// process is killed the container ends by itself, and the engine removes it.
// Commands run in it by Exec, as uid and gid 1000 unless they say otherwise.
// Environment belongs to commands, never to the container, so that Commit
// keeps none of it.
//
// Files travel as tar streams (Put, Get). The engine unpacks them as root and
// honours Uid, Gid and Mode of each header: files for uid 1000 are files whose
// headers say 1000. Neither sees what lies in a tmpfs. What many containers need
// goes into a Volume once; they only read it.
//
// # Sessions
//
// Connect opens a session: a file named ID.session in the session directory,
// locked with flock(2) for as long as the process lives, holding the engine's
// address. Containers and volumes carry the label org.pybake.session=ID. A
// session file that nobody locks belongs to a process that died; Sweep removes
// what it left on this engine, then the file.
//
// # Errors
//
// Cancelling a context ends the call with its cause. IsGone, IsDiskFull,
// ErrLimit, ExitError, NoEngineError and TooOldError tell the rest apart;
// hints for the user are cmd's business.
package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/docker/cli/cli/connhelper"
	"github.com/docker/docker/api/types/versions"
	"github.com/docker/docker/client"
	"github.com/docker/go-connections/tlsconfig"
)

// MinAPI is the oldest API version that works, that of Docker Engine 20.10.
const MinAPI = "1.41"

const (
	localTimeout  = 5 * time.Second  // for a first answer over a socket of this machine
	remoteTimeout = 30 * time.Second // over anything else
	checkTimeout  = 5 * time.Second  // for asking whether a container still runs
)

// Engine is a connection to a container engine, with its session. Its methods
// may be called from several goroutines.
type Engine struct {
	api     *client.Client
	host    string
	session *session
}

// Connect finds the engine, checks that it answers and is new enough, and
// opens a session in sessionDir, which is made if need be. Errors are a
// *NoEngineError or a *TooOldError, or come from the session directory.
func Connect(ctx context.Context, a Address, sessionDir string) (*Engine, error) {
	targets, err := a.targets()
	if err != nil {
		return nil, fmt.Errorf("connect to a container engine: %w", err)
	}
	var tried []Attempt
	for _, t := range targets {
		api, err := t.dial(ctx)
		var old *TooOldError
		switch {
		case err == nil:
			s, err := openSession(sessionDir, t.host)
			if err != nil {
				return nil, errors.Join(err, api.Close())
			}
			return &Engine{api: api, host: t.host, session: s}, nil
		case ctx.Err() != nil:
			return nil, fmt.Errorf("connect to a container engine: %w", context.Cause(ctx))
		case errors.As(err, &old):
			return nil, old
		}
		tried = append(tried, Attempt{t.host, err})
	}
	return nil, &NoEngineError{tried}
}

// Close removes what is left of the session's containers and volumes, ends the
// session and closes the connection. It does its work after ctx is cancelled too.
func (e *Engine) Close(ctx context.Context) error {
	err := e.endSession(ctx)
	return errors.Join(err, e.api.Close())
}

// dial connects to one place and waits for its first answer.
func (t target) dial(ctx context.Context) (*client.Client, error) {
	scheme, path, _ := strings.Cut(t.host, "://")
	timeout := remoteTimeout
	if scheme == "unix" {
		timeout = localTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if scheme == "unix" { // the client hides why a socket does not answer
		conn, err := new(net.Dialer).DialContext(ctx, "unix", path)
		if err != nil {
			return nil, err
		}
		conn.Close()
	}
	opts, err := t.options(scheme)
	if err != nil {
		return nil, err
	}
	api, err := client.NewClientWithOpts(append(opts, client.WithAPIVersionNegotiation())...)
	if err != nil {
		return nil, err
	}
	ping, err := api.Ping(ctx)
	switch {
	case err != nil:
	case ping.APIVersion == "":
		err = errors.New("not a container engine")
	case versions.LessThan(ping.APIVersion, MinAPI):
		err = &TooOldError{Host: t.host, API: ping.APIVersion}
	case ping.OSType != "" && ping.OSType != "linux":
		err = fmt.Errorf("runs %s containers, need linux", ping.OSType)
	}
	if err != nil {
		return nil, errors.Join(err, api.Close())
	}
	api.NegotiateAPIVersionPing(ping)
	return api, nil
}

// options says how the client reaches the place.
func (t target) options(scheme string) ([]client.Opt, error) {
	switch scheme {
	case "unix":
		return []client.Opt{client.WithHost(t.host)}, nil
	case "ssh":
		helper, err := connhelper.GetConnectionHelper(t.host)
		if err != nil {
			return nil, err
		}
		return []client.Opt{client.WithHost(helper.Host), client.WithDialContext(helper.Dialer)}, nil
	case "tcp", "http", "https":
		if t.tls == nil {
			return []client.Opt{client.WithHost(t.host)}, nil
		}
		config, err := tlsconfig.Client(tlsconfig.Options{
			CAFile: t.tls.ca, CertFile: t.tls.cert, KeyFile: t.tls.key,
			InsecureSkipVerify: t.tls.skipVerify, ExclusiveRootPools: t.tls.ca != "",
		})
		if err != nil {
			return nil, err
		}
		web := &http.Client{Transport: &http.Transport{TLSClientConfig: config}, CheckRedirect: client.CheckRedirect}
		return []client.Opt{client.WithHTTPClient(web), client.WithHost(t.host)}, nil
	}
	return nil, fmt.Errorf("unknown address %q, want unix://, tcp:// or ssh://", t.host)
}

// Info describes an engine.
type Info struct {
	Host     string // "unix:///var/run/docker.sock"
	Name     string // "Docker Engine - Community", "Podman Engine"
	Version  string // "20.10.24+dfsg1"
	API      string // version in use, "1.41"
	Arch     string // of the engine's machine, as Go names it: "amd64"
	CPUs     int
	Memory   int64 // bytes
	Podman   bool
	Rootless bool
	Remote   bool // not reached through a socket of this machine
}

// Info asks the engine about itself.
func (e *Engine) Info(ctx context.Context) (Info, error) {
	version, err := e.api.ServerVersion(ctx)
	if err != nil {
		return Info{}, e.explain(ctx, "ask engine for its version", err)
	}
	system, err := e.api.Info(ctx)
	if err != nil {
		return Info{}, e.explain(ctx, "ask engine about its machine", err)
	}
	info := Info{
		Host: e.host, Name: version.Platform.Name, Version: version.Version, API: e.api.ClientVersion(),
		Arch: version.Arch, CPUs: system.NCPU, Memory: system.MemTotal, Remote: !strings.HasPrefix(e.host, "unix://"),
	}
	for _, c := range version.Components {
		info.Podman = info.Podman || c.Name == "Podman Engine"
	}
	for _, o := range system.SecurityOptions {
		info.Rootless = info.Rootless || strings.Contains(o, "name=rootless")
	}
	switch {
	case info.Podman:
		info.Name = "Podman Engine"
	case info.Name == "":
		info.Name = "Docker Engine"
	}
	return info, nil
}
