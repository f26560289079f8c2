package main

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/pybake/pybake/internal/project"
)

// schemaFile is where the schema of pybake.toml lies beside it.
const schemaFile = ".pybake/schema.json"

type initFlags struct {
	force  bool
	dryRun bool
}

func (a *app) initCommand() *cobra.Command {
	var f initFlags
	cmd := &cobra.Command{
		Use:   "init [DIR]",
		Short: "Write a commented pybake.toml for a project, from what it finds",
		Long: `Init writes a pybake.toml for the project in a directory (default: the one of
--project, else the working directory), with a comment for what can be changed,
and .pybake/schema.json, by which editors complete and check it. It says on
standard error what it took from where:

- locks of every format, up to two directories deep; a requirements file without
  hashes is none, those for developers are left to you, in comments
- Pythons from .python-version and Dockerfiles (FROM python:3.11-slim-bookworm),
  else the newest series that the locks and pyproject.toml take
- distros from Dockerfiles, else that of this machine
- a runtime image of the first lock, with the project itself installed in it if
  its pyproject.toml has a build system

What pip and uv are told about indexes on this machine is mentioned, and never
copied. A pybake.toml that is there is not touched.

With --json: {"file", "schema", "taken": [{"key", "value", "from"}], "notes":
["…"], "text"}.`,
		Example: `  pybake init
  pybake init services/shop --dry-run`,
		Args: wantArgs(0, 1, "DIR"),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		},
		RunE: func(_ *cobra.Command, args []string) error {
			dir := a.path(a.flags.project)
			if len(args) > 0 {
				dir = a.path(args[0])
			}
			return a.init(dir, f)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.BoolVar(&f.force, "force", false, "replace the pybake.toml that is there")
	flags.BoolVar(&f.dryRun, "dry-run", false, "print the file, and write nothing")
	return cmd
}

// initResult is what init --json prints.
type initResult struct {
	File   string   `json:"file"`   // "pybake.toml"
	Schema string   `json:"schema"` // ".pybake/schema.json"
	Taken  []taken  `json:"taken"`
	Notes  []string `json:"notes"`
	Text   string   `json:"text"` // of the file
}

func (a *app) init(dir string, f initFlags) error {
	file := filepath.Join(dir, project.File)
	if _, err := os.Lstat(file); err == nil && !f.force && !f.dryRun {
		return usagef(typed(a.args, "--force"), "%s: there is one", a.near(file))
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return &advised{err, statusUsage, ""}
	}
	found, err := a.lookAround(dir)
	if err != nil {
		return &advised{err, statusUsage, ""}
	}
	for _, t := range found.taken {
		from := "from"
		if t.Key == "lock" {
			from = "a"
		}
		a.display.Note("%s %s, %s %s", t.Key, t.Value, from, t.From)
	}
	for _, note := range found.notes {
		a.display.Note("%s", note)
	}
	result := initResult{
		File: a.near(file), Schema: a.near(filepath.Join(dir, schemaFile)),
		Taken: append([]taken{}, found.taken...), Notes: append([]string{}, found.notes...), Text: found.text(),
	}
	if !f.dryRun {
		if err := a.writeProject(dir, result); err != nil {
			return err
		}
	}
	switch {
	case a.flags.json:
		return a.printJSON(result)
	case f.dryRun:
		_, err = io.WriteString(a.sys.stdout, result.Text)
	default:
		_, err = io.WriteString(a.sys.stdout, result.File+"\n"+result.Schema+"\n")
	}
	return err
}

// writeProject writes the file and its schema, each in one step; the schema first,
// for the file names it.
func (a *app) writeProject(dir string, result initResult) error {
	if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(schemaFile)), 0o755); err != nil {
		return err
	}
	for _, one := range []struct {
		file string
		text []byte
	}{{result.Schema, project.Schema()}, {result.File, []byte(result.Text)}} {
		err := a.writeOutput(one.file, func(w io.Writer) error {
			_, err := w.Write(one.text)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
