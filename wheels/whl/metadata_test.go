package whl

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseMetadata(t *testing.T) {
	const head = "Metadata-Version: 2.1\nName: foo\nVersion: 1.0\n"
	foo := Metadata{Version: "2.1", Name: "foo", ReleaseVersion: "1.0"}
	with := func(f func(*Metadata)) Metadata { m := foo; f(&m); return m }
	tests := []struct {
		name, text string
		want       Metadata
	}{
		{"plain", head, foo},
		{"no newline at the end", strings.TrimSpace(head), foo},
		{"CRLF", strings.ReplaceAll(head, "\n", "\r\n") + "\r\nRequires-Dist: body\r\n", foo},
		{"CR", strings.ReplaceAll(head, "\n", "\r"), foo},
		{"old", "Metadata-Version: 1.0\nName: foo\nVersion: 1.0\n", with(func(m *Metadata) { m.Version = "1.0" })},
		{"case", "METADATA-VERSION: 2.1\nname:foo\nversion:\t 1.0 \n", foo},
		{"same twice", head + "Name: foo\n", foo},
		{
			"all", head + "Requires-Python: >=3.9\nRequires-Dist: bar>=1\nRequires-Dist: baz[a] (>=2) ;\n  extra == 'b'\n\tand os_name != 'nt'\n" +
				"Provides-Extra: b\nDynamic: Requires-Dist\nDynamic: version\nLicense-File: LICENSE\nSummary: ä\n",
			with(func(m *Metadata) {
				m.RequiresPython = ">=3.9"
				m.RequiresDist = []string{"bar>=1", "baz[a] (>=2) ; extra == 'b' and os_name != 'nt'"}
				m.ProvidesExtra, m.Dynamic, m.LicenseFiles = []string{"b"}, []string{"requires-dist", "version"}, []string{"LICENSE"}
			}),
		},
		{"folded description", head + "Description: a\n        b\n        \n        c\nRequires-Python: >=3\n", with(func(m *Metadata) { m.RequiresPython = ">=3" })},
		{"unfolded description", head + "Description: a\nand no field\nRequires-Python: >=3\n", foo},
		{"body", head + "\nRequires-Python: >=3\n", foo},
		{"not UTF-8 elsewhere", head + "Author: \xe4\n\n\xff\n", foo},
		{"odd lines", " continues nothing\nFrom someone\n: no name\n continues it\n" + head, foo},
		{"empty values", head + "Requires-Dist:\nRequires-Python:\n", foo},
		{"odd version", "Metadata-Version: 2.1\nName: foo\nVersion: v1.0-ALPHA\n", with(func(m *Metadata) { m.ReleaseVersion = "v1.0-ALPHA" })},
	}
	for _, tt := range tests {
		got, err := ParseMetadata([]byte(tt.text))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		} else if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
	for text, want := range map[string]string{
		"":                                       "no Metadata-Version; no Name; no Version",
		"\n" + head:                              "no Metadata-Version; no Name; no Version",
		"\ufeff" + head:                          "no Metadata-Version; no Name; no Version",
		head + "Version: 2.0\n":                  `two values of Version: "1.0" and "2.0"`,
		head + "Requires-Python: \xff":           "Requires-Python is not UTF-8",
		head + "Requires-Dist: a\xff":            "Requires-Dist is not UTF-8",
		strings.Replace(head, "2.1", "3.0", 1):   `Metadata-Version "3.0" is newer than 2`,
		strings.Replace(head, "2.1", "2", 1):     `Metadata-Version "2": want a version like 2.1`,
		strings.Replace(head, "2.1", "0.1", 1):   `Metadata-Version "0.1": want a version like 2.1`,
		strings.Replace(head, "foo", "-foo-", 1): `Name "-foo-" cannot be a name`,
		strings.Replace(head, " 1.0", " one", 1): `parse version "one"`,
	} {
		_, err := ParseMetadata([]byte(text))
		var bad *MetadataError
		if !errors.As(err, &bad) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

// TestLongFields reads what would take minutes if a field were copied for each
// of its lines.
func TestLongFields(t *testing.T) {
	text := "Metadata-Version: 2.1\nName: foo\nVersion: 1.0\nDescription: a\n" + strings.Repeat("        "+strings.Repeat("b", 60)+"\n", 200_000)
	if m, err := ParseMetadata([]byte(text)); err != nil || m.Name != "foo" {
		t.Error(err)
	}
}

func FuzzParseMetadata(f *testing.F) {
	f.Add([]byte("Metadata-Version: 2.1\nName: foo\nVersion: 1.0\nRequires-Dist: a;\n b\n\nbody"))
	f.Add([]byte("Metadata-Version: 1.0\r\nName: foo\r\nVersion: 1\r\nDynamic: x\r\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := ParseMetadata(text)
		if err != nil {
			var bad *MetadataError
			if !errors.As(err, &bad) || len(bad.Problems) == 0 {
				t.Errorf("error %#v", err)
			}
			return
		}
		for _, s := range append([]string{m.Name, m.ReleaseVersion, m.RequiresPython}, m.RequiresDist...) {
			if strings.ContainsAny(s, "\r\n") {
				t.Errorf("%q is of several lines", s)
			}
		}
		// What was read comes back when it is written.
		again := "Metadata-Version: " + m.Version + "\nName: " + m.Name + "\nVersion: " + m.ReleaseVersion + "\n"
		for _, r := range m.RequiresDist {
			again += "Requires-Dist: " + r + "\n"
		}
		n, err := ParseMetadata([]byte(again))
		if err != nil || n.Name != m.Name || n.ReleaseVersion != m.ReleaseVersion || !cmp.Equal(n.RequiresDist, m.RequiresDist) {
			t.Errorf("%v: %+v, then %+v", err, m, n)
		}
	})
}
