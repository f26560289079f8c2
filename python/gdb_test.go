package python

import (
	"strings"
	"testing"
)

// backtrace is what gdb 16 prints of frames.py on trixie, shortened.
const backtrace = `[Thread debugging using libthread_db enabled]

Program received signal SIGABRT, Aborted.
0x00007f9686ab269c in ?? () from /lib/x86_64-linux-gnu/libc.so.6
#0  0x00007f9686ab269c in ?? () from /lib/x86_64-linux-gnu/libc.so.6
#3  0x000055ee7f2fa128 in os_abort_impl (module=<optimized out>) at ./Modules/posixmodule.c:14509
#8  0x000055ee7f32cc25 in _PyEval_EvalFrameDefault (tstate=<optimized out>, frame=<optimized out>, throwflag=<optimized out>) at Python/generated_cases.c.h:813
Traceback (most recent call first):
  <built-in method abort of module object at remote 0x7fc8549fee80>
  File "/tmp/pybake/frames.py", line 9, in innermost
    os.abort()
  File "/tmp/pybake/frames.py", line 13, in middle
    list(map(innermost, [answer]))
  File "/tmp/pybake/frames.py", line 17, in outermost
    middle(42)
  File "/tmp/pybake/frames.py", line 22, in <module>
    outermost()
From                To                  Syms Read   Shared Object Library
0x00007f9686d10000  0x00007f9686d37411  Yes (*)     /lib64/ld-linux-x86-64.so.2
0x00007f96867343e0  0x00007f968673dca2  Yes         /opt/python/3.13/lib/python3.13/lib-dynload/_ssl.cpython-313-x86_64-linux-gnu.so
0x00007f9686633f80  0x00007f96866db1f6  Yes (*)     /lib/x86_64-linux-gnu/libssl.so.3
(*): Shared library is missing debugging information.
`

func TestReadBacktrace(t *testing.T) {
	for _, tt := range []struct {
		name, old, new string
		want           string // in the error; empty for none
	}{
		{"found", "", "", ""},
		{"no symbols of a module", "Yes         /opt", "Yes (*)     /opt", "1 findings: /opt/python/3.13/lib/python3.13/lib-dynload/_ssl.cpython-313-x86_64-linux-gnu.so has no symbols"},
		{"module not read", "Yes         /opt", "No          /opt", "_ssl.cpython-313-x86_64-linux-gnu.so has no symbols"},
		{"no symbols of the interpreter", "in _PyEval_EvalFrameDefault (tstate=<optimized out>, frame=<optimized out>, throwflag=<optimized out>) at Python/generated_cases.c.h:813",
			"in _PyEval_EvalFrameDefault ()", "1 findings: the interpreter has no symbols"},
		{"no frames", "/tmp/pybake/frames.py", "/tmp/other.py", `1 findings: py-bt shows the frames [], want ["innermost"`},
		{"half of the frames", "  File \"/tmp/pybake/frames.py\", line 17, in outermost\n", "  (unable to read python frame information)\n", `the frames ["innermost" "middle" "<module>"]`},
		{"nothing loaded", "/opt/python/3.13/lib", "/usr/lib", "no extension module was loaded"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			planted := backtrace
			if tt.old != "" {
				planted = strings.ReplaceAll(backtrace, tt.old, tt.new)
			}
			detail, err := readBacktrace(planted, "/opt/python/3.13")
			wantError(t, err, tt.want)
			if want := "the interpreter and 1 extension modules with their symbols, 4 frames of Python"; tt.want == "" && detail != want {
				t.Errorf("detail %q, want %q", detail, want)
			}
		})
	}
}
