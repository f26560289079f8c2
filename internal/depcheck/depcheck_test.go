package depcheck

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const module = "github.com/pybake/pybake/"

// rows are all packages; imports go from an upper to a lower row.
var rows = [][]string{
	{"cmd/pybake", "cmd/bench"},
	{"internal/refresh"},
	{"internal/refresh/repin", "internal/refresh/report", "internal/refresh/watch"},
	{"internal/image"},
	{"internal/image/check", "internal/image/install", "internal/image/oci", "internal/image/run"},
	{"internal/image/bundle", "internal/image/layer"},
	{"python", "wheels"},
	{"wheels/explain"},
	{"wheels/build", "wheels/cargo", "wheels/gate", "wheels/resolve"},
	{"wheels/sdist"},
	{"wheels/lock", "wheels/whl"},
	{"nfpm"},
	{"internal/distro"},
	{"recipes", "internal/project"},
	{"artifacts/publish"},
	{"artifacts", "artifacts/apt", "artifacts/serve", "artifacts/sign", "artifacts/simple", "internal/engine", "internal/index"},
	{"internal/elfcheck", "internal/elfcheck/elftest", "internal/fetch", "internal/patch", "internal/pep"},
	{"internal/strict", "internal/depcheck", "internal/pattern"},
}

// only are the packages of ours that a package may import, where those below it
// are more than it has business with.
var only = map[string][]string{
	"artifacts/apt":           {"internal/pattern"},
	"artifacts/publish":       {"artifacts", "artifacts/apt", "artifacts/sign", "artifacts/simple", "internal/pattern"},
	"artifacts/serve":         {},
	"artifacts/sign":          {"internal/pattern"},
	"artifacts/simple":        {"internal/pep"},
	"internal/elfcheck":       {},
	"internal/fetch":          {"internal/pattern"},
	"internal/image/bundle":   {},
	"internal/image/install":  {"internal/engine", "internal/pattern"},
	"internal/image/layer":    {"internal/pattern"},
	"internal/image/oci":      {"internal/image/layer", "internal/pattern"},
	"internal/image/run":      {"internal/engine", "internal/pattern", "internal/project"},
	"internal/index":          {"internal/fetch", "internal/pep", "internal/strict"},
	"internal/patch":          {},
	"internal/pep":            {},
	"internal/pattern":        {},
	"internal/project":        {"internal/pattern", "internal/pep", "internal/strict"},
	"internal/refresh/repin":  {"internal/distro", "internal/project"},
	"internal/refresh/report": {"internal/pattern"},
	"internal/refresh/watch":  {"artifacts/sign", "internal/fetch", "internal/pattern", "internal/strict", "recipes"},
	"recipes":                 {"internal/patch", "internal/pattern", "internal/pep", "internal/strict"},
	"wheels/build":            {"internal/elfcheck", "internal/engine", "internal/fetch", "internal/pattern", "internal/pep", "wheels/sdist"},
	"wheels/explain":          {"internal/pattern", "internal/pep", "wheels/build"},
	"wheels/cargo":            {"internal/fetch", "internal/pattern", "internal/strict"},
	"wheels/gate": {
		"artifacts", "internal/distro", "internal/engine", "internal/elfcheck", "internal/pattern", "internal/pep", "internal/project", "recipes", "wheels/whl",
	},
	"wheels/lock":    {"internal/pattern", "internal/pep", "internal/strict"},
	"wheels/resolve": {"internal/index", "internal/pep", "wheels/whl"},
	"wheels/sdist":   {"internal/fetch", "internal/patch", "internal/pep", "internal/strict", "wheels/whl"},
	"wheels/whl":     {"internal/elfcheck", "internal/pattern", "internal/pep"},
}

// reserved are the packages that few packages may import, by the beginning of
// their paths.
var reserved = map[string][]string{
	"github.com/bluekeyes/":                  {"internal/patch"},
	"github.com/docker/":                     {"internal/engine"},
	"github.com/goreleaser/":                 {"nfpm"},
	"debug/elf":                              {"internal/elfcheck", "internal/elfcheck/elftest"},
	"golang.org/x/net/":                      {"internal/index"},
	"github.com/distribution/":               {"internal/image/oci"},
	"github.com/google/go-containerregistry": {"internal/image/oci", "cmd/pybake"},
	"os/exec":                                {"internal/distro", "wheels/sdist"}, // mmdebstrap, git
}

// forbidden below the commands are these names of packages, "*" being all.
var forbidden = map[string][]string{
	"os": {
		"Args", "Clearenv", "Environ", "Exit", "ExpandEnv", "Getenv", "LookupEnv", "Setenv", "Stderr", "Stdin", "Stdout", "Unsetenv",
		"UserCacheDir", "UserConfigDir", "UserHomeDir",
	},
	"syscall":   {"Environ", "Exec", "Exit", "Getenv"},
	"fmt":       {"Print", "Printf", "Println", "Scan", "Scanf", "Scanln"},
	"flag":      {"*"},
	"log":       {"*"},
	"log/slog":  {"Debug", "Default", "Error", "Info", "SetDefault", "Warn"},
	"os/signal": {"*"},
}

// pkg is what go list says of a package; without test files.
type pkg struct {
	ImportPath string
	Dir        string
	Imports    []string
	GoFiles    []string
}

// name is the path within the module: "internal/engine".
func (p pkg) name() string { return strings.TrimPrefix(p.ImportPath, module) }

func (p pkg) isCommand() bool { return strings.HasPrefix(p.name(), "cmd/") }

func list(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Dir,Imports,GoFiles", "./...")
	cmd.Dir = "../.."
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &said)
	}
	var packages []pkg
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			return packages
		}
		if err != nil {
			t.Fatalf("go list: %v", err)
		}
		packages = append(packages, p)
	}
}

func row(name string) int {
	return slices.IndexFunc(rows, func(row []string) bool { return slices.Contains(row, name) })
}

// arrows says which imports are not allowed.
func arrows(packages []pkg) (wrong []string) {
	for _, p := range packages {
		if row(p.name()) < 0 {
			wrong = append(wrong, p.name()+": in no row")
			continue
		}
		for _, path := range p.Imports {
			if why := p.refused(path); why != "" {
				wrong = append(wrong, p.name()+" imports "+strings.TrimPrefix(path, module)+", which "+why)
			}
		}
	}
	return wrong
}

// refused says why a package may not import a path; "" if it may.
func (p pkg) refused(path string) string {
	if name, ours := strings.CutPrefix(path, module); ours {
		mine, restricted := only[p.name()]
		switch to := row(name); {
		case to >= 0 && to <= row(p.name()):
			return "is not below it"
		case restricted && !slices.Contains(mine, name):
			return "is not among those it has business with"
		}
		return ""
	}
	for prefix, owners := range reserved {
		// A command may run programs, but knows Docker no more than others do.
		free := p.isCommand() && prefix == "os/exec"
		if strings.HasPrefix(path, prefix) && !free && !slices.Contains(owners, p.name()) {
			return "only " + strings.Join(owners, ", ") + " may"
		}
	}
	return ""
}

// TestOnly holds the tables to the packages that there are.
func TestOnly(t *testing.T) {
	for name, mine := range only {
		for _, other := range mine {
			if row(name) < 0 || row(other) <= row(name) {
				t.Errorf("%s may import %s, which is not below it", name, other)
			}
		}
	}
	for _, owners := range reserved {
		for _, name := range owners {
			if row(name) < 0 {
				t.Errorf("%s: in no row", name)
			}
		}
	}
}

func TestArrows(t *testing.T) {
	packages := list(t)
	if len(packages) < 10 {
		t.Fatalf("go list found %d packages", len(packages))
	}
	for _, wrong := range arrows(packages) {
		t.Error(wrong)
	}
}

// TestArrowsFound shows that what is wrong is seen.
func TestArrowsFound(t *testing.T) {
	made := func(name string, imports ...string) pkg { return pkg{ImportPath: module + name, Imports: imports} }
	got := arrows([]pkg{
		made("cmd/pybake", "os/exec", module+"python"),
		made("cmd/bench", "github.com/docker/docker/client"),
		made("python", "fmt", module+"nfpm", module+"wheels", "os/exec"),
		made("nfpm", module+"python"),
		made("internal/engine", "github.com/docker/cli/cli/connhelper"),
		made("internal/distro", "os/exec", "github.com/docker/go-connections/tlsconfig"),
		made("internal/util"),
		made("wheels/resolve", module+"internal/index", module+"internal/fetch", "golang.org/x/net/html"),
		made("internal/index", "golang.org/x/net/html", module+"internal/pep"),
		made("internal/pep", module+"internal/strict"),
		made("wheels/whl", module+"wheels/lock"),
	})
	want := []string{
		"cmd/bench imports github.com/docker/docker/client, which only internal/engine may",
		"python imports wheels, which is not below it",
		"python imports os/exec, which only internal/distro, wheels/sdist may",
		"nfpm imports python, which is not below it",
		"internal/distro imports github.com/docker/go-connections/tlsconfig, which only internal/engine may",
		"internal/util: in no row",
		"wheels/resolve imports internal/fetch, which is not among those it has business with",
		"wheels/resolve imports golang.org/x/net/html, which only internal/index may",
		"internal/pep imports internal/strict, which is not among those it has business with",
		"wheels/whl imports wheels/lock, which is not below it",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestGraph compares the imports with the committed ones.
func TestGraph(t *testing.T) {
	var b strings.Builder
	for _, p := range list(t) {
		fmt.Fprintln(&b, p.name())
		for _, path := range p.Imports {
			name, ours := strings.CutPrefix(path, module)
			first, _, _ := strings.Cut(path, "/")
			if ours || strings.Contains(first, ".") {
				fmt.Fprintf(&b, "\t%s\n", name)
			}
		}
	}
	const golden = "testdata/imports.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("%s: run go test -update if this is meant (-want +got):\n%s", golden, diff)
	}
}

// uses says what a file below the commands uses that it may not.
func uses(set *token.FileSet, file *ast.File) (wrong []string) {
	report := func(n ast.Node, format string, args ...any) {
		at := set.Position(n.Pos())
		wrong = append(wrong, fmt.Sprintf("%s:%d: %s", filepath.Base(at.Filename), at.Line, fmt.Sprintf(format, args...)))
	}
	imported := map[string]string{} // by the name it has here
	for _, spec := range file.Imports {
		full, err := strconv.Unquote(spec.Path.Value)
		if err != nil || forbidden[full] == nil {
			continue
		}
		name := path.Base(full)
		if spec.Name != nil {
			name = spec.Name.Name
		}
		if name == "." || slices.Contains(forbidden[full], "*") {
			report(spec, "imports %s", full)
		}
		imported[name] = full
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			if n.Name.Name == "init" && n.Recv == nil {
				report(n, "has an init function")
			}
		case *ast.CallExpr:
			if f, ok := n.Fun.(*ast.Ident); ok && (f.Name == "print" || f.Name == "println") {
				report(n, "calls %s", f.Name)
			}
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && slices.Contains(forbidden[imported[x.Name]], n.Sel.Name) {
				report(n, "uses %s.%s", imported[x.Name], n.Sel.Name)
			}
		}
		return true
	})
	return wrong
}

func TestPure(t *testing.T) {
	read := 0
	for _, p := range list(t) {
		if p.isCommand() {
			continue
		}
		for _, name := range p.GoFiles {
			set := token.NewFileSet()
			file, err := parser.ParseFile(set, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			read++
			for _, wrong := range uses(set, file) {
				t.Errorf("%s/%s", p.name(), wrong)
			}
		}
	}
	if read < 30 {
		t.Errorf("read %d files only", read)
	}
}

// TestPureFound shows that what is wrong is seen.
func TestPureFound(t *testing.T) {
	const source = `package p

import (
	"fmt"
	"log"
	stdos "os"
	. "syscall"
)

func init() {}

type T struct{}

func (T) init() {}

func f(out *T) error {
	println("x")
	fmt.Println(stdos.Getenv("HOME"))
	fmt.Fprintln(stdos.Stderr)
	log.Print()
	stdos.Exit(1)
	stdos.ReadFile("x")
	return fmt.Errorf("x")
}
`
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, "p.go", source, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"p.go:5: imports log",
		"p.go:7: imports syscall",
		"p.go:10: has an init function",
		"p.go:17: calls println",
		"p.go:18: uses fmt.Println",
		"p.go:18: uses os.Getenv",
		"p.go:19: uses os.Stderr",
		"p.go:21: uses os.Exit",
	}
	if diff := cmp.Diff(want, uses(set, file)); diff != "" {
		t.Error(diff)
	}
}
