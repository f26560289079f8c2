package main

import (
	"context"
	"encoding/json"
	"errors"

	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/pybake/pybake/artifacts"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"pybake": main})
}

// TestScripts drives the real binary on a machine without an engine.
func TestScripts(t *testing.T) {
	runScripts(t, "testdata/scripts", "DOCKER_HOST=unix:///nonexistent")
}

func runScripts(t *testing.T, dir string, env ...string) {
	testscript.Run(t, testscript.Params{
		Dir: dir,
		Setup: func(e *testscript.Env) error {
			e.Vars = append(e.Vars, "HOME="+e.WorkDir+"/home", "TZ=UTC")
			e.Vars = append(e.Vars, env...)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"status":   scriptStatus,
			"json":     scriptJSON,
			"artifact": scriptArtifact,
		},
		RequireExplicitExec: true,
	})
}

// scriptStatus is "status N pybake ARG...": the command ends with this status.
func scriptStatus(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	if err != nil || neg || len(args) < 2 {
		ts.Fatalf("usage: status N command args...")
	}
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

// scriptJSON is "json PATH...": standard output is one JSON document in which
// each of these paths ("artifacts.0.name") leads to a value.
func scriptJSON(ts *testscript.TestScript, neg bool, paths []string) {
	var doc any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &doc))
	for _, path := range paths {
		if found := jsonHas(doc, strings.Split(path, ".")); found == neg {
			ts.Fatalf("%s in the document: %v", path, found)
		}
	}
}

func jsonHas(v any, path []string) bool {
	if len(path) == 0 {
		return true
	}
	switch v := v.(type) {
	case map[string]any:
		next, ok := v[path[0]]
		return ok && jsonHas(next, path[1:])
	case []any:
		i, err := strconv.Atoi(path[0])
		return err == nil && i < len(v) && jsonHas(v[i], path[1:])
	}
	return false
}

// scriptArtifact is "artifact NAME DATE INPUT=VALUE...": puts an artifact into
// ./baked, finished on that date.
func scriptArtifact(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: artifact NAME DATE INPUT=VALUE...")
	}
	finished, err := time.Parse(time.DateOnly, args[1])
	ts.Check(err)
	m := artifacts.Manifest{
		Name:     args[0],
		Checks:   []artifacts.Check{{Name: "every stdlib module imports", OK: true, Seconds: 2, Detail: "212 modules"}},
		Steps:    []artifacts.Step{{Name: "compile", Seconds: 61}},
		Started:  finished.Add(-70 * time.Second),
		Finished: finished,
	}
	for _, input := range args[2:] {
		name, value, _ := strings.Cut(input, "=")
		m.Inputs = append(m.Inputs, artifacts.Input{Name: name, Value: value})
	}
	store, err := artifacts.Open(ts.MkAbs("baked"))
	ts.Check(err)
	kind, _, _ := strings.Cut(m.Name, " ")
	draft, err := store.Begin(kind)
	ts.Check(err)
	defer draft.Discard()
	ts.Check(os.WriteFile(filepath.Join(draft.Dir(), "pybake-python3.13_3.13.5-1_amd64.deb"), make([]byte, 1234), 0o644))
	ts.Check(os.Mkdir(filepath.Join(draft.Dir(), "logs"), 0o755))
	ts.Check(os.WriteFile(filepath.Join(draft.Dir(), "logs", "build.log"), []byte("configure: ok\n"), 0o644))
	made, err := draft.Publish(context.Background(), m)
	ts.Check(err)
	ts.Setenv("KEY", string(made.Key))

}
