package whl

import (
	"archive/zip"
	"fmt"
	"io"
	"path"
	"strings"
)

// maxMetadata bounds what MetadataText reads.
const maxMetadata = 16 << 20

// MetadataText is the METADATA of a wheel, byte for byte, as an index serves it
// (PEP 658). The wheel is one that Read has accepted: nothing else of it is looked at.
func MetadataText(file string) ([]byte, error) {
	z, err := zip.OpenReader(file)
	if err != nil {
		return nil, fmt.Errorf("read wheel %s: %w", file, err)
	}
	defer z.Close()
	for _, member := range z.File {
		dir, name := path.Split(member.Name)
		if name != "METADATA" || !strings.HasSuffix(dir, ".dist-info/") || strings.Count(dir, "/") != 1 {
			continue
		}
		r, err := member.Open()
		if err != nil {
			return nil, fmt.Errorf("read wheel %s: %w", file, err)
		}
		defer r.Close()
		text, err := io.ReadAll(io.LimitReader(r, maxMetadata+1))
		if err != nil {
			return nil, fmt.Errorf("read wheel %s: %w", file, err)
		}
		if len(text) > maxMetadata {
			return nil, fmt.Errorf("read wheel %s: METADATA of more than %d bytes", file, maxMetadata)
		}
		return text, nil
	}
	return nil, fmt.Errorf("read wheel %s: no METADATA", file)
}
