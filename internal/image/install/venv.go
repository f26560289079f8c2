package install

import (
	"archive/tar"
	"bytes"
	"fmt"
	"path"
	"strings"
)

// Venv is a tar of the empty environment of a series, "3.13": what "install.py
// venv" makes. Owners are 0:0, times the epoch, names begin with "venv/".
func Venv(series string) []byte {
	top := strings.TrimPrefix(VenvDir, "/") + "/"
	config := fmt.Appendf(nil, "home = %s\ninclude-system-site-packages = false\nversion = %s\n", path.Dir(python(series)), series)
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	write := func(h tar.Header, content []byte) {
		h.Name, h.Size = top+h.Name, int64(len(content))
		if h.Mode == 0 {
			h.Mode = 0o755
		}
		// Names and links are short, and a buffer takes all: there is no error.
		if err := w.WriteHeader(&h); err != nil {
			panic(err)
		}
		if _, err := w.Write(content); err != nil {
			panic(err)
		}
	}
	for _, dir := range []string{"", "bin/"} {
		write(tar.Header{Typeflag: tar.TypeDir, Name: dir}, nil)
	}
	for _, link := range [][2]string{{"python", python(series)}, {"python3", "python"}, {"python" + series, "python"}} {
		write(tar.Header{Typeflag: tar.TypeSymlink, Name: "bin/" + link[0], Linkname: link[1], Mode: 0o777}, nil)
	}
	for _, dir := range []string{"lib/", "lib/python" + series + "/", "lib/python" + series + "/site-packages/"} {
		write(tar.Header{Typeflag: tar.TypeDir, Name: dir}, nil)
	}
	write(tar.Header{Typeflag: tar.TypeReg, Name: "pyvenv.cfg", Mode: 0o644}, config)
	if err := w.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}
