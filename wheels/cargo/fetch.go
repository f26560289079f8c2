package cargo

import (
	"fmt"
	"strings"
)

// Request is a project that depends on some crates of a lock and on nothing else: what
// `cargo fetch` is given, so that it reads no manifest or configuration of the source. As
// the lock names its crates, cargo takes those, also where they were yanked since, and
// checks their hashes.
func (l *Lock) Request() []File {
	var manifest, lock strings.Builder
	manifest.WriteString("[package]\nname = \"request\"\nversion = \"0.0.0\"\nedition = \"2018\"\n\n[dependencies]\n")
	lock.WriteString("version = 3\n")
	for i, c := range l.Crates {
		version, _, _ := strings.Cut(c.Version, "+") // which a requirement does not have
		fmt.Fprintf(&manifest, "crate%d = { package = %q, version = %q, default-features = false }\n", i, c.Name, "="+version)
		fmt.Fprintf(&lock, "\n[[package]]\nname = %q\nversion = %q\nsource = %q\nchecksum = %q\n", c.Name, c.Version, l.origin, c.SHA256)
	}
	return []File{{ManifestFile, []byte(manifest.String())}, {LockFile, []byte(lock.String())}, {"src/lib.rs", nil}}
}
