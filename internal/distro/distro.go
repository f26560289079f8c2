// Package distro makes what a Debian or Ubuntu release gives to a build: its
// base image, packages of it as files with hashes, and images that stand on
// the base.
//
// Everything that floats comes out as a pin, and goes in again as one:
//
//	Base      the minimal root: where it came from, its digest, its packages
//	[]Package what a request ("gcc", "libssl-dev") means today: every package
//	          that has to be installed on the base, exact versions, SHA-256
//
// What pins would be today is asked without changing them: Rebase for a base
// image, and a [Resolver] for many requests at once.
//
// Three questions are answered about shared libraries in the directories in
// which the dynamic loader looks by itself: which there are with some packages
// installed (Libraries), which packages of an image own them (Owners), and
// which packages of the archive have them (FindOwners). FindFiles asks the
// archive for what builds need: headers, programs and the like.
//
// With pins, nothing here asks a network unless a pinned file is not in the
// cache; what then comes must be what was pinned, or it is a *MovedError.
// Only one kind of container ever has a network: the one in which the distro's
// own apt, with the distro's own keys, resolves and downloads. Images are made
// from its files by a container without.
//
// Images are named in the engine by what they hold:
//
//	pybake/base:trixie-amd64-4f1c02aa9be1       digest of the base
//	pybake/builder:trixie-amd64-77ab12cd90ef    hash of base digest and packages
package distro

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/pybake/pybake/internal/engine"
	"github.com/pybake/pybake/internal/fetch"
	"github.com/pybake/pybake/internal/pattern"
	"github.com/pybake/pybake/recipes"
)

// Label is on every image that pybake makes; its value is what the image is:
// "base" or "builder".
const Label = "org.pybake.image"

// Reporter is told what takes time.
type Reporter interface {
	// Step begins a step and returns what ends it.
	Step(name string) func(error)
	// Note says one line that the user should see.
	Note(format string, args ...any)
	// Output receives what a container prints.
	Output() io.Writer
}

// Maker makes the images and fetches the packages of distros.
type Maker struct {
	Engine   *engine.Engine
	Fetcher  *fetch.Fetcher
	Report   Reporter
	Offline  bool
	CABundle []byte   // PEM, for containers with a network
	Proxy    []string // environment of containers with a network: "https_proxy=http://proxy.example.org:3128"

	// Mirror is an apt mirror, by codename: "https://mirror.example.org/debian".
	// It is mmdebstrap's, and replaces the base image's own for the main suite
	// in containers with a network.
	Mirror map[string]string
	// Image replaces the recipe's base image, by codename: "corp/base:1".
	Image map[string]string
	// Mmdebstrap is the program: "/usr/bin/mmdebstrap"; empty: the one on the
	// PATH of this process. Environ is its environment: PATH and proxies.
	Mmdebstrap string
	Environ    []string
}

// Target is a distro on an architecture.
type Target struct {
	Distro recipes.Distro
	Arch   string // Debian's name: "amd64"
}

// String is "trixie-amd64".
func (t Target) String() string { return t.Distro.Codename + "-" + t.Arch }

// Machine is the architecture as uname -m says it: "x86_64".
func (t Target) Machine() string {
	switch t.Arch {
	case "amd64":
		return "x86_64"
	case "arm64":
		return "aarch64"
	case "i386":
		return "i686"
	case "armhf":
		return "armv7l"
	case "ppc64el":
		return "ppc64le"
	}
	return t.Arch
}

// ErrOffline is in the chain of an error when something is not here and may
// not be fetched.
var ErrOffline = errors.New("offline")

// MovedError says that what was pinned is no longer to be had.
type MovedError struct {
	Target   Target
	What     string // "package gcc-14"
	Pinned   string // "14.2.0-19"
	Found    string // "14.2.0-20", or empty
	Explains error  // what apt or the registry said, or nil
}

func (e *MovedError) Error() string {
	found := "no longer to be had"
	if e.Found != "" {
		found = "now " + e.Found
	}
	s := fmt.Sprintf("%s of %s: pinned %s, %s", e.What, e.Target, e.Pinned, found)
	if e.Explains != nil {
		s += ": " + e.Explains.Error()
	}
	return s
}

func (e *MovedError) Unwrap() error { return e.Explains }

// What apt and dpkg need to be root with.
var rootCaps = []string{"CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "SETGID", "SETUID"}

// aptOptions make apt behave in a container: no translations, no questions, no
// second user, an error where a list could not be had.
const aptOptions = "-o APT::Install-Recommends=false -o APT::Sandbox::User=root -o Acquire::Languages=none" +
	" -o Acquire::Retries=3 -o APT::Update::Error-Mode=any -o Dpkg::Use-Pty=0 -q"

var aptEnv = []string{"DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8"}

// networked starts the one kind of container that has a network. Its apt takes
// the distro from the mirror, if there is one.
func (m *Maker) networked(ctx context.Context, t Target, image string) (*engine.Container, error) {
	c, err := m.Start(ctx, engine.Spec{
		Image: image, Purpose: "apt-" + t.String(), Network: true, CABundle: m.CABundle, Proxy: m.Proxy,
	})
	if err != nil {
		return nil, err
	}
	if mirror := m.Mirror[t.Distro.Codename]; mirror != "" {
		if err := m.useMirror(ctx, c, t, mirror); err != nil {
			return nil, errors.Join(err, c.Remove(ctx))
		}
	}
	return c, nil
}

// Offliner starts a container of root with no network, in which packages can
// be installed from files.
func (m *Maker) Offliner(ctx context.Context, t Target, image, purpose string) (*engine.Container, error) {
	return m.Start(ctx, engine.Spec{Image: image, Purpose: purpose + "-" + t.String()})
}

// Start starts a container of root with what apt and dpkg need beside its own
// capabilities, and no more memory than leaves the engine's machine alive.
// Without a limit of its own it ends after an hour.
func (m *Maker) Start(ctx context.Context, s engine.Spec) (*engine.Container, error) {
	info, err := m.Engine.Info(ctx)
	if err != nil {
		return nil, err
	}
	s.Memory = info.Memory / 10 * 9
	s.Limit, s.PIDs, s.Caps, s.Env = cmp.Or(s.Limit, time.Hour), 2000, slices.Concat(rootCaps, s.Caps), aptEnv
	return m.Engine.Start(ctx, s)
}

// sh runs a script as root, with what it prints in the log.
func (m *Maker) sh(ctx context.Context, c *engine.Container, script string, args ...string) error {
	var tail strings.Builder
	out := io.MultiWriter(m.Report.Output(), &tail)
	err := c.Exec(ctx, engine.Command{
		Argv: append([]string{"sh", "-euc", script, "sh"}, args...), User: "0:0", Stdout: out, Stderr: out,
	})
	var exit *engine.ExitError
	if errors.As(err, &exit) {
		return fmt.Errorf("%s: %w", lastErrors(tail.String()), err)
	}
	return err
}

// unmet is a relation that apt could not satisfy: " libpq5 : Depends: libldap2
// (>= 2.6.2) but it is not installable".
var unmet = pattern.New(`^ \S+ : (Pre-)?Depends: |^ +(Pre-)?Depends: `)

// lastErrors picks apt's own complaint out of what it printed. What it says at once of a
// file ("Err:6 …") it says again at the end, with the reason.
func lastErrors(out string) string {
	var errs []string
	lines := strings.Split(strings.TrimSpace(out), "\n")
	again := strings.Contains(out, "\nE: Failed to fetch ")
	for _, l := range lines {
		if strings.HasPrefix(l, "E: ") || strings.HasPrefix(l, "Err:") && !again {
			errs = append(errs, strings.TrimPrefix(l, "E: "))
		} else if unmet.MatchString(l) {
			errs = append(errs, strings.Join(strings.Fields(l), " "))
		}
	}
	if len(errs) == 0 {
		errs = lines[max(0, len(lines)-3):]
	}
	return strings.Join(errs, "; ")
}
