package recipes

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"path"

	"github.com/ulikunitz/xz"

	"github.com/pybake/pybake/internal/pattern"
	"github.com/pybake/pybake/internal/strict"
)

// Profile is what PGO learned of a series with one compiler: a training that nobody has
// to repeat. profiles/3.13-trixie-amd64.toml, beside a profiles/3.13-trixie-amd64.tar.xz
// of the .gcda files:
//
//	variant = "pgo a028eb52b5ad"
//	compiler = "gcc-14 14.2.0-19"
//	workload = "-m test --pgo --timeout=1200"
//	digest = "sha256:06c36e6f…"
//	trained-on = "3.13.5"
//
// It is taken where all of that is as it is now; elsewhere a new one is trained.
type Profile struct {
	Variant   string `toml:"variant"`    // of the build: a hash of its configuration
	Compiler  string `toml:"compiler"`   // package and version
	Workload  string `toml:"workload"`   // arguments of the instrumented interpreter
	Digest    string `toml:"digest"`     // "sha256:…" of the tar, uncompressed
	TrainedOn string `toml:"trained-on"` // the release

	file func() ([]byte, error) // the archive
}

// maxProfile bounds the tar of a profile. Those of today have 2 MB.
const maxProfile = 64 << 20

var digestPattern = pattern.New(`^sha256:[0-9a-f]{64}$`)

// Profile is the profile that was trained for a series on a distro.
func (s *Set) Profile(series, codename, arch string) (Profile, bool) {
	p, ok := s.profiles[series+"-"+codename+"-"+arch]
	return p, ok
}

// Tar is the content: .gcda files by their paths in the build directory. Who uses it
// compares it with Digest.
func (p Profile) Tar() ([]byte, error) {
	data, err := p.file()
	if err != nil {
		return nil, err
	}
	r, err := xz.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("profile trained on %s: %w", p.TrainedOn, err)
	}
	tar, err := io.ReadAll(io.LimitReader(r, maxProfile+1))
	if err == nil && len(tar) > maxProfile {
		err = fmt.Errorf("more than %d bytes", maxProfile)
	}
	if err != nil {
		return nil, fmt.Errorf("profile trained on %s: %w", p.TrainedOn, err)
	}
	return tar, nil
}

// loadProfiles reads the profiles. An archive is the project's, if that has one.
func (s *Set) loadProfiles(project fs.FS, errs *strict.Errors) {
	s.profiles = loadDir(project, "profiles", all, func(string) Profile { return Profile{} }, Profile.problems, errs)
	for name, p := range s.profiles {
		file := path.Join("profiles", name+".tar.xz")
		p.file = func() ([]byte, error) { return fs.ReadFile(embedded, file) }
		if project != nil {
			if _, err := fs.Stat(project, file); err == nil {
				p.file = func() ([]byte, error) { return fs.ReadFile(project, file) }
			}
		}
		s.profiles[name] = p
	}
}

func (p Profile) problems(name string, doc *strict.Doc) strict.Errors {
	found := problems{doc: doc}
	found.required("variant", p.Variant)
	found.required("compiler", p.Compiler)
	found.required("workload", p.Workload)
	found.required("trained-on", p.TrainedOn)
	found.match("digest", p.Digest, digestPattern, "sha256: and 64 hexadecimal digits")
	return found.errs
}
