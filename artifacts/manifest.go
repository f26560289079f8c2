package artifacts

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/pybake/pybake/internal/pattern"
)

// ManifestFormat is the format that this package writes and the only one it reads.
const ManifestFormat = 1

// Manifest says what an artifact is, what it was made from and how. The JSON
// keys are those of the tags, in this order; an empty list or map is left out.
//
// A builder fills in Name, Labels, Inputs, Checks, Steps and the times, and in
// Files no more than what it knows about the packages; [Draft.Publish] does
// the rest.
type Manifest struct {
	Format   int               `json:"format"`            // ManifestFormat
	Kind     string            `json:"kind"`              // "python"
	Name     string            `json:"name"`              // "python 3.13.5 trixie amd64": the kind, then what a person would ask for
	Labels   map[string]string `json:"labels,omitempty"`  // for Latest: {"arch": "amd64", "distro": "trixie", "series": "3.13"}
	Key      Key               `json:"key"`               // of Kind and Inputs
	Inputs   []Input           `json:"inputs,omitempty"`  // sorted by name
	Files    []File            `json:"files,omitempty"`   // everything but the manifest, SHA256SUMS and logs; sorted by path
	Checks   []Check           `json:"checks,omitempty"`  // in the order they ran
	Steps    []Step            `json:"steps,omitempty"`   // in the order they ran
	Started  time.Time         `json:"started,omitzero"`  // UTC, to the millisecond
	Finished time.Time         `json:"finished,omitzero"` // UTC, to the millisecond; the time of publishing if the builder gave none
	Logs     []string          `json:"logs,omitempty"`    // "logs/build.log"; sorted. Neither sized nor hashed, and free to be deleted
}

// File is one file of an artifact.
type File struct {
	Path    string   `json:"path"`              // relative to the artifact, with slashes: "pybake-python3.13_3.13.5-1+deb13_amd64.deb"
	Size    int64    `json:"size"`              // in bytes
	SHA256  string   `json:"sha256"`            // 64 lower-case hex digits
	Package *Package `json:"package,omitempty"` // if the file is a Debian package
}

// Package repeats the control fields of a .deb that listings need
// (Debian Policy, section 5.6).
type Package struct {
	Name          string `json:"name"`          // "pybake-python3.13"
	Version       string `json:"version"`       // "3.13.5-1+deb13"
	Architecture  string `json:"architecture"`  // "amd64"
	InstalledSize int64  `json:"installedSize"` // in KiB, as in the control file
}

// Check is one proof that an artifact went through.
type Check struct {
	Name    string  `json:"name"` // "every stdlib module imports"
	OK      bool    `json:"ok"`
	Seconds float64 `json:"seconds"`
	Detail  string  `json:"detail,omitempty"` // "212 modules", or the tail of what went wrong

	Counts map[string]int `json:"counts,omitempty"` // of what it looked at: {"tests": 41207, "tests-skipped": 1822}
	Notes  []string       `json:"notes,omitempty"`  // what else it saw, which is no fault: "test_x passes, listed as failing"
}

// Step is one part of the build, with how long it took on the wall clock.
type Step struct {
	Name    string  `json:"name"` // "compile"
	Seconds float64 `json:"seconds"`
}

// encode returns the manifest as it stands on disk: JSON indented by two
// spaces, with a newline at the end.
func (m *Manifest) encode() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(m); err != nil {
		return nil, fmt.Errorf("encode manifest of %s: %w", m.Name, err)
	}
	return b.Bytes(), nil
}

// newerFormatError is a manifest or store of a format that is not known yet.
// That is no damage: rebuilding would destroy what a newer pybake made.
type newerFormatError int

func (e newerFormatError) Error() string {
	return fmt.Sprintf("format %d is newer than this pybake reads (%d)", int(e), ManifestFormat)
}

// decode reads a manifest and holds it to its own rules.
func decode(data []byte) (*Manifest, error) {
	var m Manifest
	err := json.Unmarshal(data, &m)
	if err != nil { // another format may have other types
		var head struct{ Format int }
		if json.Unmarshal(data, &head) == nil {
			m.Format = head.Format
		}
	}
	switch {
	case m.Format > ManifestFormat:
		return nil, newerFormatError(m.Format)
	case err != nil:
		return nil, err
	case m.Format != ManifestFormat:
		return nil, fmt.Errorf("format %d is not known", m.Format)
	}
	if key, err := NewKey(m.Kind, m.Inputs); err != nil {
		return nil, err
	} else if key != m.Key {
		return nil, fmt.Errorf("key is %s, but its inputs give %s", m.Key, key)
	}
	if _, err := stableName(m.Kind, m.Name); err != nil {
		return nil, err
	}
	for _, f := range m.Files {
		if err := checkPath(f.Path); err != nil {
			return nil, err
		}
	}
	return &m, nil
}

// checkPath refuses paths that leave the artifact and those that sha256sum
// would escape.
func checkPath(p string) error {
	if !filepath.IsLocal(p) || path.Clean(p) != p || strings.ContainsFunc(p, func(r rune) bool { return r < ' ' || r == '\\' || r == 0x7f }) {
		return fmt.Errorf("path %q is not a plain relative path", p)
	}
	return nil
}

// sums returns the text of SHA256SUMS: the manifest, then the files in order.
func sums(manifest []byte, files []File) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s  %s\n", hashBytes(manifest), manifestFile)
	for _, f := range files {
		fmt.Fprintf(&b, "%s  %s\n", f.SHA256, f.Path)
	}
	return b.Bytes()
}

var (
	kindPattern = pattern.New(`^[a-z][a-z0-9-]*$`)
	wordPattern = pattern.New(`^[A-Za-z0-9_][A-Za-z0-9._+~!-]*$`)
)

// checkKind holds a kind to what can stand beside the store's own directories.
func checkKind(kind string) error {
	if !kindPattern.MatchString(kind) || kind == artifactsDir || kind == tmpDir || kind == locksDir {
		return fmt.Errorf("kind %q: want lower-case letters, digits and -, and none of %s, %s, %s", kind, artifactsDir, tmpDir, locksDir)
	}
	return nil
}

// stableName turns the name "python 3.13.5 trixie amd64" into the path of its
// link, "python/3.13.5-trixie-amd64".
func stableName(kind, name string) (string, error) {
	words := strings.Split(name, " ")
	if len(words) < 2 || words[0] != kind {
		return "", fmt.Errorf("name %q: want the kind %s and at least one word, with single spaces between", name, kind)
	}
	for _, w := range words[1:] {
		if !wordPattern.MatchString(w) {
			return "", fmt.Errorf("name %q: %q is no part of a file name", name, w)
		}
	}
	return kind + "/" + strings.Join(words[1:], "-"), nil
}
