package index

import (
	"strings"
	"testing"
)

func TestNetrc(t *testing.T) {
	n, err := ParseNetrc("netrc", []byte("\ufeff# first\r\nmachine one.example.org login ann password hunter2\r\n"+
		"machine ONE.example.org # second\n\tlogin bob\n\taccount x\n\tpassword #2\n"+
		"macdef init\ncd /pub\nmachine evil.example.org login x password y\n\n"+
		`machine two.example.org user "c d" password "a\"b\\ # c"`+"\n"+
		"default login any password where\nmachine three.example.org login late password hunter3"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		host, user string
		byDefault  bool
		want       string
	}{
		{"one.example.org", "", false, "ann:hunter2"},
		{"One.Example.ORG", "ann", false, "ann:hunter2"},
		{"one.example.org", "bob", false, "bob:#2"},
		{"one.example.org", "eve", true, ""},
		{"two.example.org", "", false, `c d:a"b\ # c`},
		{"evil.example.org", "", false, ""},
		{"four.example.org", "", false, ""},
		{"four.example.org", "", true, "any:where"},
		{"three.example.org", "", false, "late:hunter3"},
		{"", "", false, ""},
	} {
		login, password, ok := n.find(tt.host, tt.user, tt.byDefault)
		if got := login + ":" + password; ok != (tt.want != "") || ok && got != tt.want {
			t.Errorf("%s %s: %s, %v", tt.host, tt.user, got, ok)
		}
	}
	for text, want := range map[string]string{
		"login hunter2":                                "netrc:1: expected machine or default",
		"machine h\nlogin x\npassword":                 "netrc:3: password without a value",
		"machine h\n\nhunter2":                         "netrc:3: expected machine, default, login, password, account or macdef",
		"macdef x\na\nb\n\nhunter2":                    "netrc:5: expected machine or default",
		"machine h login \"a\nb\" password x\nhunter2": "netrc:3: expected machine, ",
		"machine \xff":                                 "netrc: not a text in UTF-8",
		"machine h\x00":                                "netrc: not a text in UTF-8",
	} {
		if _, err := ParseNetrc("netrc", []byte(text)); err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: error %v, want %s", text, err, want)
		}
	}
}

func FuzzNetrc(f *testing.F) {
	f.Add([]byte("machine h login \"a\\\"\" password b\n# c\nmacdef x\ny\n\ndefault login c"))
	f.Fuzz(func(t *testing.T, data []byte) {
		n, err := ParseNetrc("netrc", data)
		if (n == nil) != (err != nil) {
			t.Errorf("%v, %v", n, err)
		}
		if err == nil {
			n.find("h", "", true)
		}
	})
}
