package python

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/engine"
	"github.com/pybake/pybake/internal/fetch"
)

// Directories of a job's container.
const (
	jobDir   = "/build"
	jobSrc   = "/build/src"
	jobStage = "/build/stage"
	jobOut   = "/build/out"
	jobHome  = "/home/pybake"
)

// job is a container in which the steps of job.sh run.
type job struct {
	*engine.Container
	b    *Builder
	plan *Plan
	log  io.Writer // the file; what the user sees is added step by step
	env  []string
	at   *circumstances // nil: as usual

	stale mismatches // functions that the profile no longer fits
}

// mismatches counts the functions that the compiler warns about because they are
// not what they were when the profile was learned, so that it has no counts for
// them. One that only moved keeps its counts.
type mismatches struct {
	n    int
	tail []byte // of the last write, in which a warning may have begun
}

// mismatch is of GCC 8 and newer, in the middle of the line that names the function.
var mismatch = []byte(" does not match its profile data ")

func (m *mismatches) Write(p []byte) (int, error) {
	text := append(m.tail, p...)
	m.n += bytes.Count(text, mismatch)
	m.tail = slices.Clone(text[max(0, len(text)-len(mismatch)+1):])
	return len(p), nil
}

// startJob starts the container of a job with the source in it.
func (b *Builder) startJob(ctx context.Context, p *Plan, image, purpose string, log io.Writer) (_ *job, err error) {
	info, err := b.Engine.Info(ctx)
	if err != nil {
		return nil, err
	}
	cpus := b.at.jobs(b.jobs(info))
	c, err := b.Engine.Start(ctx, engine.Spec{
		Image:   image,
		Purpose: strings.ReplaceAll(p.Name, " ", "-") + "-" + purpose,
		Limit:   6 * time.Hour,
		Memory:  info.Memory / 10 * 9,
		PIDs:    8192, Hostname: b.at.host(),
	})
	if err != nil {
		return nil, err
	}
	j := &job{Container: c, b: b, plan: p, log: log, at: b.at}
	defer func() {
		if err != nil {
			c.Remove(ctx)
		}
	}()
	j.env = []string{
		"HOME=" + jobHome, "LC_ALL=C.UTF-8", "TZ=UTC",
		"SRC=" + j.at.place(jobSrc), "DESTDIR=" + j.at.place(jobStage), "OUT=" + j.at.place(jobOut),
		"SERIES=" + p.Series, "ABI=" + p.abi(), "PREFIX=" + p.Prefix(), "LIB=" + p.libDir(), "MODE=" + p.jobMode(), "JOBS=" + strconv.Itoa(cpus),
		"CONFIGURE=" + strings.Join(p.configure(), " "),
		"RECIPE_CFLAGS=" + strings.Join(p.Recipe.CFlags, " "),
		"BUILTIN=" + strings.Join(p.Recipe.Builtin, " "),
		"PROFILE_ARGS=" + strings.Join(p.Recipe.Profile, " "), "WORKLOAD=" + path.Join(j.at.place(jobDir), "workload.py"),
	}
	j.env = j.at.environ(j.env)
	if err := j.at.prepare(ctx, j); err != nil {
		return nil, err
	}
	if err := b.timed("unpack", func() error { return j.putSource(ctx) }); err != nil {
		return nil, err
	}
	files := []fetch.MemFile{
		{Name: "job.sh", Data: jobScript, Exec: true}, {Name: "workload.py", Data: workloadScript}, {Name: "out/.keep"},
	}
	if err := j.putFiles(ctx, j.at.place(jobDir), files); err != nil {
		return nil, err
	}
	epoch, err := j.epoch(ctx)
	if err != nil {
		return nil, err
	}
	j.env = append(j.env, "SOURCE_DATE_EPOCH="+strconv.FormatInt(epoch.Unix(), 10))
	return j, nil
}

// jobMode is what job.sh calls the plan's way to compile.
func (p *Plan) jobMode() string {
	if p.plain() {
		return "plain"
	}
	return "full"
}

// jobs is how many processes a job runs at once.
func (b *Builder) jobs(info engine.Info) int {
	if b.Jobs > 0 {
		return b.Jobs
	}
	return max(1, info.CPUs)
}

// put streams a tar into the container while write makes it.
func (j *job) put(ctx context.Context, write func(*tar.Writer) error) error {
	r, w := io.Pipe()
	go func() {
		tw := tar.NewWriter(w)
		err := write(tw)
		if err == nil {
			err = tw.Close()
		}
		w.CloseWithError(err)
	}()
	err := j.Put(ctx, "/", r)
	// The writer may be waiting for a reader that has given up.
	r.CloseWithError(errors.New("the container takes no more"))
	return err
}

// putSource gives the job the verified source, whatever the archive says no
// file of it outside of its directory.
func (j *job) putSource(ctx context.Context) error {
	archive, err := fetch.Tar(j.b.source.Path)
	if err != nil {
		return fmt.Errorf("unpack %s: %w", j.b.source.File.Name, err)
	}
	defer archive.Close()
	rules := fetch.Rules{StripTop: true, Top: strings.TrimPrefix(j.at.place(jobSrc), "/"), UID: j.at.uid(), GID: j.at.uid()}
	err = j.put(ctx, func(w *tar.Writer) error { return fetch.Copy(w, archive, rules) })
	if err != nil {
		return fmt.Errorf("unpack %s: %w", j.b.source.File.Name, err)
	}
	return nil
}

func (j *job) putFiles(ctx context.Context, dir string, files []fetch.MemFile) error {
	rules := fetch.Rules{Top: strings.TrimPrefix(dir, "/"), UID: j.at.uid(), GID: j.at.uid()}
	return j.put(ctx, func(w *tar.Writer) error { return fetch.PackFiles(w, files, rules) })
}

// putTar unpacks a tar that an earlier job made over the source.
func (j *job) putTar(ctx context.Context, file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	rules := fetch.Rules{Top: strings.TrimPrefix(j.at.place(jobSrc), "/"), UID: j.at.uid(), GID: j.at.uid()}
	return j.put(ctx, func(w *tar.Writer) error { return fetch.Copy(w, f, rules) })
}

// epoch is the time of the newest file of the source: the day it was released,
// and the time of everything that is made of it (SOURCE_DATE_EPOCH).
func (j *job) epoch(ctx context.Context) (time.Time, error) {
	out, err := j.output(ctx, "sh", "-c", "find "+j.at.place(jobSrc)+` -type f -printf '%Ts\n' | sort -n | tail -n 1`)
	if err != nil {
		return time.Time{}, fmt.Errorf("time of the source: %w", err)
	}
	seconds, err := strconv.ParseInt(strings.TrimSpace(out), 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("time of the source: %w", err)
	}
	return time.Unix(seconds, 0).UTC(), nil
}

// output runs a command and returns what it printed.
func (j *job) output(ctx context.Context, argv ...string) (string, error) {
	var out, said strings.Builder
	err := j.Exec(ctx, engine.Command{Argv: argv, Env: j.env, User: j.at.user(), Dir: j.at.place(jobDir), Stdout: &out, Stderr: io.MultiWriter(j.log, &said)})
	if err != nil {
		err = fmt.Errorf("%w: %s", err, tail(said.String()))
	}
	return out.String(), err
}

// step runs one step of job.sh.
func (j *job) step(ctx context.Context, name string) error {
	return j.b.timed(name, func() error {
		fmt.Fprintf(j.log, "\n==> %s\n", name)
		out := io.MultiWriter(j.log, j.b.Report.Output(), &j.stale)
		err := j.Exec(ctx, engine.Command{
			Argv: j.at.command([]string{"sh", path.Join(j.at.place(jobDir), "job.sh"), name}), Env: j.env,
			User: j.at.user(), Dir: j.at.place(jobSrc), Stdout: out, Stderr: out,
		})
		if err != nil {
			return fmt.Errorf("%s: step %s: %w", j.plan.Name, name, err)
		}
		return nil
	})
}

// get copies a file that the job made to this machine.
func (j *job) get(ctx context.Context, name, to string) error {
	stream, err := j.Get(ctx, path.Join(j.at.place(jobOut), name))
	if err != nil {
		return fmt.Errorf("fetch %s: %w", name, err)
	}
	defer stream.Close()
	members, err := regular(stream)
	if err != nil {
		return fmt.Errorf("fetch %s: %w", name, err)
	}
	f, err := os.Create(to)
	if err != nil {
		return fmt.Errorf("fetch %s: %w", name, err)
	}
	defer f.Close()
	if _, err := io.Copy(f, members); err != nil {
		return fmt.Errorf("fetch %s: %w", name, err)
	}
	return f.Close()
}

// maxFile is the largest single file that is taken from a container.
const maxFile = 1 << 30

// regular reads the one file of a stream of Container.Get.
func regular(stream io.Reader) (io.Reader, error) {
	members := tar.NewReader(stream)
	h, err := members.Next()
	if err != nil {
		return nil, err
	}
	if h.Typeflag != tar.TypeReg || h.Size > maxFile {
		return nil, fmt.Errorf("%s: want a file of at most %d bytes, have type %q and %d bytes", h.Name, maxFile, h.Typeflag, h.Size)
	}
	return members, nil
}

// timed runs a step, reports it and notes how long it took.
func (b *Builder) timed(name string, run func() error) error {
	done := b.Report.Step(name)
	start := time.Now()
	err := run()
	done(err)
	b.noteStep(artifacts.Step{Name: name, Seconds: time.Since(start).Seconds()})
	return err
}
