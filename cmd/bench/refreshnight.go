package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"path/filepath"
	"sync/atomic"
)

// The matrix of a night: five Pythons, and a lock of 100 wheels for each.
var nightPythons = []string{"3.10", "3.11", "3.12", "3.13", "3.14"}

const lockWheels = 100

// oftener is how many times more often what takes milliseconds is measured.
const oftener = 6

// night measures pybake refresh --frozen where nothing changed. Whoever is connected to
// in a measured run, as an engine, an index or a proxy, is a trap.
func (b *refreshBench) night(ctx context.Context) ([]*row, error) {
	t, err := newTrap()
	if err != nil {
		return nil, err
	}
	defer t.Close()
	list, err := newPureWheels(0, lockWheels, "1.0")
	if err != nil {
		return nil, err
	}
	s, err := newSynth(ctx, filepath.Join(b.dir, "night"), "http://"+t.address+"/simple/", nightPythons, []string{distro}, map[string][]*pureWheel{"requirements.lock": list})
	if err != nil {
		return nil, err
	}
	if _, err := b.pybakeIn(ctx, s.dir, t.env(), "refresh", "--frozen"); err != nil { // the first one publishes
		return nil, err
	}
	whole := &row{What: "night, nothing changed", Unit: "s", Target: 0.025, Note: "5 Pythons, a lock of 100 wheels for each; no engine, no network: nobody connected to what was named as such"}
	cpu := &row{What: "of it, processors", Unit: "s", Note: "what they worked for it: whatever else the machine does hardly counts"}
	start := &row{What: "of it, to start", Unit: "s", Note: "pybake version"}
	for range b.rounds * oftener {
		p, err := b.pybakeIn(ctx, s.dir, t.env(), "refresh", "--frozen", "--json")
		if err != nil {
			return nil, err
		}
		if err := allFresh(p.stdout, 2*len(nightPythons)); err != nil {
			return nil, err
		}
		whole.Pybake, cpu.Pybake = append(whole.Pybake, p.seconds), append(cpu.Pybake, p.cpu)
		if p, err = b.pybakeIn(ctx, s.dir, t.env(), "version"); err != nil {
			return nil, err
		}
		start.Pybake = append(start.Pybake, p.seconds)
	}
	return []*row{whole, cpu, start}, t.check()
}

// allFresh checks the JSON of a night.
func allFresh(text string, want int) error {
	var night struct {
		Artifacts []struct{ Name, State, Error string }
	}
	if err := json.Unmarshal([]byte(text), &night); err != nil {
		return fmt.Errorf("pybake refresh --json: %w", err)
	}
	for _, a := range night.Artifacts {
		if a.State != "fresh" {
			return fmt.Errorf("%s is %s: %s", a.Name, a.State, a.Error)
		}
	}
	if len(night.Artifacts) != want {
		return fmt.Errorf("%d artifacts, want %d", len(night.Artifacts), want)
	}
	return nil
}

// trap is an address at which nobody is to call.
type trap struct {
	net.Listener
	address string
	calls   atomic.Int64
}

func newTrap() (*trap, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	t := &trap{Listener: l, address: l.Addr().String()}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			t.calls.Add(1)
			c.Close()
		}
	}()
	return t, nil
}

// env names the trap as the engine and as the proxy.
func (t *trap) env() []string {
	env := []string{"DOCKER_HOST=tcp://" + t.address, "NO_PROXY=", "no_proxy="}
	for _, name := range []string{"http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"} {
		env = append(env, name+"=http://"+t.address)
	}
	return env
}

func (t *trap) check() error {
	if n := t.calls.Load(); n > 0 {
		return fmt.Errorf("engine, index or proxy were connected to %d times, and there was nothing to do", n)
	}
	return nil
}
