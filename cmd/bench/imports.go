package main

import (
	"context"
	"fmt"
	"strconv"
)

// What is imported: all that the start of the application needs, 625 modules, and a server alone. One module of the former,
// rfc3987_syntax, compiles a grammar with lark each time, which takes longer than all the others.
const (
	appImport    = "import jupyter_server.serverapp"
	serverImport = "import tornado.web, jinja2, zmq"
)

// imports compares the start of a fresh container.
type imports struct {
	*bench
	process, whole, server *row
}

func newImports(b *bench) *imports {
	const name = "docker-library + pip"
	return &imports{b,
		&row{What: "import of the application, process", Unit: "s", Peer: name, Target: 0.35, Note: appImport},
		&row{What: "import of the application, docker run", Unit: "s", Peer: name},
		&row{What: "import of a server, process", Unit: "s", Peer: name, Target: 0.35, Note: serverImport},
	}
}

func (i *imports) rows() []*row { return []*row{i.process, i.whole, i.server} }

// round starts five containers of each for each.
func (i *imports) round(ctx context.Context, round int) error {
	for range 5 {
		if err := alternate(round,
			func() error { return i.measure(ctx, webImage, appImport, &i.process.Pybake, &i.whole.Pybake) },
			func() error { return i.measure(ctx, i.peers.web, appImport, &i.process.Theirs, &i.whole.Theirs) },
			func() error { return i.measure(ctx, webImage, serverImport, &i.server.Pybake, nil) },
			func() error { return i.measure(ctx, i.peers.web, serverImport, &i.server.Theirs, nil) },
		); err != nil {
			return err
		}
	}
	return nil
}

// measure imports in a fresh container, and adds how long it took.
func (i *imports) measure(ctx context.Context, ref, statement string, process, whole *[]float64) error {
	const script = `s=$(date +%s%N); python -c "$0" || exit; echo $(($(date +%s%N) - s))`
	out, took, err := i.dockerRun(ctx, "--read-only", "--tmpfs", "/tmp", "--user", "1000:1000", "--entrypoint", "/bin/sh", ref, "-c", script, statement)
	if err != nil {
		return err
	}
	ns, err := strconv.ParseFloat(out, 64)
	if err != nil {
		return fmt.Errorf("import in %s: it printed %q", ref, out)
	}
	*process = append(*process, ns/1e9)
	if whole != nil {
		*whole = append(*whole, took)
	}
	return nil
}
