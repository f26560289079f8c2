package apt

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestPackageErrors(t *testing.T) {
	const head = "Package: pybake-a\nVersion: 1:2-3\nArchitecture: amd64\n"
	good := func(control string) Package {
		p := made("pybake-a", "1:2-3", "amd64")
		p.Filename, p.Control = "pool/pybake-a_2-3_amd64.deb", control
		return p
	}
	for name, c := range map[string]struct {
		edit func(p *Package)
		want []string
	}{
		"no name":           {func(p *Package) { p.Control = "Version: 1\nArchitecture: amd64" }, []string{"no Package"}},
		"no version":        {func(p *Package) { p.Control = "Package: pybake-a\nArchitecture: amd64" }, []string{"no Version"}},
		"no architecture":   {func(p *Package) { p.Control = "Package: pybake-a\nVersion: 1" }, []string{"no Architecture"}},
		"nothing at all":    {func(p *Package) { *p = Package{} }, []string{"no Package", "no Version", "no Architecture", "no SHA256", "size 0", "file name"}},
		"bad name":          {func(p *Package) { p.Control = strings.Replace(head, "pybake-a", "Pybake_a", 1) }, []string{`Package "Pybake_a"`}},
		"bad version":       {func(p *Package) { p.Control = strings.Replace(head, "1:2-3", "a b", 1) }, []string{`Version "a b"`}},
		"bad architecture":  {func(p *Package) { p.Control = strings.Replace(head, "amd64", "am d64", 1) }, []string{`Architecture "am d64"`}},
		"other machine":     {func(p *Package) { p.Control = strings.Replace(head, "amd64", "arm64", 1) }, []string{`Architecture "arm64": the repository is for amd64`, "is that of pybake-a_2-3_arm64.deb"}},
		"other name":        {func(p *Package) { p.Filename = "pool/pybake-b_2-3_amd64.deb" }, []string{"is that of pybake-a_2-3_amd64.deb"}},
		"epoch in the name": {func(p *Package) { p.Filename = "pool/pybake-a_1:2-3_amd64.deb" }, []string{"file name"}},
		"absolute":          {func(p *Package) { p.Filename = "/pool/pybake-a_2-3_amd64.deb" }, []string{"file name"}},
		"outside":           {func(p *Package) { p.Filename = "../pybake-a_2-3_amd64.deb" }, []string{"file name"}},
		"not clean":         {func(p *Package) { p.Filename = "pool//pybake-a_2-3_amd64.deb" }, []string{"file name"}},
		"lines in the path": {func(p *Package) { p.Filename = "pool/\nSize: 1\npybake-a_2-3_amd64.deb" }, []string{`package "pool/\nSize: 1\npybake-a_2-3_amd64.deb": file name`}},
		"lines in the hash": {func(p *Package) { p.SHA256 += "\nX: y" }, []string{`SHA256 "`}},
		"upper-case hash":   {func(p *Package) { p.SHA256 = strings.Repeat("A", 64) }, []string{`SHA256 "A`}},
		"size":              {func(p *Package) { p.Size = -1 }, []string{"size -1"}},
		"second stanza":     {func(p *Package) { p.Control = head + "\nPackage: libc6\n" }, []string{"line 4: blank", "line 5: Package: there twice"}},
		"blank with spaces": {func(p *Package) { p.Control = head + " \t\nX: y\n" }, []string{"line 4: blank"}},
		"carriage return":   {func(p *Package) { p.Control = head + "X: y\r\n\r\n" }, []string{"line 4: \"X: y\\r\": want printable", "line 5: blank"}},
		"nul":               {func(p *Package) { p.Control = head + "X: \x00\n" }, []string{"line 4"}},
		"not UTF-8":         {func(p *Package) { p.Control = head + "X: \xff\n" }, []string{"line 4"}},
		"unicode line":      {func(p *Package) { p.Control = head + "X: a\u2028b\n" }, []string{"line 4"}},
		"no colon":          {func(p *Package) { p.Control = head + "Depends\n" }, []string{`line 4: "Depends": want field: value`}},
		"comment":           {func(p *Package) { p.Control = head + "# x: y\n" }, []string{"line 4"}},
		"begins folded":     {func(p *Package) { p.Control = " x\n" + head }, []string{"line 1"}},
		"twice":             {func(p *Package) { p.Control = head + "depends: a\nDepends: b\n" }, []string{"line 5: Depends: there twice"}},
		"index's own":       {func(p *Package) { p.Control = head + "filename: pool/other.deb\nMD5sum: 0\n" }, []string{"line 4: filename", "line 5: MD5sum"}},
		"empty":             {func(p *Package) { p.Control = head + "Depends: \nX: y\n" }, []string{"control field Depends: empty"}},
		"PGP":               {func(p *Package) { p.Control = "-----BEGIN PGP SIGNED MESSAGE-----\n" + head }, []string{"line 1"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := good(head)
			c.edit(&p)
			r := sample()
			r.Architectures, r.Packages = []string{"amd64"}, []Package{p}
			fails(t, r, c.want...)
		})
	}
	r := sample()
	r.Packages = []Package{good(head)}
	if _, err := r.Files(nil); err != nil {
		t.Errorf("what the others are made from: %v", err)
	}
}

// FuzzControl looks that no control file makes more than one stanza, or loses a
// field.
func FuzzControl(f *testing.F) {
	f.Add("Package: pybake-a\nVersion: 1\nArchitecture: amd64\nDescription: a\n b\n .\n c")
	f.Add("Package: pybake-a\nVersion: 1\nArchitecture: amd64\nX:\n\ty \nB:c\n")
	f.Add("Package: pybake-a\nVersion: 1\nArchitecture: amd64\n\nPackage: pybake-b\n")
	f.Fuzz(func(t *testing.T, control string) {
		r := sample()
		r.Packages = []Package{made("pybake-a", "1", "amd64")}
		r.Packages[0].Control = control
		if _, err := r.Files(nil); err != nil {
			return
		}
		fields, err := parse(control)
		if err != nil {
			t.Fatal(err)
		}
		text := files(t, r)["dists/trixie/main/binary-amd64/Packages"]
		stanza, more, _ := strings.Cut(text, "\n\n")
		if more != "" {
			t.Fatalf("two stanzas: %q", text)
		}
		for _, own := range []string{"\nFilename: " + r.Packages[0].Filename, "\nSHA256: " + r.Packages[0].SHA256, fmt.Sprint("\nSize: ", r.Packages[0].Size)} {
			if strings.Count(stanza+"\n", own+"\n") != 1 {
				t.Fatalf("not once %q in %q", own, stanza)
			}
			stanza = strings.Replace(stanza, own, "", 1)
		}
		again, err := parse(stanza)
		if err != nil || len(again) != len(fields) {
			t.Fatalf("%d fields are %d, %v: %q", len(fields), len(again), err, stanza)
		}
		for _, f := range fields {
			if value(again, f.name) != f.value {
				t.Errorf("%s: %q became %q", f.name, f.value, value(again, f.name))
			}
		}
	})
}

func TestRepositoryErrors(t *testing.T) {
	for name, c := range map[string]struct {
		edit func(r *Repository)
		want []string
	}{
		"no codename":       {func(r *Repository) { r.Codename = "" }, []string{`codename ""`}},
		"path":              {func(r *Repository) { r.Codename = "../trixie" }, []string{`codename "../trixie"`}},
		"dots":              {func(r *Repository) { r.Codename = ".." }, []string{`codename ".."`}},
		"lines":             {func(r *Repository) { r.Origin, r.Label, r.Description = "a\nb", "a\rb", " a" }, []string{`Origin "a\nb"`, `Label "a\rb"`, `Description " a"`}},
		"no date":           {func(r *Repository) { r.Date = time.Time{} }, []string{"date 0001-01-01"}},
		"expired when made": {func(r *Repository) { r.ValidUntil = r.Date }, []string{"valid until 2025-11-21"}},
		"within the second": {func(r *Repository) { r.ValidUntil = r.Date.Add(time.Millisecond) }, []string{"valid until 2025-11-21"}},
		"no architecture":   {func(r *Repository) { r.Architectures, r.Packages = nil, nil }, []string{"no architecture"}},
		"architecture all":  {func(r *Repository) { r.Architectures = append(r.Architectures, "all") }, []string{`architecture "all"`}},
		"architecture path": {func(r *Repository) { r.Architectures = append(r.Architectures, "../x") }, []string{`architecture "../x"`}},
		"twice":             {func(r *Repository) { r.Architectures = append(r.Architectures, "amd64") }, []string{`architecture "amd64": there twice`}},
		"other bytes": {func(r *Repository) {
			r.Packages = append(r.Packages, made("pybake-python3.13", "3.13.5-2+deb13", "amd64", "Description: other bytes"))
		}, []string{"package pybake-python3.13 3.13.5-2+deb13 is there twice: pool/"}},
		"same bytes, other place": {func(r *Repository) {
			p := r.Packages[0]
			p.Filename = "pool/" + p.Filename[strings.LastIndex(p.Filename, "/")+1:]
			r.Packages = append(r.Packages, p)
		}, []string{"is there twice"}},
		"for one and for all": {func(r *Repository) {
			r.Packages = append(r.Packages, made("pybake-doc", "1:3.13.5~rc1", "arm64", "Description: other bytes"))
		}, []string{"package pybake-doc 1:3.13.5~rc1 is there twice"}},
		"all at once": {func(r *Repository) {
			r.Codename, r.Packages[0].Size, r.Packages[1].SHA256 = "", 0, ""
		}, []string{`codename ""`, "size 0", "no SHA256"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := sample()
			c.edit(r)
			fails(t, r, c.want...)
		})
	}
}

// fails wants an error with as many lines as there are texts, each with one.
func fails(t *testing.T, r *Repository, want ...string) {
	t.Helper()
	files, err := r.Files(fakeSign)
	if err == nil || files != nil {
		t.Fatalf("%d files, %v", len(files), err)
	}
	text, ok := strings.CutPrefix(err.Error(), "apt repository "+r.Codename+": ")
	lines := strings.Split(text, "\n")
	if !ok || len(lines) != len(want) {
		t.Fatalf("want %d errors:\n%v", len(want), err)
	}
	for i, line := range lines {
		if !strings.Contains(line, want[i]) {
			t.Errorf("%q is not in %q", want[i], line)
		}
	}
}
