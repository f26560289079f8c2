package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/pybake/pybake/artifacts/sign"
	"github.com/pybake/pybake/internal/project"
)

// bump measures another version of one wheel in a lock: pybake refresh --frozen, which
// makes the house anew, proves it in a container and publishes it, beside pip wheel of
// the lock.
type bump struct {
	*refreshBench
	dir, index string
	list       []*pureWheel
	served     simpleIndex
	cold, warm *row
}

func (b *refreshBench) bump(ctx context.Context) ([]*row, error) {
	u := &bump{refreshBench: b, dir: filepath.Join(b.dir, "bump")}
	u.cold = &row{What: "bump of one wheel of 100", Unit: "s", Peer: "pip wheel, no cache", Target: 0.03}
	u.warm = &row{What: "bump of one wheel of 100", Unit: "s", Peer: "pip wheel, its cache kept", Target: 0.03}
	var err error
	if u.list, err = newPureWheels(0, lockWheels, "1.0"); err != nil {
		return nil, err
	}
	for round := range b.rounds { // the index has all of them from the beginning, and nobody knows a page of it by then
		w, err := newPureWheel(u.list[0].name, fmt.Sprintf("1.%d", round+1))
		if err != nil {
			return nil, err
		}
		u.serve(w)
	}
	for _, w := range u.list {
		u.serve(w)
	}
	address, server, err := serve(&u.served)
	if err != nil {
		return nil, err
	}
	defer server.Close()
	u.index = address + "simple/"
	if err := u.prepare(ctx); err != nil {
		return nil, err
	}
	for round := range b.rounds {
		if err := u.round(ctx, round); err != nil {
			return nil, err
		}
	}
	return []*row{u.cold, u.warm}, nil
}

func (u *bump) serve(w *pureWheel) {
	u.served.add(w.name, w.file(), indexFile{sha256: w.sha256, data: w.data})
}

// prepare makes the project and its first house, and fills the cache of pip.
func (u *bump) prepare(ctx context.Context) error {
	if err := os.MkdirAll(filepath.Join(u.dir, "keys"), 0o700); err != nil {
		return err
	}
	if _, _, err := (command{args: []string{"cp", "-al", u.store, filepath.Join(u.dir, "baked")}}).run(ctx); err != nil {
		return err
	}
	pins, err := os.ReadFile(u.pinFile())
	if err != nil {
		return err
	}
	key := filepath.Join(u.dir, "keys", "signing.key")
	keys, err := sign.Generate("bench", time.Now())
	if err != nil {
		return err
	}
	text := fmt.Sprintf("[matrix]\npythons = [%q]\ndistros = [%q]\nlocks = [\"requirements.lock\"]\n\n[refresh]\nchecks = \"quick\"\n\n[publish]\nkey = %q\n\n[[index]]\nname = \"bench\"\nurl = %q\n",
		version, distro, key, u.index)
	if err := errors.Join(
		keys.Write(key, time.Now()),
		os.WriteFile(filepath.Join(u.dir, project.LockFile), pins, 0o644),
		os.WriteFile(filepath.Join(u.dir, project.File), []byte(text), 0o644),
		u.writeLock(),
	); err != nil {
		return err
	}
	u.say("bump: the first house")
	if _, err := u.pybakeIn(ctx, u.dir, nil, "refresh", "--frozen"); err != nil {
		return err
	}
	_, err = u.pip(ctx, "--cache-dir", filepath.Join(u.dir, "pip"))
	return err
}

func (u *bump) writeLock() error {
	return os.WriteFile(filepath.Join(u.dir, "requirements.lock"), requirements(u.list), 0o644)
}

func (u *bump) round(ctx context.Context, round int) (err error) {
	if u.list[0], err = newPureWheel(u.list[0].name, fmt.Sprintf("1.%d", round+1)); err != nil {
		return err
	}
	if err := u.writeLock(); err != nil {
		return err
	}
	return alternate(round,
		func() error { return u.ours(ctx) },
		func() error { return u.theirs(ctx, u.cold, "--no-cache-dir") },
		func() error { return u.theirs(ctx, u.warm, "--cache-dir", filepath.Join(u.dir, "pip")) })
}

func (u *bump) ours(ctx context.Context) error {
	p, err := u.pybakeIn(ctx, u.dir, nil, "refresh", "--frozen", "--json")
	if err != nil {
		return err
	}
	var night struct {
		Artifacts []struct{ Name, Kind, State string }
	}
	if err := json.Unmarshal([]byte(p.stdout), &night); err != nil {
		return fmt.Errorf("pybake refresh --json: %w", err)
	}
	for _, a := range night.Artifacts {
		if want := map[string]string{"python": "fresh", "wheels": "rebuilt"}[a.Kind]; a.State != want {
			return fmt.Errorf("%s is %s, want %s", a.Name, a.State, want)
		}
	}
	u.cold.Pybake, u.warm.Pybake = append(u.cold.Pybake, p.seconds), append(u.warm.Pybake, p.seconds)
	u.cold.Note, err = u.steps()
	return err
}

// steps says how long the steps of the last house took.
func (u *bump) steps() (string, error) {
	found, err := filepath.Glob(filepath.Join(u.dir, "baked", "wheels", "*", "manifest.json"))
	if err != nil || len(found) != 1 {
		return "", fmt.Errorf("%d houses in the store, not one", len(found))
	}
	data, err := os.ReadFile(found[0])
	if err != nil {
		return "", err
	}
	var m made
	if err := json.Unmarshal(data, &m); err != nil {
		return "", fmt.Errorf("%s: %w", found[0], err)
	}
	return "last house: " + m.steps(), nil
}

// theirs runs pip wheel into an empty directory.
func (u *bump) theirs(ctx context.Context, r *row, cache ...string) error {
	took, err := u.pip(ctx, cache...)
	r.Theirs = append(r.Theirs, took)
	return err
}

func (u *bump) pip(ctx context.Context, cache ...string) (float64, error) {
	to := filepath.Join(u.dir, "wheels")
	if err := os.RemoveAll(to); err != nil {
		return 0, err
	}
	args := []string{u.python, "-m", "pip", "--isolated", "--disable-pip-version-check", "wheel", "--quiet", "--index-url", u.index, "--require-hashes",
		"-r", "requirements.lock", "-w", to}
	_, took, err := command{dir: u.dir, env: []string{"PIP_CONFIG_FILE=/dev/null"}, args: append(args, cache...)}.run(ctx)
	if err != nil {
		return 0, err
	}
	made, err := os.ReadDir(to)
	if err == nil && len(made) != len(u.list) {
		err = fmt.Errorf("pip wheel made %d wheels, want %d", len(made), len(u.list))
	}
	return took, err
}
