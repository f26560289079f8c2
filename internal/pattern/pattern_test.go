package pattern

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestAll compiles the expressions of the whole module, as far as they are written in
// one place.
func TestAll(t *testing.T) {
	found := 0
	err := filepath.WalkDir("../..", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(name, ".go") {
			return err
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, name, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if f, ok := call.Fun.(*ast.SelectorExpr); !ok || f.Sel.Name != "New" || !isPattern(f.X) {
				return true
			}
			text, whole := literal(call.Args[0])
			if !whole {
				return true
			}
			found++
			if _, err := regexp.Compile(text); err != nil {
				t.Errorf("%s: %v", fset.Position(call.Pos()), err)
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if found < 50 {
		t.Errorf("%d expressions found", found)
	}
}

func isPattern(x ast.Expr) bool {
	id, ok := x.(*ast.Ident)
	return ok && id.Name == "pattern"
}

// literal is the text of a string, or of a sum of strings.
func literal(x ast.Expr) (text string, whole bool) {
	switch x := x.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(x.Value)
		return text, err == nil
	case *ast.BinaryExpr:
		a, wholeA := literal(x.X)
		b, wholeB := literal(x.Y)
		return a + b, wholeA && wholeB
	}
	return "", false
}
