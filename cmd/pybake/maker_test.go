package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/pybake/pybake/internal/engine"
	"github.com/pybake/pybake/internal/project"
)

// idleEngine is the address of an engine that holds nothing. It fails to list
// what carries the label of one session.
func idleEngine(t *testing.T, arch, badSession string) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Api-Version", "1.41")
		w.Header().Set("Ostype", "linux")
		w.Header().Set("Content-Type", "application/json")
		answer := map[string]string{
			"/_ping": "OK", "/version": fmt.Sprintf(`{"Version": "1", "Arch": %q}`, arch), "/info": `{"NCPU": 2, "MemTotal": 4000000000}`,
			"/containers/json": "[]", "/volumes": "{}", "/images/json": "[]",
		}[strings.TrimPrefix(r.URL.Path, "/v1.41")]
		switch {
		case badSession != "" && strings.Contains(r.URL.RawQuery, badSession):
			w.WriteHeader(http.StatusInternalServerError)
			answer = `{"message": "cannot list"}`
		case answer == "":
			w.WriteHeader(http.StatusNotFound)
			answer = `{"message": "no such thing"}`
		}
		io.WriteString(w, answer)
	}))
	t.Cleanup(server.Close)
	return "tcp://" + server.Listener.Addr().String()
}

// engineSystem is a testSystem with that engine, and a cache.
func engineSystem(t *testing.T, host string) *system {
	sys := testSystem(t)
	env := map[string]string{"DOCKER_HOST": host, "PYBAKE_CACHE": filepath.Join(sys.dir, "cache")}
	sys.getenv = func(name string) string { return env[name] }
	return sys
}

// said runs a command line and returns what it said on standard error.
func said(t *testing.T, sys *system, wantStatus int, args ...string) string {
	t.Helper()
	stderr := &bytes.Buffer{}
	sys.stderr = stderr
	status := run(append(args, "--store", filepath.Join(sys.dir, "baked")), sys)
	if status != wantStatus {
		t.Errorf("pybake %s: status %d, want %d: %s", strings.Join(args, " "), status, wantStatus, stderr)
	}
	return stderr.String()
}

func TestForeignEngine(t *testing.T) {
	sys := engineSystem(t, idleEngine(t, "s390x", ""))
	got := said(t, sys, statusFailed, "python", "3.13.5", "--distro", "trixie")
	if want := "builds for s390x, this machine is " + debianArch(runtime.GOARCH); !strings.Contains(got, want) {
		t.Errorf("%q is not in %s", want, got)
	}
}

func TestDebianArch(t *testing.T) {
	for goarch, want := range map[string]string{"386": "i386", "arm": "armhf", "ppc64le": "ppc64el", "amd64": "amd64", "arm64": "arm64"} {
		if got := debianArch(goarch); got != want {
			t.Errorf("%s: %s, want %s", goarch, got, want)
		}
	}
}

// What another run left and nobody can remove stops no build.
func TestSweepFails(t *testing.T) {
	const dead = "0123456789abcdef"
	host := idleEngine(t, runtime.GOARCH, dead)
	sys := engineSystem(t, host)
	sessions := filepath.Join(sys.dir, "cache", "sessions")
	if err := os.MkdirAll(sessions, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(sessions, dead+".session"), []byte(host+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	a := newApp(sys)
	_, done, err := a.distroMaker(t.Context(), &project.Project{})
	if err != nil {
		t.Fatal(err)
	}
	if err := done(); err != nil {
		t.Error(err)
	}
	if got := sys.stderr.(*bytes.Buffer).String(); !strings.Contains(got, "something is left of a run that was killed: sweep session "+dead) {
		t.Errorf("said %q", got)
	}
}

// TestRepin drops the pins of the distro, but not before there is an engine.
func TestRepin(t *testing.T) {
	bad := t.TempDir() // a source that is refused: the build ends early
	if err := os.WriteFile(filepath.Join(bad, "Python-3.13.5.tar.xz"), []byte("other"), 0o644); err != nil {
		t.Fatal(err)
	}
	arch := debianArch(runtime.GOARCH)
	base := project.BasePin{Distro: "trixie", Arch: arch, Origin: "mmdebstrap", Digest: "sha256:" + strings.Repeat("0", 64)}
	other := base
	other.Distro = "bookworm"
	args := []string{"python", "3.13.5", "--distro", "trixie", "--source", bad}
	for _, tt := range []struct {
		name   string
		host   string
		args   []string
		status int
		says   string
		kept   bool
	}{
		{"without", idleEngine(t, runtime.GOARCH, ""), []string{"--dry-run"}, 0, "not pinned yet: builder:", true},
		{"plan", idleEngine(t, runtime.GOARCH, ""), []string{"--repin", "--dry-run"}, 0, "not pinned yet: base, builder:", true},
		{"offline", idleEngine(t, runtime.GOARCH, ""), []string{"--repin", "--offline"}, 2, "--repin and --offline exclude each other", true},
		{"no engine", "unix:///nonexistent", []string{"--repin"}, 1, "connect to a container engine", true},
		{"build", idleEngine(t, runtime.GOARCH, ""), []string{"--repin"}, 2, "Python-3.13.5.tar.xz", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sys := engineSystem(t, tt.host)
			path := filepath.Join(sys.dir, "baked", project.LockFile)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			lock := &project.Lock{Bases: []project.BasePin{base, other}}
			if err := lock.Write(path); err != nil {
				t.Fatal(err)
			}
			if got := said(t, sys, tt.status, append(args, tt.args...)...); !strings.Contains(got, tt.says) {
				t.Errorf("%q is not in %s", tt.says, got)
			}
			lock, err := project.ReadLock(path)
			if err != nil {
				t.Fatal(err)
			}
			if _, kept := lock.Base("trixie", arch); kept != tt.kept {
				t.Errorf("pin kept: %v", kept)
			}
			if _, kept := lock.Base("bookworm", arch); !kept {
				t.Error("the pin of another distro is gone")
			}
		})
	}
}

// TestEnded ends the session of an engine that dies.
func TestEnded(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Api-Version", "1.41")
		w.Header().Set("Ostype", "linux")
	}))
	e, err := engine.Connect(t.Context(), engine.Address{Host: "tcp://" + server.Listener.Addr().String()}, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	server.Close()
	gone, first, second := e.Close(t.Context()), errors.New("first"), errors.New("second")
	if !engine.IsGone(gone) {
		t.Fatalf("%v is not of an engine that is gone", gone)
	}
	for _, tt := range []struct {
		err, end error
		want     string
	}{
		{nil, nil, "<nil>"}, {first, nil, "first"}, {first, gone, "first"}, {nil, gone, gone.Error()}, {first, second, "first\nsecond"},
	} {
		if got := fmt.Sprint(ended(tt.err, tt.end)); got != tt.want {
			t.Errorf("%v and %v: %s", tt.err, tt.end, got)
		}
	}
}
