package python

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestJobScriptParses(t *testing.T) {
	if out, err := exec.Command("sh", "-n", "job.sh").CombinedOutput(); err != nil {
		t.Errorf("sh -n job.sh: %v\n%s", err, out)
	}
}

// parse reads a Go file of this package.
func parse(t *testing.T, name string) *ast.File {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// texts are the string literals below a node.
func texts(t *testing.T, n ast.Node) (out []string) {
	t.Helper()
	ast.Inspect(n, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			text, err := strconv.Unquote(lit.Value)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, text)
		}
		return true
	})
	return out
}

// submatches are what the first group of a pattern matches in job.sh.
func submatches(pattern string) (out []string) {
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(string(jobScript), -1) {
		out = append(out, m[1])
	}
	return out
}

// TestJobSteps holds the steps that Go runs and those of job.sh together: the
// functions, the case that admits them, and what the comment says.
func TestJobSteps(t *testing.T) {
	var used []string
	for _, name := range []string{"build.go", "train.go"} {
		ast.Inspect(parse(t, name), func(n ast.Node) bool {
			if list, ok := n.(*ast.CompositeLit); ok {
				if steps := texts(t, list); slices.Contains(steps, "configure") {
					used = append(used, steps...)
				}
			}
			return true
		})
	}
	slices.Sort(used)
	used = slices.Compact(used)
	if len(used) < 5 {
		t.Fatalf("steps in Go: %q", used)
	}
	lists := map[string][]string{"functions": submatches(`(?m)^step_([a-z]+)\(\) \{$`)}
	for what, pattern := range map[string]string{
		"the case":    `(?m)^([a-z]+(?: \| [a-z]+)+)\) "step_\$1" ;;$`,
		"the comment": `(?m)^#   job\.sh STEP +(.*)$`,
	} {
		found := submatches(pattern)
		if len(found) != 1 {
			t.Fatalf("%s: %q", what, found)
		}
		lists[what] = strings.Split(found[0], " | ")
	}
	for what, steps := range lists {
		slices.Sort(steps)
		if diff := cmp.Diff(used, steps); diff != "" {
			t.Errorf("%s (-Go +job.sh): %s", what, diff)
		}
	}
}

// TestJobEnvironment holds what Go sets and what job.sh says it reads
// together.
func TestJobEnvironment(t *testing.T) {
	assignment := regexp.MustCompile(`^([A-Z_]+)=`)
	// For programs, not for the script.
	var set []string
	for _, text := range texts(t, parse(t, "job.go")) {
		m := assignment.FindStringSubmatch(text)
		if m != nil && !slices.Contains([]string{"HOME", "LC_ALL", "TZ", "SOURCE_DATE_EPOCH"}, m[1]) {
			set = append(set, m[1])
		}
	}
	documented := submatches(`(?m)^#   ([A-Z_]+) +[^ ]`)
	slices.Sort(set)
	slices.Sort(documented)
	if diff := cmp.Diff(set, documented); diff != "" {
		t.Errorf("-Go +job.sh: %s", diff)
	}
	for _, name := range set {
		if !regexp.MustCompile(`\$\{?` + name + `\b`).Match(jobScript) {
			t.Errorf("job.sh does not read %s", name)
		}
	}
}

// TestJobUnknownStep runs the script with a step that it does not have.
func TestJobUnknownStep(t *testing.T) {
	cmd := exec.Command("sh", "-s", "no-such-step")
	// What stands before the case asks tools that only a builder has.
	script := string(jobScript)
	cmd.Stdin = strings.NewReader(script[strings.LastIndex(script, "\ncase $1 in"):])
	out, err := cmd.CombinedOutput()
	exit, ok := err.(*exec.ExitError)
	if !ok || exit.ExitCode() != 2 || string(out) != "job.sh: unknown step no-such-step\n" {
		t.Errorf("%v: %q", err, out)
	}
}
