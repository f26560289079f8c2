package explain

import (
	"strings"

	"github.com/pybake/pybake/internal/pattern"
	"github.com/pybake/pybake/internal/pep"
)

// requirementSigns are of build requirements that are not stated, or that have moved on.
var requirementSigns = []sign{
	{"No module named", pattern.New(`(?:ModuleNotFoundError|ImportError): No module named '?([\w.]+)`), func(r *reader, m []string) { r.imported(m[1]) }},
	{"bdist_wheel", pattern.New(`error: invalid command 'bdist_wheel'`), func(r *reader, _ []string) { r.requirement("wheel") }},
	{"nstall", pattern.New(`(?i)\bplease install (cython|numpy|pybind11|cffi)\b|\b(cython|numpy|pybind11|cffi) (?:is not|must be|not) installed`), (*reader).named},
	{"equire", pattern.New(`(?i)\brequires (cython|numpy|pybind11|cffi)\b|\b(cython|numpy|pybind11|cffi) (?:is |are )?required`), (*reader).named},

	{"use_2to3", pattern.New(`use_2to3 is invalid`), func(r *reader, _ []string) { r.constrain("setuptools<58", "it asks for use_2to3, which 58 took away") }},
	{"pkg_resources", pattern.New(`cannot import name 'packaging' from 'pkg_resources'`), func(r *reader, _ []string) { r.constrain("setuptools<70", "70 took packaging out of pkg_resources") }},
	{"Invalid dash-separated key", pattern.New(`Invalid dash-separated key`), func(r *reader, _ []string) { r.constrain("setuptools<78", "78 takes no keys with dashes in setup.cfg") }},
	{"strip_trailing_zero", pattern.New(`canonicalize_version\(\) got an unexpected keyword argument 'strip_trailing_zero'`), func(r *reader, _ []string) {
		r.constrain("setuptools<71", "71 and newer want a newer packaging")
	}},
	{"cython_sources", pattern.New(`AttributeError: '?cython_sources`), func(r *reader, _ []string) { r.constrain("cython<3", "it uses what Cython 3 took away") }},
	{"CompileError", pattern.New(`Cython\.Compiler\.Errors\.CompileError`), func(r *reader, _ []string) {
		r.constrain("cython<3", "Cython 3 does not compile its sources")
	}},
	{"in the NumPy 2.0 release", pattern.New(`was removed in the NumPy 2\.0 release`), func(r *reader, _ []string) { r.constrain("numpy<2", "it uses what NumPy 2 took away") }},
	{"PyArray_Descr", pattern.New(`PyArray_Descr.*has no member named .(?:subarray|fields|names|elsize|alignment|c_metadata)`), func(r *reader, _ []string) {
		r.constrain("numpy<2", "it uses what NumPy 2 took away")
	}},
	{"CMake < 3.5", pattern.New(`Compatibility with CMake < 3\.5 has been removed`), func(r *reader, _ []string) {
		r.add(Finding{
			Kind: Requirement, Name: "cmake 4", What: "too new: CMake 4 refuses projects written for CMake before 3.5",
			Env: map[string]string{"CMAKE_POLICY_VERSION_MINIMUM": "3.5"},
		})
	}},
	{"PyO3", pattern.New(`Python interpreter version \((3\.\d+)\) is newer than PyO3's maximum supported version \((3\.\d+)\)`), func(r *reader, m []string) {
		r.add(Finding{
			Kind: Python, Name: m[1], What: "too old: its PyO3 knows Pythons up to " + m[2],
			Advice: "take a newer " + r.Name + ", or an older Python; or else build for the stable ABI",
			Env:    map[string]string{"PYO3_USE_ABI3_FORWARD_COMPATIBILITY": "1"},
		})
	}},
	{"Cannot install on Python version", pattern.New(`Cannot install on Python version ([\d.]+); (only versions .* are supported)`), func(r *reader, m []string) {
		r.add(Finding{Kind: Python, Name: m[1], What: "too old: " + m[2], Advice: "take a newer " + r.Name + ", or an older Python"})
	}},
	{"or higher is required", pattern.New(`CMake ([\d.]+)(?:\.\.\.[\d.]+)? or higher is required`), func(r *reader, m []string) {
		r.require("cmake>="+m[1], "too old: CMake; wanted is "+m[1])
	}},
	{"project requires", pattern.New(`Meson version is ([\d.]+) but project requires >=? ?([\d.]+)`), func(r *reader, m []string) {
		r.require("meson>="+m[2], "too old: meson "+m[1]+"; wanted is "+m[2])
	}},
}

// named is a project that the build says it wants, if that is among its last words.
func (r *reader) named(m []string) {
	if r.at >= len(r.lines)-15 {
		r.requirement(pep.NormalizeName(m[1] + m[2]))
	}
}

// imported is a module that a build imports in vain.
func (r *reader) imported(module string) {
	top, _, _ := strings.Cut(module, ".")
	switch {
	case pep.NormalizeName(top) == r.Name:
		return // its own, and it is about to be built
	case top == "distutils":
		r.require("setuptools", "missing: distutils, which CPython 3.12 took away and setuptools brings")
	case top == "pkg_resources":
		r.noPkgResources()
	case goneModules[top] != "":
		r.predates("the module "+top, goneModules[top])
	case module == "numpy.distutils" || strings.HasPrefix(module, "numpy.distutils."):
		r.predates("numpy.distutils", "3.12")
	case strings.HasPrefix(module, "setuptools.") && r.Installed["setuptools"] != "":
		r.constrain("setuptools<71", module+" is gone from it")
	default:
		project := moduleNames[top]
		if project == "" {
			project = pep.NormalizeName(top)
		}
		r.requirement(project)
	}
}

func (r *reader) noPkgResources() {
	if r.Installed["setuptools"] != "" {
		r.constrain("setuptools<81", "pkg_resources, which it uses, is gone or about to go")
		return
	}
	r.add(Finding{
		Kind: Requirement, Name: "setuptools", What: "missing: pkg_resources, which setuptools before 81 has",
		Requires: []string{"setuptools"}, Constraints: []string{"setuptools<81"},
	})
}

// requirement is a project that the source does not state. One that is there is not
// what is missing.
func (r *reader) requirement(project string) {
	r.require(project, "missing: "+project+", which is not among the build requirements that it states")
}

// require is a line of requires. One without a version helps only if the project is not
// there.
func (r *reader) require(line, what string) {
	name := strings.TrimRight(line, "<>=.0123456789")
	if name == line && r.Installed[name] != "" {
		return
	}
	r.add(Finding{Kind: Requirement, Name: name, What: what, Requires: []string{line}})
}

// constrain is a build requirement that is too new; not one that is old enough already,
// nor one that is not there.
func (r *reader) constrain(line, why string) {
	name, _, _ := strings.Cut(line, "<")
	c, err := pep.ParseRequirement(line)
	if have := r.Installed[name]; err == nil && have != "" && !c.Specifiers.ContainsText(have, pep.PreAllow) {
		r.add(Finding{Kind: Requirement, Name: line, What: "too new: " + name + " " + have + "; " + why, Constraints: []string{line}})
	}
}

// outdated looks for what old sources do that a Python no longer has.
func (r *reader) outdated(text string) {
	for _, s := range goneSigns {
		if !strings.Contains(text, s.has) {
			continue
		}
		if m := s.re.FindStringSubmatch(text); m != nil {
			r.predates(m[1], s.since)
			return
		}
	}
}

// predates is a source that uses what a Python took away.
func (r *reader) predates(what, since string) {
	if newer(since, r.Python) {
		return // this one still has it
	}
	r.found = nil // the same line, seen as something else
	r.add(Finding{
		Kind: Python, Name: since, What: "too old: " + r.Name + " uses " + what + ", which CPython " + since + " took away or changed",
		Advice: "take a newer " + r.Name + ", or an older Python",
	})
}

// newer is whether one series is newer than another.
func newer(a, b string) bool {
	va, errA := pep.ParseVersion(a)
	vb, errB := pep.ParseVersion(b)
	return errA == nil && errB == nil && va.Compare(vb) > 0
}

// goneSigns are what compilers and Python say of what a series took away or changed.
var goneSigns = []struct {
	has   string
	re    *pattern.Regexp
	since string
}{
	{"has no member named", pattern.New(`has no member named .(tp_print)\b`), "3.9"},
	{"lvalue required as left operand", pattern.New(`(lvalue) required as left operand of assignment`), "3.11"},
	{"PyFrameObject", pattern.New(`(?:incomplete typedef|incomplete definition of type|incomplete type).*(PyFrameObject)`), "3.11"},
	{"struct _frame", pattern.New(`(?:incomplete typedef|incomplete definition of type|incomplete type).*(struct _frame)`), "3.11"},
	{"has no member named", pattern.New(`has no member named .(use_tracing|recursion_depth|exc_type|f_code|f_lineno|f_localsplus|co_code|co_varnames|co_cellvars)\b`), "3.11"},
	{"has no member named", pattern.New(`has no member named .(ob_digit|curexc_type|cframe|wstr|dict_entry|ma_version_tag)\b`), "3.12"},
	{"Py", pattern.New(`(?:implicit declaration of function|undeclared|unknown type name|was not declared|undefined symbol:).*?\b(PyUnicode_AsUnicode\w*|PyUnicode_GET_SIZE|PyUnicode_GET_DATA_SIZE|PyUnicode_AS_UNICODE|PyUnicode_FromUnicode|PyUnicode_EncodeUTF8|_PyUnicode_Ready|Py_UNICODE_COPY|PyEval_InitThreads)\b`), "3.12"},
	{"_PyLong_", pattern.New(`(?:to function|in call to|call to) .(_PyLong_AsByteArray)\b|too few arguments.*(_PyLong_\w+)`), "3.13"},
	{"Py", pattern.New(`(?:implicit declaration of function|undeclared|unknown type name|was not declared|undefined symbol:).*?\b(_PyLong_\w+|_PyInterpreterState_GetConfig|_PyInterpreterState_Get|_PyDict_\w+|_PyGen_Send|_PyObject_\w+|_PyUnicode_\w+|_PyThreadState_\w+|_PyEval_\w+|_PyArg_\w+|_Py_HashDouble|PyEval_CallObject\w*|PyEval_CallMethod|PyEval_CallFunction|PyCFunction_Call|Py_TRASHCAN_SAFE_BEGIN|_PyImport_\w+|_PySys_\w+)\b`), "3.13"},
	{"SafeConfigParser", pattern.New(`module 'configparser' has no attribute '(SafeConfigParser)'|cannot import name '(SafeConfigParser)'`), "3.12"},
	{"getargspec", pattern.New(`module 'inspect' has no attribute '(getargspec)'`), "3.11"},
	{"ImpImporter", pattern.New(`module 'pkgutil' has no attribute '(ImpImporter)'`), "3.12"},
	{"invalid mode", pattern.New(`ValueError: invalid mode: '(r?U)'`), "3.11"},
	{"from 'collections'", pattern.New(`cannot import name '(\w+)' from 'collections'`), "3.10"},
	{"'ast'", pattern.New(`module 'ast' has no attribute '(Str|Num|Bytes|NameConstant|Ellipsis)'`), "3.14"},
}

// goneModules are modules of the standard library, and the series that has them no more.
var goneModules = map[string]string{
	"imp": "3.12", "asynchat": "3.12", "asyncore": "3.12", "smtpd": "3.12", "binhex": "3.11", "formatter": "3.10", "parser": "3.10", "symbol": "3.10",
	"aifc": "3.13", "audioop": "3.13", "cgi": "3.13", "cgitb": "3.13", "chunk": "3.13", "crypt": "3.13", "imghdr": "3.13", "lib2to3": "3.13",
	"mailcap": "3.13", "msilib": "3.13", "nis": "3.13", "nntplib": "3.13", "ossaudiodev": "3.13", "pipes": "3.13", "sndhdr": "3.13", "spwd": "3.13",
	"sunau": "3.13", "telnetlib": "3.13", "uu": "3.13", "xdrlib": "3.13",
}

// goneHeaders are headers of CPython, and the series that has them no more.
var goneHeaders = map[string]string{"longintrepr.h": "3.11", "code.h": "3.11", "ucnhash.h": "3.11", "pyarena.h": "3.10", "symtable.h": "3.10", "asdl.h": "3.10", "eval.h": "3.11"}
