package build

import (
	"fmt"
	"strings"
	"time"
)

// Kind is why a build failed.
type Kind string

const (
	NoBackend   Kind = "backend" // it cannot be imported, or is not what pyproject.toml says
	Raised      Kind = "raised"  // the hook raised an exception
	Died        Kind = "died"    // the process of the hook ended without an answer
	OutOfMemory Kind = "memory"  // more than Builder.Memory
	DiskFull    Kind = "disk"    // more than may be written, which is a share of Builder.Memory
	TimedOut    Kind = "time"    // longer than Builder.Limit
	BadOutput   Kind = "output"  // the hook returned, but not what was asked for
)

// FailedError says that a build failed by its own doing.
type FailedError struct {
	Package string // "markupsafe 3.0.2"
	Step    string // the hook: "build_wheel"
	Kind    Kind
	Cause   string   // "subprocess.CalledProcessError: Command 'cmake' returned non-zero exit status 1."
	Tail    []string // the last 40 lines that it printed
	Reached []string // hosts that it asked for, sorted: "files.example.org"
}

// Error is one line, without the tail.
func (e *FailedError) Error() string {
	s := fmt.Sprintf("%s: %s: %s", e.Package, e.Step, e.Cause)
	if len(e.Reached) > 0 {
		s += "; it asked for " + strings.Join(e.Reached, ", ") + ", and a build has no network"
	}
	return s
}

// LastHook is the part of a log that the hook printed which ran last.
func LastHook(log string) string {
	at := 0
	for _, hook := range []string{requiresHook, wheelHook} {
		at = max(at, strings.LastIndex(log, "\n==> "+hook+"\n"))
	}
	return log[at:]
}

// size prints bytes as people say them.
func size(n int64) string {
	for _, unit := range []struct {
		name  string
		bytes int64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if n >= unit.bytes {
			return strings.TrimSuffix(fmt.Sprintf("%.1f", float64(n)/float64(unit.bytes)), ".0") + " " + unit.name
		}
	}
	return fmt.Sprintf("%d bytes", n)
}

// span prints a time limit: "30 min", "90 s".
func span(d time.Duration) string {
	switch {
	case d >= time.Hour && d%time.Hour == 0:
		return fmt.Sprintf("%d h", d/time.Hour)
	case d >= time.Minute && d%time.Minute == 0:
		return fmt.Sprintf("%d min", d/time.Minute)
	}
	return fmt.Sprintf("%g s", d.Seconds())
}
