package build

import (
	"archive/zip"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/pybake/pybake/internal/pattern"
)

// maxText is the size of the largest entry_points.txt, and of a script of which
// the first line is replaced.
const maxText = 16 << 20

// shebang is the first line of a program.
func (t *tree) shebang() string { return "#!" + t.env + "/bin/python\n" }

// scripts writes a program for every console and gui script of entry_points.txt.
func (t *tree) scripts(f *zip.File) error {
	r, err := f.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	text, err := io.ReadAll(io.LimitReader(r, maxText))
	if err != nil {
		return err
	}
	scripts, err := entryPoints(string(text))
	if err != nil {
		return err
	}
	for _, s := range scripts {
		if err := t.file(path.Join("bin", s.name), true, s.program(t.shebang())); err != nil {
			return err
		}
	}
	return nil
}

// entryPoint is a program that calls a function.
type entryPoint struct {
	name   string // "cython"
	module string // "Cython.Compiler.Main"
	attr   string // "setuptools_main"
}

// entryPointRE is "cython = Cython.Compiler.Main:setuptools_main [extra]".
var entryPointRE = pattern.New(`^([^=/\x00]*[^=/\x00\s])\s*=\s*([\pL_][\pL\pN_]*(?:\.[\pL_][\pL\pN_]*)*)\s*:\s*([\pL_][\pL\pN_]*(?:\.[\pL_][\pL\pN_]*)*)\s*(?:\[[^\]]*\])?$`)

// entryPoints reads the programs of an entry_points.txt, an INI file.
func entryPoints(text string) ([]entryPoint, error) {
	var out []entryPoint
	programs := false
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		if line[0] == '[' {
			programs = line == "[console_scripts]" || line == "[gui_scripts]"
			continue
		}
		if !programs {
			continue
		}
		m := entryPointRE.FindStringSubmatch(line)
		if m == nil || m[1] == "." || m[1] == ".." {
			return nil, fmt.Errorf("line %d: %.200q names no program and function", i+1, line)
		}
		out = append(out, entryPoint{name: m[1], module: m[2], attr: m[3]})
	}
	return out, nil
}

func (e entryPoint) program(shebang string) []byte {
	first, _, _ := strings.Cut(e.attr, ".")
	return fmt.Appendf(nil, `%simport sys
from %s import %s
if __name__ == "__main__":
    sys.exit(%s())
`, shebang, e.module, first, e.attr)
}
