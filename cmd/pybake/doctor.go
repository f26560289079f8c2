package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pybake/pybake/internal/engine"
)

func (a *app) doctorCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Say what this machine has and lacks, and how to mend it",
		Long: `Doctor looks for all that pybake needs: a container engine (DOCKER_HOST, docker
contexts and the usual sockets, as the docker command does), mmdebstrap and the
keyrings of the distros for base images that no registry gives, a place for
store and cache, disk, memory, certificates, proxies and a clock that is right.
Each line is ok, missing or optional, with the command that mends it.

It changes nothing and asks no network but the engine's. Exit status: 0 nothing
is missing, 1 something is.

With --json: {"ok", "checks": [{"name", "status", "found", "fix"}]}.`,
		Example: `  pybake doctor
  DOCKER_HOST=ssh://builder@build1.example.org pybake doctor`,
		Args:              wantArgs(0, 0, ""),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(cmd *cobra.Command, _ []string) error { return a.doctor(cmd.Context()) },
	}
}

// finding is one line of doctor.
type finding struct {
	Name   string `json:"name"`
	Status string `json:"status"` // "ok", "missing", or "optional": missing, but pybake can do without
	Found  string `json:"found"`
	Fix    string `json:"fix,omitempty"` // a command, or what to do
}

const (
	isOK       = "ok"
	isMissing  = "missing"
	isOptional = "optional"
)

// What a build of CPython needs, with some to spare.
const (
	leastMemory      = 1_800_000_000 // bytes; linking with LTO
	leastStoreSpace  = 1_000_000_000
	leastCacheSpace  = 1_000_000_000
	leastEngineSpace = 5_000_000_000
)

func (a *app) doctor(ctx context.Context) error {
	m := a.inspect(ctx)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	findings := a.findings(m)
	ok := true
	for _, f := range findings {
		ok = ok && f.Status != isMissing
	}
	if a.flags.json {
		err := a.printJSON(struct {
			OK     bool      `json:"ok"`
			Checks []finding `json:"checks"`
		}{ok, findings})
		if err != nil {
			return err
		}
	} else if err := writeFindings(a.sys.stdout, findings); err != nil {
		return err
	}
	if !ok {
		return reported{statusFailed}
	}
	return nil
}

func (a *app) findings(m *machine) []finding {
	all := []finding{a.engineFinding(m)}
	if m.engineErr == nil {
		all = append(all, memoryFinding(m.engine))
		if f, ok := engineSpaceFinding(m.engine); ok {
			all = append(all, f)
		}
	}
	return append(all,
		optionalFinding("mmdebstrap", m.mmdebstrap, "not found; base images can only come from the engine or a registry", m.mend()),
		optionalFinding("debian keyring", m.debianKeys, "not found; mmdebstrap needs it for Debian", m.mend()),
		optionalFinding("ubuntu keyring", m.ubuntuKeys, "not found; mmdebstrap needs it for Ubuntu", m.mend()),
		a.caFinding(m),
		a.spaceFinding("store", a.storeDir, leastStoreSpace, "pybake --store DIR, with a directory that you may write to"),
		a.spaceFinding("cache", a.cacheDir, leastCacheSpace, "set PYBAKE_CACHE to a directory that you may write to"),
		a.proxyFinding(),
		clockFinding(a.sys.now()),
	)
}

func (a *app) engineFinding(m *machine) finding {
	f := finding{Name: "engine", Status: isOK}
	if m.engineErr != nil {
		f.Status, f.Found = isMissing, m.engineErr.Error()
		f.Fix = engineFix(m, a.sys.getenv("DOCKER_HOST"), a.sys.getenv("DOCKER_CONTEXT"))
		return f
	}
	e := m.engine
	f.Found = fmt.Sprintf("%s %s, API %s, %s, %s, at %s", e.Name, e.Version, e.API, e.Arch, countText(e.CPUs, "processor"), e.Host)
	if e.Rootless {
		f.Found += ", rootless"
	}
	return f
}

// engineFix says how to come to an engine, by what kept us from one.
func engineFix(m *machine, host, context string) string {
	switch {
	case errors.As(m.engineErr, new(*engine.TooOldError)):
		return "upgrade it to Docker Engine 20.10 or newer"
	case errors.Is(m.engineErr, fs.ErrPermission):
		return `sudo usermod --append --groups docker "$USER", then log in anew`
	case host != "":
		return "unset DOCKER_HOST, or start the engine at " + host
	case context != "":
		return "unset DOCKER_CONTEXT, or start the engine of context " + context
	}
	return m.mend()
}

func memoryFinding(e engine.Info) finding {
	f := finding{Name: "memory", Status: isOK, Found: bytesText(e.Memory)}
	if e.Memory < leastMemory {
		f.Status, f.Fix = isMissing, "give the engine's machine "+bytesText(leastMemory)+" or more"
	}
	return f
}

// engineSpaceFinding looks at the disk of an engine on this machine, where it
// is known.
func engineSpaceFinding(e engine.Info) (finding, bool) {
	const dir = "/var/lib/docker"
	if e.Remote || e.Rootless || e.Podman || !isDir(dir) {
		return finding{}, false
	}
	free, err := freeBytes(dir)
	if err != nil {
		return finding{}, false
	}
	f := finding{Name: "engine disk", Status: isOK, Found: fmt.Sprintf("%s free at %s", bytesText(free), dir)}
	if free < leastEngineSpace {
		f.Status, f.Fix = isMissing, "pybake clean; "+bytesText(leastEngineSpace)+" are needed"
	}
	return f, true
}

func optionalFinding(name, found, otherwise, fix string) finding {
	if found == "" {
		return finding{name, isOptional, otherwise, fix}
	}
	return finding{Name: name, Status: isOK, Found: found}
}

func (a *app) caFinding(m *machine) finding {
	f := optionalFinding("certificates", m.caBundle, "", m.mend())
	if m.caErr != nil {
		f.Found = m.caErr.Error()
		if a.sys.getenv("SSL_CERT_FILE") != "" {
			f.Status, f.Fix = isMissing, "unset SSL_CERT_FILE, or name a PEM file that can be read"
		}
	}
	return f
}

// spaceFinding looks whether pybake could write to a directory.
func (a *app) spaceFinding(name string, where func() (string, error), least int64, fix string) finding {
	dir, err := where()
	if err != nil {
		return finding{name, isMissing, err.Error(), fix}
	}
	free, err := space(a.path(dir))
	if err != nil {
		return finding{name, isMissing, err.Error(), fix}
	}
	f := finding{Name: name, Status: isOK, Found: fmt.Sprintf("%s free at %s", bytesText(free), dir)}
	if free < least {
		f.Status, f.Fix = isMissing, "pybake clean --cache; "+bytesText(least)+" are needed"
	}
	return f
}

// proxyFinding repeats the proxies without the passwords in them.
func (a *app) proxyFinding() finding {
	lines := a.proxies()
	for i, line := range lines {
		name, value, _ := strings.Cut(line, "=")
		if u, err := url.Parse(value); err == nil {
			value = u.Redacted()
		}
		lines[i] = name + "=" + value
	}
	if lines == nil {
		lines = []string{"none"}
	}
	return finding{Name: "proxies", Status: isOK, Found: strings.Join(lines, " ")}
}

// clockFinding finds a clock that stands before this program was made:
// certificates and the dates of apt's lists would not be accepted.
func clockFinding(now time.Time) finding {
	made := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if t, err := time.Parse(time.RFC3339, s.Value); s.Key == "vcs.time" && err == nil {
				made = t
			}
		}
	}
	f := finding{Name: "clock", Status: isOK, Found: now.UTC().Format("2006-01-02 15:04:05 UTC")}
	if now.Before(made.Add(-24 * time.Hour)) {
		f.Status, f.Found = isMissing, f.Found+", which is before this pybake was made"
		f.Fix = "sudo date --set=…, or start a time service"
	}
	return f
}

func writeFindings(w io.Writer, findings []finding) error {
	var b strings.Builder
	for _, f := range findings {
		fmt.Fprintf(&b, "%-8s  %-14s  %s\n", f.Status, f.Name, strings.ReplaceAll(f.Found, "\n", " "))
		if f.Fix != "" {
			fmt.Fprintf(&b, "%26sfix: %s\n", "", f.Fix)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
