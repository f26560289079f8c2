package install

import (
	"bytes"
	_ "embed"
	"fmt"
)

// Format moves when the same inputs give other files.
const Format = "1"

// VenvDir is where the environment is.
const VenvDir = "/venv"

var (
	//go:embed install.py
	installPy []byte
	//go:embed apt.sh
	aptSh []byte
)

// Script is the text of "install.py" or "apt.sh", nil for any other name.
func Script(name string) []byte {
	switch name {
	case "install.py":
		return bytes.Clone(installPy)
	case "apt.sh":
		return bytes.Clone(aptSh)
	}
	return nil
}

// python is the interpreter of a series.
func python(series string) string {
	return fmt.Sprintf("/opt/python/%s/bin/python%s", series, series)
}
