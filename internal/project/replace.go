package project

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pybake/pybake/internal/pattern"
	"github.com/pybake/pybake/internal/strict"
)

var (
	wordPattern = pattern.New(`^[a-z]+$`)
	envPattern  = pattern.New(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

// Replace replaces every {name} of text by the value that vars has for it. {{
// and }} are literal braces; ${NAME} stays as it is. An unknown variable and a
// brace alone are errors, which do not repeat the text.
func Replace(text string, vars map[string]string) (string, error) {
	return ReplaceEnv(text, vars, nil)
}

// ReplaceEnv does what Replace does and replaces every ${NAME} by the value
// that getenv has for it; one that is not set is an error. It goes over text
// once: nothing in a value is replaced again. ${{NAME}} is a literal ${NAME}.
func ReplaceEnv(text string, vars map[string]string, getenv func(string) (string, bool)) (string, error) {
	var b strings.Builder
	for {
		i := strings.IndexAny(text, "{}")
		if i < 0 {
			b.WriteString(text)
			return b.String(), nil
		}
		before, rest := text[:i], text[i:]
		if strings.HasPrefix(rest, "{{") || strings.HasPrefix(rest, "}}") {
			b.WriteString(before + rest[:1])
			text = rest[2:]
			continue
		}
		if rest[0] == '}' {
			return "", errors.New("} without {; a literal brace is }}")
		}
		name, after, ok := strings.Cut(rest[1:], "}")
		if !ok {
			return "", errors.New("{ without }; a literal brace is {{")
		}
		prefix, isEnv := strings.CutSuffix(before, "$")
		var value string
		var err error
		if isEnv {
			value, err = envValue(name, getenv)
		} else {
			prefix = before
			value, err = varValue(name, vars)
		}
		if err != nil {
			return "", err
		}
		b.WriteString(prefix + value)
		text = after
	}
}

func envValue(name string, getenv func(string) (string, bool)) (string, error) {
	if !envPattern.MatchString(name) {
		return "", fmt.Errorf("${%s}: want the name of an environment variable", name)
	}
	if getenv == nil {
		return "${" + name + "}", nil
	}
	value, ok := getenv(name)
	if !ok {
		return "", fmt.Errorf("${%s}: not set", name)
	}
	return value, nil
}

func varValue(name string, vars map[string]string) (string, error) {
	if value, ok := vars[name]; ok {
		return value, nil
	}
	known := slices.Sorted(maps.Keys(vars))
	if near := strict.Near(name, known); len(near) > 0 {
		return "", fmt.Errorf("{%s}: unknown; did you mean {%s}?", name, near[0])
	}
	if !wordPattern.MatchString(name) {
		return "", fmt.Errorf("{%s}: no variable; literal braces are {{ and }}", name)
	}
	return "", fmt.Errorf("{%s}: unknown; want one of {%s}", name, strings.Join(known, "} {"))
}
