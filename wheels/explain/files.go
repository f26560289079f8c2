package explain

import (
	"path"
	"slices"
	"strings"

	"github.com/pybake/pybake/internal/pattern"
)

// fileSigns are of headers and libraries.
var fileSigns = []sign{
	// gcc
	{"No such file or directory", pattern.New(`(?:fatal )?error: ([^:'"\s]+): No such file or directory`), func(r *reader, m []string) { r.source(m[1]) }},
	// clang
	{"file not found", pattern.New(`fatal error: '([^']+)' file not found`), func(r *reader, m []string) { r.header(m[1]) }},
	// meson
	{"header '", pattern.New(`ERROR: C(?:\+\+)? header '([^']+)' not found`), func(r *reader, m []string) { r.header(m[1]) }},
	{"library '", pattern.New(`ERROR: C(?:\+\+)? (?:shared or static |shared |static )?library '([^']+)' not found`), func(r *reader, m []string) { r.library(m[1]) }},
	// configure and setup.py
	{".h", pattern.New(`(?i)error: .*?([\w./+-]+\.h(?:pp)?)\b['")>]* (?:headers? )?(?:files? )?(?:was |is |could )?(?:not (?:be )?found|missing)`), func(r *reader, m []string) { r.header(m[1]) }},
	{".h", pattern.New(`(?i)(?:could ?n[o']t|cannot|can't|unable to) (?:find|locate) (?:the )?(?:header )?(?:file )?['"<]?([\w./+-]+\.h(?:pp)?)\b`), func(r *reader, m []string) { r.header(m[1]) }},
	// pillow
	{"could not be found for", pattern.New(`headers or library files could not be found for (\w+),`), func(r *reader, m []string) {
		if name := pillowHeaders[m[1]]; name != "" {
			r.header(name)
		}
	}},
	// lxml
	{"development packages are installed", pattern.New(`make sure the libxml2 and libxslt development packages are installed`), func(r *reader, _ []string) {
		r.pkgConfig("libxslt")
		r.pkgConfig("libxml-2.0")
	}},
	// ld, lld
	{" -l", pattern.New(`(?:cannot find|unable to find library) -l([\w.+-]*[\w+])`), func(r *reader, m []string) { r.library(m[1]) }},
	// the dynamic loader, in programs that look for what they link
	{"cannot open shared object file", pattern.New(`\blib([\w+-]+)\.so[\w.]*: cannot open shared object file: No such file`), func(r *reader, m []string) { r.library(m[1]) }},
}

// otherSystems are headers of systems that are not Linux.
var otherSystems = pattern.New(`^(windows|winsock2?|ws2tcpip|io|direct|conio|process|tchar|TargetConditionals)\.h$|^(CoreFoundation|mach|Carbon|Accelerate)/`)

func (r *reader) header(name string) {
	name = strings.TrimPrefix(path.Clean(name), "/")
	switch project, since := headerProjects[name], goneHeaders[name]; {
	case since != "":
		r.predates(name, since)
	case project != "":
		r.requirement(project)
	case strings.HasPrefix(name, "..") || otherSystems.MatchString(name) || name == "Python.h":
	default:
		r.add(Finding{Kind: Header, Name: name, Files: []string{"/" + name}})
	}
}

// source is a file that the compiler does not find: a header, or what Cython should
// have made.
func (r *reader) source(name string) {
	switch path.Ext(name) {
	case ".c", ".cc", ".cpp", ".cxx":
		if r.Installed["cython"] == "" {
			r.require("cython", "missing: "+name+", which Cython makes, and Cython is not among the build requirements")
		}
	case ".o", ".so", ".a", ".pyx", ".txt":
	default:
		r.header(name)
	}
}

func (r *reader) library(name string) {
	name = strings.TrimPrefix(name, "lib")
	r.add(Finding{Kind: Library, Name: "lib" + name + ".so", Files: []string{"/lib" + name + ".so", "/lib" + name + ".a"}})
}

// pkgConfig is a module of pkg-config.
func (r *reader) pkgConfig(name string) {
	if project := moduleProjects[strings.ToLower(name)]; project != "" {
		r.requirement(project)
		return
	}
	r.add(Finding{Kind: Module, Name: name + ".pc", Files: []string{"/" + name + ".pc"}})
}

// module is something that a build system looks for in several ways.
func (r *reader) module(name string) {
	lower := strings.ToLower(name)
	if project := moduleProjects[lower]; project != "" {
		r.requirement(project)
		return
	}
	if slices.Contains([]string{"threads", "python", "python3", "openmp", "pkgconfig"}, lower) || strings.HasPrefix(lower, "python-") {
		return
	}
	files := moduleFiles[lower]
	if files == nil {
		files = []string{"/" + name + ".pc", "/" + name + "Config.cmake", "/" + lower + "-config.cmake", "/" + lower + ".pc", "/lib" + lower + ".so"}
	}
	r.add(Finding{Kind: Module, Name: name, Files: unique(files)})
}

func unique(list []string) (out []string) {
	for _, s := range list {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// moduleSigns are of pkg-config, meson's dependencies and CMake's packages.
var moduleSigns = []sign{
	{"Package ", pattern.New(`Package '([^']+)'(?:, required by '[^']+',)? not found`), func(r *reader, m []string) { r.pkgConfig(m[1]) }},
	{"was not found in the pkg-config", pattern.New(`Package ([\w.+-]+) was not found in the pkg-config search path`), func(r *reader, m []string) { r.pkgConfig(m[1]) }},
	{"No package '", pattern.New(`No package '([^']+)' found`), func(r *reader, m []string) { r.pkgConfig(m[1]) }},
	{"PackageNotFoundError: ", pattern.New(`pkgconfig\.PackageNotFoundError: (\S+) not found`), func(r *reader, m []string) { r.pkgConfig(m[1]) }},
	{"pkg-config", pattern.New(`Command '\[?'?[^ ',]*pkg-config\b(.*?)\]?' returned non-zero exit status`), func(r *reader, m []string) { r.tried(m[1]) }},
	{"need '", pattern.New(`Invalid version, need '([^']+)' \['([^']+)'\] found '([^']+)'`), func(r *reader, m []string) { r.oldLibrary(m[1], m[2], m[3]) }},
	{"has version '", pattern.New(`Package '([^']+)' has version '([^']+)', required version is '([^']+)'`), func(r *reader, m []string) { r.oldLibrary(m[1], m[3], m[2]) }},
	{"Dependency ", pattern.New(`ERROR: Dependency ["']([^"']+)["'] (?:is required but )?not found`), func(r *reader, m []string) { r.module(m[1]) }},
	{"No BLAS library detected", pattern.New(`ERROR: .*No BLAS library detected`), func(r *reader, _ []string) { r.module("openblas") }},
	{"Could NOT find ", pattern.New(`^\s+Could NOT find (\w+)`), func(r *reader, m []string) { r.module(m[1]) }},
	{"package configuration file provided by", pattern.New(`(?:asked CMake to find|Could not find) a package configuration file provided by "([^"]+)"`), func(r *reader, m []string) {
		if r.before(12, "CMake Error") {
			r.module(m[1])
		}
	}},
	{"using the following", pattern.New(`^\s+Could not find \w+ using the following (names|files): (.+)$`), func(r *reader, m []string) {
		r.any(m[1] == "files", strings.FieldsFunc(m[2], func(c rune) bool { return c == ',' || c == ' ' }))
	}},
}

// tried are the arguments of a pkg-config that failed. Builds that try one name after
// the other want any of them.
func (r *reader) tried(args string) {
	var names, files []string
	for i := max(0, r.at-12); i < r.at; i++ {
		if m := triedRE.FindStringSubmatch(r.lines[i]); m != nil {
			names = append(names, pkgConfigNames(m[1])...)
		}
	}
	names = unique(append(names, pkgConfigNames(args)...))
	for _, name := range names {
		files = append(files, "/"+name+".pc")
	}
	r.found = slices.DeleteFunc(r.found, func(f Finding) bool { return f.Kind == Module })
	if len(names) > 0 {
		r.add(Finding{Kind: Module, Name: names[0] + ".pc", Files: files})
	}
}

var triedRE = pattern.New(`Command '\[?'?[^ ',]*pkg-config\b(.*?)\]?' returned non-zero exit status`)

// pkgConfigNames are the modules among the arguments of pkg-config, as a command line
// or as a list of Python.
func pkgConfigNames(args string) (names []string) {
	for _, word := range strings.FieldsFunc(args, func(c rune) bool { return strings.ContainsRune(" ,'\"", c) }) {
		if !strings.HasPrefix(word, "-") && !strings.ContainsAny(word[:1], "<>=0123456789") {
			names = append(names, word)
		}
	}
	return names
}

// any is what CMake looks for by several names: headers; or libraries or programs.
func (r *reader) any(headers bool, names []string) {
	var files []string
	for _, name := range names {
		if headers {
			files = append(files, "/"+name)
		} else {
			files = append(files, "/lib"+strings.TrimPrefix(name, "lib")+".so", "/bin/"+name)
		}
	}
	if len(names) > 0 {
		r.add(Finding{Kind: Library, Name: names[0], Files: files})
	}
}

// oldLibrary is a library that is there, too old.
func (r *reader) oldLibrary(name, need, have string) {
	r.add(Finding{
		Kind: Compiler, Name: name, What: "too old: " + name + " of the distro is " + have + ", wanted is " + need,
		Advice: "take an older " + r.Name + ", or a newer distro",
	})
}
