package cargo

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/pybake/pybake/internal/fetch"
)

// Unpack writes what compiles out of an archive by which Rust is installed without a
// network, below the directory top of a container: "/opt/rust". Such an archive is
//
//	rust-1.88.0-x86_64-unknown-linux-gnu/
//	    rustc/  cargo/  rust-std-x86_64-unknown-linux-gnu/    and others, each with
//	        bin/  lib/  …    which belong into one directory
//
// as its install.sh does for these three.
func Unpack(dst *tar.Writer, archive, top string) error {
	r, err := fetch.Tar(archive)
	if err != nil {
		return err
	}
	defer r.Close()
	files := 0
	for members := tar.NewReader(r); ; {
		hdr, err := members.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("unpack Rust: %w", err)
		}
		name, ok := installed(hdr.Name)
		if !ok || hdr.Typeflag != tar.TypeReg && hdr.Typeflag != tar.TypeSymlink {
			continue
		}
		out := &tar.Header{Typeflag: hdr.Typeflag, Name: path.Join(top[1:], name), Linkname: hdr.Linkname, Mode: 0o644, Size: hdr.Size, ModTime: time.Unix(0, 0)}
		if hdr.Mode&0o111 != 0 {
			out.Mode = 0o755
		}
		if err := dst.WriteHeader(out); err != nil {
			return fmt.Errorf("unpack Rust: %s: %w", hdr.Name, err)
		}
		if _, err := io.Copy(dst, members); err != nil {
			return fmt.Errorf("unpack Rust: %s: %w", hdr.Name, err)
		}
		files++
	}
	if files == 0 {
		return errors.New("unpack Rust: no rustc, cargo or rust-std in the archive")
	}
	return nil
}

// installed is where a member of the archive goes, if it does.
func installed(member string) (name string, ok bool) {
	parts := strings.SplitN(path.Clean(member), "/", 3)
	if len(parts) < 3 || parts[2] == "manifest.in" || !filepath.IsLocal(parts[2]) {
		return "", false
	}
	component := parts[1]
	return parts[2], component == "rustc" || component == "cargo" || strings.HasPrefix(component, "rust-std-")
}
