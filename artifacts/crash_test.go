package artifacts_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pybake/pybake/artifacts"
)

// childEnv makes the test binary a process to be killed: "lock" or "publish".
const childEnv = "ARTIFACTS_TEST_CHILD"

func TestMain(m *testing.M) {
	child := map[string]func(*artifacts.Store) error{"lock": lockForever, "publish": publishForever}[os.Getenv(childEnv)]
	if child == nil {
		os.Exit(m.Run())
	}
	s, err := artifacts.Open(os.Args[1])
	if err == nil {
		err = child(s)
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// startChild runs this binary as a child and returns what kills it, after it
// has said that it is ready.
func startChild(t *testing.T, what, dir string) (kill func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0], dir)
	cmd.Env = append(os.Environ(), childEnv+"="+what)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill = func() {
		cmd.Process.Kill()
		if cmd.Wait(); cmd.ProcessState.Exited() {
			t.Errorf("child %s ended before it was killed: %v", what, cmd.ProcessState)
		}
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		kill()
		t.Fatalf("child %s said %q: %v", what, line, err)
	}
	return kill
}

func lockForever(s *artifacts.Store) error {
	s.Command = "pybake python 3.13.5"
	release, err := s.Lock(context.Background(), "python", nil)
	if err != nil {
		return err
	}
	defer release()
	fmt.Println("ready")
	time.Sleep(time.Minute)
	return errors.New("nobody killed it")
}

// publishForever first publishes "python mended", then moves "python x" round
// three artifacts and removes those that it does not point at.
func publishForever(s *artifacts.Store) error {
	ctx := context.Background()
	fmt.Println("ready")
	if err := publishOnce(ctx, s, simple("python mended", "mended")); err != nil {
		return err
	}
	for i := rand.IntN(3); ; i++ {
		m := simple("python x", fmt.Sprint(i%3))
		key, err := artifacts.NewKey("python", m.Inputs)
		if err != nil {
			return err
		}
		current, err := s.Lookup("python/x")
		if err != nil && !errors.Is(err, artifacts.ErrNotFound) {
			return err
		}
		if _, err := s.Find("python", key); err == nil && current.Key != key {
			if err := s.Remove(ctx, "python", key); err != nil {
				return err
			}
		}
		if err := publishOnce(ctx, s, m); err != nil {
			return err
		}
	}
}

func publishOnce(ctx context.Context, s *artifacts.Store, m artifacts.Manifest) error {
	d, err := s.Begin("python")
	if err != nil {
		return err
	}
	defer d.Discard()
	for i := range 5 {
		if err := os.WriteFile(filepath.Join(d.Dir(), fmt.Sprint("file", i)), []byte(strings.Repeat("x", 20_000)), 0o600); err != nil {
			return err
		}
	}
	_, err = d.Publish(ctx, m)
	return err
}

// A kill at any moment leaves the old or the new.
func TestKill(t *testing.T) {
	s := open(t, t.TempDir())
	mended := publish(t, s, "python", simple("python mended", "mended"), map[string]string{"file0": "x"})
	publish(t, s, "python", simple("python x", "0"), map[string]string{"file0": "x"})
	rounds, swept, states := 0, 0, map[string]int{}
	for end := time.Now().Add(4 * time.Second); time.Now().Before(end); rounds++ {
		if a, err := s.Find("python", mended.Key); err == nil {
			if err := os.Truncate(filepath.Join(a.Dir, "file0"), 0); err != nil {
				t.Fatal(err)
			}
		}
		kill := startChild(t, "publish", s.Dir())
		time.Sleep(rand.N(40 * time.Millisecond))
		kill()

		list, errs := s.List()
		for _, a := range list {
			if err := s.Verify(t.Context(), a); err != nil {
				t.Error(err)
			}
		}
		for _, err := range errs { // that one was damaged before
			var damaged *artifacts.DamagedError
			if !errors.As(err, &damaged) || damaged.Key != mended.Key {
				t.Error(err)
			}
		}
		if _, err := s.Lookup("python/x"); err != nil {
			t.Errorf("the stable name: %v", err)
		}
		switch _, err := s.Find("python", mended.Key); {
		case err == nil:
			states["mended"]++
		case errors.Is(err, artifacts.ErrNotFound):
			states["missing"]++
		default:
			states["damaged"]++
		}
		removed, err := s.Sweep()
		if err != nil {
			t.Error(err)
		}
		swept += len(removed)
		isEmpty(t, s, "tmp")
		if t.Failed() {
			break
		}
	}
	t.Logf("%d kills, %d dead drafts, %v", rounds, swept, states)
	if rounds < 10 || swept == 0 || states["mended"] == 0 {
		t.Errorf("the kills hit nothing: %d kills, %d dead drafts, %v", rounds, swept, states)
	}
}

// A lock is waited for, says who holds it, and is free once the holder is dead.
func TestLock(t *testing.T) {
	s := open(t, t.TempDir())
	kill := startChild(t, "lock", s.Dir())
	var killed atomic.Bool
	var holders []string
	release, err := s.Lock(t.Context(), "python", func(holder string) {
		holders = append(holders, holder)
		time.AfterFunc(50*time.Millisecond, func() {
			killed.Store(true)
			kill()
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	if !killed.Load() {
		t.Error("the lock was taken from a living process")
	}
	if len(holders) != 1 || !strings.HasPrefix(holders[0], "pybake python 3.13.5, pid ") || !strings.Contains(holders[0], ", since 20") {
		t.Errorf("told of the holders %q", holders)
	}

	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := s.Lock(ctx, "python", nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Lock of what is held: %v, want the deadline", err)
	}
	other, err := s.Lock(t.Context(), "wheels", func(string) { t.Error("waiting for another lock") })
	if err != nil {
		t.Fatal(err)
	}
	other()
	release()
	release()
	isEmpty(t, s, "locks")
	if again, err := s.Lock(t.Context(), "python", func(string) { t.Error("waiting for a free lock") }); err != nil {
		t.Error(err)
	} else {
		again()
	}
	for _, name := range []string{"", ".store", "../x", "a/b"} {
		if _, err := s.Lock(t.Context(), name, nil); err == nil {
			t.Errorf("Lock(%q) was accepted", name)
		}
	}
}

// However many want a lock, one has it at a time.
func TestLockExcludes(t *testing.T) {
	s := open(t, t.TempDir())
	var holders atomic.Int32
	done := make(chan error)
	for range 8 {
		go func() {
			var err error
			for range 5 {
				release, lockErr := s.Lock(context.Background(), "x", nil)
				if lockErr != nil {
					err = lockErr
					break
				}
				if n := holders.Add(1); n != 1 {
					err = fmt.Errorf("%d holders at once", n)
				}
				time.Sleep(100 * time.Microsecond)
				holders.Add(-1)
				release()
			}
			done <- err
		}()
	}
	for range 8 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}
