package explain

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pybake/pybake/wheels/build"
)

// brief is what a finding comes to: its kind and name, and what mends it.
func brief(findings []Finding) (out []string) {
	for _, f := range findings {
		line := string(f.Kind) + " " + f.Name
		for _, more := range [][]string{f.Files, f.Requires, f.Constraints} {
			if len(more) > 0 {
				line += " " + strings.Join(more, ",")
			}
		}
		for key, value := range f.Env {
			line += " " + key + "=" + value
		}
		out = append(out, line)
	}
	return out
}

func read(python, log, cause string, installed map[string]string) []Finding {
	f := Failure{Name: "thing", Python: python, Log: log, Installed: installed}
	if cause != "" {
		f.Failed = &build.FailedError{Kind: build.Raised, Cause: cause}
	}
	return Read(f)
}

// TestFiles has what compilers, linkers and build systems print.
func TestFiles(t *testing.T) {
	for _, test := range []struct{ name, log, want string }{
		{"gcc", `building 'psycopg2._psycopg' extension
psycopg/adapter_asis.c:28:
./psycopg/psycopg.h:36:10: fatal error: libpq-fe.h: No such file or directory
   36 | #include <libpq-fe.h>
      |          ^~~~~~~~~~~~
compilation terminated.
error: command '/usr/bin/gcc' failed with exit code 1`, "header libpq-fe.h /libpq-fe.h"},
		{"gcc, in a directory", `Modules/constants.h:7:10: fatal error: lber.h: No such file or directory
Modules/ldapcontrol.c:9:10: fatal error: sasl/sasl.h: No such file or directory`, "header sasl/sasl.h /sasl/sasl.h\nheader lber.h /lber.h"},
		{"clang", "src/lib.cpp:3:10: fatal error: 'Eigen/Dense' file not found", "header Eigen/Dense /Eigen/Dense"},
		{"of Windows", "src/a.c:3:10: fatal error: windows.h: No such file or directory", ""},
		{"of numpy", "src/a.c:3:10: fatal error: numpy/arrayobject.h: No such file or directory", "requirement numpy numpy"},
		{"not made", `cc1: fatal error: src/fast.c: No such file or directory
compilation terminated.
error: command '/usr/bin/gcc' failed with exit code 1`, "requirement cython cython"},
		{"pillow", `The headers or library files could not be found for jpeg,
a required dependency when compiling Pillow from source.`, "header jpeglib.h /jpeglib.h"},
		{"lxml", "Error: Please make sure the libxml2 and libxslt development packages are installed.",
			"module libxslt.pc /libxslt.pc\nmodule libxml-2.0.pc /libxml-2.0.pc"},
		{"setup.py", `Exception: Could not find portaudio.h header file`, "header portaudio.h /portaudio.h"},
		{"configure", "configure: error: curl/curl.h header was not found", "header curl/curl.h /curl/curl.h"},
		{"meson header", "../meson.build:12:0: ERROR: C header 'ffi.h' not found", "header ffi.h /ffi.h"},
		{"ld", `/usr/bin/ld: cannot find -lldap_r: No such file or directory
collect2: error: ld returned 1 exit status`, "library libldap_r.so /libldap_r.so,/libldap_r.a"},
		{"ld of bullseye", "/usr/bin/ld: cannot find -lpq\ncollect2: error: ld returned 1 exit status", "library libpq.so /libpq.so,/libpq.a"},
		{"dlopen", "error: Unable to load dependency HDF5, make sure HDF5 is installed properly\nlibhdf5.so: cannot open shared object file: No such file or directory",
			"library libhdf5.so /libhdf5.so,/libhdf5.a"},
		{"meson library", "meson.build:5:10: ERROR: C shared or static library 'enchant' not found", "library libenchant.so /libenchant.so,/libenchant.a"},
		{"pkgconf", `Package cairo was not found in the pkg-config search path.
Perhaps you should add the directory containing ` + "`cairo.pc'" + `
to the PKG_CONFIG_PATH environment variable
Package 'cairo', required by 'virtual:world', not found`, "module cairo.pc /cairo.pc"},
		{"pkgconf of trixie", "Package 'x11', required by 'cairo', not found", "module x11.pc /x11.pc"},
		{"pkg-config", "No package 'gobject-introspection-1.0' found", "module gobject-introspection-1.0.pc /gobject-introspection-1.0.pc"},
		{"several", `Trying pkg-config --exists mysqlclient
Command 'pkg-config --exists mysqlclient' returned non-zero exit status 1.
Trying pkg-config --exists mariadb
Command 'pkg-config --exists mariadb' returned non-zero exit status 1.
Trying pkg-config --exists libmariadb
Command 'pkg-config --exists libmariadb' returned non-zero exit status 1.
Traceback (most recent call last):
Exception: Can not find valid pkg-config name.
Specify MYSQLCLIENT_CFLAGS and MYSQLCLIENT_LDFLAGS env vars manually`,
			"module mysqlclient.pc /mysqlclient.pc,/mariadb.pc,/libmariadb.pc"},
		{"list", "subprocess.CalledProcessError: Command '['pkg-config', '--cflags', 'dbus-1 >= 1.8']' returned non-zero exit status 1.", "module dbus-1.pc /dbus-1.pc"},
		{"module of Python", "pkgconfig.pkgconfig.PackageNotFoundError: xmlsec1 not found", "module xmlsec1.pc /xmlsec1.pc"},
		{"meson", `Run-time dependency cairo found: NO  (tried pkg-config)

../cairo/meson.build:31:12: ERROR: Dependency "cairo" not found (tried pkg-config)`,
			"module cairo /cairo.pc,/cairoConfig.cmake,/cairo-config.cmake,/libcairo.so"},
		{"meson, other words", "../meson.build:31:9: ERROR: Dependency 'girepository-2.0' is required but not found.",
			"module girepository-2.0 /girepository-2.0.pc,/girepository-2.0Config.cmake,/girepository-2.0-config.cmake,/libgirepository-2.0.so"},
		{"meson, known by another name", `../scipy/meson.build:216:9: ERROR: Dependency "OpenBLAS" not found, tried pkgconfig`, "module OpenBLAS /openblas.pc"},
		{"meson, of Python", `../meson.build:3:0: ERROR: Dependency "pybind11" not found, tried pkgconfig and cmake`, "requirement pybind11 pybind11"},
		{"meson, too old", "../meson.build:31:9: ERROR: Dependency lookup for glib-2.0 with method 'pkgconfig' failed: Invalid version, need 'glib-2.0' ['>= 2.80.0'] found '2.74.6'.",
			"compiler glib-2.0"},
		{"CMake", `CMake Error at /usr/share/cmake-3.25/Modules/FindPackageHandleStandardArgs.cmake:230 (message):
  Could NOT find ZLIB (missing: ZLIB_LIBRARY ZLIB_INCLUDE_DIR)
Call Stack (most recent call first):`, "module ZLIB /zlib.pc"},
		{"CMake does without", "-- Could NOT find Doxygen (missing: DOXYGEN_EXECUTABLE)", ""},
		{"CMake package", `CMake Error at CMakeLists.txt:20 (find_package):
  By not providing "FindEigen3.cmake" in CMAKE_MODULE_PATH this project has
  asked CMake to find a package configuration file provided by "Eigen3", but
  CMake did not find one.

  Could not find a package configuration file provided by "Eigen3" with any of
  the following names:

    Eigen3Config.cmake
    eigen3-config.cmake`, "module Eigen3 /Eigen3.pc,/Eigen3Config.cmake,/eigen3-config.cmake,/eigen3.pc,/libeigen3.so"},
		{"CMake package that it does without", `CMake Warning at CMakeLists.txt:20 (find_package):
  By not providing "FindEigen3.cmake" in CMAKE_MODULE_PATH this project has
  asked CMake to find a package configuration file provided by "Eigen3", but`, ""},
		{"CMake library", `CMake Error at CMakeLists.txt:9 (find_library):
  Could not find PQ_LIB using the following names: pq, libpq`, "library pq /libpq.so,/bin/pq,/libpq.so,/bin/libpq"},
		{"colours", "\x1b[01m\x1b[Ksrc/a.c:3:10:\x1b[m\x1b[K \x1b[01;31m\x1b[Kfatal error: \x1b[m\x1b[Kzmq.h: No such file or directory\r", "header zmq.h /zmq.h"},
		{"nothing known", "Traceback (most recent call last):\nRuntimeError: the flux is off", ""},
		{"a file of the source", "  File \"setup.py\", line 5, in <module>\n    open('README.md')\nFileNotFoundError: [Errno 2] No such file or directory: 'README.md'", ""},
		{"the last four", "a.c:1:1: fatal error: a.h: No such file or directory\na.c:1:1: fatal error: b.h: No such file or directory\n" +
			"a.c:1:1: fatal error: c.h: No such file or directory\na.c:1:1: fatal error: d.h: No such file or directory\na.c:1:1: fatal error: e.h: No such file or directory",
			"header e.h /e.h\nheader d.h /d.h\nheader c.h /c.h\nheader b.h /b.h"},
	} {
		got := strings.Join(brief(read("3.13", test.log, "", nil)), "\n")
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: %s", test.name, diff)
		}
	}
}

func TestPrograms(t *testing.T) {
	for _, test := range []struct{ name, log, want string }{
		{"psycopg2", `running egg_info
Error: pg_config executable not found.

pg_config is required to build psycopg2 from source.  Please add the directory`, "program pg_config /bin/pg_config,/sbin/pg_config"},
		{"sh", "sh: 1: cmake: not found", "program cmake /bin/cmake,/sbin/cmake"},
		{"dash", "/bin/sh: 1: pkg-config: not found", "program pkg-config /bin/pkg-config,/sbin/pkg-config"},
		{"a script", "./autogen.sh: 3: autoreconf: not found", "program autoreconf /bin/autoreconf,/sbin/autoreconf"},
		{"bash", "./configure: line 2301: nc-config: command not found", "program nc-config /bin/nc-config,/sbin/nc-config"},
		{"distutils", "error: command 'gfortran' failed: No such file or directory", "program gfortran /bin/gfortran,/sbin/gfortran"},
		{"older distutils", "unable to execute 'swig': No such file or directory\nerror: command 'swig' failed: No such file or directory", "program swig /bin/swig,/sbin/swig"},
		{"a compiler that failed", "error: command '/usr/bin/gcc' failed with exit code 1", ""},
		{"Python", `  File "/opt/python/3.13/lib/python3.13/subprocess.py", line 1972, in _execute_child
    raise child_exception_type(errno_num, err_msg, err_filename)
FileNotFoundError: [Errno 2] No such file or directory: 'llvm'`, "program llvm /bin/llvm,/sbin/llvm"},
		{"pycurl", "Could not run curl-config: [Errno 2] No such file or directory: 'curl-config'", "program curl-config /bin/curl-config,/sbin/curl-config"},
		{"make", "make[1]: bison: No such file or directory", "program bison /bin/bison,/sbin/bison"},
		{"env", "/usr/bin/env: ‘perl’: No such file or directory", "program perl /bin/perl,/sbin/perl"},
		{"meson", "../meson.build:8:10: ERROR: Program 'swig' not found or not executable", "program swig /bin/swig,/sbin/swig"},
		{"meson, of Python", "../meson.build:8:10: ERROR: Program 'cython' not found or not executable", "requirement cython cython"},
		{"meson compiler", "../meson.build:1:0: ERROR: Unknown compiler(s): [['gfortran'], ['flang-new'], ['flang'], ['nvfortran'], ['pgfortran'], ['ifort'], ['ifx'], ['g95']]",
			"program gfortran /bin/gfortran,/sbin/gfortran"},
		{"CMake compiler", "  No CMAKE_Fortran_COMPILER could be found.", "program gfortran /bin/gfortran,/sbin/gfortran"},
		{"CMake itself", "RuntimeError: CMake must be installed to build the following extensions: _dlib_pybind11", "program cmake /bin/cmake,/sbin/cmake"},
		{"setuptools-rust", "error: can't find Rust compiler", "program cargo /bin/cargo"},
		{"maturin", "  Caused by: rustc, the rust compiler is not installed or not in PATH. This package requires Rust and Cargo to compile extensions.", "program cargo /bin/cargo"},
		{"cargo", "Cargo, the Rust package manager, is not installed or is not on PATH.\nThis package requires Rust and Cargo to compile extensions.", "program cargo /bin/cargo"},
		{"cargo in a shell", "/bin/sh: 1: cargo: not found", "program cargo /bin/cargo"},
	} {
		got := strings.Join(brief(read("3.13", test.log, "", nil)), "\n")
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: %s", test.name, diff)
		}
	}
}

func TestRequirements(t *testing.T) {
	old := map[string]string{"setuptools": "57.0", "cython": "0.29.37", "numpy": "1.26.4"}
	recent := map[string]string{"setuptools": "82.0.1", "cython": "3.1.2", "numpy": "2.3.1", "cmake": "4.0.3"}
	for _, test := range []struct {
		name, log, cause string
		installed        map[string]string
		want             string
	}{
		{"module", "", "ModuleNotFoundError: No module named 'numpy'", nil, "requirement numpy numpy"},
		{"below it", "", "ModuleNotFoundError: No module named 'Cython.Build'", nil, "requirement cython cython"},
		{"another name", "", "ModuleNotFoundError: No module named 'setuptools_scm'", nil, "requirement setuptools-scm setuptools-scm"},
		{"a backend", "", "the backend poetry.core.masonry.api cannot be imported: ModuleNotFoundError: No module named 'poetry'", nil, "requirement poetry-core poetry-core"},
		{"itself", "", "ModuleNotFoundError: No module named 'thing'", nil, ""},
		{"one that is there", "", "ModuleNotFoundError: No module named 'numpy'", recent, ""},
		{"the last of several", "ModuleNotFoundError: No module named 'Cython'\n\nDuring handling of the above exception, another exception occurred:\n",
			"ModuleNotFoundError: No module named 'cppy'", nil, "requirement cppy cppy"},
		{"distutils", "", "ModuleNotFoundError: No module named 'distutils'", nil, "requirement setuptools setuptools"},
		{"pkg_resources, too new", "", "ModuleNotFoundError: No module named 'pkg_resources'", recent, "requirement setuptools<81 setuptools<81"},
		{"pkg_resources, nothing", "", "ModuleNotFoundError: No module named 'pkg_resources'", nil, "requirement setuptools setuptools setuptools<81"},
		{"wheel", "error: invalid command 'bdist_wheel'", "SystemExit: error: invalid command 'bdist_wheel'", nil, "requirement wheel wheel"},
		{"lap", "", `ImportError: lap requires numpy, please "pip install numpy".`, nil, "requirement numpy numpy"},
		{"pycocotools", "", "distutils.errors.DistutilsError: Command '['/build/env/bin/python', '-m', 'pip', '--disable-pip-version-check', 'wheel', '--no-deps', '-w', '/tmp/tmpztexj4s6', '--quiet', 'cython>=0.27.3']' returned non-zero exit status 1.",
			nil, "requirement cython cython>=0.27.3"},
		{"asked for", "Please install Cython to build from source", "SystemExit: 1", nil, "requirement cython cython"},
		{"use_2to3", "error in thing setup command: use_2to3 is invalid.", "SystemExit: error in thing setup command: use_2to3 is invalid.", recent, "requirement setuptools<58 setuptools<58"},
		{"use_2to3 of an old one", "error in thing setup command: use_2to3 is invalid.", "", old, ""},
		{"PyYAML", "AttributeError: cython_sources", "AttributeError: cython_sources", recent, "requirement cython<3 cython<3"},
		{"Cython", "Cython.Compiler.Errors.CompileError: src/thing.pyx", "Cython.Compiler.Errors.CompileError: src/thing.pyx", recent, "requirement cython<3 cython<3"},
		{"Cython that is old", "Cython.Compiler.Errors.CompileError: src/thing.pyx", "", old, ""},
		{"NumPy", "src/a.c:5:9: error: ‘PyArray_Descr’ {aka ‘struct _PyArray_Descr’} has no member named ‘subarray’", "", recent, "requirement numpy<2 numpy<2"},
		{"CMake 4", "  Compatibility with CMake < 3.5 has been removed from CMake.", "", recent, "requirement cmake 4 CMAKE_POLICY_VERSION_MINIMUM=3.5"},
		{"CMake", "  CMake 3.29 or higher is required.  You are running version 3.25.1", "", nil, "requirement cmake cmake>=3.29"},
		{"meson", "meson.build:1:0: ERROR: Meson version is 1.0.1 but project requires >=1.2.3", "", nil, "requirement meson meson>=1.2.3"},
	} {
		got := strings.Join(brief(read("3.13", test.log, test.cause, test.installed)), "\n")
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: %s", test.name, diff)
		}
	}
}

func TestPythons(t *testing.T) {
	for _, test := range []struct{ python, log, want string }{
		{"3.12", "intbitset/intbitset.c:17768:53: error: ‘PyLongObject’ {aka ‘struct _longobject’} has no member named ‘ob_digit’", "python 3.12"},
		{"3.12", "asyncpg/pgproto/pgproto.c:40800:55: error: no member named 'ob_digit' in 'struct _longobject'", "python 3.12"},
		{"3.11", "src/twisted/test/raiser.c:181:12: fatal error: longintrepr.h: No such file or directory", "python 3.11"},
		{"3.10", "src/twisted/test/raiser.c:181:12: fatal error: longintrepr.h: No such file or directory", "header longintrepr.h /longintrepr.h"},
		{"3.13", "thing.c:4153:17: error: too few arguments to function ‘_PyLong_AsByteArray’", "python 3.13"},
		{"3.13", "thing.c:12:5: error: implicit declaration of function ‘_PyInterpreterState_GetConfig’; did you mean ‘PyInterpreterState_GetID’? [-Wimplicit-function-declaration]", "python 3.13"},
		{"3.12", "thing.c:9:5: error: implicit declaration of function ‘PyUnicode_AsUnicode’; did you mean ‘PyUnicode_AsUTF8’?", "python 3.12"},
		{"3.13", "thing.c:9:5: error: ‘PyLongObject’ has no member named ‘ob_digit’\nthing.c:4153:17: error: too few arguments to function ‘_PyLong_AsByteArray’\n" +
			"thing.c:9:9: error: ‘PyLongObject’ has no member named ‘ob_digit’", "python 3.13"},
		{"3.13", "ModuleNotFoundError: No module named 'imp'", "python 3.12"},
		{"3.13", "AttributeError: module 'configparser' has no attribute 'SafeConfigParser'. Did you mean: 'RawConfigParser'?", "python 3.12"},
		{"3.13", "AttributeError: module 'pkgutil' has no attribute 'ImpImporter'. Did you mean: 'zipimporter'?", "python 3.12"},
		{"3.11", "ModuleNotFoundError: No module named 'imp'", "requirement imp imp"},
		{"3.13", "  error: the configured Python interpreter version (3.13) is newer than PyO3's maximum supported version (3.12)", "python 3.13 PYO3_USE_ABI3_FORWARD_COMPATIBILITY=1"},
		{"3.13", "RuntimeError: Cannot install on Python version 3.13.5; only versions >=3.6,<3.10 are supported.", "python 3.13.5"},
	} {
		got := strings.Join(brief(read(test.python, test.log, "", nil)), "\n")
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: %s: %s", test.python, test.log, diff)
		}
	}
}

func TestCompilers(t *testing.T) {
	for _, test := range []struct{ log, want string }{
		{"g++: error: unrecognized command-line option ‘-std=c++23’; did you mean ‘-std=c++20’?", "compiler C++23"},
		{"cc1plus: error: unrecognized command line option '-std=c++2a'", "compiler C++20"},
		{"../meson.build:1:0: ERROR: None of values ['c++20'] are supported by the CPP compiler. Possible values for option \"cpp_std\" are ['none', 'c++98']", "compiler C++20"},
		{"  Target \"core\" requires the language dialect \"CXX23\" (with compiler", "compiler C++23"},
		{"../meson.build:28:4: ERROR: Problem encountered: NumPy requires GCC >= 9.3", "compiler gcc 9.3"},
		{"src/a.h:4:2: error: #error \"C++20 or later is required\"", "compiler C++20"},
		{"crfsuite/lib/crf/src/vecmath.h:50:15: error: implicit declaration of function ‘posix_memalign’ [-Wimplicit-function-declaration]", "compiler -Wimplicit-function-declaration"},
		{"a.c:5:9: warning: implicit declaration of function ‘f’ [-Wimplicit-function-declaration]", ""},
		{"error: package `pydantic-core v2.41.5` cannot be built because it requires rustc 1.88 or newer, while the currently active rustc version is 1.85.0", "compiler rustc 1.88"},
		{"error: package `anstyle v1.0.1` cannot be built because it requires rustc 1.64.0 or newer, while the currently active rustc version is 1.63.0", "compiler rustc 1.64.0"},
		{"error: rustc 1.85.0 is not supported by the following packages:\n  pydantic-core@2.41.5 requires rustc 1.88\n  time@0.3.47 requires rustc 1.88.0\n  url@2.5 requires rustc 1.67", "compiler rustc 1.88.0"},
		{"error: Rust 1.44.0 does not match extension requirement >=1.45.0", "compiler rustc 1.45.0"},
		{"  feature `edition2024` is required", "compiler rustc 1.85"},
		{"error: failed to parse lock file at: /build/src/Cargo.lock\n\nCaused by:\n  lock file version `4` was found, but this version of Cargo does not understand this lock file, perhaps Cargo needs to be updated?", "compiler rustc 1.78"},
		{"  lock file version 4 requires `-Znext-lockfile-bump`", "compiler rustc 1.78"},
		{"g++: fatal error: Killed signal terminated program cc1plus", "limit memory"},
		{"/usr/bin/ld: final link failed: No space left on device", "limit disk"},
	} {
		got := strings.Join(brief(read("3.13", test.log, "", nil)), "\n")
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: %s", test.log, diff)
		}
	}
}

// TestEnds has builds that ended in other ways than by an exception.
func TestEnds(t *testing.T) {
	for _, test := range []struct {
		failed build.FailedError
		log    string
		want   string
	}{
		{build.FailedError{Kind: build.OutOfMemory, Cause: "out of memory at 1 GiB"}, "g++: fatal error: Killed signal terminated program cc1plus", "limit memory"},
		{build.FailedError{Kind: build.DiskFull, Cause: "no room left in /build, of 128 MiB: OSError: [Errno 28] No space left on device"}, "", "limit disk"},
		{build.FailedError{Kind: build.DiskFull, Cause: "no room left in /build, of 128 MiB: subprocess.CalledProcessError: Command 'make' returned non-zero exit status 2."}, "", "limit disk"},
		{build.FailedError{Kind: build.TimedOut, Cause: "no end after 1 h"}, "", "limit time"},
		{build.FailedError{Kind: build.Raised, Cause: "OSError", Reached: []string{"files.example.org"}}, "", "network files.example.org"},
		{build.FailedError{Kind: build.Raised, Cause: "OSError", Reached: []string{"files.example.org"}}, "sh: 1: cmake: not found", "program cmake /bin/cmake,/sbin/cmake"},
		{build.FailedError{Kind: build.Died, Cause: "the build was killed by SIGSEGV without an answer"}, "", ""},
	} {
		got := strings.Join(brief(Read(Failure{Name: "thing", Python: "3.13", Failed: &test.failed, Log: test.log})), "\n")
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: %s", test.failed.Cause, diff)
		}
	}
}

// TestLong reads no more than the end of a log, in a time that nobody notices.
func TestLong(t *testing.T) {
	line := "x86_64-linux-gnu-gcc -Wall -fPIC -I/opt/python/3.13/include/python3.13 -c src/config.c -o build/temp/src/config.o error: warning: not found\n"
	log := "a.c:1:1: fatal error: first.h: No such file or directory\n" + strings.Repeat(line, 4*MaxLog/len(line)) + "a.c:1:1: fatal error: last.h: No such file or directory\n"
	started := time.Now()
	got := strings.Join(brief(read("3.13", log, "", nil)), "\n")
	if got != "header last.h /last.h" {
		t.Errorf("found %q", got)
	}
	if took := time.Since(started); took > 5*time.Second {
		t.Errorf("reading took %s", took)
	}
}
