package publish

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/pybake/pybake/artifacts/sign"
)

// childEnv makes the test binary a process that changes the directory which is its
// argument, and kills itself at the step of that number; at 0, never.
const childEnv = "PUBLISH_TEST_CHILD"

func TestMain(m *testing.M) {
	text := os.Getenv(childEnv)
	if text == "" {
		os.Exit(m.Run())
	}
	err := child(os.Args[1], text)
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func child(dir, text string) error {
	last, err := strconv.Atoi(text)
	if err != nil {
		return err
	}
	d, err := Open(dir)
	if err != nil {
		return err
	}
	if last == 0 {
		fmt.Println("ready")
		for version := 1; ; version++ {
			if err := change(d, version%7+1); err != nil {
				return err
			}
		}
	}
	d.step = killer(last)
	if err := change(d, last); err != nil {
		return err
	}
	fmt.Println("done")
	os.Exit(0)
	return nil
}

// killer ends the process at a step.
func killer(last int) func(string) error {
	var n atomic.Int32
	return func(what string) error {
		if int(n.Add(1)) == last {
			fmt.Println(what)
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
		return nil
	}
}

// change does all that changes a directory: it fills the pool, publishes, publishes a
// report, goes back to what was published before, and removes what is not kept.
func change(d *Directory, version int) error {
	ctx := context.Background()
	b := &builder{d: d}
	s := b.sample(version)
	if b.err != nil {
		return b.err
	}
	before, err := d.Current()
	if err != nil && !errors.Is(err, ErrNone) {
		return err
	}
	if _, err := d.Publish(ctx, Release{Set: s, Now: time.Now()}); err != nil {
		return err
	}
	if err := d.Report(ctx, []File{{"index.html", fmt.Appendln(nil, version)}, {"logs/x.txt", nil}}); err != nil {
		return err
	}
	if before != nil {
		if _, err := d.Publish(ctx, Release{Set: before.Set, Of: before.Number, Now: time.Now()}); err != nil {
			return err
		}
	}
	_, err = d.Prune(ctx, 3, time.Now().Add(pruneLater), false)
	return err
}

// pruneLater is how far ahead a child's Prune is: in the tests in which nobody reads
// meanwhile, all that is not kept goes.
const pruneLater = 2 * Grace

// whole is that a directory is as a kill may leave it: whole, or nothing in it.
func whole(t *testing.T, dir, after string) {
	t.Helper()
	d := open(t, dir)
	current, err := d.Current()
	if errors.Is(err, ErrNone) {
		return
	}
	if err != nil {
		t.Fatalf("killed before %q: %v", after, err)
	}
	v, err := Verify(t.Context(), Source{Dir: dir, Now: time.Now().Add(time.Hour)}, sign.Public{})
	if err != nil || v.Err() != nil || v.Number != current.Number {
		t.Fatalf("killed before %q: %v, %v", after, err, v.Err())
	}
	if err := readAll(dir); err != nil {
		t.Fatalf("killed before %q: %v", after, err)
	}
	all, err := d.Generations()
	if err != nil {
		t.Fatalf("killed before %q: %v", after, err)
	}
	for _, g := range all { // each can be gone back to
		for _, e := range g.Set.Entries {
			for _, b := range e.blobs() {
				if g.Number <= current.Number && !d.Has(b) {
					t.Fatalf("killed before %q: generation %d lacks %s", after, g.Number, b.Path())
				}
			}
		}
	}
}

// memory is a directory in memory, where a sync costs nothing: a kill, other than a
// power cut, leaves what was written.
func memory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "publish-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// A kill before any change leaves what was, or what is to be.
func TestKillEachStep(t *testing.T) {
	dir := memory(t) + "/published"
	killed := map[string]bool{}
	for last := 1; ; last++ {
		cmd := exec.Command(os.Args[0], dir)
		cmd.Env = append(os.Environ(), childEnv+"="+strconv.Itoa(last))
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		what := strings.TrimSpace(string(out))
		if err == nil && what == "done" {
			break
		}
		if cmd.ProcessState.Exited() {
			t.Fatalf("the child ended by itself: %v: %s", err, stderr.String())
		}
		killed[what] = true
		whole(t, dir, what)
		// What a dead one left would move the steps; TestKill leaves it to the next.
		if d := open(t, dir); exists(d, workDir) {
			if err := d.sweep(); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, step := range []string{"rename format", "draft beta-2.0-py3-none-any.whl", "link dists", "write files.txt", "sync all",
		"rename generation", "sync generations", "switch", "sync root", "switch report", "rename report"} {
		if !killed[step] {
			t.Errorf("no kill before %q", step)
		}
	}
	removed := false
	for step := range killed {
		removed = removed || strings.HasPrefix(step, "delete generations/")
	}
	if !removed {
		t.Error("no kill before a generation is deleted")
	}
	t.Logf("%d kills", len(killed))
	isSwept(t, open(t, dir))
}

// Kills at any moment, and clients that read all the while.
func TestKill(t *testing.T) {
	dir := memory(t) + "/published"
	if err := change(open(t, dir), 1); err != nil {
		t.Fatal(err)
	}
	var reads atomic.Int32
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := readAllSteady(dir); err != nil {
					t.Error(err)
					return
				}
				reads.Add(1)
			}
		})
	}
	kills := 0
	for ; kills < 30 && !t.Failed(); kills++ {
		cmd := exec.Command(os.Args[0], dir)
		cmd.Env = append(os.Environ(), childEnv+"=0")
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		bufio.NewReader(out).ReadString('\n')
		time.Sleep(time.Duration(kills*7%60) * time.Millisecond)
		cmd.Process.Kill()
		if cmd.Wait(); cmd.ProcessState.Exited() {
			t.Error("the child ended before it was killed")
		}
	}
	close(stop)
	readers.Wait()
	if g := must[*Generation](t)(open(t, dir).Current()); g.Number < 2 { // on however slow a machine
		t.Errorf("only %d generations", g.Number)
	}
	if reads.Load() == 0 {
		t.Error("nobody read")
	}
	t.Logf("%d kills, %d reads", kills, reads.Load())
}

// readAllSteady is readAll of a directory in which Prune removes at once what is not
// kept: a reader whose generation went meanwhile reads once more.
func readAllSteady(dir string) error {
	d := &Directory{Dir: dir}
	for {
		before, err := d.currentNumber()
		if err != nil {
			return err
		}
		failed := readAll(dir)
		after, err := d.currentNumber()
		if failed == nil || err != nil {
			return err
		}
		if after == before {
			return failed
		}
	}
}

// An error at any step leaves what was, or what is to be, and no draft; the next
// publication succeeds.
func TestErrorAtEachStep(t *testing.T) {
	d := open(t, memory(t)+"/published")
	first := publishDay(t, d, 1, sample(t, d, 1))
	switched := 0
	for last := 1; ; last++ {
		s := sample(t, d, last+1)
		var n atomic.Int32
		what := ""
		d.step = func(step string) error {
			if int(n.Add(1)) == last {
				what = step
				return syscall.ENOSPC
			}
			return nil
		}
		_, err := d.Publish(t.Context(), Release{Set: s, Now: time.Now()})
		d.step = nil
		isSwept(t, d)
		if int(n.Load()) < last {
			if err != nil {
				t.Error(err)
			}
			break
		}
		if err != nil && !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("%s: %v", what, err)
		}
		if err == nil && !strings.HasPrefix(what, "link ") { // what cannot be linked is written
			t.Fatalf("%s: the error was lost", what)
		}
		whole(t, d.Dir, what)
		current := must[*Generation](t)(d.Current())
		if err == nil || what == "sync root" {
			switched++
		} else if current.Number != first.Number {
			t.Fatalf("%s: generation %d is current after %v", what, current.Number, err)
		}
		first = must[*Generation](t)(d.Publish(t.Context(), Release{Set: s, Now: time.Now()}))
	}
	if switched < 3 {
		t.Errorf("%d errors after which the new one is published", switched)
	}
}

// Clients that read while generation after generation is published see none torn.
func TestReaders(t *testing.T) {
	d := open(t, memory(t))
	publishDay(t, d, 1, sample(t, d, 1))
	stop := make(chan struct{})
	var readers sync.WaitGroup
	var reads atomic.Int32
	for range 3 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := readAll(d.Dir); err != nil {
					t.Error(err)
					return
				}
				if v, err := Verify(t.Context(), Source{Dir: d.Dir, Now: day(50)}, sign.Public{}); err == nil && v.Err() != nil {
					t.Errorf("generation %d: %v", v.Number, v.Err())
				}
				reads.Add(1)
			}
		})
	}
	for n := range 40 {
		publishDay(t, d, n+2, sample(t, d, n+2))
		if _, err := d.Prune(t.Context(), 5, time.Now(), false); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	readers.Wait()
	t.Logf("%d reads", reads.Load())
	if reads.Load() < 3 {
		t.Error("nobody read")
	}
}
