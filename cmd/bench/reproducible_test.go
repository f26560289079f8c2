package main

import (
	"errors"
	"strings"
	"testing"
)

func TestPrintVaried(t *testing.T) {
	said := difference(errors.New("pybake python: exit status 1\n[ 0:01] compare … failed\n" +
		"pybake: python 3.13.5 trixie amd64 fast: not reproducible: built twice (the second time with another time), a.deb: data.tar: /opt/a differs from byte 1 on: 61 and 62\n  and in b.deb"))
	rows := []varied{{vary: "first build", took: 61}, {vary: "all", took: 121.6}, {vary: "time", took: 60, differs: said}}
	var b strings.Builder
	err := printVaried(&b, rows)
	const want = `ANOTHER      TIME   PACKAGES
first build  61 s
all          122 s  the same, bit by bit
time         60 s   differ: built twice (the second time with another time), a.deb: data.tar: /opt/a differs from byte 1 on: 61 and 62
`
	if b.String() != want || err == nil || err.Error() != "1 of 2 builds differ from the first" {
		t.Errorf("%v\n%s\nwant\n%s", err, b.String(), want)
	}
	if err := printVaried(&b, rows[:2]); err != nil {
		t.Error(err)
	}
	if said := difference(errors.New("pybake python: exit status 1\npybake: no engine")); said != "" {
		t.Errorf("another failure is taken for a difference: %q", said)
	}
}
