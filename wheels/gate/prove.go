package gate

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/engine"
	"github.com/pybake/pybake/internal/project"
)

// Where things are in the container of a proof. What is below tmpDir belongs
// to the ordinary user.
const (
	venvDir  = "/venv"
	houseDir = "/house"
	proofDir = "/proof"
	stateDir = "/proof/state"
	tmpDir   = "/proof/tmp"
)

// The checks, in the order in which they are told.
const (
	aptCheck   = "house: apt packages install"
	filesCheck = "house: files not overwritten"
)

var allChecks = []string{
	aptCheck, "house: no compiler", filesCheck, "house: installs by pip with hashes", "house: installed is the lock",
	"house: requirements consistent", "house: shared libraries resolve", "house: modules import", "house: console scripts load",
}

// Prove installs and uses a house in a clean container. Checks that fail are no
// error; an error is what has nothing to do with the house.
func (g *Gate) Prove(ctx context.Context, h House, log io.Writer) ([]artifacts.Check, error) {
	checks, err := g.prove(ctx, h, log)
	if err != nil {
		return nil, fmt.Errorf("prove %s: %w", h.Dir, err)
	}
	return checks, nil
}

// Close waits for what Prove has left to be done meanwhile: containers to be
// removed, and an image to be made.
func (g *Gate) Close() {
	for _, end := range g.ending {
		end()
	}
	g.ending = nil
}

// later begins something that Close waits for.
func (g *Gate) later(do func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		do()
	}()
	g.ending = append(g.ending, func() { <-done })
}

// proof is one house on its way.
type proof struct {
	*Gate
	house House
	parts []*part
	ready string  // image
	new   *record // of this house
	log   io.Writer

	apt    []project.Package // that apt.txt lists
	aptErr error             // a finding
}

// newProof is a proof of which nothing has been done.
func (g *Gate) newProof(ctx context.Context, h House, log io.Writer) (*proof, error) {
	p := &proof{Gate: g, house: h, parts: g.parts(h.Wheels, h.Project...), log: log}
	together(p.parts).trace(func(string) bool { return true }, nil)
	var err error
	if p.ready, err = g.Ready(ctx); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(h.Dir, "apt.txt"))
	if err != nil {
		return nil, err
	}
	p.apt, p.aptErr = listed(string(text), h.Apt)
	p.new = g.newRecord(h, p.parts, state(p.ready, p.apt, p.debs()))
	return p, nil
}

func (g *Gate) prove(ctx context.Context, h House, log io.Writer) ([]artifacts.Check, error) {
	p, err := g.newProof(ctx, h, log)
	if err != nil {
		return nil, err
	}
	files, err := timed(filesCheck, func() (string, error) { return notOverwritten(h.Dir, p.parts, layout{g.Series}.site()) })
	if err != nil {
		return nil, err
	}
	checks, reason, err := p.fromLast(ctx)
	if err != nil {
		return nil, err
	}
	if reason != "" {
		fmt.Fprintf(log, "the whole house is proved: %s\n", reason)
		if checks, err = p.whole(ctx); err != nil {
			return nil, err
		}
	}
	checks[filesCheck] = files
	return ordered(checks), nil
}

// whole proves the whole house, and keeps it for the next one.
func (p *proof) whole(ctx context.Context) (map[string]artifacts.Check, error) {
	c, err := p.start(ctx, p.ready)
	if err != nil {
		return nil, err
	}
	kept := false
	defer func() {
		if !kept {
			p.later(func() { c.Remove(ctx) })
		}
	}()
	apt, err := timed(aptCheck, func() (string, error) { return p.installApt(ctx, c) })
	if err != nil {
		return nil, err
	}
	keep := p.keeps()
	names := make([]string, len(p.parts))
	for i, part := range p.parts {
		names[i] = part.File
	}
	config, err := p.config(map[string]any{"keep": keep, "since": nil})
	if err != nil {
		return nil, err
	}
	if err := putHouse(ctx, c, p.house.Dir, names, config); err != nil {
		return nil, err
	}
	said, err := p.run(ctx, c)
	if err != nil {
		return nil, err
	}
	said.checks[aptCheck] = apt
	if keep && said.ended && allOK(said.checks) && p.new.complete(said.records) {
		kept = true
		p.later(func() { p.keep(ctx, c) })
	}
	return said.checks, nil
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

// config is what house.py reads: what is the same in every way of proving, and more.
func (p *proof) config(more map[string]any) ([]byte, error) {
	limit := p.Limit
	if limit == 0 {
		limit = 5 * time.Minute
	}
	config := p.places()
	maps.Copy(config, map[string]any{
		"jobs": max(1, p.Jobs), "limit": limit.Seconds(), "wheels": p.parts, "skip": p.house.ImportSkip, "absent": p.Absent, "strays": strays,
	})
	maps.Copy(config, more)
	return json.Marshal(config)
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

// putHouse copies wheels, what installs them, and the proof into the container.
func putHouse(ctx context.Context, c *engine.Container, dir string, wheels []string, config []byte) error {
	r, w := io.Pipe()
	go func() {
		tw := tar.NewWriter(w)
		err := writeHouse(tw, dir, append([]string{"requirements.txt"}, wheels...), config)
		if err == nil {
			err = tw.Close()
		}
		w.CloseWithError(err)
	}()
	err := c.Put(ctx, "/", r)
	// The writer may be waiting for a reader that has given up.
	r.CloseWithError(errors.New("the container takes no more"))
	return err
}

func writeHouse(tw *tar.Writer, dir string, names []string, config []byte) error {
	if err := putProof(tw, config); err != nil {
		return err
	}
	for _, name := range names {
		if err := writeFile(tw, strings.TrimPrefix(houseDir, "/")+"/"+name, filepath.Join(dir, name)); err != nil {
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

// said is what house.py tells.
type said struct {
	checks  map[string]artifacts.Check
	records map[string]json.RawMessage // by wheel
	full    string                     // why the whole house is to be proved
	ended   bool                       // it came to its end
}

// maxResults is how much house.py may tell.
const maxResults = 64 << 20

// run runs house.py. A check that does not tell of itself has failed.
func (p *proof) run(ctx context.Context, c *engine.Container) (*said, error) {
	var told limited
	var tail lastBytes
	err := c.Exec(ctx, engine.Command{
		Argv: p.Gate.house("prove"), Env: []string{"LC_ALL=C.UTF-8", "HOME=/root"}, User: "0:0", Dir: "/",
		Stdout: &told, Stderr: io.MultiWriter(p.log, &tail),
	})
	if err != nil && (!errors.As(err, new(*engine.ExitError)) || engine.IsGone(err)) {
		return nil, err
	}
	s := &said{checks: map[string]artifacts.Check{}, records: map[string]json.RawMessage{}, ended: err == nil}
	for line := range bytes.Lines(told) {
		var one struct {
			Check   *artifacts.Check
			Records map[string]json.RawMessage
			Full    string
		}
		if err := json.Unmarshal(line, &one); err != nil {
			return nil, fmt.Errorf("results of house.py: %w", err)
		}
		if one.Check != nil {
			s.checks[one.Check.Name] = *one.Check
		}
		maps.Copy(s.records, one.Records)
		s.full += one.Full
	}
	for _, name := range allChecks {
		if _, ok := s.checks[name]; ok || name == aptCheck || name == filesCheck {
			continue
		}
		check := artifacts.Check{Name: name, Detail: notInstalled}
		if err != nil {
			check.Detail = fmt.Sprintf("did not finish: %v: %s", err, strings.TrimSpace(string(tail)))
		}
		s.checks[name] = check
	}
	return s, nil
}

func ordered(checks map[string]artifacts.Check) (list []artifacts.Check) {
	for _, name := range allChecks {
		list = append(list, checks[name])
	}
	return list
}

func allOK(checks map[string]artifacts.Check) bool {
	for _, c := range checks {
		if !c.OK {
			return false
		}
	}
	return true
}

// limited is a text that does not grow without end.
type limited []byte

func (l *limited) Write(p []byte) (int, error) {
	if len(*l)+len(p) > maxResults {
		return 0, fmt.Errorf("more than %d bytes of results", maxResults)
	}
	*l = append(*l, p...)
	return len(p), nil
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
