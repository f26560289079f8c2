package main

import (
	"strings"

	"github.com/spf13/cobra"
)

func (a *app) completionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "completion bash|zsh|fish",
		Short: "Print the completion script of a shell",
		Long: `Completion prints the script that makes a shell complete pybake's commands,
flags, versions, distros and artifacts. It needs neither engine nor network.`,
		Example: `  pybake completion bash > /etc/bash_completion.d/pybake
  pybake completion zsh > "${fpath[1]}/_pybake"
  pybake completion fish > ~/.config/fish/completions/pybake.fish`,
		Args:      wantArgs(1, 1, "the shell, one of bash, zsh and fish,"),
		ValidArgs: []string{"bash", "zsh", "fish"},
		RunE: func(cmd *cobra.Command, args []string) error {
			root, w := cmd.Root(), a.sys.stdout
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(w, true)
			case "zsh":
				return root.GenZshCompletion(w)
			case "fish":
				return root.GenFishCompletion(w, true)
			}
			return usagef("pybake completion bash", "no completion for %s: want bash, zsh or fish", args[0])
		},
	}
}

// completeArtifacts completes the stable names of the store's artifacts.
func (a *app) completeArtifacts(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	store, err := a.store()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var names []string
	seen := map[string]bool{}
	found, _ := store.List()
	for _, it := range found {
		kind, rest, _ := strings.Cut(it.Name, " ")
		name := kind + "/" + strings.ReplaceAll(rest, " ", "-")
		if !seen[name] {
			seen[name] = true
			names = append(names, name+"\t"+it.Key.Short()+" of "+it.Finished.Format("2006-01-02"))
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeVersions completes the CPython releases that have recipes, the
// newest first.
func (a *app) completeVersions(_ *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	set, err := a.recipes()
	if err != nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var versions []string
	all := set.AllSeries()
	for i := len(all) - 1; i >= 0; i-- {
		releases := set.Releases(all[i].Series)
		for j := len(releases) - 1; j >= 0; j-- {
			if strings.HasPrefix(releases[j].Version, prefix) {
				versions = append(versions, releases[j].Version)
			}
		}
	}
	return versions, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
}

// completeDistros completes the codenames that have recipes.
func (a *app) completeDistros(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	set, err := a.recipes()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, d := range set.Distros() {
		names = append(names, d.Codename+"\t"+d.ID+" "+d.Version)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
