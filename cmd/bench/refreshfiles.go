package main

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

// pureWheel is a small wheel of nothing but Python, as it is in an index.
type pureWheel struct {
	name, version string // "bench-0007", "1.0"
	data          []byte
	sha256        string
}

func (w *pureWheel) file() string {
	return strings.ReplaceAll(w.name, "-", "_") + "-" + w.version + "-py3-none-any.whl"
}

// newPureWheel makes a wheel of some modules. The bytes follow from name and version.
func newPureWheel(name, version string) (*pureWheel, error) {
	module := strings.ReplaceAll(name, "-", "_")
	info := module + "-" + version + ".dist-info/"
	var code strings.Builder
	for line := range 40 {
		fmt.Fprintf(&code, "\n\ndef f%d(x):\n    \"\"\"Return x and %d.\"\"\"\n    return x + %d\n", line, line, line)
	}
	files := []struct{ name, text string }{
		{module + "/__init__.py", fmt.Sprintf("__version__ = %q\n", version)},
		{module + "/one.py", code.String()},
		{module + "/two.py", "from .one import f1, f2" + code.String()},
		{info + "METADATA", fmt.Sprintf("Metadata-Version: 2.1\nName: %s\nVersion: %s\nSummary: one of many\nRequires-Python: >=3.8\n\n%s",
			name, version, strings.Repeat("A paragraph of its description, as long as those of others.\n", 40))},
		{info + "WHEEL", "Wheel-Version: 1.0\nGenerator: bench\nRoot-Is-Purelib: true\nTag: py3-none-any\n"},
	}
	var record strings.Builder
	for _, f := range files {
		sum := sha256.Sum256([]byte(f.text))
		fmt.Fprintf(&record, "%s,sha256=%s,%d\n", f.name, base64.RawURLEncoding.EncodeToString(sum[:]), len(f.text))
	}
	record.WriteString(info + "RECORD,,\n")
	files = append(files, struct{ name, text string }{info + "RECORD", record.String()})
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, f := range files {
		h := &zip.FileHeader{Name: f.name, Method: zip.Deflate, Modified: time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)}
		h.SetMode(0o644)
		w, err := z.CreateHeader(h)
		if err != nil {
			return nil, err
		}
		if _, err := w.Write([]byte(f.text)); err != nil {
			return nil, err
		}
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	sum := sha256.Sum256(b.Bytes())
	return &pureWheel{name: name, version: version, data: b.Bytes(), sha256: hex.EncodeToString(sum[:])}, nil
}

// newPureWheels makes some wheels, numbered from first on.
func newPureWheels(first, n int, version string) ([]*pureWheel, error) {
	all := make([]*pureWheel, n)
	for i := range all {
		var err error
		if all[i], err = newPureWheel(fmt.Sprintf("bench-%05d", first+i), version); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// requirements is the lock of some wheels: that of pip-compile with hashes, which names
// no files.
func requirements(wheels []*pureWheel) []byte {
	var b bytes.Buffer
	for _, w := range wheels {
		fmt.Fprintf(&b, "%s==%s \\\n    --hash=sha256:%s\n", w.name, w.version, w.sha256)
	}
	return b.Bytes()
}
