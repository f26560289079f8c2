package gate

import (
	"archive/tar"
	"archive/zip"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/distro"
	"github.com/pybake/pybake/internal/engine"
	"github.com/pybake/pybake/internal/project"
)

//go:embed proof/house.py
var houseScript []byte

// Where things are in the container of a proof. What is below tmpDir belongs
// to the ordinary user.
const (
	venvDir  = "/venv"
	houseDir = "/house"
	proofDir = "/proof"
	tmpDir   = "/proof/tmp"
)

// The checks, in the order in which they are told.
var (
	installChecks = []string{"house: no compiler", "house: installs by pip with hashes", "house: installed is the lock", "house: requirements consistent"}
	useChecks     = []string{"house: shared libraries resolve", "house: modules import", "house: console scripts load"}
)

// Prove installs and uses a house in a clean container. Checks that fail are no
// error; an error is what has nothing to do with the house.
func (g *Gate) Prove(ctx context.Context, h House, log io.Writer) ([]artifacts.Check, error) {
	checks, err := g.prove(ctx, h, log)
	if err != nil {
		return nil, fmt.Errorf("prove %s: %w", h.Dir, err)
	}
	return checks, nil
}

func (g *Gate) prove(ctx context.Context, h House, log io.Writer) ([]artifacts.Check, error) {
	parts := g.parts(h.Wheels, h.Project...)
	together(parts).trace(func(string) bool { return true }, nil)
	config, err := g.config(h, parts)
	if err != nil {
		return nil, err
	}
	own, err := g.pythonFiles(ctx)
	if err != nil {
		return nil, err
	}
	c, err := g.Distros.Offliner(ctx, g.Target, distro.BaseRef(g.Target, g.Base.Digest), "house")
	if err != nil {
		return nil, err
	}
	defer c.Remove(ctx)
	if err := g.Distros.Install(ctx, c, own); err != nil {
		return nil, fmt.Errorf("packages of the Python: %w", err)
	}
	apt, err := timed("house: apt packages install", func() (string, error) { return g.installApt(ctx, c, h) })
	if err != nil {
		return nil, err
	}
	files, err := timed("house: files not overwritten", func() (string, error) { return notOverwritten(h.Dir, parts, layout{g.Series}.site()) })
	if err != nil {
		return nil, err
	}
	if err := putHouse(ctx, c, h.Dir, config); err != nil {
		return nil, err
	}
	checks := []artifacts.Check{apt}
	installed := true
	for _, phase := range []struct {
		name, user string
		checks     []string
	}{
		{"install", "0:0", installChecks},
		{"use", "1000:1000", useChecks},
	} {
		if !installed {
			checks = append(checks, notRun(phase.checks)...)
			break
		}
		found, err := g.phase(ctx, c, phase.name, phase.user, phase.checks, log)
		if err != nil {
			return nil, err
		}
		installed = !slices.ContainsFunc(found, func(c artifacts.Check) bool { return c.Detail == notInstalled })
		checks = append(checks, found...)
	}
	return slices.Insert(checks, 2, files), c.Remove(ctx)
}

// finding is what a check finds wrong.
type finding string

func (f finding) Error() string { return string(f) }

// timed runs a check. An error is what is not the house's fault.
func timed(name string, run func() (string, error)) (artifacts.Check, error) {
	start := time.Now()
	detail, err := run()
	c := artifacts.Check{Name: name, OK: err == nil, Seconds: time.Since(start).Seconds(), Detail: detail}
	if err != nil {
		if !errors.As(err, new(finding)) && !errors.As(err, new(*engine.ExitError)) || engine.IsGone(err) {
			return c, err
		}
		c.Detail = err.Error()
	}
	return c, nil
}

// config is what house.py reads.
func (g *Gate) config(h House, parts []*part) ([]byte, error) {
	limit := g.Limit
	if limit == 0 {
		limit = 5 * time.Minute
	}
	return json.Marshal(map[string]any{
		"python": g.Prefix + "/bin/python" + g.Series, "venv": venvDir, "house": houseDir, "tmp": tmpDir,
		"jobs": max(1, g.Jobs), "limit": limit.Seconds(), "wheels": parts, "skip": h.ImportSkip, "absent": g.Absent, "strays": strays,
	})
}

// installApt installs what apt.txt lists.
func (g *Gate) installApt(ctx context.Context, c *engine.Container, h House) (string, error) {
	text, err := os.ReadFile(filepath.Join(h.Dir, "apt.txt"))
	if err != nil {
		return "", err
	}
	packages, err := listed(string(text), h.Apt)
	if err != nil {
		return "", err
	}
	files, err := g.Distros.Files(ctx, g.Target, g.Base, packages)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d packages", len(packages)), g.Distros.Install(ctx, c, files)
}

// listed are the packages that apt.txt lists.
func listed(text string, packages []project.Package) (found []project.Package, err error) {
	pinned := map[string]project.Package{}
	for _, p := range packages {
		pinned[p.Name+"="+p.Version] = p
	}
	var problems []string
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		p, ok := pinned[line]
		if !ok {
			problems = append(problems, fmt.Sprintf("apt.txt: %q is no package that was resolved", line))
			continue
		}
		found = append(found, p)
	}
	if len(problems) > 0 {
		return nil, finding(strings.Join(problems, "\n"))
	}
	return found, nil
}

func notOverwritten(dir string, parts []*part, site string) (string, error) {
	problems, notes, err := overlaps(parts, site, func(p *part, name string) ([]byte, error) {
		r, err := zip.OpenReader(filepath.Join(dir, p.File))
		if err != nil {
			return nil, err
		}
		defer r.Close()
		f, err := r.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		return io.ReadAll(io.LimitReader(f, 1<<20))
	})
	if err != nil {
		return "", err
	}
	if len(problems) > 0 {
		return "", finding(strings.Join(append(problems, notes...), "\n"))
	}
	return strings.Join(notes, "\n"), nil
}

// putHouse copies the wheels, what installs them, and the proof into the
// container.
func putHouse(ctx context.Context, c *engine.Container, dir string, config []byte) error {
	names, err := filepath.Glob(filepath.Join(dir, "*.whl"))
	if err != nil {
		return err
	}
	names = append(names, filepath.Join(dir, "requirements.txt"))
	r, w := io.Pipe()
	go func() {
		tw := tar.NewWriter(w)
		err := writeHouse(tw, names, config)
		if err == nil {
			err = tw.Close()
		}
		w.CloseWithError(err)
	}()
	err = c.Put(ctx, "/", r)
	// The writer may be waiting for a reader that has given up.
	r.CloseWithError(errors.New("the container takes no more"))
	return err
}

func writeHouse(tw *tar.Writer, names []string, config []byte) error {
	for _, h := range []tar.Header{
		{Name: houseDir, Typeflag: tar.TypeDir, Mode: 0o755},
		{Name: proofDir, Typeflag: tar.TypeDir, Mode: 0o755},
		{Name: tmpDir, Typeflag: tar.TypeDir, Mode: 0o755, Uid: 1000, Gid: 1000},
		{Name: proofDir + "/house.py", Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(houseScript))},
		{Name: proofDir + "/config.json", Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(config))},
	} {
		h.Name = strings.TrimPrefix(h.Name, "/")
		if err := tw.WriteHeader(&h); err != nil {
			return err
		}
		content := map[string][]byte{"house.py": houseScript, "config.json": config}[filepath.Base(h.Name)]
		if _, err := tw.Write(content); err != nil {
			return err
		}
	}
	for _, name := range names {
		if err := writeFile(tw, strings.TrimPrefix(houseDir, "/")+"/"+filepath.Base(name), name); err != nil {
			return err
		}
	}
	return nil
}

func writeFile(tw *tar.Writer, name, file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := tw.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: info.Size()}); err != nil {
		return err
	}
	_, err = io.Copy(tw, f)
	return err
}

// notInstalled is said of what house.py does only with what is installed.
const notInstalled = "not run: the house does not install"

func notRun(names []string) (checks []artifacts.Check) {
	for _, name := range names {
		checks = append(checks, artifacts.Check{Name: name, Detail: notInstalled})
	}
	return checks
}

// phase runs a part of house.py. What does not tell of itself has failed.
func (g *Gate) phase(ctx context.Context, c *engine.Container, name, user string, want []string, log io.Writer) ([]artifacts.Check, error) {
	python := g.Prefix + "/bin/python" + g.Series
	results := fmt.Sprintf("%s/%s.json", tmpDir, name)
	var tail lastBytes
	out := io.MultiWriter(log, &tail)
	err := c.Exec(ctx, engine.Command{
		Argv: []string{python, "-I", "-B", "-u", proofDir + "/house.py", name, proofDir + "/config.json", results},
		Env:  []string{"LC_ALL=C.UTF-8", "HOME=" + tmpDir}, User: user, Dir: tmpDir, Stdout: out, Stderr: out,
	})
	if err != nil && (!errors.As(err, new(*engine.ExitError)) || engine.IsGone(err)) {
		return nil, err
	}
	said := map[string]artifacts.Check{}
	if text, err := readFile(ctx, c, results); err == nil {
		var list []artifacts.Check
		if err := json.Unmarshal(text, &list); err != nil {
			return nil, fmt.Errorf("results of %s: %w", name, err)
		}
		for _, check := range list {
			said[check.Name] = check
		}
	} else if engine.IsGone(err) || ctx.Err() != nil {
		return nil, err
	}
	checks := notRun(want)
	for i, name := range want {
		if check, ok := said[name]; ok {
			checks[i] = check
		} else if err != nil {
			checks[i].Detail = fmt.Sprintf("did not finish: %v: %s", err, strings.TrimSpace(string(tail)))
		}
	}
	return checks, nil
}

// maxResults is the largest file of results that is read.
const maxResults = 64 << 20

// readFile reads a file of the container.
func readFile(ctx context.Context, c *engine.Container, path string) ([]byte, error) {
	stream, err := c.Get(ctx, path)
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	members := tar.NewReader(stream)
	h, err := members.Next()
	if err != nil {
		return nil, err
	}
	if h.Typeflag != tar.TypeReg || h.Size > maxResults {
		return nil, fmt.Errorf("%s: type %q and %d bytes", path, h.Typeflag, h.Size)
	}
	return io.ReadAll(members)
}

// lastBytes keeps the end of what is written to it.
type lastBytes []byte

func (l *lastBytes) Write(p []byte) (int, error) {
	*l = append(*l, p...)
	if extra := len(*l) - 2000; extra > 0 {
		*l = append((*l)[:0], (*l)[extra:]...)
	}
	return len(p), nil
}
