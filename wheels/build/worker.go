package build

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pybake/pybake/internal/engine"
)

var (
	//go:embed names.py
	namesText string
	//go:embed serve.py
	serveText string
	//go:embed hook.py
	hookText string
	//go:embed symbols.py
	symbolsText string
)

const (
	// workerLife is how long after its start a worker is given jobs.
	workerLife = time.Hour
	// cleanLimit is how long a worker may take to forget a job.
	cleanLimit = time.Minute
)

// worker is a container in which jobs are built, one after the other, and the
// connection to its serve.py.
type worker struct {
	*engine.Container
	*line
	since time.Time
	died  func() // tells the builder
	stop  context.CancelFunc
	ended chan struct{} // closed when serve.py has ended
	err   error         // what it ended with; to be read when ended is closed
}

// places are what a build can write to: where it is mounted, and which share of
// the memory it may take.
var places = map[string]int64{Dir: 2, "/tmp": 4, "/var/tmp": 16, "/dev/shm": 16, "/run/lock": 64}

// tmpfs is the options of the places, for builds that may take so much memory in
// bytes: what is written counts as memory, so that all together is less.
func tmpfs(memory int64) map[string]string {
	const inode = 4 << 10 // bytes of a place for one
	out := map[string]string{}
	for place, share := range places {
		options := "exec,nosuid,nodev,mode=1777"
		if place == Dir {
			options = fmt.Sprintf("exec,nosuid,nodev,mode=755,uid=%d,gid=%[1]d", user)
		}
		if memory > 0 {
			options += fmt.Sprintf(",size=%d,nr_inodes=%d", memory/share, memory/share/inode)
		}
		out[place] = options
	}
	return out
}

// fresh starts a worker, which the caller has counted.
func (b *Builder) fresh(ctx context.Context) (w *worker, err error) {
	defer func() {
		if err != nil {
			b.died()
		}
	}()
	spec := engine.Spec{
		Image: b.Image, Purpose: "wheel", Memory: b.Memory, PIDs: b.PIDs,
		NoNames: true, ReadOnly: true, Tmpfs: tmpfs(b.Memory),
		// For serve.py, to start builds as their user. What runs as that has none.
		Caps: []string{"SETUID", "SETGID"},
		// Hooks have limits of their own. This one ends what this process has no
		// say in any more: all jobs, the last one's two hooks, and the downloads
		// between them.
		Limit: workerLife + 2*b.limit() + time.Hour,
	}
	if b.prepared == nil {
		volume, err := b.environments().space(ctx)
		if err != nil {
			return nil, err
		}
		spec.Mounts = []engine.Mount{{Volume: volume, Target: envsDir}}
	}
	c, err := b.Engine.Start(ctx, spec)
	if err != nil {
		return nil, err
	}
	argv := []string{b.interpreter(), "-I", "-S", "-B", "-c", namesText + serveText, hookText, symbolsText}
	w = &worker{Container: c, since: time.Now(), died: sync.OnceFunc(b.died)}
	w.line, w.stop, w.ended = talk(ctx, c, append(argv, slices.Sorted(maps.Keys(places))...), &w.err)
	return w, nil
}

// talk runs a program of root in a container for as long as nobody calls stop, and
// returns the connection to it. What it ended with is in err when ended is closed.
func talk(ctx context.Context, c *engine.Container, argv []string, err *error) (l *line, stop context.CancelFunc, ended chan struct{}) {
	ctx, stop = context.WithCancel(context.WithoutCancel(ctx))
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	ended = make(chan struct{})
	var said reply
	go func() {
		defer close(ended)
		*err = c.Exec(ctx, engine.Command{Argv: argv, User: "0:0", Stdin: inR, Stdout: outW, Stderr: &said})
		if *err == nil {
			*err = errors.New("exec " + path.Base(argv[0]) + ": it has ended")
		}
		if text := strings.TrimSpace(string(said.text)); text != "" {
			*err = fmt.Errorf("%w: %s", *err, text)
		}
		inR.CloseWithError(*err)
		outW.CloseWithError(*err)
	}()
	return newLine(inW, outR), stop, ended
}

// reply takes what a program of ours writes to its standard error, up to a bound.
type reply struct{ text []byte }

func (r *reply) Write(p []byte) (int, error) {
	const limit = 4 << 10
	r.text = append(r.text, p[:min(len(p), limit-len(r.text))]...)
	return len(p), nil
}

// remove removes the container, and with it all that runs there.
func (w *worker) remove(ctx context.Context) error {
	defer w.died()
	w.stop()
	err := w.Remove(ctx)
	<-w.ended
	if engine.IsGone(err) {
		err = nil
	}
	return err
}

// within runs something that uses the line, and ends the worker when ctx is done.
func (w *worker) within(ctx context.Context, run func() error) error {
	defer context.AfterFunc(ctx, w.stop)()
	err := run()
	if ctx.Err() != nil {
		<-w.ended
		return context.Cause(ctx)
	}
	return err
}

// clean has the worker forget its job, and says what it cannot forget.
func (w *worker) clean(ctx context.Context) (left string, err error) {
	ctx, cancel := context.WithTimeout(ctx, cleanLimit)
	defer cancel()
	err = w.within(ctx, func() error {
		if err := w.send('C', nil); err != nil {
			return err
		}
		a, err := w.answer(0, nil)
		if err != nil {
			return err
		}
		return a.into(&left)
	})
	return left, err
}

// Warm begins to start a worker that a Start takes later, unless one comes or waits
// already, or there are n. A start that fails is found out by that Start, which tries by
// itself.
func (b *Builder) Warm(ctx context.Context, n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.coming == 0 && b.alive < n && !b.closed {
		b.alive++
		b.promise(func() *worker {
			w, err := b.fresh(ctx)
			if err != nil {
				return nil
			}
			return w
		})
	}
}

// died notes that there is a worker less.
func (b *Builder) died() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.alive--
}

// promise notes that a worker comes, or nil. The caller holds b.mu.
func (b *Builder) promise(bring func() *worker) {
	if b.workers == nil {
		b.workers = make(chan *worker, 1024)
	}
	b.coming++
	go func() { b.workers <- bring() }()
}

// release gives a worker back: a clean one waits for the next job.
func (b *Builder) release(ctx context.Context, w *worker) error {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return w.remove(ctx)
	}
	defer b.mu.Unlock()
	b.promise(func() *worker {
		left, err := w.clean(ctx)
		if err == nil && left == "" && time.Since(w.since) < workerLife {
			return w
		}
		_ = w.remove(ctx)
		return nil
	})
	return nil
}

// giveBack gives back a worker that had no job.
func (b *Builder) giveBack(ctx context.Context, w *worker) error {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return w.remove(ctx)
	}
	defer b.mu.Unlock()
	b.promise(func() *worker { return w })
	return nil
}

// Close removes workers that wait for a job. It may be called again.
func (b *Builder) Close(ctx context.Context) error {
	b.mu.Lock()
	b.closed = true
	coming := b.coming
	b.coming = 0
	b.mu.Unlock()
	errs := make(chan error, coming)
	for range coming {
		go func() {
			var err error
			if w := <-b.workers; w != nil {
				err = w.remove(ctx)
			}
			errs <- err
		}()
	}
	var err error
	for range coming {
		err = errors.Join(err, <-errs)
	}
	return errors.Join(err, b.closeOwn(ctx))
}

// take is a worker that waits or comes, or a new one.
func (b *Builder) take(ctx context.Context) (w *worker, used bool, err error) {
	for {
		b.mu.Lock()
		coming := b.coming > 0
		if coming {
			b.coming--
		} else {
			b.alive++
		}
		b.mu.Unlock()
		if !coming {
			w, err = b.fresh(ctx)
			return w, false, err
		}
		select {
		case w = <-b.workers:
		case <-ctx.Done():
			go func() {
				if w := <-b.workers; w != nil {
					_ = w.remove(ctx)
				}
			}()
			return nil, false, fmt.Errorf("start container from %s: %w", b.Image, context.Cause(ctx))
		}
		if w == nil {
			continue
		}
		if time.Since(w.since) < workerLife {
			return w, true, nil
		}
		if err := w.remove(ctx); err != nil {
			return nil, false, err
		}
	}
}
