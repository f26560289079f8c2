package wheels

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/pybake/pybake/internal/engine"
	"github.com/pybake/pybake/internal/fetch"
	"github.com/pybake/pybake/wheels/build"
	"github.com/pybake/pybake/wheels/cargo"
)

// CratesFile is the list of crates of a wheel, in its artifact: a line "HEX  FILE" for
// each, the SHA-256 of its archive and the name of that.
const CratesFile = "logs/crates.txt"

// fetchCrates brings the crates of the source into the cache. Those that are not there
// are fetched by the cargo that builds, in a throwaway container that has a network, a
// project which depends on them (see cargo.Lock.Request), and nothing of the source.
func (t *task) fetchCrates(ctx context.Context) ([]cargo.Archive, error) {
	crates := cargo.Union(t.rust.locks)
	archives, missing := t.cachedCrates(ctx, crates)
	if len(missing) == 0 {
		return archives, ctx.Err()
	}
	if t.b.Fetcher.Offline {
		return nil, fmt.Errorf("%s not in the cache, %s the first: %w", count(len(missing), "crate"), missing[0].File(), fetch.ErrOffline)
	}
	err := t.b.timed("crates of "+t.pkg.Name, func() error { return t.askCargo(ctx) })
	if err != nil {
		return nil, fmt.Errorf("fetch %s: %w", count(len(missing), "crate"), err)
	}
	if archives, missing = t.cachedCrates(ctx, crates); len(missing) > 0 {
		return nil, fmt.Errorf("fetch crates: cargo gave no %s with the hash that Cargo.lock says", missing[0].File())
	}
	return archives, nil
}

func (t *task) cachedCrates(ctx context.Context, crates []cargo.Crate) (archives []cargo.Archive, missing []cargo.Crate) {
	archives = []cargo.Archive{}
	for _, c := range crates {
		got, err := t.b.Fetcher.Get(ctx, []fetch.File{{Name: c.File(), SHA256: c.SHA256}}, nil)
		if err != nil {
			missing = append(missing, c)
		}
		archives = append(archives, cargo.Archive{Crate: c, Path: got.Path})
	}
	return archives, missing
}

const (
	fetchDir  = build.Dir + "/fetch"
	fetchHome = build.Dir + "/fetch/home"
)

// runCargo fetches for each project below the working directory.
const runCargo = `for d in lock*; do
	(cd "$d" && cargo fetch)
done`

// askCargo has cargo fetch, and puts all that it got into the cache.
func (t *task) askCargo(ctx context.Context) error {
	request, err := t.cargoRequest()
	if err != nil {
		return err
	}
	programs := "/usr/bin:/bin"
	if t.rustPath != "" {
		programs = t.rustPath + ":" + programs
	}
	c, err := t.b.Engine.Start(ctx, engine.Spec{
		Image: t.tools.image, Purpose: "crates-" + t.p.distroTarget().String(), Limit: time.Hour, PIDs: 500, Memory: 2 << 30,
		Network: true, CABundle: t.b.Distros.CABundle, Proxy: t.b.Distros.Proxy,
		Env: []string{"CARGO_HOME=" + fetchHome, "CARGO_TERM_COLOR=never", "CARGO_TERM_PROGRESS_WHEN=never", "PATH=" + programs},
	})
	if err != nil {
		return err
	}
	defer c.Remove(ctx)
	if err := c.Put(ctx, "/", request); err != nil {
		return err
	}
	var said strings.Builder
	out := io.MultiWriter(t.b.Report.Output(), &said)
	err = c.Exec(ctx, engine.Command{Argv: []string{"sh", "-euc", runCargo}, Dir: fetchDir, Stdout: out, Stderr: out})
	if exit, ok := errors.AsType[*engine.ExitError](err); ok && !exit.OOM {
		return fmt.Errorf("%s: %w", complaint(said.String()), err)
	}
	if err != nil {
		return err
	}
	if err := t.takeCrates(ctx, c); err != nil {
		return err
	}
	return c.Remove(ctx)
}

// cargoRequest is a tar of what cargo is asked for, and of its configuration.
func (t *task) cargoRequest() (io.Reader, error) {
	config, err := t.b.Cargo()
	if err != nil {
		return nil, err
	}
	files := config.files(path.Base(fetchHome))
	for i, l := range t.rust.locks {
		for _, f := range l.Request() {
			files = append(files, fetch.MemFile{Name: fmt.Sprintf("lock%d/%s", i, f.Name), Data: f.Data})
		}
	}
	var text bytes.Buffer
	w := tar.NewWriter(&text)
	err = fetch.PackFiles(w, files, fetch.Rules{Top: fetchDir[1:], UID: 1000, GID: 1000, MTime: time.Unix(0, 0)})
	if err == nil {
		err = w.Close()
	}
	return &text, err
}

// takeCrates reads the archives that cargo has fetched.
func (t *task) takeCrates(ctx context.Context, c *engine.Container) error {
	stream, err := c.Get(ctx, fetchHome+"/registry/cache")
	if err != nil {
		return err
	}
	defer stream.Close()
	for members := tar.NewReader(stream); ; {
		h, err := members.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if h.Typeflag == tar.TypeReg && path.Ext(h.Name) == ".crate" {
			if _, err := t.b.Fetcher.Add(ctx, path.Base(h.Name), members); err != nil {
				return err
			}
		}
	}
}

// complaint is what cargo says from its first error on.
func complaint(out string) string {
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if i := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, "error") }); i >= 0 {
		lines = lines[i:]
	}
	var said []string
	for _, l := range lines[max(0, len(lines)-12):] {
		if l = strings.TrimSpace(l); l != "" {
			said = append(said, l)
		}
	}
	return strings.Join(said, "; ")
}

// CargoConfig is how this machine and the project tell cargo where crates are: texts of
// configuration files, which the caller has read.
type CargoConfig struct {
	Project     []byte // .cargo/config.toml beside pybake.toml
	Machine     []byte // config.toml of CARGO_HOME
	Credentials []byte // credentials.toml of CARGO_HOME
}

// files are those files where the cargo of a container finds them.
func (c CargoConfig) files(home string) (files []fetch.MemFile) {
	for name, data := range map[string][]byte{
		".cargo/config.toml": c.Project, home + "/config.toml": c.Machine, home + "/credentials.toml": c.Credentials,
	} {
		if data != nil {
			files = append(files, fetch.MemFile{Name: name, Data: data})
		}
	}
	return files
}
