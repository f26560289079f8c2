package project

import (
	"strings"
	"testing"
)

func TestReplace(t *testing.T) {
	vars := map[string]string{"user": "me", "root": "/a {user} ${HOME} }}", "version": "", "x": "wrong"}
	env := func(name string) (string, bool) {
		value, ok := map[string]string{"HOME": "/home/{user}/${HOME}", "EMPTY": "", "_1": "one"}[name]
		return value, ok
	}
	for _, c := range []struct{ text, want, withEnv string }{
		{"", "", ""},
		{"plain $HOME $ 100%", "plain $HOME $ 100%", "plain $HOME $ 100%"},
		{"{user}", "me", "me"},
		{"{user}{user}-{version}.", "meme-.", "meme-."},
		{"{root}:/x", "/a {user} ${HOME} }}:/x", "/a {user} ${HOME} }}:/x"},
		{"{{user}}", "{user}", "{user}"},
		{"{{{user}}}", "{me}", "{me}"},
		{"}}{{", "}{", "}{"},
		{"${HOME}/x", "${HOME}/x", "/home/{user}/${HOME}/x"},
		{"${EMPTY}${_1}{user}", "${EMPTY}${_1}me", "oneme"},
		{"$${_1}", "$${_1}", "$one"},
		{"${{HOME}}", "${HOME}", "${HOME}"},
		{"${{{user}}}", "${me}", "${me}"},
		{"$ {user}", "$ me", "$ me"},
	} {
		if got, err := Replace(c.text, vars); err != nil || got != c.want {
			t.Errorf("%s: %q, %v, want %q", c.text, got, err, c.want)
		}
		if got, err := ReplaceEnv(c.text, vars, env); err != nil || got != c.withEnv {
			t.Errorf("%s with the environment: %q, %v, want %q", c.text, got, err, c.withEnv)
		}
	}
	for text, want := range map[string]string{
		"a {usr} b":    "{usr}: unknown; did you mean {user}?",
		"{User}":       "{User}: unknown; did you mean {user}?",
		"{nothing}":    "{nothing}: unknown; want one of {root} {user} {version} {x}",
		"{ user }":     "{ user }: unknown; did you mean {user}?",
		"{}":           "{}: no variable; literal braces are {{ and }}",
		`{"a": "b"}`:   `{"a": "b"}: no variable; literal braces are {{ and }}`,
		"{user":        "{ without }; a literal brace is {{",
		"user}":        "} without {; a literal brace is }}",
		"{user}}":      "} without {; a literal brace is }}",
		"${NOT_SET}":   "${NOT_SET}: not set",
		"${user name}": "${user name}: want the name of an environment variable",
		"${}":          "${}: want the name of an environment variable",
		"${1}":         "${1}: want the name of an environment variable",
		"${A:-b}":      "${A:-b}: want the name of an environment variable",
		"${HOME":       "{ without }; a literal brace is {{",
	} {
		if got, err := ReplaceEnv(text, vars, env); err == nil || err.Error() != want {
			t.Errorf("%s: %q, %v, want %s", text, got, err, want)
		}
	}
	if got, err := Replace("{x}", nil); err == nil {
		t.Errorf("no variables: %q", got)
	}
}

// FuzzReplace: doubling the braces of any text makes it literal, and what a
// value holds is never replaced.
func FuzzReplace(f *testing.F) {
	for _, seed := range []string{"", "{x}", "${X}", "{{", "}}{", "$", "${", "a{x}b}"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		literal := strings.NewReplacer("{", "{{", "}", "}}").Replace(text)
		if got, err := Replace(literal, nil); err != nil || got != text {
			t.Errorf("%q: %q, %v", literal, got, err)
		}
		env := func(string) (string, bool) { return text, true }
		got, err := ReplaceEnv("<{x}${X}>", map[string]string{"x": text}, env)
		if want := "<" + text + text + ">"; err != nil || got != want {
			t.Errorf("%q: %q, %v", want, got, err)
		}
		_, _ = ReplaceEnv(text, map[string]string{"x": text}, env) // no panic
	})
}
