package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Say which pybake this is",
		Long: `Version prints which pybake this is: its version, the Go release that it was
built with, and the platform.`,
		Example: `  pybake version
  pybake version --json`,
		Args:              wantArgs(0, 0, ""),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(*cobra.Command, []string) error { return a.version() },
	}
}

// versionInfo is what version --json prints.
type versionInfo struct {
	Version  string `json:"version"`            // "v1.2.0", or "(devel)"
	Revision string `json:"revision,omitempty"` // the commit
	Modified bool   `json:"modified,omitempty"` // the source was not as committed
	Go       string `json:"go"`                 // "go1.26.8"
	Platform string `json:"platform"`           // "linux/amd64"
}

func (a *app) version() error {
	v := versionInfo{Version: "(devel)", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if info, ok := debug.ReadBuildInfo(); ok {
		v.Version = info.Main.Version
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				v.Revision = s.Value
			case "vcs.modified":
				v.Modified = s.Value == "true"
			}
		}
	}
	if a.flags.json {
		return a.printJSON(v)
	}
	_, err := fmt.Fprintf(a.sys.stdout, "pybake %s %s %s\n", v.Version, v.Go, v.Platform)
	return err
}
