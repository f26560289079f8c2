//go:build engine

package engine

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// ownContainer is the child of TestSweep.
func ownContainer(dir string) {
	ctx := context.Background()
	e, err := Connect(ctx, testAddress(), dir)
	if err == nil {
		var c *Container
		c, err = e.Start(ctx, Spec{Image: boxRef, Limit: 5 * time.Minute, Network: true, CABundle: []byte("x")})
		var v *Volume
		if err == nil {
			v, err = e.NewVolume(ctx, boxRef, "engine-test")
		}
		if err == nil {
			fmt.Println(c.ID, v.Name)
			_ = v.Put(ctx, "/", silent{}) // is killed in the middle
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func TestSweep(t *testing.T) {
	dir := t.TempDir()
	e := connect(t, dir)
	own, err := e.Start(t.Context(), Spec{Image: boxRef, Limit: 5 * time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), ownerEnv+"="+dir)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	id, volumeName, _ := strings.Cut(strings.TrimSpace(line), " ")
	dead := &Container{ID: id, engine: e}

	if removed, err := e.Sweep(t.Context()); err != nil || len(removed) > 0 || !exists(t, dead) {
		t.Fatalf("swept from a living owner: %+v, %v", removed, err)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // "signal: killed"

	stranger := connect(t, t.TempDir())
	if removed, err := stranger.Sweep(t.Context()); err != nil || len(removed) > 0 || !exists(t, dead) {
		t.Fatalf("swept by a stranger: %+v, %v", removed, err)
	}
	owners := func(e *Engine) map[string]Owner {
		left, err := e.Leftovers(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		found := map[string]Owner{}
		for _, l := range left {
			found[l.ID] = l.Owner
		}
		return found
	}
	if got := owners(e); got[own.ID] != OwnerAlive || got[dead.ID] != OwnerDead || got[volumeName] != OwnerDead {
		t.Errorf("owners: %v", got)
	}
	if got := owners(stranger); got[own.ID] != OwnerForeign || got[dead.ID] != OwnerForeign {
		t.Errorf("owners as a stranger sees them: %v", got)
	}

	removed, err := e.Sweep(t.Context())
	var kinds []string
	for _, l := range removed {
		kinds = append(kinds, l.Kind)
	}
	if err != nil || fmt.Sprint(kinds) != "[container container volume volume]" {
		t.Errorf("swept %+v, %v", removed, err)
	}
	if got := owners(e); got[volumeName] != "" {
		t.Errorf("the volume is still there: %v", got)
	}
	if exists(t, dead) || !exists(t, own) {
		t.Error("swept the wrong container")
	}
	if files, _ := filepath.Glob(filepath.Join(dir, "*")); len(files) != 1 {
		t.Errorf("session files: %v", files)
	}
	if removed, err := e.Sweep(t.Context()); err != nil || len(removed) > 0 {
		t.Errorf("swept again: %+v, %v", removed, err)
	}
}
