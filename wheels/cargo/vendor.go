package cargo

import (
	"archive/tar"
	"encoding/json"
	"fmt"
	"path"
	"time"

	"github.com/pybake/pybake/internal/fetch"
)

// Format changes when Vendor or Env would make other builds. It belongs into keys.
const Format = "1"

// Archive is a crate on this machine.
type Archive struct {
	Crate
	Path string // of the file, whose hash has been checked
}

const config = `[source.crates-io]
replace-with = "pybake"

[source.pybake]
directory = %q

[net]
offline = true
`

// wrapper runs a compiler as cargo asks, with options after those of the package: paths
// of the builder are cut, and what debug information the package asks for all the same
// is not linked in, as with C, unless it is wanted. Variables with options of rustc would
// replace those of the package instead.
const wrapper = `#!/bin/sh
exec "$@" --remap-path-prefix=%[1]s/vendor/= --remap-path-prefix=%[2]s=. %[3]s
`

// Debug information: none, or what a backtrace needs. All of it, with types and
// variables, takes several times as much memory.
const (
	noSymbols = "-C link-arg=-Wl,-S"
	symbols   = "-C debuginfo=1 -C strip=none"
)

// Vendor writes the home of cargo, with crates in it, at the path home of the container:
// "/build/cargo". uid and gid own it, but not what is in it. src is where the source is,
// when is the time of everything. With debug, what is compiled has debug information.
func Vendor(dst *tar.Writer, home, src string, debug bool, crates []Archive, uid, gid int, when time.Time) error {
	options := noSymbols
	if debug {
		options = symbols
	}
	rules := fetch.Rules{Top: home[1:], MTime: when}
	err := fetch.PackFiles(dst, []fetch.MemFile{
		{Name: "config.toml", Data: fmt.Appendf(nil, config, home+"/vendor")},
		{Name: "rustc", Data: fmt.Appendf(nil, wrapper, home, src, options), Exec: true},
	}, rules)
	if err != nil {
		return err
	}
	for _, c := range crates {
		rules.Top = path.Join(home[1:], "vendor", c.String())
		if err := c.write(dst, rules); err != nil {
			return fmt.Errorf("crate %s: %w", c.Crate, err)
		}
	}
	// At the end, for what came before has its directories along as root's.
	return dst.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: home[1:] + "/", Mode: 0o755, Uid: uid, Gid: gid, ModTime: when})
}

func (c Archive) write(dst *tar.Writer, rules fetch.Rules) error {
	r, err := fetch.Tar(c.Path)
	if err != nil {
		return err
	}
	defer r.Close()
	unpacked := rules
	unpacked.StripTop = true
	if err := fetch.Copy(dst, r, unpacked); err != nil {
		return err
	}
	sum, err := json.Marshal(map[string]any{"files": map[string]string{}, "package": c.SHA256})
	if err != nil {
		return err
	}
	return fetch.PackFiles(dst, []fetch.MemFile{{Name: ".cargo-checksum.json", Data: sum}}, rules)
}

// Env is what a build with that home has in its environment.
func Env(home string) map[string]string {
	return map[string]string{
		"CARGO_HOME": home, "CARGO_NET_OFFLINE": "true", "CARGO_INCREMENTAL": "0", "CARGO_TERM_COLOR": "never", "RUSTC_WRAPPER": home + "/rustc",
	}
}
