package main

import (
	"archive/zip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// release is a CPython that the distro has as a package of its own.
type release struct {
	version, series, distro string
	sha256                  string // of the source that everybody builds

	// patched are the beginnings of the names of benchmarks for which the distro has another
	// source: those say nothing of the interpreter.
	patched []string
}

func releases() []release {
	return []release{
		// Upstream's 3.13.5 asks at every call whether the thread is logging already; Debian's does not.
		{version, "3.13", distro, sha256sum, []string{"logging_"}},
		{"3.11.2", "3.11", "bookworm", "2411c74bda5bbcfcddaf4531f66d1adc73f247f529aee981b029513aefdbf849", nil},
		{"3.9.2", "3.9", "bullseye", "3c2034c54f811448f516668dce09d24008a0716c3a794dd8639b5388cbde247d", nil},
	}
}

const distroName = "Debian"

// contenders are where the interpreters are, ours first. %s is the series.
var contenders = []struct{ name, path string }{
	{"pybake", "/opt/python/%s/bin/python%[1]s"},
	{distroName, "/usr/bin/python%s"},
	{"docker-library", "/usr/local/bin/python%s"},
}

// startUps are what is measured of the start, by name.
var startUps = []struct {
	name string
	args []string
}{
	{"-c pass", []string{"-c", "pass"}},
	{"-I -S -c pass", []string{"-I", "-S", "-c", "pass"}},
	{"import of ten modules", []string{"-c", "import argparse, asyncio, collections, datetime, decimal, json, logging, pathlib, re, subprocess"}},
}

// interpreterBench is one run of bench interpreter.
type interpreterBench struct {
	session
	release
	values    int
	core      string
	names     string // of benchmarks, separated by commas; "" is all
	image     string
	container string
	speeds    []*speed
}

// runInterpreter is bench interpreter.
func runInterpreter(ctx context.Context, args []string) (err error) {
	b := &interpreterBench{session: newSession()}
	flags := b.flagSet("interpreter", 5)
	b.dockerFlags(flags)
	on := flags.String("distro", distro, "trixie (3.13.5), bookworm (3.11.2) or bullseye (3.9.2)")
	flags.IntVar(&b.values, "values", 3, "values of a benchmark in every round")
	flags.StringVar(&b.core, "core", "0", "the `core` that everything is pinned to")
	flags.StringVar(&b.names, "only", "", "`benchmarks` to run, by the beginnings of their lines, separated by commas (default: all)")
	flags.StringVar(&b.source, "tarball", "", "the `file` of CPython's source (default: that of pybake's downloads)")
	if err := b.parse(flags, args); err != nil {
		return err
	}
	i := slices.IndexFunc(releases(), func(r release) bool { return r.distro == *on })
	if i < 0 || b.values < 1 {
		return fmt.Errorf("usage: bench interpreter --distro trixie --values 3: there is no %q, or less than a value", *on)
	}
	b.release = releases()[i]
	defer func() { err = errors.Join(err, b.close()) }()
	if err := b.measure(ctx); err != nil {
		return err
	}
	if b.json {
		enc := json.NewEncoder(os.Stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(b.speeds)
	}
	return printSpeeds(os.Stdout, b.speeds)
}

// close removes what this run made, but for the peer's image.
func (b *interpreterBench) close() error {
	if b.dir == "" {
		return nil
	}
	if b.keep {
		b.say("kept: %s, image %s", b.dir, b.image)
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var err error
	if b.container != "" {
		_, _, err = command{args: []string{b.docker, "rm", "-f", b.container}}.run(ctx)
	}
	if b.image != "" {
		err = errors.Join(err, b.removeImages(ctx, b.image))
	}
	if err = errors.Join(err, os.RemoveAll(b.dir)); err != nil {
		return fmt.Errorf("clean up: %w", err)
	}
	return nil
}

// measure makes the image and measures everything, round by round.
func (b *interpreterBench) measure(ctx context.Context) error {
	if err := b.hasPython(b.version, b.distro); err != nil {
		return err
	}
	if err := b.open(ctx); err != nil {
		return err
	}
	if err := b.copyStore(ctx, b.store, b.ownStore()); err != nil {
		return err
	}
	if err := b.makeImage(ctx); err != nil {
		return err
	}
	b.container = filepath.Base(b.dir)
	if _, _, err := (command{args: []string{
		b.docker, "run", "-d", "--init", "--name", b.container, "--network", "none", "--cpuset-cpus", b.core, b.image, "sleep", "infinity",
	}}).run(ctx); err != nil {
		return err
	}
	for i := range contenders {
		said, err := b.python(ctx, i, "-c", "import platform; print(platform.python_version())")
		if err != nil || said != b.version {
			return fmt.Errorf("%s is %s, not %s: %w", contenders[i].name, said, b.version, err)
		}
	}
	benchmarks, err := b.benchmarks()
	if err != nil {
		return err
	}
	for round := range b.rounds {
		for _, s := range startUps {
			args := append([]string{"/bench/startup.py", strconv.Itoa(b.values), s.name}, s.args...)
			if err := b.each(ctx, round, true, args); err != nil {
				return err
			}
		}
		for _, line := range benchmarks {
			name, args, _ := strings.Cut(line, " ")
			argv := append([]string{"/bench/measure.py", strconv.Itoa(b.values), "/bench/bm_" + name + "/run_benchmark.py"}, strings.Fields(args)...)
			if err := b.each(ctx, round, false, argv); err != nil {
				return err
			}
		}
		b.say("round %d of %d done", round+1, b.rounds)
	}
	return nil
}

// benchmarks are the lines of testdata/interpreter/benchmarks.txt that were asked for.
func (b *interpreterBench) benchmarks() (lines []string, err error) {
	text, err := testdata.ReadFile("testdata/interpreter/benchmarks.txt")
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		wanted := func(name string) bool { return strings.HasPrefix(line, name) }
		if line != "" && line[0] != '#' && slices.ContainsFunc(strings.Split(b.names, ","), wanted) {
			lines = append(lines, line)
		}
	}
	if len(lines) == 0 {
		return nil, fmt.Errorf("usage: bench interpreter --only json,xml: there is no %q", b.names)
	}
	return lines, nil
}

// each runs a script that prints its figures with every interpreter.
func (b *interpreterBench) each(ctx context.Context, round int, start bool, args []string) error {
	var steps []func() error
	for i := range contenders {
		steps = append(steps, func() error {
			said, err := b.python(ctx, i, args...)
			if err != nil {
				return err
			}
			var results map[string][]float64
			if err := json.Unmarshal([]byte(said), &results); err != nil {
				return fmt.Errorf("%s: %s: it printed %q: %w", contenders[i].name, args, said, err)
			}
			for name, values := range results {
				b.add(name, start, i, values)
			}
			return nil
		})
	}
	return alternate(round, steps...)
}

func (b *interpreterBench) add(name string, start bool, contender int, values []float64) {
	i := slices.IndexFunc(b.speeds, func(s *speed) bool { return s.Name == name })
	if i < 0 {
		i = len(b.speeds)
		patched := slices.ContainsFunc(b.patched, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
		b.speeds = append(b.speeds, &speed{Name: name, Start: start, Patched: patched, Seconds: make([][]float64, len(contenders))})
	}
	all := &b.speeds[i].Seconds[contender]
	*all = append(*all, values...)
}

// python runs one of the interpreters, with no site-packages of a user and no writing of bytecode.
func (b *interpreterBench) python(ctx context.Context, contender int, args ...string) (string, error) {
	argv := []string{b.docker, "exec", "-e", "PYTHONDONTWRITEBYTECODE=1", "-e", "PYTHONHASHSEED=0", "-w", "/tmp", b.container, fmt.Sprintf(contenders[contender].path, b.series)}
	said, _, err := command{args: append(argv, args...)}.run(ctx)
	return said, err
}

// makeImage makes the image with the three interpreters and the benchmarks.
func (b *interpreterBench) makeImage(ctx context.Context) error {
	base, err := b.pinnedBase(b.distro)
	if err != nil {
		return err
	}
	files, err := fs.Sub(testdata, "testdata")
	if err != nil {
		return err
	}
	if err := os.CopyFS(b.project(), files); err != nil {
		return err
	}
	slim, err := b.makeSlim(ctx, b.release, base)
	if err != nil {
		return err
	}
	given := filepath.Join(b.dir, "given")
	name := "pybake-python" + b.series
	if err := b.linkDebs(b.version, b.distro, filepath.Join(given, "debs"), name); err != nil {
		return err
	}
	if err := b.fetchBenchmarks(ctx, filepath.Join(given, "bench")); err != nil {
		return err
	}
	b.image = "pybake-bench-interpreter:" + filepath.Base(b.dir)
	return b.build(ctx, "interpreter.dockerfile", given, base, b.image, "PEER="+slim, "SERIES="+b.series)
}

// fetchBenchmarks unpacks the benchmarks of pyperformance, beside the programs that run them.
func (b *interpreterBench) fetchBenchmarks(ctx context.Context, to string) error {
	own := filepath.Join(b.project(), "interpreter")
	if err := os.CopyFS(to, os.DirFS(own)); err != nil {
		return err
	}
	wheels := filepath.Join(b.dir, "wheels")
	if _, _, err := (command{dir: own, args: []string{
		b.options.python, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes", "-r", "requirements.txt", "-d", wheels,
	}}).run(ctx); err != nil {
		return err
	}
	found, err := filepath.Glob(filepath.Join(wheels, "*.whl"))
	if err != nil || len(found) != 1 {
		return fmt.Errorf("pip download: %d wheels, not one", len(found))
	}
	wheel, err := zip.OpenReader(found[0])
	if err != nil {
		return err
	}
	defer wheel.Close()
	for _, f := range wheel.File {
		name, ok := strings.CutPrefix(f.Name, "pyperformance/data-files/benchmarks/")
		if !ok || !filepath.IsLocal(name) || strings.HasSuffix(name, "/") {
			continue
		}
		if err := unzip(f, filepath.Join(to, filepath.FromSlash(path.Clean(name)))); err != nil {
			return err
		}
	}
	return nil
}

func unzip(f *zip.File, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	r, err := f.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	text, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	return os.WriteFile(to, text, 0o644)
}
