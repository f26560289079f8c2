package pep

import (
	"fmt"
	"slices"
	"strings"
)

// Env is the environment that a marker is evaluated for: what the variables of
// PEP 508 are there.
type Env struct {
	ImplementationName           string `json:"implementation_name"`            // "cpython"
	ImplementationVersion        string `json:"implementation_version"`         // "3.13.5"
	OSName                       string `json:"os_name"`                        // "posix"
	PlatformMachine              string `json:"platform_machine"`               // "x86_64"
	PlatformPythonImplementation string `json:"platform_python_implementation"` // "CPython"
	PlatformRelease              string `json:"platform_release"`               // "6.12.38+deb13-amd64"
	PlatformSystem               string `json:"platform_system"`                // "Linux"
	PlatformVersion              string `json:"platform_version"`               // "#1 SMP Debian 6.12.38-1"
	PythonFullVersion            string `json:"python_full_version"`            // "3.13.5"
	PythonVersion                string `json:"python_version"`                 // "3.13"
	SysPlatform                  string `json:"sys_platform"`                   // "linux"
	Extra                        string `json:"extra"`                          // "test"; "" for no extra
}

// EnvFor is the environment of CPython on Linux. python is the full version,
// "3.13.5", arch the machine as uname -m names it, "x86_64". The kernel is not
// known, so platform_release and platform_version are empty.
func EnvFor(python, arch string) (Env, error) {
	v, err := ParseVersion(python)
	if err != nil {
		return Env{}, fmt.Errorf("environment of Python: %w", err)
	}
	if len(v.release) != 3 {
		return Env{}, fmt.Errorf("environment of Python %q: want three numbers, as in 3.13.5", python)
	}
	return Env{
		ImplementationName:           "cpython",
		ImplementationVersion:        v.String(),
		OSName:                       "posix",
		PlatformMachine:              arch,
		PlatformPythonImplementation: "CPython",
		PlatformSystem:               "Linux",
		PythonFullVersion:            v.String(),
		PythonVersion:                string(v.release[0] + "." + v.release[1]),
		SysPlatform:                  "linux",
	}, nil
}

// lookup is the value of a variable, other than the extras.
func (e Env) lookup(name string) (value string, ok bool) {
	switch name {
	case "implementation_name":
		return e.ImplementationName, true
	case "implementation_version":
		return e.ImplementationVersion, true
	case "os_name":
		return e.OSName, true
	case "platform_machine":
		return e.PlatformMachine, true
	case "platform_python_implementation":
		return e.PlatformPythonImplementation, true
	case "platform_release":
		return e.PlatformRelease, true
	case "platform_system":
		return e.PlatformSystem, true
	case "platform_version":
		return e.PlatformVersion, true
	case "python_full_version":
		if strings.HasSuffix(e.PythonFullVersion, "+") { // a build from a checkout
			return e.PythonFullVersion + "local", true
		}
		return e.PythonFullVersion, true
	case "python_version":
		return e.PythonVersion, true
	case "sys_platform":
		return e.SysPlatform, true
	}
	return "", false
}

// Eval is whether the marker holds in env. With extras and groups both nil it is
// the marker of a requirement, and extra is env.Extra. Otherwise it is the marker
// of a lock file (PEP 751), where extras and dependency_groups are the sets given
// and extra does not exist unless env has one. A variable that does not exist,
// and an operator that means nothing for what it compares, is an error, also in
// a part that would not change the answer.
func (m Marker) Eval(env Env, extras, groups []string) (bool, error) {
	return m.EvalFunc(func(c Comparison) (bool, error) { return c.Eval(env, extras, groups) })
}

// EvalFunc is Eval with compare to decide each comparison, for locks that have
// their own meaning for some. It calls compare for all of them, in order, until
// one fails.
func (m Marker) EvalFunc(compare func(Comparison) (bool, error)) (bool, error) {
	if m.Join == "" {
		return compare(m.Comparison)
	}
	result := m.Join == "and"
	for _, arg := range m.Args {
		ok, err := arg.EvalFunc(compare)
		if err != nil {
			return false, err
		}
		if m.Join == "and" {
			result = result && ok
		} else {
			result = result || ok
		}
	}
	return result, nil
}

// Eval is Marker.Eval for one comparison.
func (c Comparison) Eval(env Env, extras, groups []string) (bool, error) {
	// The side that names the variable rules: the left one if it can, and then
	// the text of the right one stands for itself even if it is a variable.
	key := c.Right.Text
	if c.Left.Variable {
		key = c.Left.Text
	}
	lockFile := extras != nil || groups != nil
	if lockFile && (key == "extras" || key == "dependency_groups") {
		if c.Left.Variable {
			return false, fmt.Errorf("marker %s: %s is a set, it goes right of in and not in", c, key)
		}
		set := extras
		if key == "dependency_groups" {
			set = groups
		}
		return c.evalSet(set)
	}
	value, ok := env.lookup(key)
	if key == "extra" && (!lockFile || env.Extra != "") {
		value, ok = NormalizeName(env.Extra), true
	}
	if !ok {
		return false, fmt.Errorf("marker %s: %s has no value here", c, key)
	}
	if c.Left.Variable {
		return c.evalText(key, value, c.Right.Text)
	}
	return c.evalText(key, c.Left.Text, value)
}

// evalSet compares a literal with a set, which equals no literal.
func (c Comparison) evalSet(set []string) (bool, error) {
	name := NormalizeName(c.Left.Text)
	has := slices.ContainsFunc(set, func(s string) bool { return NormalizeName(s) == name })
	switch c.Op {
	case "in":
		return has, nil
	case "not in":
		return !has, nil
	case "!=":
		return true, nil
	case "==", "<", "<=", ">", ">=":
		return false, nil
	}
	return false, fmt.Errorf("marker %s: %s means nothing for a set", c, c.Op)
}

// evalText compares as versions if key is a version and right can be the end of
// a specifier, else as strings, which have no order: "<=" is then "==", and "<"
// never true.
func (c Comparison) evalText(key, left, right string) (bool, error) {
	switch key {
	case "python_version", "python_full_version", "implementation_version", "platform_release":
		if sp, err := ParseSpecifier(c.Op + right); err == nil {
			return Specifiers{sp}.ContainsText(left, PreAllow), nil
		}
	}
	switch c.Op {
	case "in":
		return strings.Contains(right, left), nil
	case "not in":
		return !strings.Contains(right, left), nil
	case "==", "<=", ">=":
		return left == right, nil
	case "!=":
		return left != right, nil
	case "<", ">":
		return false, nil
	}
	return false, fmt.Errorf("marker %s: %s means nothing for strings", c, c.Op)
}
