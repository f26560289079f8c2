package build

import (
	"archive/tar"
	"cmp"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"sync"
	"time"

	"github.com/pybake/pybake/internal/engine"
)

//go:embed fill.py
var fillText string

// envsDir is where containers have environments, each in a directory that is named
// by what is in it.
const envsDir = "/build-env"

// fillMemory bounds what unpacks and compiles build requirements, in bytes.
const fillMemory = 2 << 30

// Environments keeps environments for the builders of one Python, on a volume of
// the engine: each wheel is unpacked and compiled once, and environments are links
// to that. Its methods may be called from several goroutines; Close it after use.
type Environments struct {
	Engine *engine.Engine
	Image  string // of the engine, with the interpreter
	Prefix string // of the interpreter: "/opt/python/3.13"
	Series string // "3.13"

	opening sync.Mutex // guards keeper, and is locked before the next
	keeper  *keeper
	making  sync.Mutex
	volume  *engine.Volume

	mu   sync.Mutex
	made map[string]*making // by name of the environment or of the wheel
	sums map[Wheel]string   // hashes of wheels
}

// making is something that is made once.
type making struct {
	done chan struct{}
	err  error
}

// keeper is the container that fills the volume, and the connection to its fill.py.
type keeper struct {
	*engine.Container
	stop  context.CancelFunc
	ended chan struct{}
	err   error

	sending sync.Mutex
	line    *line

	mu      sync.Mutex
	last    int
	waiting map[int]chan filled
}

// filled is an answer of fill.py.
type filled struct {
	ID    int    `json:"id"`
	Error string `json:"error"`
}

// space makes sure of the volume and returns it.
func (e *Environments) space(ctx context.Context) (v *engine.Volume, err error) {
	e.making.Lock()
	defer e.making.Unlock()
	if e.volume == nil {
		e.volume, err = e.Engine.NewVolume(ctx, "", "wheels-env")
	}
	return e.volume, err
}

// open makes sure of the keeper and returns it.
func (e *Environments) open(ctx context.Context) (*keeper, error) {
	e.opening.Lock()
	defer e.opening.Unlock()
	if e.keeper != nil {
		if !e.keeper.dead() {
			return e.keeper, nil
		}
		if err := e.keeper.Remove(ctx); err != nil {
			return nil, err
		}
	}
	v, err := e.space(ctx)
	if err != nil {
		return nil, err
	}
	c, err := e.Engine.Start(ctx, engine.Spec{
		Image: e.Image, Purpose: "wheels-env", Memory: fillMemory, PIDs: 100, NoNames: true, ReadOnly: true,
		Mounts: []engine.Mount{{Volume: v, Target: envsDir, Writable: true}}, Limit: 24 * time.Hour,
	})
	if err != nil {
		return nil, err
	}
	k := &keeper{Container: c, waiting: map[int]chan filled{}}
	interpreter := path.Join(e.Prefix, "bin", "python"+e.Series)
	k.line, k.stop, k.ended = talk(ctx, c, []string{interpreter, "-I", "-S", "-B", "-c", fillText, envsDir}, &k.err)
	go k.listen()
	e.keeper = k
	return k, nil
}

// Close removes the volume. Containers that mount it must have been removed before.
func (e *Environments) Close(ctx context.Context) error {
	e.opening.Lock()
	defer e.opening.Unlock()
	e.making.Lock()
	defer e.making.Unlock()
	var err error
	if e.keeper != nil {
		e.keeper.stop()
		err = e.keeper.Remove(ctx)
		<-e.keeper.ended
	}
	if e.volume != nil {
		err = errors.Join(err, e.volume.Remove(ctx))
	}
	e.volume, e.keeper, e.made = nil, nil, nil
	return err
}

// dead is whether the keeper is no more.
func (k *keeper) dead() bool {
	select {
	case <-k.ended:
		return true
	default:
		return false
	}
}

// listen passes answers on to those who wait for them.
func (k *keeper) listen() {
	for {
		_, text, err := k.line.receive()
		var f filled
		if err == nil {
			err = json.Unmarshal(text, &f)
		}
		k.mu.Lock()
		if err != nil {
			for _, c := range k.waiting {
				close(c)
			}
			k.waiting = nil
			k.mu.Unlock()
			return
		}
		c := k.waiting[f.ID]
		delete(k.waiting, f.ID)
		k.mu.Unlock()
		if c != nil {
			c <- f
		}
	}
}

// do sends a request with a tar and waits for the answer.
func (k *keeper) do(ctx context.Context, kind byte, request map[string]any, write func(*tar.Writer) error) error {
	c := make(chan filled, 1)
	k.mu.Lock()
	if k.waiting == nil {
		k.mu.Unlock()
		<-k.ended
		return k.err
	}
	k.last++
	request["id"] = k.last
	k.waiting[k.last] = c
	k.mu.Unlock()
	err := k.send(kind, request, write)
	var f filled
	ok := false
	select {
	case f, ok = <-c:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	switch {
	case !ok:
		<-k.ended
		return k.err
	case err == nil && f.Error != "":
		err = errors.New(f.Error)
	}
	return err
}

// send sends a request with a tar, or that there will be none.
func (k *keeper) send(kind byte, request map[string]any, write func(*tar.Writer) error) error {
	k.sending.Lock()
	defer k.sending.Unlock()
	err := k.line.send(kind, request)
	if err == nil {
		err = k.line.files(write)
	}
	if err != nil {
		_ = k.line.send('A', nil)
	}
	return err
}

// ensure makes sure of an environment with wheels and returns its directory.
func (e *Environments) ensure(ctx context.Context, wheels []Wheel) (string, error) {
	name, sums, err := e.name(wheels)
	if err != nil {
		return "", err
	}
	dir := path.Join(envsDir, name)
	keeper, err := e.open(ctx)
	if err != nil {
		return "", err
	}
	return dir, e.once(ctx, name, func() error {
		for i, w := range wheels {
			err := e.once(ctx, sums[i], func() error {
				return keeper.do(ctx, 'W', map[string]any{"wheel": sums[i]}, func(t *tar.Writer) error {
					return e.tree(t, dir).wheel(w, true, false)
				})
			})
			if err != nil {
				return fmt.Errorf("build requirement %s: %w", w.Name, err)
			}
		}
		return keeper.do(ctx, 'L', map[string]any{"env": name, "wheels": sums}, func(t *tar.Writer) error {
			tree := e.tree(t, dir)
			return cmp.Or(tree.interpreter(), tree.wheels(wheels, false, true))
		})
	})
}

// once makes something unless it is made already, or has failed.
func (e *Environments) once(ctx context.Context, name string, run func() error) error {
	e.mu.Lock()
	if e.made == nil {
		e.made = map[string]*making{}
	}
	m := e.made[name]
	if m != nil {
		e.mu.Unlock()
		select {
		case <-m.done:
			return m.err
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	m = &making{done: make(chan struct{})}
	e.made[name] = m
	e.mu.Unlock()
	m.err = run()
	close(m.done)
	return m.err
}

// name names an environment by what is in it, and the wheels of it likewise.
func (e *Environments) name(wheels []Wheel) (env string, ofWheels []string, err error) {
	all, sums := sha256.New(), []string{}
	fmt.Fprintln(all, "pybake env 1", e.Prefix, e.Series)
	for _, w := range wheels {
		sum, err := e.sum(w)
		if err != nil {
			return "", nil, fmt.Errorf("build requirement %s: %w", w.Name, err)
		}
		fmt.Fprintln(all, sum)
		sums = append(sums, sum)
	}
	return hex.EncodeToString(all.Sum(nil))[:16], sums, nil
}

// sum is the hash of a wheel, of its name too: that says whose it is.
func (e *Environments) sum(w Wheel) (string, error) {
	e.mu.Lock()
	sum, ok := e.sums[w]
	e.mu.Unlock()
	if ok {
		return sum, nil
	}
	f, err := os.Open(w.Path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	fmt.Fprintln(h, w.Name)
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	sum = hex.EncodeToString(h.Sum(nil))
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.sums == nil {
		e.sums = map[Wheel]string{}
	}
	e.sums[w] = sum
	return sum, nil
}

// tree writes files of an environment, by their names in it.
func (e *Environments) tree(w *tar.Writer, env string) *tree {
	return &tree{
		w: w, env: env, prefix: e.Prefix, series: e.Series, time: time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC),
		maxBytes: maxTree, maxFiles: maxFiles, made: map[string]bool{},
	}
}
