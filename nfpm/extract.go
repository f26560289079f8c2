package nfpm

import (
	"archive/tar"
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
)

// ReadFile reads the first file of a .deb of which match says yes, by its path as in
// [Entry]: "/opt/python/3.13/bin/python3.13". If there is none the error is
// fs.ErrNotExist.
func ReadFile(deb io.Reader, match func(path string) bool) (data []byte, err error) {
	a := &arReader{r: bufio.NewReader(deb)}
	for {
		name, body, err := a.next()
		if err != nil {
			return nil, fmt.Errorf("read deb: %w", err)
		}
		if !strings.HasPrefix(name, "data.tar") {
			continue
		}
		err = eachTar(name, body, func(h *tar.Header, r io.Reader) (err error) {
			if h.Typeflag != tar.TypeReg || !match(path.Join("/", h.Name)) {
				return nil
			}
			if data, err = io.ReadAll(r); err == nil {
				err = errFound
			}
			return err
		})
		switch {
		case errors.Is(err, errFound):
			return data, nil
		case err == nil:
			err = fs.ErrNotExist
		}
		return nil, fmt.Errorf("read deb: %w", err)
	}
}

var errFound = errors.New("found")
