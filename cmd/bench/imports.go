package main

import (
	"context"
	"fmt"
	"strconv"
)

// appImport is what the start of the application imports.
const appImport = "import jupyter_server.serverapp"

// imports compares the start of the application.
type imports struct {
	*bench
	process, whole *row
}

func newImports(b *bench) *imports {
	const name = "docker-library + pip"
	return &imports{b,
		&row{What: "import, the process", Unit: "s", Peer: name, Target: 0.35},
		&row{What: "import, docker run", Unit: "s", Peer: name},
	}
}

func (i *imports) rows() []*row { return []*row{i.process, i.whole} }

func (i *imports) round(ctx context.Context, round int) error {
	return alternate(round,
		func() error { return i.measure(ctx, webImage, &i.process.Pybake, &i.whole.Pybake) },
		func() error { return i.measure(ctx, i.peers.web, &i.process.Theirs, &i.whole.Theirs) })
}

// measure runs five fresh containers.
func (i *imports) measure(ctx context.Context, ref string, process, whole *[]float64) error {
	const script = `s=$(date +%s%N); python -c "$0" || exit; echo $(($(date +%s%N) - s))`
	for range 5 {
		out, took, err := i.dockerRun(ctx, "--read-only", "--tmpfs", "/tmp", "--user", "1000:1000", "--entrypoint", "/bin/sh", ref, "-c", script, appImport)
		if err != nil {
			return err
		}
		ns, err := strconv.ParseFloat(out, 64)
		if err != nil {
			return fmt.Errorf("import in %s: it printed %q", ref, out)
		}
		*process, *whole = append(*process, ns/1e9), append(*whole, took)
	}
	return nil
}
