package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/pybake/pybake/internal/project"
	"github.com/pybake/pybake/recipes"
)

// wheelsPeers are what the peers do in their container: before the clock starts, while it
// runs, and to name what they have made. /files is only read. The sdists are named by their
// paths: of a lock pip and uv would take the wheels of what is locked and builds others, too,
// and with --no-binary :all: pip builds all build requirements from source. The first is pip.
var wheelsPeers = []struct {
	name                 string // "uv build"
	program              string // "uv"
	before, script, made string
}{
	{name: "pip wheel", program: "pip",
		script: `pip wheel --no-deps --no-index --find-links /files/wheels -w /out -r /files/$SET.txt`,
		made:   `ls /out`},
	{name: "uv pip install", program: "uv",
		script: `uv venv --python $PYTHON /venv && uv pip install --python /venv/bin/python --no-deps --no-index --find-links /files/wheels -r /files/$SET.txt`,
		made:   `cd /venv/lib/python*/site-packages && ls -d *.dist-info`},
	{name: "uv build, as many as cores", program: "uv",
		script: `sed s,.*file://,, /files/$SET.txt | xargs -P$(nproc) -n1 uv build --wheel --python $PYTHON --no-index --find-links /files/wheels --out-dir /out`,
		made:   `ls /out`},
	{name: "fromager build-parallel", program: "fromager",
		before: `mkdir -p /wheels/downloads; cp /files/wheels/* /wheels/downloads; export SSL_CERT_FILE=$(/peers/bin/python -m certifi); (cd /files/sdists; exec $PYTHON -m http.server -b 127.0.0.1 8000 >/dev/null 2>&1) & sleep 1`,
		script: `fromager --no-network-isolation -o /sdists -w /wheels -t /work build-parallel --force --max-workers $(nproc) /files/$SET.json`,
		made:   `cd /wheels/downloads; for f in *; do test -e /files/wheels/$f || echo $f; done`},
}

const (
	pip       = 0
	peerLimit = 30 * time.Minute // of one that waits for a network that it does not have
)

// stockFlags has extensions compiled with -g, as the sysconfig of CPython says unless
// somebody takes it out. What is compiled of that file is not compared with it.
const stockFlags = `d=${PYTHON%/bin/*}/lib/python*; sed -i 's/-DNDEBUG/-DNDEBUG -g/g' $d/_sysconfigdata*.py; rm -f $d/__pycache__/_sysconfigdata*; ` +
	`$PYTHON -c 'import sysconfig; assert "-g" in sysconfig.get_config_var("CFLAGS").split()' || exit`

// theirs measures one of the peers.
func (b *wheelsBench) theirs(ctx context.Context, set *wheelsSet, n int) error {
	if set.compiled {
		if err := b.peer(ctx, set, n, "", &set.theirs[n]); err != nil || wheelsPeers[n].program == "fromager" {
			return err
		}
		return b.peer(ctx, set, n, stockFlags, &set.stock[n])
	}
	if n != pip {
		return b.peer(ctx, set, n, "", &set.theirs[n])
	}
	// Its cache is for what comes after it.
	if err := b.removeVolume(ctx); err != nil {
		return err
	}
	cache := []string{"-v", b.name() + ":/root/.cache/pip"}
	if err := b.peer(ctx, set, n, "", &set.theirs[n], cache...); err != nil {
		return err
	}
	b.bump[0].Theirs = set.theirs[n]
	return b.peer(ctx, b.bumped(set), n, "", &b.bump[1].Theirs, cache...)
}

// peer runs a peer in a fresh container, checks what it made, and adds how long it took, by
// the shell in the container.
func (b *wheelsBench) peer(ctx context.Context, set *wheelsSet, n int, before string, times *[]float64, args ...string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, peerLimit, fmt.Errorf("it took longer than %s", peerLimit))
	defer cancel()
	defer context.AfterFunc(ctx, func() { _ = b.removeContainer(context.WithoutCancel(ctx)) })() // what runs in it hears of no signal
	p := wheelsPeers[n]
	script := strings.Join([]string{
		"cd /tmp", before, p.before, "s=$(date +%s%N)",
		"{ " + p.script + "; } >/tmp/log 2>&1 || { tail -n 40 /tmp/log >&2; exit 1; }",
		"echo $(($(date +%s%N) - s))", p.made,
	}, "\n")
	args = append([]string{"--name", b.name(), "-v", b.given() + ":/files:ro", "-e", "SET=" + set.name, "-e", "PYTHON=" + interpreter}, args...)
	out, _, err := b.dockerRun(ctx, append(args, b.peers, "/bin/sh", "-c", script)...)
	if err != nil {
		return fmt.Errorf("%s: %w", p.name, cmp.Or(context.Cause(ctx), err))
	}
	took, made, _ := strings.Cut(out, "\n")
	ns, err := strconv.ParseFloat(took, 64)
	if err != nil {
		return fmt.Errorf("%s: it printed %q", p.name, out)
	}
	if err := set.sameWheels(strings.Fields(made)); err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	b.say("%s: %s: %.2f s", set.what, p.name, ns/1e9)
	*times = append(*times, ns/1e9)
	return nil
}

func (b *wheelsBench) removeContainer(ctx context.Context) error {
	_, _, err := command{args: []string{b.docker, "rm", "-f", b.name()}}.run(ctx)
	if err != nil && strings.Contains(err.Error(), "No such container") {
		return nil
	}
	return err
}

func (b *wheelsBench) removeVolume(ctx context.Context) error {
	_, _, err := command{args: []string{b.docker, "volume", "rm", "-f", b.name()}}.run(ctx)
	return err
}

// makePeers makes the image of the peers: the base image with the packages of the Python and
// the compilers that pybake builds with, and a venv that has the peers.
func (b *wheelsBench) makePeers(ctx context.Context) error {
	b.say("image of the peers")
	set, err := recipes.Load(nil)
	if err != nil {
		return err
	}
	d, err := set.Distro(wheelsDistro)
	if err != nil {
		return err
	}
	pins, err := project.ReadLock(filepath.Join(b.project(), project.LockFile))
	if err != nil {
		return err
	}
	base, ok := pins.Base(wheelsDistro, arch)
	if !ok {
		return fmt.Errorf("%s: the base image of %s is not pinned", project.LockFile, wheelsDistro)
	}
	from, debs, deb := baseImage(wheelsDistro, base.Digest), filepath.Join(b.dir, "debs"), "pybake-python"+wheelsSeries
	if err := b.linkDebs(wheelsPython, wheelsDistro, debs, deb, deb+"-venv", deb+"-dev", "pybake-libpython"+wheelsSeries); err != nil {
		return err
	}
	if err := os.Link(filepath.Join(b.project(), "tools.lock"), filepath.Join(debs, "tools.lock")); err != nil {
		return err
	}
	b.peers = "pybake-bench-wheels:" + strings.TrimPrefix(b.name(), "pybake-bench-")
	return b.build(ctx, "peers.dockerfile", debs, from, b.peers, "PYTHON="+interpreter, "PACKAGES="+strings.Join(d.WheelPackages(), " "))
}
