package gate

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestOverlaps(t *testing.T) {
	with := func(name string, files map[string]string, scripts ...script) *part {
		p := &part{Name: name, Label: name + " 1", Scripts: scripts, files: map[string]member{}}
		for at, hash := range files {
			p.files[at] = member{at, hash}
		}
		return p
	}
	const init = site + "/ns/__init__.py"
	texts := map[string]string{
		"old": "__path__ = __import__('pkgutil').extend_path(__path__, __name__)\n",
		"res": "# one\n__import__('pkg_resources').declare_namespace(__name__)\n",
		"own": "version = 1\n",
	}
	read := func(p *part, name string) ([]byte, error) {
		text, ok := texts[p.Name]
		if !ok || name != init {
			return nil, errors.New("not read")
		}
		return []byte(text), nil
	}
	for _, test := range []struct {
		name            string
		parts           []*part
		problems, notes []string
	}{
		{"apart", []*part{with("a", map[string]string{site + "/a.py": "1"}), with("b", map[string]string{site + "/b.py": "2"})}, nil, nil},
		{"the same", []*part{with("a", map[string]string{site + "/a.py": "1"}), with("b", map[string]string{site + "/a.py": "1"})}, nil, nil},
		{
			"code", []*part{with("a", map[string]string{site + "/cv2/a.py": "1"}), with("b", map[string]string{site + "/cv2/a.py": "2"}), with("c", map[string]string{site + "/cv2/a.py": "3"})},
			[]string{"a 1 and b 1: different files in " + site + "/cv2/a.py", "a 1 and c 1: different files in " + site + "/cv2/a.py"}, nil,
		},
		{
			"an extension module", []*part{with("a", map[string]string{site + "/_a.abi3.so": "1"}), with("b", map[string]string{site + "/_a.abi3.so": "2"})},
			[]string{"a 1 and b 1: different files in " + site + "/_a.abi3.so"}, nil,
		},
		{
			"strays", []*part{
				with("a", map[string]string{site + "/tests/__init__.py": "1", site + "/LICENSE": "1", "share/doc/x": "1", site + "/conftest.py": "1"}),
				with("b", map[string]string{site + "/tests/__init__.py": "2", site + "/LICENSE": "2", "share/doc/x": "2", site + "/conftest.py": "2"}),
			}, nil,
			[]string{
				"a 1 and b 1: different files in " + site + "/LICENSE", "a 1 and b 1: different files in " + site + "/conftest.py",
				"a 1 and b 1: different files in " + site + "/tests/__init__.py", "a 1 and b 1: different files in share/doc/x",
			},
		},
		{"namespaces", []*part{with("old", map[string]string{init: "1"}), with("res", map[string]string{init: "2"})}, nil, []string{"old 1 and res 1: different files in " + init}},
		{"no namespace", []*part{with("old", map[string]string{init: "1"}), with("own", map[string]string{init: "2"})}, []string{"old 1 and own 1: different files in " + init}, nil},
		{"one command", []*part{with("a", nil, script{Name: "x", Module: "x", Attr: "main"}), with("b", nil, script{Name: "x", Module: "x", Attr: "main"})}, nil, nil},
		{
			"two commands", []*part{with("a", nil, script{Name: "x", Module: "a", Attr: "main"}), with("b", nil, script{Name: "x", Module: "b", Attr: "main"})},
			[]string{"a 1 and b 1: different files in bin/x"}, nil,
		},
		{
			"a command and a file", []*part{with("a", map[string]string{"bin/x": "1"}), with("b", nil, script{Name: "x", Module: "b", Attr: "main"})},
			[]string{"a 1 and b 1: different files in bin/x"}, nil,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			problems, notes, err := overlaps(test.parts, site, read)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.problems, problems); diff != "" {
				t.Errorf("problems: %s", diff)
			}
			if diff := cmp.Diff(test.notes, notes); diff != "" {
				t.Errorf("notes: %s", diff)
			}
		})
	}
}
