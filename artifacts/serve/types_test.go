package serve

import (
	"strings"
	"testing"
)

func TestNegotiate(t *testing.T) {
	for _, c := range []struct{ accept, want string }{
		// pip 23.2, uv 0.13, Firefox, curl
		{"application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01", simpleJSON},
		{"application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01", simpleJSON},
		{"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8", textHTML},
		{"*/*", textHTML},
		{"", textHTML},

		{"text/html", textHTML},
		{simpleHTML, simpleHTML},
		{"application/vnd.pypi.simple.latest+json", simpleJSON},
		{"application/vnd.pypi.simple.latest+html", simpleHTML},
		{"APPLICATION/vnd.PyPI.simple.v1+JSON ; Q=0.5", simpleJSON},
		{"text/html, " + simpleJSON, simpleJSON},
		{"text/html;q=0.5, " + simpleJSON + ";q=0.4", textHTML},
		{"text/html; charset=utf-8; q=0.5, " + simpleJSON + "; q=0.6", simpleJSON},
		{simpleJSON + ";q=0.5, */*", textHTML},
		{simpleJSON + ", */*", simpleJSON},
		{"application/*", simpleJSON},
		{"text/*, " + simpleJSON + ";q=0.9", textHTML},

		// nothing that there is: HTML, not 406
		{"image/png", textHTML},
		{"application/vnd.pypi.simple.v2+json", textHTML},
		{simpleJSON + ";q=0", textHTML},
		{"*/*;q=0", textHTML},
		{"text/html;q=0, " + simpleJSON + ";q=0", textHTML},
		{"text/html;q=0, */*", simpleJSON},
		{simpleJSON + ";q=0, */*;q=0.1", textHTML},

		// nonsense
		{simpleJSON + ";q=2", textHTML},
		{simpleJSON + ";q=NaN", textHTML},
		{simpleJSON + ";q=", textHTML},
		{",,;q=1,;;,/,\x00", textHTML},
		{strings.Repeat(",", 100000), textHTML},
	} {
		if got := negotiate([]string{c.accept}); got != c.want {
			t.Errorf("%.120q: got %s, want %s", c.accept, got, c.want)
		}
	}
	if got := negotiate([]string{"text/html;q=0.1", simpleJSON}); got != simpleJSON {
		t.Errorf("two headers: got %s", got)
	}
	if got := negotiate(nil); got != textHTML {
		t.Errorf("no header: got %s", got)
	}
}
