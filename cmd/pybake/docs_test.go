package main

import (
	"bytes"
	"flag"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

var update = flag.Bool("update", false, "write the generated docs")

// TestDocs compares docs/ with what the commands say: man pages and one
// reference for all verbs.
func TestDocs(t *testing.T) {
	root := newApp(testSystem(t)).rootCommand()
	root.DisableAutoGenTag = true
	want := map[string]string{"reference.md": reference(t, root)}
	man := t.TempDir()
	date := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	header := &doc.GenManHeader{Section: "1", Source: "pybake", Manual: "Pybake Manual", Date: &date}
	if err := doc.GenManTree(root, header, man); err != nil {
		t.Fatal(err)
	}
	for name, text := range files(t, man) {
		want[filepath.Join("man", name)] = text
	}
	if *update {
		if err := os.RemoveAll(filepath.Join("docs", "man")); err != nil {
			t.Fatal(err)
		}
		for name, text := range want {
			path := filepath.Join("docs", name)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	got := files(t, "docs")
	maps.DeleteFunc(got, func(name, _ string) bool { return strings.HasPrefix(name, "nightly/") }) // which people wrote
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("docs are not what the commands say; go test ./cmd/pybake -run TestDocs -update (-want +got):\n%s", diff)
	}
}

// reference is the help of all verbs as one page.
func reference(t *testing.T, root *cobra.Command) string {
	var b bytes.Buffer
	b.WriteString("# Command reference\n\nGenerated from the help texts.\n\n")
	for _, cmd := range append([]*cobra.Command{root}, root.Commands()...) {
		if !cmd.IsAvailableCommand() && cmd.HasParent() {
			continue
		}
		err := doc.GenMarkdownCustom(cmd, &b, func(file string) string {
			return "#" + strings.ReplaceAll(strings.TrimSuffix(file, ".md"), "_", "-")
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

// files returns the text of the files below a directory, by relative path.
func files(t *testing.T, dir string) map[string]string {
	found := map[string]string{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(filepath.Join(dir, path))
		found[path] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestHelp holds each verb to what its help must have.
func TestHelp(t *testing.T) {
	for _, cmd := range newApp(testSystem(t)).rootCommand().Commands() {
		if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") || strings.Count(cmd.Long, "\n") < 1 || !strings.Contains(cmd.Example, cmd.CommandPath()) {
			t.Errorf("%s: want a short line without a period, a paragraph and examples", cmd.CommandPath())
		}
		for line := range strings.Lines(cmd.Long + "\n" + cmd.Example) {
			if len(line) > 82 {
				t.Errorf("%s: wider than 80 columns: %s", cmd.CommandPath(), line)
			}
		}
	}
}
