package nfpm

import (
	"archive/tar"
	"bufio"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
)

// maxControl is what a control file may be long, in bytes. The longest in Debian
// has a few KiB.
const maxControl = 1 << 20

// Control returns the control file of a .deb as it stands in its control member.
// Of deb no more is read than that member, but for what one buffer holds. A
// control file that is missing, there twice, empty or longer than 1 MiB is an
// error.
func Control(deb io.Reader) (string, error) {
	text, err := readControl(&arReader{r: bufio.NewReader(deb)})
	if err != nil {
		return "", fmt.Errorf("read control of deb: %w", err)
	}
	return text, nil
}

func readControl(a *arReader) (text string, err error) {
	name, _, err := a.next()
	if err == nil && name != "debian-binary" {
		err = fmt.Errorf("member %q: want debian-binary", name)
	}
	if err != nil {
		return "", err
	}
	name, body, err := a.next()
	if err == nil && !strings.HasPrefix(name, "control.tar") {
		err = fmt.Errorf("member %q: want control.tar", name)
	}
	if err != nil {
		return "", err
	}
	found := false
	err = eachTar(name, body, func(h *tar.Header, r io.Reader) error {
		switch {
		case path.Clean(h.Name) != "control":
			return nil
		case h.Typeflag != tar.TypeReg:
			return errors.New("control: not a regular file")
		case found:
			return errors.New("control: there twice")
		}
		found = true
		data, err := io.ReadAll(io.LimitReader(r, maxControl+1))
		if err == nil && len(data) > maxControl {
			err = fmt.Errorf("control: longer than %d bytes", maxControl)
		}
		text = string(data)
		return err
	})
	if err == nil && text == "" {
		err = fmt.Errorf("member %s: no control file, or an empty one", name)
	}
	return text, err
}
