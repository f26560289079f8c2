//go:build engine

package distro

import (
	"strconv"
	"strings"
	"testing"
)

// TestMirror looks at what apt reads in a container with a network, and at the
// memory that it may take.
func TestMirror(t *testing.T) {
	const mirror = "https://mirror.example.org/debian"
	m, _ := maker(t)
	m.Mirror = map[string]string{"trixie": mirror}
	c, err := m.networked(t.Context(), shared.target, BaseRef(shared.target, shared.base.Digest))
	if err != nil {
		t.Fatal(err)
	}
	remove(t, c)
	asks := run(t, c, "0:0", "apt-get update --print-uris")
	if !strings.Contains(asks, "'"+mirror+"/dists/trixie/InRelease'") || strings.Count(asks, "/dists/trixie/InRelease'") != 1 {
		t.Errorf("apt asks for\n%s", asks)
	}
	m.Offline = true
	if got, err := m.Sources(t.Context(), shared.target, shared.base); err != nil || got[0] != mirror {
		t.Errorf("sources %q, %v; want the mirror first", got, err)
	}

	info, err := shared.engine.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	limit := run(t, c, "0:0", "cat /sys/fs/cgroup/memory.max 2>/dev/null || cat /sys/fs/cgroup/memory/memory.limit_in_bytes")
	if bytes, err := strconv.ParseInt(strings.TrimSpace(limit), 10, 64); err != nil || bytes >= info.Memory {
		t.Errorf("memory limit %s of %d bytes", limit, info.Memory)
	}
}
