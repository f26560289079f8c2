package watch

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pybake/pybake/internal/strict"
	"github.com/pybake/pybake/recipes"
)

var hashA, hashB, hashC = strings.Repeat("a", 64), strings.Repeat("b", 64), strings.Repeat("c", 64)

// csv writes a table of releases and returns its path.
func csv(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "releases.csv")
	text = strings.NewReplacer("AAA", hashA, "BBB", hashB, "CCC", hashC).Replace(text)
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestTable(t *testing.T) {
	name := csv(t, `# ours
version,sha256_tar_xz,sha256_tgz,released

3.13.9,AAA,,2026-04-30
3.13.100,AAA,BBB,
3.13.8,,BBB,2026-02-03
3.13.7,AAA,,
3.13.6,AAA,,
3.13.101rc1,CCC,,
3.15.0b4,AAA,,`+"\r\n3.15.0b10,AAA,,\n3.14.0rc2,AAA,,\n2.7.18,AAA,,\n")
	w := watcher(t, name)
	found, errs := w.Look(context.Background(), []string{"3.13", "3.14", "3.15"}, known("3.13.7", "3.14.0", "3.15.0a1"))
	if errs != nil || versions(found) != "3.15.0b10 3.15.0b4 3.13.100 3.13.9 3.13.8" {
		t.Fatalf("found %s, %v", versions(found), errs)
	}
	want := Found{
		Release:  recipes.Release{Version: "3.13.8", Series: "3.13", TGZ: hashB},
		Released: time.Date(2026, 2, 3, 0, 0, 0, 0, time.UTC),
		From:     name,
		Proof:    "line 6 of " + name,
	}
	if found[4] != want {
		t.Errorf("got %+v\nwant %+v", found[4], want)
	}
	tr := newTree(t)
	tr.files["releases.csv"], _ = os.ReadFile(name)
	address := tr.serve() + "releases.csv?token=secret"
	found, errs = watcher(t, address).Look(context.Background(), []string{"3.13"}, known("3.13.100"))
	if errs != nil || found != nil {
		t.Errorf("newer than 3.13.100: found %v, %v", found, errs)
	}
	found, _ = watcher(t, address).Look(context.Background(), []string{"3.13"}, known())
	if len(found) != 5 || strings.Contains(found[0].From+found[0].Proof, "secret") {
		t.Errorf("found %+v", found)
	}
}

// TestTableProblems compares what is said of broken tables.
func TestTableProblems(t *testing.T) {
	for text, want := range map[string]string{
		"version,sha256_tar_xz,sha256_tgz\n3.13.6,AAA,,\n3.13,AAA,\n3.13.7,XYZ,\n3.13.8,,\n3.13.9,AAA,\n3.13.9,AAA,\n": `releases.csv:2:1: 4 fields: want 3
releases.csv:3:1: release "3.13": want an exact version such as 3.13.5 or 3.15.0b4
releases.csv:4:1: release 3.13.7: "XYZ": want a SHA-256 in 64 lower-case hex digits
releases.csv:5:1: release 3.13.8: no hash
releases.csv:7:1: release 3.13.9: given twice, first in line 6`,
		"version,sha256_tar_xz,sha256_tgz,released\n3.13.6,AAA,,soon\n3.13.7,AAA,\n": `releases.csv:2:1: release 3.13.6: "soon": want a date such as 2025-06-11
releases.csv:3:1: 3 fields: want 4`,
		"\n3.13.6,AAA,\n3.13.7,BBB,": `releases.csv:2:1: want the line "version,sha256_tar_xz,sha256_tgz", or that and ",released"`,
		"# nothing\n":                `releases.csv: want a first line "version,sha256_tar_xz,sha256_tgz"`,
	} {
		name := csv(t, text)
		found, errs := watcher(t, name).Look(context.Background(), []string{"3.13"}, known())
		if found != nil || len(errs) != 1 || !errors.As(errs[0], new(strict.Errors)) || !errors.As(errs[0], new(*PlaceError)) {
			t.Errorf("%q: found %v, %v", text, found, errs)
			continue
		}
		got := strings.ReplaceAll(errs[0].Error(), name, "releases.csv")
		if got != "look for releases at releases.csv: "+want {
			t.Errorf("%q: got %s\nwant %s", text, got, want)
		}
	}
}

// TestAgree has places that tell the same, more, and something else of a release.
func TestAgree(t *testing.T) {
	one := csv(t, "version,sha256_tar_xz,sha256_tgz\n3.13.6,AAA,\n3.12.1,AAA,\n")
	same := csv(t, "version,sha256_tar_xz,sha256_tgz,released\n3.13.6,AAA,BBB,2026-01-01\n")
	other := csv(t, "version,sha256_tar_xz,sha256_tgz\n3.13.6,CCC,\n")
	found, errs := watcher(t, one, same).Look(context.Background(), []string{"3.12", "3.13"}, known())
	if errs != nil || versions(found) != "3.13.6 3.12.1" || found[0].TGZ != hashB || found[0].From != one {
		t.Errorf("found %+v, %v", found, errs)
	}
	for _, places := range [][]string{{one, other}, {one, same, other, one}} {
		found, errs = watcher(t, places...).Look(context.Background(), []string{"3.12", "3.13"}, known())
		var bad *ReleaseError
		if versions(found) != "3.12.1" || len(errs) == 0 || !errors.As(errs[0], &bad) ||
			!strings.Contains(bad.Error(), "python 3.13.6 at "+other+": sha256 "+hashC+", but "+one+" has "+hashA+": neither is believed") {
			t.Errorf("found %v, %v", found, errs)
		}
	}
	// A directory is not asked for what a table told, but for what is newer.
	tree := newTree(t, "3.13.6", "3.12.2").write()
	found, errs = watcher(t, one, tree).Look(context.Background(), []string{"3.12", "3.13"}, known())
	if errs != nil || versions(found) != "3.13.6 3.12.2 3.12.1" || found[0].XZ != hashA || found[1].From != tree {
		t.Errorf("found %+v, %v", found, errs)
	}
}
