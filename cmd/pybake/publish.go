package main

import "github.com/spf13/cobra"

func (a *app) publishCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "publish",
		Short: "Publish what the store has, and build nothing",
		Long: `Publish makes the published directory of what the store has of [matrix] today:
static files that any web server or a mounted volume can serve.

    dists/, pool/                 an apt repository for each distro
    simple/DISTRO/SERIES/         a package index for pip and uv
    houses/                       wheelhouses as archives
    report/                       the morning page
    generations/, current         what was published before, and the switch

What of the matrix the store does not have, by today's pins and with the checks
of [refresh], stays published as it was, marked stale; nothing is built and no
pin moves. The next generation takes the place of the last in one step, so that
no client sees half of it.
Repositories and lists are signed with the key of [publish].

With --json: the report, as in report/night.json.`,
		Example: `  pybake publish
  pybake serve`,
		Args: wantArgs(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.refresh(cmd.Context(), refreshFlags{publish: true})
		},
	}
}
