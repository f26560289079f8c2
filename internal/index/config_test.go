package index

import (
	"archive/zip"
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func env(values ...string) func(string) string {
	return func(name string) string {
		for _, v := range values {
			if key, value, _ := strings.Cut(v, "="); key == name {
				return value
			}
		}
		return ""
	}
}

func texts(pairs ...string) (files []Text) {
	for i := 0; i < len(pairs); i += 2 {
		files = append(files, Text{pairs[i], []byte(pairs[i+1])})
	}
	return files
}

// checkConfig compares what was read; err is all of the error.
func checkConfig(t *testing.T, what string, got Config, err error, want Config, wantErr string) {
	t.Helper()
	if err != nil && err.Error() != wantErr || err == nil && wantErr != "" {
		t.Errorf("%s: error %v\nwant %s", what, err, wantErr)
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s: %s", what, diff)
	}
	if strings.Contains(fmt.Sprint(err, got.Notes), "hunter2") {
		t.Errorf("%s: %v %v", what, err, got.Notes)
	}
}

func TestReadPip(t *testing.T) {
	const one, two, three = "https://one.example.org/simple", "https://two.example.org/simple", "https://three.example.org/simple"
	urls := func(all ...string) (indexes []Index) {
		for _, u := range all {
			indexes = append(indexes, Index{URL: u})
		}
		return indexes
	}
	for _, tt := range []struct {
		what  string
		files []Text
		env   []string
		want  Config
		err   string
	}{
		{"nothing", nil, nil, Config{Indexes: urls("")}, ""},
		{"index-url", texts("pip.conf", "[global]\nindex-url = "+one+"\n"), nil, Config{Indexes: urls(one)}, ""},
		{"colon, case, underscores", texts("pip.conf", "\ufeff[global]\r\nINDEX_URL: "+one+"\r\n"), nil, Config{Indexes: urls(one)}, ""},
		{"dashes", texts("pip.conf", "[global]\n--index-url = "+one+"\n"), nil, Config{Indexes: urls(one)}, ""},
		{"extra lines", texts("pip.conf", "[global]\nextra-index-url =\n  "+one+"\n  # comment\n\n    "+two+"\ncert = /ca.pem\n; end\n"), nil,
			Config{Indexes: urls("", one, two), Cert: "/ca.pem"}, ""},
		{"install over global", texts("user.conf", "[install]\nindex-url = "+one, "site.conf", "[global]\nindex-url = "+two+"\nproxy = http://proxy.example.org:3128"), nil,
			Config{Indexes: urls(one), Proxy: "http://proxy.example.org:3128"}, ""},
		{"later over earlier", texts("global.conf", "[global]\nindex-url = "+one+"\nextra-index-url = "+one+" "+two, "user.conf", "[global]\nextra-index-url = "+three), nil,
			Config{Indexes: urls(one, three)}, ""},
		{"environment over all", texts("pip.conf", "[install]\nindex-url = "+one+"\nextra-index-url = "+two), []string{"PIP_INDEX_URL=" + three, "PIP_EXTRA_INDEX_URL=" + one + " \n " + two},
			Config{Indexes: urls(three, one, two)}, ""},
		{"empty is nothing", texts("pip.conf", "[global]\nindex-url = "+one+"\n[install]\nindex-url =\nno-index =\n"), []string{"PIP_INDEX_URL="}, Config{Indexes: urls(one)}, ""},
		{"[DEFAULT]", texts("pip.conf", "[DEFAULT]\nindex-url = "+one+"\n[global]\ntimeout = 3\n[DEFAULT]\nproxy=x\n"), nil, Config{Indexes: urls(one), Proxy: "x"}, ""},
		{"other sections", texts("pip.conf", "[download]\nindex-url = "+one+"\nno-index = maybe"), nil, Config{Indexes: urls("")}, ""},
		{"no-index", texts("pip.conf", "[global]\nindex-url = "+one+"\nno-index = yes\n"), nil, Config{NoIndex: true}, ""},
		{"no no-index", texts("pip.conf", "[global]\nno-index = yes\n"), []string{"PIP_NO_INDEX=0"}, Config{Indexes: urls("")}, ""},
		{"notes", texts("/etc/pip.conf", "[global]\nfind-links = /srv\ntrusted-host = h.example.org\n"), []string{"PIP_CLIENT_CERT=/c"}, Config{Indexes: urls(""), Notes: []string{
			"PIP_CLIENT_CERT: client-cert: not supported",
			"/etc/pip.conf:2:1: find-links: not supported, only indexes are asked",
			"/etc/pip.conf:3:1: trusted-host: not honoured, certificates are always checked: name the authority with cert",
		}}, ""},
		{"bad addresses", texts("a.conf", "[global]\nindex-url = https://u:hunter2@h:x/\nextra-index-url =\n  file:///srv\n  "+one), []string{"PIP_NO_INDEX=maybe"}, Config{Indexes: urls(one)},
			"PIP_NO_INDEX: no-index: want true or false\na.conf:2:1: index-url: malformed URL\na.conf:3:1: extra-index-url: file:///srv: not an http or https URL"},
		{"bad lines", texts("a.conf", "hunter2\nindex-url = https://u:hunter2@h/\n[global]\nhunter2\n= hunter2\n[global]\nindex-url = "+one+"\nindex-url = "+two, "b.conf", "\xff"), nil, Config{Indexes: urls(two)},
			`a.conf:1:1: before the first [section]
a.conf:2:1: before the first [section]
a.conf:4:1: neither [section] nor KEY = VALUE
a.conf:5:1: neither [section] nor KEY = VALUE
a.conf:6:1: section "global": occurs twice
a.conf:8:1: key "index-url": occurs twice in its section
b.conf: not a text in UTF-8 of at most 4194304 bytes`},
	} {
		got, err := ReadPip(tt.files, env(tt.env...))
		checkConfig(t, tt.what, got, err, tt.want, tt.err)
	}
}

func TestReadUV(t *testing.T) {
	const one, two, three = "https://one.example.org/simple", "https://two.example.org/simple", "https://three.example.org/simple"
	index := func(lines ...string) string { return "[[index]]\n" + strings.Join(lines, "\n") + "\n" }
	for _, tt := range []struct {
		what  string
		files []Text
		env   []string
		want  Config
		err   string
	}{
		{"nothing", texts("p/pyproject.toml", "[project]\nname = 'x'\n[tool.other]\nindex = 3\n"), nil, Config{Indexes: []Index{{}}}, ""},
		{"indexes", texts("uv.toml", "native-tls = true\n"+index(`name = "one"`, `url = "`+one+`"`, "ignore-error-codes = [403]")+index(`url = "`+two+`"`, "default = true")+index(`name = "x"`, `url = "`+three+`"`, "explicit = true")), nil,
			Config{Indexes: []Index{{Name: "one", URL: one, Absent: []int{403}}, {Name: "x", URL: three, Explicit: true}, {URL: two}}}, ""},
		{"older keys", texts("uv.toml", `index-url = "`+one+`"`+"\nextra-index-url = ['"+two+"', '"+three+"']\n"), nil, Config{Indexes: []Index{{URL: two}, {URL: three}, {URL: one}}}, ""},
		{"levels", texts("/etc/uv/uv.toml", `index-url = "`+three+`"`+"\n"+index("name = 'a'", "url = '"+one+"'"), "p/pyproject.toml", `[[tool.uv.index]]`+"\nname = 'b'\nurl = '"+two+"'\n"), nil,
			Config{Indexes: []Index{{Name: "b", URL: two}, {Name: "a", URL: one}, {URL: three}}}, ""},
		{"uv.toml instead of pyproject.toml", texts("p/pyproject.toml", "[tool.uv]\nindex-url = '"+one+"'", "p/uv.toml", "index-url = '"+two+"'"), nil, Config{Indexes: []Index{{URL: two}}}, ""},
		{"uv.toml elsewhere", texts("q/uv.toml", "index-url = '"+two+"'", "p/pyproject.toml", "[tool.uv]\nindex-url = '"+one+"'"), nil, Config{Indexes: []Index{{URL: one}}}, ""},
		{"the same name", texts("u/uv.toml", index("name = 'a'", "url = '"+one+"'"), "p/uv.toml", index("name = 'a'", "url = '"+two+"'")), nil, Config{Indexes: []Index{{Name: "a", URL: two}, {}}}, ""},
		{"two defaults", texts("uv.toml", index("url = '"+one+"'", "default = true")+index("url = '"+two+"'", "default = true")), nil, Config{Indexes: []Index{{URL: one}}}, ""},
		{"an explicit default", texts("uv.toml", index("url = '"+one+"'", "default = true", "explicit = true")), nil, Config{Indexes: []Index{{URL: one, Explicit: true}}}, ""},
		{"environment", texts("uv.toml", "extra-index-url = ['"+three+"']\n"+index("name = 'a'", "url = '"+one+"'", "default = true")),
			[]string{"UV_DEFAULT_INDEX=corp=" + two + "?a=b", "UV_INDEX=x=" + one + " " + three + "/y", "UV_EXTRA_INDEX_URL=" + one, "UV_INDEX_URL=" + three},
			Config{Indexes: []Index{{Name: "x", URL: one}, {URL: three + "/y"}, {URL: one}, {URL: three}, {Name: "corp", URL: two + "?a=b"}}}, ""},
		{"UV_INDEX_URL", texts("uv.toml", "index-url = '"+one+"'"), []string{"UV_INDEX_URL=" + two}, Config{Indexes: []Index{{URL: two}}}, ""},
		{"credentials by name", texts("uv.toml", index("name = 'my-corp'", "url = '"+one+"'")+index("name = 'b'", "url = '"+two+"'")),
			[]string{"UV_INDEX_MY_CORP_USERNAME=ann", "UV_INDEX_MY_CORP_PASSWORD=hun@ter", "UV_INDEX_B_USERNAME=tok"},
			Config{Indexes: []Index{{Name: "my-corp", URL: "https://ann:hun%40ter@one.example.org/simple"}, {Name: "b", URL: "https://tok@two.example.org/simple"}, {}}}, ""},
		{"no-index", texts("uv.toml", "no-index = true\nindex-url = '"+one+"'"), nil, Config{NoIndex: true}, ""},
		{"no no-index", texts("uv.toml", "no-index = true"), []string{"UV_NO_INDEX=false"}, Config{Indexes: []Index{{}}}, ""},
		{"notes", texts("p/pyproject.toml", "[tool.uv]\nfind-links = ['/srv']\nallow-insecure-host = ['h']\n[[tool.uv.index]]\nurl='"+one+"'\nformat = 'flat'\n"), []string{"UV_FIND_LINKS=/x", "UV_INSECURE_HOST=h"},
			Config{Indexes: []Index{{}}, Notes: []string{
				"UV_FIND_LINKS: not supported, only indexes are asked",
				"UV_INSECURE_HOST: not honoured, certificates are always checked",
				"p/pyproject.toml:6:10: tool.uv.index[0].format: flat is not supported: the index is left out",
				"p/pyproject.toml:2:1: tool.uv.find-links: not supported, only indexes are asked",
				"p/pyproject.toml:3:1: tool.uv.allow-insecure-host: not honoured, certificates are always checked",
			}}, ""},
		{"bad addresses", texts("uv.toml", "index-url = 'https://u:hunter2@h:x/'\nextra-index-url = ['"+one+"', '/srv']\n"+index("url = '../x'")), []string{"UV_INDEX=a=hunter2@x"}, Config{Indexes: []Index{{URL: one}, {}}},
			"UV_INDEX: malformed URL\nuv.toml:1:13: index-url: malformed URL\n" +
				"uv.toml:2:54: extra-index-url[1]: malformed URL\nuv.toml:4:7: index[0].url: malformed URL"},
		{"bad TOML", texts("a/uv.toml", "index-url = hunter2\n", "b/uv.toml", "\nindex-url = 3\n", "c/uv.toml", "index-url = '"+one+"'"), nil, Config{Indexes: []Index{{URL: one}}}, "?"},
	} {
		got, err := ReadUV(tt.files, env(tt.env...))
		if tt.err == "?" {
			for _, want := range []string{"a/uv.toml:1:", "b/uv.toml:2:"} {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%s: error %v, want %s", tt.what, err, want)
				}
			}
			tt.err = fmt.Sprint(err)
		}
		checkConfig(t, tt.what, got, err, tt.want, tt.err)
	}
}

func TestWithDefault(t *testing.T) {
	c := Config{Indexes: []Index{{}, {Name: "a", URL: "https://a.example.org"}, {URL: "https://a.example.org"}}}
	want := []Index{{URL: "https://d.example.org"}, {Name: "a", URL: "https://a.example.org"}}
	if diff := cmp.Diff(want, c.WithDefault("https://d.example.org")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(want[1:], c.WithDefault("")); diff != "" {
		t.Error(diff)
	}
}

func TestExpand(t *testing.T) {
	getenv := env("USER=ann", "PASSWORD=hunter2", "BAD=hunter2/@", "HOST=h.example.org/x")
	for _, tt := range []struct{ text, want, err string }{
		{"https://h.example.org/$USER/{USER}/$", "https://h.example.org/$USER/{USER}/$", ""},
		{"https://${USER}:${PASSWORD}@${HOST}/", "https://ann:hunter2@h.example.org/x/", ""},
		{"https://${USER}:${NONE}@h/", "", "environment variable NONE is not set"},
		{"https://${USER}:${BAD}@h/", "", "environment variable BAD: has characters that a URL needs percent-encoded"},
		{"https://${USER-x}@h/", "", `"${USER-x": not a variable of the environment`},
		{"https://${}@h/", "", `"${": not a variable of the environment`},
		{"https://${1}@h/", "", `"${1": not a variable of the environment`},
		{"https://${USER", "", `"${USER": not a variable of the environment`},
	} {
		got, err := Expand(tt.text, getenv)
		if got != tt.want || tt.err != "" && (err == nil || err.Error() != tt.err) || tt.err == "" && err != nil {
			t.Errorf("%s: %q, %v", tt.text, got, err)
		}
	}
}

func TestWhere(t *testing.T) {
	all := Where{Home: "/home/x", VirtualEnv: "/venv", Project: "/p"}
	for _, tt := range []struct {
		what  string
		where Where
		pip   []string
		uv    []string
		netrc []string
	}{
		{"usual", all,
			[]string{"/etc/xdg/pip/pip.conf", "/etc/pip.conf", "/home/x/.pip/pip.conf", "/home/x/.config/pip/pip.conf", "/venv/pip.conf"},
			[]string{"/etc/uv/uv.toml", "/etc/xdg/uv/uv.toml", "/home/x/.config/uv/uv.toml", "/p/pyproject.toml", "/p/uv.toml"},
			[]string{"/home/x/.netrc", "/home/x/_netrc"}},
		{"named", Where{Home: "/home/x", ConfigHome: "/c", ConfigDirs: "/a::rel:/b", PipConfigFile: "/pip", UVConfigFile: "/uv", Netrc: "/n"},
			[]string{"/a/pip/pip.conf", "/b/pip/pip.conf", "/etc/pip.conf", "/pip"}, []string{"/uv"}, []string{"/n"}},
		{"other directories", Where{ConfigHome: "/c", ConfigDirs: "/a:/b"},
			[]string{"/a/pip/pip.conf", "/b/pip/pip.conf", "/etc/pip.conf", "/c/pip/pip.conf"}, []string{"/etc/uv/uv.toml", "/b/uv/uv.toml", "/a/uv/uv.toml", "/c/uv/uv.toml"}, nil},
		{"off", Where{PipConfigFile: "/dev/null"}, nil, []string{"/etc/uv/uv.toml", "/etc/xdg/uv/uv.toml"}, nil},
	} {
		got := [][]string{tt.where.PipFiles(), tt.where.UVFiles(), tt.where.NetrcFiles()}
		if diff := cmp.Diff([][]string{tt.pip, tt.uv, tt.netrc}, got); diff != "" {
			t.Errorf("%s: %s", tt.what, diff)
		}
	}
}

func TestDefaultFromPip(t *testing.T) {
	const source = "pip/_internal/models/index.py"
	for _, tt := range []struct{ what, name, text, want, err string }{
		{"new", source, "class PackageIndex:\n    pass\n\n\nPyPI = PackageIndex(\"https://pypi.example.org/\", file_storage_domain=\"files.example.org\")\nTestPyPI = PackageIndex(\n    \"https://test.example.org/\", file_storage_domain=\"x\"\n)\n",
			"https://pypi.example.org/simple/", ""},
		{"old", source, "PyPI = PackageIndex(\n    'https://pypi.example.org/root', file_storage_domain='files.example.org'\n)\nTestPyPI = PackageIndex(\n    'https://test.example.org/', file_storage_domain='x'\n)\n",
			"https://pypi.example.org/root/simple/", ""},
		{"no such file", "pip/__init__.py", "", "", "default index of pip: open " + source + ": file does not exist"},
		{"no such line", source, "TestPyPI = PackageIndex('https://test.example.org/')", "", "default index of pip: " + source + ": no PyPI = PackageIndex(...)"},
		{"no address", source, "PyPI = PackageIndex('file:///etc')", "", "default index of pip: " + source + ": file:///etc: not an http or https URL"},
	} {
		var buf bytes.Buffer
		w := zip.NewWriter(&buf)
		f, err := w.Create(tt.name)
		if err != nil {
			t.Fatal(err)
		}
		f.Write([]byte(tt.text))
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		got, err := DefaultFromPip(bytes.NewReader(buf.Bytes()), int64(buf.Len()))
		if got != tt.want || tt.err != "" && (err == nil || err.Error() != tt.err) || tt.err == "" && err != nil {
			t.Errorf("%s: %q, %v", tt.what, got, err)
		}
	}
	if _, err := DefaultFromPip(strings.NewReader("x"), 1); err == nil {
		t.Error("not a wheel: no error")
	}
}

func FuzzConfig(f *testing.F) {
	f.Add([]byte("[global]\nindex-url = https://u:p@h/\nextra-index-url:\n  http://a\n  http://b\n[DEFAULT]\nno-index = no\n"))
	f.Add([]byte("[[index]]\nname = 'a'\nurl = 'https://h/'\ndefault = true\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, name := range []string{"pip.conf", "uv.toml", "pyproject.toml"} {
			read := ReadUV
			if name == "pip.conf" {
				read = ReadPip
			}
			c, _ := read([]Text{{name, data}}, env())
			for _, ix := range c.WithDefault("") {
				if _, err := parseURL(ix.URL); err != nil {
					t.Errorf("%s: %+v", name, ix)
				}
			}
		}
	})
}
