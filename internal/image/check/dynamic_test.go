package check

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/pybake/pybake/internal/engine"
)

func TestJudge(t *testing.T) {
	exit := func(code int) error { return fmt.Errorf("exec: %w", &engine.ExitError{Code: code}) }
	for _, c := range []struct {
		name  string
		check bool
		ended error
		tail  string
		want  string // "ok", "bad", or "" for what is not the command's fault
	}{
		{"version", false, nil, "shop 1.0", "ok"},
		{"no such option", false, exit(2), "usage: shop", "ok"},
		{"no such option of a check", true, exit(2), "usage: shop", "bad"},
		{"not found", false, exit(127), "", "bad"},
		{"not executable", false, exit(126), "", "bad"},
		{"fault", false, exit(139), "", "bad"},
		{"stopped by a signal it knows", false, exit(143), "", "ok"},
		{"missing module", false, exit(1), "Traceback:\n  ...\nModuleNotFoundError: No module named 'x'", "bad"},
		{"missing library", false, exit(1), "Traceback:\n  ...\nImportError: libpq.so.5: cannot open", "bad"},
		{"missing interpreter", false, exit(1), "exec /venv/bin/shop: no such file or directory", "bad"},
		{"speaks of a module", false, exit(1), "ImportError: x\nusage: shop", "ok"},
		{"server", false, fmt.Errorf("exec: %w", errSlow), "listening", "ok"},
		{"slow check", true, fmt.Errorf("exec: %w", errSlow), "", "bad"},
		{"no memory", false, &engine.ExitError{Code: 137, OOM: true}, "", "bad"},
		{"engine", false, errors.New("connection refused"), "", ""},
	} {
		var i Image
		if c.check {
			i.Check = []string{"shop"}
		}
		var f found
		i.judge(&f, []string{"shop"}, c.ended, c.tail)
		got := ""
		switch {
		case len(f.problems) > 0:
			got = "bad"
		case len(f.notes) > 0:
			got = "ok"
		}
		if got != c.want {
			t.Errorf("%s: %q: %+v", c.name, got, f)
		}
	}
}

func TestImported(t *testing.T) {
	good := `{"dist": "a", "count": 2, "problems": [], "notes": ["n"]}` + "\n" + `{"dist": "b", "count": 1, "problems": [], "notes": []}` + "\n"
	done := `{"done": true}` + "\n"
	exit := engine.ExitError{Code: 137}
	for _, c := range []struct {
		name, out string
		exit      engine.ExitError
		problem   string
	}{
		{"all", good + done, engine.ExitError{}, ""},
		{"not finished", good, engine.ExitError{}, "ended after 2 of 2"},
		{"killed", `{"dist": "a"}` + "\n", exit, "ended after 1 of 2 distributions with status 137"},
		{"cut off", `{"dist": "a"}` + "\n" + `{"di`, exit, "ended after 1 of 2"},
		{"one is missing", `{"dist": "a"}` + "\n" + done, engine.ExitError{}, "ended after 1 of 2"},
		{"no interpreter", "exec: no such file", engine.ExitError{Code: 127}, "exec: no such file"},
		{"a problem", `{"dist": "a", "problems": ["import a: no"]}` + "\n" + `{"dist": "b"}` + "\n" + done, engine.ExitError{}, "import a: no"},
	} {
		f := imported([]byte(c.out), []string{"a", "b"}, c.exit, "")
		switch said := strings.Join(f.problems, "\n"); {
		case c.problem == "" && said != "":
			t.Errorf("%s: %s", c.name, said)
		case !strings.Contains(said, c.problem) || c.problem != "" && said == "":
			t.Errorf("%s: %q does not say %q", c.name, said, c.problem)
		}
	}
	f := imported([]byte(good+done), []string{"a", "b"}, engine.ExitError{}, "")
	if want := []string{"3 modules of 2 distributions", "n"}; !slices.Equal(f.notes, want) {
		t.Errorf("notes %q", f.notes)
	}
}
