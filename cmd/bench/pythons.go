package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pybake/pybake/internal/project"
	"github.com/pybake/pybake/python"
)

// pythonBench is one run of bench python.
type pythonBench struct {
	session
	release
	tools, script string // the image that the peer compiles in, and how

	theirs []float64

	// Ours: until the packages are there, with a stored profile, with all that an earlier build of
	// the same source stored, and with a training before; and until they are proved.
	profile, bundle, trained, proved []float64
}

const peerPython = "docker-library: configure, make"

// runPython is bench python.
func runPython(ctx context.Context, args []string) (err error) {
	b := &pythonBench{session: newSession(), release: releases()[0]}
	flags := b.flagSet("python", 1)
	b.dockerFlags(flags)
	only := flags.String("only", "ours,training,theirs", "what to `measure`")
	flags.StringVar(&b.source, "tarball", "", "the `file` of CPython's source (default: that of pybake's downloads)")
	if err := b.parse(flags, args); err != nil {
		return err
	}
	measures := map[string]func(context.Context, int) error{"ours": b.fromBundle, "training": b.fromNothing, "theirs": b.peer}
	names := strings.Split(*only, ",")
	for _, name := range names {
		if measures[name] == nil {
			return fmt.Errorf("usage: bench python --only ours,training,theirs: there is no %q", name)
		}
	}
	defer func() { err = errors.Join(err, b.close()) }()
	if err := b.setUp(ctx, slices.Contains(names, "theirs")); err != nil {
		return err
	}
	for round := range b.rounds {
		var steps []func() error
		for _, name := range names {
			steps = append(steps, func() error {
				b.say("round %d of %d: %s", round+1, b.rounds, name)
				return measures[name](ctx, round)
			})
		}
		if err := alternate(round, steps...); err != nil {
			return err
		}
	}
	return b.print(b.rows())
}

// setUp makes the directory of the run and, with the peer, the image that it compiles in.
func (b *pythonBench) setUp(ctx context.Context, peer bool) error {
	if err := b.hasPython(b.version, b.distro); err != nil {
		return err
	}
	if err := b.open(ctx); err != nil {
		return err
	}
	if err := errors.Join(makeCache(b.cache()), os.MkdirAll(b.project(), 0o755)); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(b.project(), project.File), nil, 0o644); err != nil {
		return err
	}
	if !peer {
		return nil
	}
	base, err := b.pinnedBase(b.distro)
	if err != nil {
		return err
	}
	text, err := testdata.ReadFile("testdata/slim.dockerfile")
	if err != nil {
		return err
	}
	tools, script := b.compileRecipe(string(text))
	b.script = script
	if err := os.WriteFile(filepath.Join(b.project(), "tools.dockerfile"), []byte(tools), 0o644); err != nil {
		return err
	}
	empty := filepath.Join(b.dir, "empty")
	if err := os.MkdirAll(empty, 0o755); err != nil {
		return err
	}
	b.tools = "pybake-bench-tools:" + filepath.Base(b.dir)
	return b.build(ctx, "tools.dockerfile", empty, base, b.tools)
}

// compileRecipe takes from the recipe of docker-library the part that installs what it compiles with, as a
// Dockerfile, and the part that configures and makes, as a script for the directory of the source.
func (r release) compileRecipe(text string) (dockerfile, script string) {
	text = r.slimRecipe(text)
	tools, rest, _ := strings.Cut(text, "\twget -O ")
	_, rest, _ = strings.Cut(rest, "\tcd /usr/src/python; \\\n")
	build, _, _ := strings.Cut(rest, "\tmake install; \\\n")
	var lines []string
	for line := range strings.Lines(build) {
		if !strings.HasPrefix(strings.TrimSpace(line), "#") { // Docker takes comments out before the shell sees the lines
			lines = append(lines, line)
		}
	}
	return tools + "\ttrue\n", strings.Join(lines, "") + "\ttrue\n"
}

// close removes what this run made.
func (b *pythonBench) close() error {
	if b.dir == "" {
		return nil
	}
	if b.keep {
		b.say("kept: %s", b.dir)
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var err error
	if b.tools != "" {
		err = b.removeImages(ctx, b.tools)
	}
	if err = errors.Join(err, os.RemoveAll(b.dir)); err != nil {
		return fmt.Errorf("clean up: %w", err)
	}
	return nil
}

// peer configures and makes as docker-library does, from the tarball on disk.
func (b *pythonBench) peer(ctx context.Context, _ int) error {
	source, err := b.tarball(b.release)
	if err != nil {
		return err
	}
	script := "mkdir /src && cd /src && s=$(date +%s%N) && tar -x --strip-components=1 -f /tarball && { set -eux; " +
		b.script + "} >/tmp/log 2>&1 || { tail -n 40 /tmp/log >&2; exit 1; }\nset +x; echo $(($(date +%s%N) - s))"
	out, _, err := b.dockerRun(ctx, "--init", "-v", source+":/tarball:ro", b.tools, "sh", "-c", script)
	if err != nil {
		return err
	}
	ns, err := strconv.ParseFloat(out, 64)
	if err != nil {
		return fmt.Errorf("docker-library: it printed %q", out)
	}
	b.theirs = append(b.theirs, ns/1e9)
	return nil
}

// fromBundle builds with the profile of the store alone, as the first time of a release, and then with what
// that stored beside it, as when the same source is built again.
func (b *pythonBench) fromBundle(ctx context.Context, round int) error {
	dir, err := b.profileStore(ctx, fmt.Sprint("store-", round))
	if err != nil {
		return err
	}
	packages, whole, err := b.bake(ctx, dir)
	if err != nil {
		return err
	}
	b.profile, b.proved = append(b.profile, packages), append(b.proved, whole)
	if err := removeKinds(dir, python.Kind); err != nil {
		return err
	}
	packages, _, err = b.bake(ctx, dir)
	b.bundle = append(b.bundle, packages)
	return err
}

// fromNothing trains first.
func (b *pythonBench) fromNothing(ctx context.Context, round int) error {
	dir, err := b.profileStore(ctx, fmt.Sprint("trained-", round))
	if err != nil {
		return err
	}
	packages, _, err := b.bake(ctx, dir, "--retrain")
	b.trained = append(b.trained, packages)
	return err
}

// profileStore copies the store without Pythons and what their builds prepared: the profile stays.
func (b *pythonBench) profileStore(ctx context.Context, name string) (dir string, err error) {
	dir = filepath.Join(b.dir, name)
	if err := b.copyStore(ctx, b.store, dir); err != nil {
		return "", err
	}
	return dir, removeKinds(dir, python.Kind, python.KindPrepared)
}

// bake runs pybake python and returns the seconds of its steps until the packages were there, and of the whole.
func (b *pythonBench) bake(ctx context.Context, store string, args ...string) (packages, whole float64, err error) {
	pins, err := os.ReadFile(b.pinFile())
	if err != nil {
		return 0, 0, err
	}
	if err := os.WriteFile(filepath.Join(b.project(), project.LockFile), pins, 0o644); err != nil {
		return 0, 0, err
	}
	out, whole, err := command{
		dir:  b.project(),
		env:  []string{"PYBAKE_STORE=" + store, "PYBAKE_CACHE=" + b.cache()},
		args: append([]string{b.pybake, "python", b.version, "--distro", b.distro, "--json"}, args...),
	}.run(ctx)
	if err != nil {
		return 0, 0, err
	}
	var made struct {
		Origin string `json:"origin"`
		Steps  []struct {
			Name    string  `json:"name"`
			Seconds float64 `json:"seconds"`
		} `json:"steps"`
	}
	if err := json.Unmarshal([]byte(out), &made); err != nil {
		return 0, 0, fmt.Errorf("pybake python --json: %w", err)
	}
	for _, step := range made.Steps {
		packages += step.Seconds
		if step.Name == "package" {
			return packages, whole, nil
		}
	}
	return 0, 0, fmt.Errorf("pybake python --json: %s, without a step that makes packages", cmp.Or(made.Origin, "nothing"))
}

func (b *pythonBench) rows() (rows []*row) {
	add := func(what string, ours []float64, target float64) {
		if ours == nil {
			return
		}
		r := &row{What: what, Unit: "s", Pybake: ours}
		if b.theirs != nil {
			r.Peer, r.Theirs, r.Target = peerPython, b.theirs, target
		}
		rows = append(rows, r)
	}
	add("packages, with a stored profile", b.profile, 0.20)
	add("packages, with profile, frozen modules and configure's results", b.bundle, 0.20)
	add("packages, training first", b.trained, 0.40)
	add("with a stored profile, and proved", b.proved, 0)
	return rows
}
