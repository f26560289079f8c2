package engine

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"
	"github.com/google/go-cmp/cmp"
)

// fakeRun is an engine that runs a container "c", which says hello and ends
// with 7; with the answers of other instead of its own.
func fakeRun(removed *bool, other fake) fake {
	f := fake{
		"POST /containers/create":   reply(http.StatusCreated, `{"Id": "c"}`),
		"POST /containers/c/attach": hijack(func(w io.Writer) { io.WriteString(stdcopy.NewStdWriter(w, stdcopy.Stdout), "hello") }),
		"POST /containers/c/wait":   reply(200, `{"StatusCode": 7}`),
		"POST /containers/c/start":  reply(http.StatusNoContent, ""),
		"DELETE /containers/c": func(w http.ResponseWriter, r *http.Request) {
			*removed = true
			reply(http.StatusNoContent, "")(w, r)
		},
	}
	for call, answer := range other {
		f[call] = answer
	}
	return f
}

// begun is the head of an answer whose end comes when more is closed.
func begun(more <-chan struct{}, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(200)
		w.(http.Flusher).Flush()
		<-more
		io.WriteString(w, body)
	}
}

func TestRunEnds(t *testing.T) {
	said := func(text string) http.HandlerFunc { return reply(500, `{"message": `+text+`}`) }
	tests := []struct {
		name    string
		other   fake
		status  int
		is      error
		gone    bool
		removed bool // the engine does not do it by itself
		says    string
	}{
		{name: "well", status: 7},
		{name: "no image", other: fake{"POST /containers/create": reply(404, `{"message": "No such image: a:b"}`)}, status: 125, is: ErrNoImage},
		{name: "no image for Podman", other: fake{"POST /containers/create": reply(404, `{"message": "a:b: no such image"}`)}, status: 125, is: ErrNoImage},
		{name: "no path for Podman", other: fake{"POST /containers/c/start": said(`"statfs /x: no such file or directory"`)}, status: 125, is: ErrNoPath, removed: true},
		{name: "port taken", other: fake{"POST /containers/c/start": said(`"Bind for 0.0.0.0:80 failed: port is already allocated"`)}, status: 125, is: ErrPortTaken, removed: true},
		{name: "no such file, but of the engine's", other: fake{"POST /containers/c/start": said(`"mkdir /var/lib/x: no such file or directory"`)}, status: 125, removed: true, says: "mkdir"},
		{name: "no command for Podman", other: fake{"POST /containers/c/start": said("\"crun: executable file `x` not found in $PATH: No such file or directory\"")}, status: 127, removed: true, says: "crun"},
		{name: "lost at the attach", other: fake{"POST /containers/c/attach": drop}, status: 125, gone: true, removed: true},
		{name: "lost at the start", other: fake{"POST /containers/c/start": drop}, status: 125, gone: true, removed: true},
		{name: "lost meanwhile", other: fake{"POST /containers/c/wait": reply(200, "")}, status: 125, gone: true, removed: true},
		{name: "not removed", other: fake{"POST /containers/c/wait": reply(200, `{"StatusCode": 0, "Error": {"Message": "device busy"}}`)}, status: 125, says: "device busy"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			removed := false
			e := connectFake(t, fakeRun(&removed, test.other))
			var out strings.Builder
			status, err := e.Run(t.Context(), RunSpec{Image: "a:b"}, RunIO{Stdout: &out})
			if status != test.status || (err == nil) != (test.status == 7) || IsGone(err) != test.gone || test.is != nil && !errors.Is(err, test.is) {
				t.Fatalf("got %d, %v; want %d, %v, gone %v", status, err, test.status, test.is, test.gone)
			}
			if err != nil && (!strings.HasPrefix(err.Error(), "run a:b: ") || !strings.Contains(err.Error(), test.says)) {
				t.Errorf("got %v, want %q", err, test.says)
			}
			if err == nil && out.String() != "hello" {
				t.Errorf("said %q", &out)
			}
			if removed != test.removed {
				t.Errorf("removed: %v, want %v", removed, test.removed)
			}
		})
	}
}

// Signals and sizes reach the container while it runs; channels may be closed.
func TestRunForwards(t *testing.T) {
	ended, calls := make(chan struct{}), make(chan string, 2)
	removed := false
	note := func(w http.ResponseWriter, r *http.Request) { calls <- r.URL.Path + "?" + r.URL.RawQuery }
	e := connectFake(t, fakeRun(&removed, fake{
		"POST /containers/c/wait":   begun(ended, `{"StatusCode": 0}`),
		"POST /containers/c/kill":   note,
		"POST /containers/c/resize": note,
	}))
	signals, sizes := make(chan os.Signal, 1), make(chan [2]uint, 1)
	go func() {
		sizes <- [2]uint{25, 80}
		if got := <-calls; !strings.HasSuffix(got, "/c/resize?h=25&w=80") {
			t.Errorf("resize: %s", got)
		}
		close(sizes)
		signals <- syscall.SIGTERM
		if got := <-calls; !strings.HasSuffix(got, "/c/kill?signal=15") {
			t.Errorf("signal: %s", got)
		}
		close(signals)
		close(ended)
	}()
	if status, err := e.Run(t.Context(), RunSpec{Image: "a:b"}, RunIO{Signals: signals, Resize: sizes}); status != 0 || err != nil {
		t.Errorf("got %d, %v", status, err)
	}
}

// A reader of the output that is in no hurry gets all of it, but keeps nobody
// who wants to leave.
func TestRunSlowReader(t *testing.T) {
	removed := false
	e := connectFake(t, fakeRun(&removed, nil))
	for _, leave := range []string{"cancelled", "signalled"} {
		t.Run(leave, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			r, w := io.Pipe() // nobody reads
			defer r.Close()
			signals, left := make(chan os.Signal), make(chan struct{})
			go func() {
				for leave == "signalled" { // until one comes after the end
					select {
					case signals <- syscall.SIGINT:
					case <-left:
						return
					}
				}
				cancel()
			}()
			_, err := e.Run(ctx, RunSpec{Image: "a:b"}, RunIO{Stdout: w, Signals: signals})
			close(left)
			if err != nil && !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
	}
}

func TestRunRequest(t *testing.T) {
	var got struct {
		container.Config
		HostConfig container.HostConfig
	}
	removed := false
	e := connectFake(t, fakeRun(&removed, fake{"POST /containers/create": func(w http.ResponseWriter, r *http.Request) {
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
			t.Error(err)
		}
		reply(http.StatusCreated, `{"Id": "c"}`)(w, r)
	}}))
	s := RunSpec{
		Image: "a:b", Network: "corp", Memory: 1 << 20, CPUs: 1.5, PIDs: 5, GPUs: &GPUs{IDs: []string{"0", "1"}}, Labels: map[string]string{"x": "y"},
		Ports: []PortBinding{{HostPort: "8080", Port: "80"}, {HostIP: "127.0.0.1", Port: "53", Proto: "udp"}},
		Binds: []Bind{{Source: "/a:b", Target: "/c"}, {Source: "cache", Target: "/d", ReadOnly: true}},
	}
	if _, err := e.Run(t.Context(), s, RunIO{}); err != nil {
		t.Fatal(err)
	}
	summary := map[string]any{}
	data, err := json.Marshal(map[string]any{
		"labels": got.Labels["x"] + got.Labels[sessionLabel], "exposed": got.ExposedPorts, "ports": got.HostConfig.PortBindings, "mounts": got.HostConfig.Mounts,
		"gpus": got.HostConfig.DeviceRequests, "network": got.HostConfig.NetworkMode, "remove": got.HostConfig.AutoRemove,
		"limits": []any{got.HostConfig.Memory, got.HostConfig.MemorySwap, got.HostConfig.NanoCPUs, got.HostConfig.PidsLimit},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &summary); err != nil {
		t.Fatal(err)
	}
	var want map[string]any
	err = json.Unmarshal([]byte(`{
		"labels": "y`+e.session.id+`", "exposed": {"80/tcp": {}, "53/udp": {}}, "network": "corp", "remove": true,
		"ports": {"80/tcp": [{"HostIp": "", "HostPort": "8080"}], "53/udp": [{"HostIp": "127.0.0.1", "HostPort": ""}]},
		"mounts": [{"Type": "bind", "Source": "/a:b", "Target": "/c"}, {"Type": "volume", "Source": "cache", "Target": "/d", "ReadOnly": true}],
		"gpus": [{"Driver": "", "Count": 0, "DeviceIDs": ["0", "1"], "Capabilities": [["gpu"]], "Options": null}],
		"limits": [1048576, 1048576, 1500000000, 5]
	}`), &want)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, summary); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
