package explain

import (
	"strings"

	"github.com/pybake/pybake/internal/pattern"
)

// compilerSigns are of compilers that are too old, and of limits.
var compilerSigns = []sign{
	{"-std=", pattern.New(`unrecognized command[- ]line option [‘'"]-std=((?:c|gnu)(?:\+\+)?\w+)`), func(r *reader, m []string) { r.oldCompiler("the compiler", standard(m[1])) }},
	{"are supported by the C", pattern.New(`None of values \['((?:c|gnu)(?:\+\+)?\w+)'.*\] are supported by the C(?:PP)? compiler`), func(r *reader, m []string) { r.oldCompiler("the compiler", standard(m[1])) }},
	{"language dialect", pattern.New(`requires the language dialect "(C(?:XX)?\d+)"`), func(r *reader, m []string) {
		r.oldCompiler("the compiler", strings.Replace(m[1], "CXX", "C++", 1))
	}},
	{"equires GCC", pattern.New(`(?i)requires (?:at least )?GCC ?(?:>=|version)? ?([\d.]*\d)`), func(r *reader, m []string) { r.oldCompiler("gcc", "gcc "+m[1]) }},
	{"#error", pattern.New(`(?i)#error .*?((?:GCC|C\+\+) ?\d[\d.]*)(?:,)? (?:or (?:later|newer|higher|better|above)|is required|support|compiler)`), func(r *reader, m []string) { r.oldCompiler("the compiler", m[1]) }},

	{"[-Wi", pattern.New(`error: .*\[-W(implicit-function-declaration|implicit-int|int-conversion|incompatible-pointer-types)\]`), func(r *reader, m []string) {
		r.add(Finding{
			Kind: Compiler, Name: "-W" + m[1], What: "too new: the compiler of the distro refuses what " + r.Name + " does ([-W" + m[1] + "])",
			Advice: "take a newer " + r.Name + ", or an older distro",
		})
	}},

	{"rustc", pattern.New(`requires rustc ([\d.]*\d)`), func(r *reader, m []string) { r.rust(m[1]) }},
	{"does not match extension requirement", pattern.New(`Rust [\d.]+ does not match extension requirement [>=^~]*([\d.]*\d)`), func(r *reader, m []string) { r.rust(m[1]) }},
	{"Rust", pattern.New(`(?i)requires Rust (?:version )?>?=? ?([\d.]*\d)`), func(r *reader, m []string) { r.rust(m[1]) }},
	{"edition20", pattern.New("feature `edition(20\\d\\d)` is required"), func(r *reader, m []string) { r.rust(editions[m[1]]) }},
	{"lock file version", pattern.New("lock file version `?([34])`? (?:was found, but this version of Cargo does not understand|requires)"), func(r *reader, m []string) {
		r.rust(lockVersions[m[1]])
	}},

	{"No space left on device", pattern.New(`No space left on device`), func(r *reader, _ []string) { r.add(outOfRoom) }},
	{"exhausted", pattern.New(`virtual memory exhausted|out of memory allocating \d+ bytes`), func(r *reader, _ []string) { r.add(outOfMemory) }},
	{"Killed", pattern.New(`fatal error: Killed signal terminated program`), func(r *reader, _ []string) { r.add(outOfMemory) }},
	{"SIGKILL", pattern.New(`signal: 9, SIGKILL: kill`), func(r *reader, _ []string) { r.add(outOfMemory) }},
}

// editions and lockVersions are the compilers that know them first.
var (
	editions     = map[string]string{"2021": "1.56", "2024": "1.85"}
	lockVersions = map[string]string{"3": "1.53", "4": "1.78"}
)

// outOfMemory and outOfRoom are mended by the same: a build writes to nothing but memory.
var (
	outOfMemory = Finding{Kind: Limit, Name: "memory", What: "limit: it takes more memory than it gets"}
	outOfRoom   = Finding{Kind: Limit, Name: "disk", What: "limit: it writes more than it may"}
)

func (r *reader) oldCompiler(what, need string) {
	r.add(Finding{
		Kind: Compiler, Name: need, What: "too old: " + what + " of the distro; wanted is " + need,
		Advice: "take an older " + r.Name + ", or a newer distro",
	})
}

// rust is a minimum; of several the highest counts.
func (r *reader) rust(minimum string) {
	r.add(Finding{Kind: Compiler, Name: "rustc " + minimum, What: "too old: the Rust compiler; wanted is " + minimum + " or newer", Rust: minimum})
}

// standard is a language standard as people write it: "c++20" → "C++20".
func standard(name string) string {
	name = strings.TrimPrefix(strings.TrimPrefix(name, "gnu"), "c")
	plus := strings.HasPrefix(name, "++")
	name = strings.TrimPrefix(name, "++")
	for draft, final := range map[string]string{"2a": "20", "2b": "23", "2c": "26", "1z": "17", "2x": "23"} {
		if name == draft {
			name = final
		}
	}
	if plus {
		return "C++" + name
	}
	return "C" + name
}
