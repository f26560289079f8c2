package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/image"
)

func (a *app) showCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "show ARTIFACT",
		Short: "Show what an artifact is made from, its checks and contents",
		Long: `Show prints all about one artifact of the store: files, checks, seconds per
step, logs, every input of its key, and which of them are other today, so that
it would be built anew.

ARTIFACT is the key or its first 6 digits, the stable name, the name, a path
into the store, or the name of an image of pybake.toml, whose layers are shown
with where each came from when it was made, and why.

With --json: the manifest, with "dir", "size" in bytes, and "rebuild": null if
that is not known, else the list of changed inputs, {"name", "old", "new"}.`,
		Example: `  pybake show python/3.13.5-trixie-amd64
  pybake show "python 3.13.5 trixie amd64"
  pybake show 5f1c09ab23de --json`,
		Args:              wantArgs(1, 1, "ARTIFACT"),
		ValidArgsFunction: a.completeArtifacts,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.show(cmd.Context(), args[0])
		},
	}
}

// shown is what show --json prints.
type shown struct {
	artifacts.Manifest
	Dir     string             `json:"dir"`
	Size    int64              `json:"size"`    // bytes
	Rebuild []artifacts.Change `json:"rebuild"` // null: not known; empty: up to date
}

func (a *app) show(ctx context.Context, ref string) error {
	store, err := a.store()
	if err != nil {
		return err
	}
	it, err := a.lookup(store, ref)
	if err != nil {
		return err
	}
	changes, err := a.rebuild(ctx, it)
	if err != nil {
		a.display.Note("why it would be rebuilt is not known: %v", err)
	}
	if a.flags.json {
		return a.printJSON(shown{it.Manifest, it.Dir, it.Size(), changes})
	}
	var b strings.Builder
	writeArtifact(&b, it, changes)
	_, err = io.WriteString(a.sys.stdout, b.String())
	return err
}

// lookup is the artifact that a person means: as the store looks it up, or an image
// of pybake.toml by its name there.
func (a *app) lookup(store *artifacts.Store, ref string) (*artifacts.Artifact, error) {
	p, err := a.project()
	if err != nil {
		return nil, err
	}
	if one, ok := p.ImageNamed(ref); ok {
		ref = strings.Join([]string{image.Kind, one.Name, one.Distro(p), debianArch(runtime.GOARCH)}, " ")
	}
	return store.Lookup(ref)
}

// rebuild returns the inputs that are other today than when it was made; nil
// if nobody can tell.
func (a *app) rebuild(ctx context.Context, it *artifacts.Artifact) ([]artifacts.Change, error) {
	plan, ok := a.replan[it.Kind]
	if !ok {
		return nil, nil
	}
	inputs, err := plan(ctx, it)
	if err != nil {
		return nil, err
	}
	return append([]artifacts.Change{}, artifacts.Compare(it.Inputs, inputs)...), nil
}

func writeArtifact(w io.Writer, it *artifacts.Artifact, changes []artifacts.Change) {
	fmt.Fprintf(w, "%s\n", it.Name)
	fmt.Fprintf(w, "  key       %s\n", it.Key)
	fmt.Fprintf(w, "  in        %s\n", it.Dir)
	fmt.Fprintf(w, "  size      %s in %s\n", bytesText(it.Size()), countText(len(it.Files), "file"))
	fmt.Fprintf(w, "  finished  %s", it.Finished.Format("2006-01-02 15:04:05 MST"))
	if !it.Started.IsZero() {
		fmt.Fprintf(w, ", after %s", exactly(it.Finished.Sub(it.Started)))
	}
	fmt.Fprintln(w)

	if layers, err := image.ReadReport(it); err == nil {
		fmt.Fprintf(w, "\nlayers\n")
		writeLayers(w, it.Labels["image"], layers, true)
	}
	section(w, "files", len(it.Files), func(i int) []string {
		f := it.Files[i]
		return []string{f.Path, bytesText(f.Size), "sha256 " + f.SHA256}
	})
	section(w, "checks", len(it.Checks), func(i int) []string {
		c := it.Checks[i]
		result := "ok"
		if !c.OK {
			result = "FAILED"
		}
		return []string{result, c.Name, c.Detail}
	})
	section(w, "steps", len(it.Steps), func(i int) []string {
		s := it.Steps[i]
		return []string{exactly(time.Duration(s.Seconds * float64(time.Second))), s.Name}
	})
	section(w, "inputs", len(it.Inputs), func(i int) []string {
		in := it.Inputs[i]
		return []string{in.Name, oneLine(in.Value), in.Note}
	})
	section(w, "logs", len(it.Logs), func(i int) []string {
		return []string{filepath.Join(it.Dir, filepath.FromSlash(it.Logs[i]))}
	})
	switch {
	case changes == nil:
	case len(changes) == 0:
		fmt.Fprintf(w, "\nup to date: it would not be rebuilt\n")
	default:
		section(w, "would be rebuilt, because", len(changes), func(i int) []string {
			return []string{changes[i].String()}
		})
	}
}

// section writes a headed table, indented; nothing if it is empty.
func section(w io.Writer, head string, n int, row func(i int) []string) {
	if n == 0 {
		return
	}
	rows := make([][]string, n)
	for i := range rows {
		rows[i] = append([]string{""}, row(i)...)
	}
	fmt.Fprintf(w, "\n%s\n", head)
	table(w, rows)
}

// oneLine shortens a value that would spoil a table.
func oneLine(value string) string {
	const most = 100
	line, rest, _ := strings.Cut(value, "\n")
	line = truncate(clean([]byte(line)), most)
	if strings.TrimSpace(rest) != "" && !strings.HasSuffix(line, "…") {
		line += "…"
	}
	return line
}
