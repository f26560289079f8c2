package main

import (
	"github.com/spf13/cobra"

	"github.com/pybake/pybake/internal/project"
)

func (a *app) schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON schema of pybake.toml",
		Long: `Schema prints a JSON schema (draft 2020-12) of pybake.toml: every key with what
it means and what it can be. Editors complete and check by it. Those that use
taplo (Even Better TOML and others) find it by the first line of the file:

  #:schema ./.pybake/schema.json

pybake init writes both.`,
		Example:           `  pybake schema > .pybake/schema.json`,
		Args:              wantArgs(0, 0, ""),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(*cobra.Command, []string) error {
			_, err := a.sys.stdout.Write(project.Schema())
			return err
		},
	}
}
