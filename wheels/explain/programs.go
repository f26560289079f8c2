package explain

import "github.com/pybake/pybake/internal/pattern"

// programSigns are of shells, make, distutils, Python and build systems.
var programSigns = []sign{
	{"not found", pattern.New(`(?:^|: )(?:line )?\d+: ([\w.+-]+): (?:command )?not found`), func(r *reader, m []string) { r.program(m[1]) }},
	{"command not found", pattern.New(`(?:^|[\s:])([\w.+-]+): command not found`), func(r *reader, m []string) { r.program(m[1]) }},
	{"No such file or directory", pattern.New(`command '([^'/ ]+)' failed: No such file or directory`), func(r *reader, m []string) { r.program(m[1]) }},
	{"unable to execute", pattern.New(`unable to execute '([^'/ ]+)': No such file or directory`), func(r *reader, m []string) { r.program(m[1]) }},
	{"[Errno 2] No such file", pattern.New(`\[Errno 2\] No such file or directory: '([\w.+-]+)'`), func(r *reader, m []string) {
		// Else it is a file that the source lacks.
		if configProgram.MatchString(m[1]) || r.before(12, "_execute_child") || r.before(12, "in spawn") {
			r.program(m[1])
		}
	}},
	{"make", pattern.New(`^g?make(?:\[\d+\])?: ([\w.+-]+): No such file or directory`), func(r *reader, m []string) { r.program(m[1]) }},
	{"env: ", pattern.New(`env: [‘'"]?([\w.+-]+)[’'"]?: No such file or directory`), func(r *reader, m []string) { r.program(m[1]) }},
	{"rogram", pattern.New(`ERROR: Program '([\w.+-]+)' not found`), func(r *reader, m []string) { r.program(m[1]) }},
	{"Unknown compiler(s)", pattern.New(`Unknown compiler\(s\): \[\[?'([\w.+-]+)`), func(r *reader, m []string) { r.program(m[1]) }},
	{"config", pattern.New(`\b([\w.+]+[-_]config)\b['"` + "`" + `]? (?:executable |command |script |program )?(?:was |is |could )?not (?:be )?found`), func(r *reader, m []string) { r.program(m[1]) }},
	{"No CMAKE_", pattern.New(`No CMAKE_(\w+)_COMPILER could be found`), func(r *reader, m []string) {
		if name := cmakeCompilers[m[1]]; name != "" {
			r.program(name)
		}
	}},
	{"CMake", pattern.New(`CMake must be installed to build|Problem with the CMake installation, aborting build`), func(r *reader, _ []string) { r.program("cmake") }},
	{"Ninja", pattern.New(`Could not detect Ninja v`), func(r *reader, _ []string) { r.program("ninja") }},
	{"Rust", pattern.New(`can't find Rust compiler|Cargo, the Rust package manager, is not installed or is not on PATH|Rust not found, installing into a temporary directory|Rust toolchain not found`), func(r *reader, _ []string) {
		r.program("cargo")
	}},
}

var configProgram = pattern.New(`[-_]config$`)

var cmakeCompilers = map[string]string{"Fortran": "gfortran", "CXX": "g++", "C": "gcc", "ASM_NASM": "nasm", "CUDA": "nvcc"}

func (r *reader) program(name string) {
	if project := programProjects[name]; project != "" {
		r.requirement(project)
		return
	}
	files := []string{"/bin/" + name, "/sbin/" + name}
	what := "missing: the program " + name
	if name == "cargo" || name == "rustc" {
		name, files, what = "cargo", []string{"/bin/cargo"}, "missing: a Rust compiler"
	}
	r.add(Finding{Kind: Program, Name: name, What: what, Files: files})
}
