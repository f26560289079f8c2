package main

import (
	"errors"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/pybake/pybake/internal/strict"
)

func (a *app) rootCommand() *cobra.Command {
	var version bool
	root := &cobra.Command{
		Use:   "pybake",
		Short: "Bake pinned Pythons and wheels into packages",
		Long: `Pybake compiles exactly the CPython you name in a throwaway container and
gives you Debian packages of it that were proved in a clean one.

Results go to standard output, everything else to standard error: a live display
on a terminal, plain lines elsewhere or if NO_COLOR or CI is set.

Exit status: 0 done, 1 failed, 2 wrong usage or wrong input.

Environment: PYBAKE_STORE and PYBAKE_CACHE, the directories of artifacts and of
downloads (default: ./baked, ~/.cache/pybake); DOCKER_HOST and what else tells
the docker command where the engine is; http_proxy, https_proxy and no_proxy;
SSL_CERT_FILE, the certificates that containers with a network get;
PYBAKE_KEY_PASSPHRASE, of the key that signs what is published.`,
		Example: `  pybake doctor
  pybake python 3.13.5 --distro trixie
  pybake list`,
		Args:              a.noSuchVerb,
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
		PersistentPreRunE: func(cmd *cobra.Command, args []string) error {
			a.commandLine = strings.Join(append([]string{cmd.CommandPath()}, args...), " ")
			return a.start()
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if version {
				return a.version()
			}
			return cmd.Help()
		},
	}
	root.Flags().BoolVar(&version, "version", false, "print the version")
	a.addGlobalFlags(root)
	root.SetOut(a.sys.stdout)
	root.SetErr(a.sys.stderr)
	root.SetFlagErrorFunc(a.flagError)
	for _, group := range []struct {
		id, title string
		verbs     []*cobra.Command
	}{
		{"bake", "Bake:", []*cobra.Command{a.pythonCommand(), a.wheelsCommand(), a.imageCommand(), a.runCommand(), a.saveCommand(), a.loadCommand(), a.dockerfileCommand()}},
		{"nightly", "Keep current and publish:", []*cobra.Command{
			a.initCommand(), a.refreshCommand(), a.publishCommand(), a.rollbackCommand(), a.gcCommand(), a.verifyCommand(), a.serveCommand(), a.keygenCommand(),
		}},
		{"look", "Look:", []*cobra.Command{a.listCommand(), a.showCommand(), a.explainCommand(), a.distrosCommand(), a.schemaCommand()}},
		{"setup", "Set up and clean up:", []*cobra.Command{
			a.doctorCommand(), a.setupCommand(), a.cleanCommand(), a.completionCommand(), a.versionCommand(),
		}},
	} {
		root.AddGroup(&cobra.Group{ID: group.id, Title: group.title})
		for _, verb := range group.verbs {
			verb.GroupID = group.id
			root.AddCommand(verb)
		}
	}
	root.SetHelpCommandGroupID("setup")
	return root
}

func (a *app) addGlobalFlags(root *cobra.Command) {
	flags := root.PersistentFlags()
	flags.StringVar(&a.flags.store, "store", "", "the `directory` of artifacts (default: PYBAKE_STORE, else pybake.toml's, else ./baked)")
	flags.StringVarP(&a.flags.project, "project", "C", "", "the `directory` of pybake.toml, pybake.lock and recipes/ (default: the nearest upwards that has a pybake.toml)")
	flags.BoolVar(&a.flags.json, "json", false, "print results as JSON")
	flags.BoolVar(&a.flags.offline, "offline", false, "use only what is already on this machine")
	flags.BoolVarP(&a.flags.verbose, "verbose", "v", false, "show what containers print, as it comes")
	flags.BoolVarP(&a.flags.quiet, "quiet", "q", false, "show nothing but errors")
	for _, name := range []string{"store", "project"} {
		root.RegisterFlagCompletionFunc(name, func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		})
	}
}

// start acts on the global flags, before any verb.
func (a *app) start() error {
	if a.flags.verbose && a.flags.quiet {
		return usagef("", "--verbose and --quiet exclude each other")
	}
	a.screen.say(a.flags.verbose, a.flags.quiet)
	a.setLog()
	return nil
}

// noSuchVerb is the answer to "pybake pyton": the root itself takes no arguments.
func (a *app) noSuchVerb(root *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var known []string
	for _, verb := range root.Commands() {
		known = append(known, verb.Name())
	}
	hint := "pybake --help"
	if near := strict.Near(args[0], known); len(near) > 0 {
		hint = corrected(a.args, args[0], near[0], hint)
	}
	return usagef(hint, "%s is no pybake command", args[0])
}

// flagError makes a usage error of what is wrong with flags.
func (a *app) flagError(cmd *cobra.Command, err error) error {
	hint := cmd.CommandPath() + " --help"
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok {
		name := unknown.GetSpecifiedName()
		if near := nearestFlag(cmd, name); near != "" {
			hint = corrected(a.args, "--"+name, "--"+near, hint)
		}
	}
	return &advised{err, statusUsage, hint}
}

// nearestFlag returns the flag of a command that was probably meant, or "".
func nearestFlag(cmd *cobra.Command, name string) string {
	var known []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { known = append(known, f.Name) })
	if near := strict.Near(name, known); len(near) > 0 {
		return near[0]
	}
	return ""
}

// wantArgs makes a usage error of a wrong number of arguments.
func wantArgs(least, most int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		hint := cmd.CommandPath() + " --help"
		switch {
		case len(args) < least:
			return usagef(hint, "%s: %s missing", cmd.CommandPath(), what)
		case len(args) > most && most == 0:
			return usagef(hint, "%s takes no arguments, but got %s", cmd.CommandPath(), args[0])
		case len(args) > most:
			return usagef(hint, "%s: one argument too many: %s", cmd.CommandPath(), args[most])
		}
		return nil
	}
}
