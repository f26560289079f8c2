package main

import (
	"bytes"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// testSystem is a system without terminal, environment and signals.
func testSystem(t *testing.T) *system {
	return &system{
		stdin:   strings.NewReader(""),
		stdout:  &bytes.Buffer{},
		stderr:  &bytes.Buffer{},
		getenv:  func(string) string { return "" },
		dir:     t.TempDir(),
		width:   func() int { return 0 },
		now:     time.Now,
		signals: make(chan os.Signal),
		exit:    func(status int) { t.Errorf("exit %d", status) },
	}
}

// deafEngine is the address of something that takes connections and never answers.
func deafEngine(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return "tcp://" + l.Addr().String()
}

func TestSignals(t *testing.T) {
	for _, test := range []struct {
		signal syscall.Signal
		status int
		says   string
	}{
		{syscall.SIGINT, 130, "pybake: interrupted\n"},
		{syscall.SIGTERM, 143, "pybake: ended by signal: terminated\n"},
		{syscall.SIGHUP, 129, "pybake: ended by signal: hangup\n"},
	} {
		t.Run(test.signal.String(), func(t *testing.T) {
			sys := testSystem(t)
			host := deafEngine(t)
			sys.getenv = func(name string) string { return map[string]string{"DOCKER_HOST": host}[name] }
			signals := make(chan os.Signal, 1)
			sys.signals = signals
			signals <- test.signal
			start := time.Now()
			if status := run([]string{"doctor"}, sys); status != test.status {
				t.Errorf("status %d, want %d", status, test.status)
			}
			if took := time.Since(start); took > grace {
				t.Errorf("took %s", took)
			}
			if said := sys.stderr.(*bytes.Buffer).String(); !strings.HasSuffix(said, test.says) || sys.stdout.(*bytes.Buffer).Len() > 0 {
				t.Errorf("stderr %q, stdout %q", said, sys.stdout)
			}
		})
	}
}

// TestSecondSignal: cleaning up that hangs does not keep a person waiting.
func TestSecondSignal(t *testing.T) {
	sys := testSystem(t)
	signals := make(chan os.Signal, 2)
	sys.signals = signals
	exited := make(chan int)
	sys.exit = func(status int) { exited <- status }
	a := newApp(sys)
	cancelled := make(chan error, 1)
	go a.watchSignals(t.Context(), func(cause error) { cancelled <- cause })
	signals <- syscall.SIGINT
	if cause := <-cancelled; cause != (signalError{syscall.SIGINT}) {
		t.Errorf("cancelled with %v", cause)
	}
	signals <- syscall.SIGINT
	if status := <-exited; status != 130 {
		t.Errorf("status %d, want 130", status)
	}
}
