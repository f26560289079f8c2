package run

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pybake/pybake/internal/engine"
	"github.com/pybake/pybake/internal/project"
)

var (
	vars = Vars{User: "me", UID: "1234", GID: "5678", Root: "/home/me/shop", Workdir: "/home/me/shop/docs", Image: "shop:1.4.2", Version: "1.4.2"}
	home = map[string]string{"TOKEN": "s3cret", "CURLY": "{uid}", "COLON": "/a:/b", "WORD": "x"}
)

func getenv(name string) (string, bool) { value, ok := home[name]; return value, ok }

func TestExpand(t *testing.T) {
	got, err := Expand(project.Run{
		Command: []string{"serve", "--as={user}", "{{literal}}", "${CURLY}"},
		Volumes: []string{"{root}/data:/data:ro", "cache-${WORD}:/var/cache/shop", "{workdir}:/docs"},
		Ports:   []string{"127.0.0.1:8080:80", "53/udp", "[::1]::443"},
		Env:     map[string]string{"TOKEN": "${TOKEN}", "IMAGE": "{image} {version}", "BRACES": "${{TOKEN}}"},
		Network: "corp", GPUs: "device=0,1", User: "{uid}:{gid}", Workdir: "/srv/{version}",
		Memory: 512e6, CPUs: 1.5, PIDs: 200, ReadOnly: true, TTY: true, Tmpfs: []string{"/tmp", "/run:size=16m"},
	}, vars, getenv)
	if err != nil {
		t.Fatal(err)
	}
	want := engine.RunSpec{
		Image: "shop:1.4.2",
		Cmd:   []string{"serve", "--as=me", "{literal}", "{uid}"},
		Binds: []engine.Bind{
			{Source: "/home/me/shop/data", Target: "/data", ReadOnly: true}, {Source: "cache-x", Target: "/var/cache/shop"}, {Source: "/home/me/shop/docs", Target: "/docs"},
		},
		Ports: []engine.PortBinding{
			{HostIP: "127.0.0.1", HostPort: "8080", Port: "80", Proto: "tcp"}, {Port: "53", Proto: "udp"}, {HostIP: "::1", Port: "443", Proto: "tcp"},
		},
		Env:     []string{"BRACES=${TOKEN}", "IMAGE=shop:1.4.2 1.4.2", "TOKEN=s3cret"},
		Network: "corp", GPUs: &engine.GPUs{IDs: []string{"0", "1"}}, User: "1234:5678", Workdir: "/srv/1.4.2",
		Memory: 512e6, CPUs: 1.5, PIDs: 200, ReadOnly: true, TTY: true, Tmpfs: map[string]string{"/tmp": "", "/run": "size=16m"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got, err := Expand(project.Run{}, vars, getenv); err != nil || !cmp.Equal(got, engine.RunSpec{Image: "shop:1.4.2"}) {
		t.Errorf("of nothing: %+v, %v", got, err)
	}
}

// All problems come at once, one for a key.
func TestExpandRefuses(t *testing.T) {
	_, err := Expand(project.Run{
		Command: []string{"ok", "${GONE}"},
		Volumes: []string{"cache:/a", "${WORD}/data:/data", "{root}:${COLON}", "{rot}:/x"},
		Ports:   []string{"${WORD}"},
		Env:     map[string]string{"A.B": "{version}", "C": "${GONE}", "D": "{{version}}"},
		GPUs:    "${WORD}", Workdir: "${WORD}", User: "${GONE}", Tmpfs: []string{"${WORD}"},
	}, Vars{Root: "/r"}, getenv)
	var got []string
	for _, err := range err.(interface{ Unwrap() []error }).Unwrap() {
		got = append(got, err.Error())
	}
	want := []string{
		`user: ${GONE}: not set`,
		`workdir: "x": want an absolute path`,
		`command[1]: ${GONE}: not set`,
		`env."A.B": {version}: the image does not tell its version`,
		`env.C: ${GONE}: not set`,
		`volumes[1]: "x/data:/data": source "x/data"`,
		`volumes[2]: "/r:/a:/b": "/b": want ro or rw`,
		`volumes[3]: {rot}: unknown; did you mean {root}?`,
		`ports[0]: "x": want PORT`,
		`tmpfs[0]: target "x"`,
		`gpus: "x": want "all"`,
	}
	if len(got) != len(want) {
		t.Fatalf("got %d problems, want %d:\n%s", len(got), len(want), strings.Join(got, "\n"))
	}
	for i, prefix := range want {
		if !strings.HasPrefix(got[i], prefix) {
			t.Errorf("got %s\nwant %s", got[i], prefix)
		}
	}
}

func TestSource(t *testing.T) {
	flat, src := t.TempDir(), t.TempDir()
	if err := os.Mkdir(filepath.Join(src, "src"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		dir, image string
		env        []string
		want       string
	}{
		{flat, "", nil, "/source"},
		{src, "", nil, "/source/src"},
		{src, "/plugins", nil, "/source/src:/plugins"},
		{src, "/plugins", []string{"PYTHONPATH=/mine"}, "/source/src:/mine"},
	} {
		s := Source(engine.RunSpec{Env: append([]string{"A=b"}, test.env...)}, test.dir, test.image)
		want := engine.RunSpec{
			Env:   []string{"A=b", "PYTHONDONTWRITEBYTECODE=1", "PYTHONPATH=" + test.want},
			Binds: []engine.Bind{{Source: test.dir, Target: "/source", ReadOnly: true}},
		}
		if diff := cmp.Diff(want, s); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

func TestDocker(t *testing.T) {
	full := engine.RunSpec{
		Image: "a:b", Entrypoint: []string{"python", "-c"}, Cmd: []string{"print('x')"}, Env: []string{"A=b c"}, User: "1:2", Workdir: "/w", Network: "none", Hostname: "h",
		Binds: []engine.Bind{{Source: "/a,b", Target: "/c", ReadOnly: true}, {Source: "cache", Target: "/d"}},
		Ports: []engine.PortBinding{{HostIP: "::1", HostPort: "8080", Port: "80", Proto: "tcp"}, {HostIP: "127.0.0.1", Port: "53", Proto: "udp"}, {HostPort: "1", Port: "2"}, {Port: "3"}},
		GPUs:  &engine.GPUs{IDs: []string{"0", "1"}}, Memory: 512e6, PIDs: 7, CPUs: 0.5, ReadOnly: true, Init: true, TTY: true, Interactive: true,
		Tmpfs: map[string]string{"/tmp": "", "/run": "size=1m"}, Labels: map[string]string{"x": "y"},
	}
	tests := []struct {
		spec engine.RunSpec
		want string
	}{
		{engine.RunSpec{Image: "a:b"}, `docker run --rm a:b`},
		{engine.RunSpec{Image: "a:b", Cmd: []string{"", "$x"}, GPUs: &engine.GPUs{Count: -1}}, `docker run --rm --gpus all a:b '' '$x'`},
		{engine.RunSpec{Image: "a:b", GPUs: &engine.GPUs{Count: 2}}, `docker run --rm --gpus 2 a:b`},
		{full, `docker run --rm --interactive --tty --init --read-only --user 1:2 --workdir /w --hostname h --network none` +
			` --gpus '"device=0,1"' --memory 512000000 --memory-swap 512000000 --cpus 0.5 --pids-limit 7 --tmpfs /run:size=1m --tmpfs /tmp` +
			` --mount 'type=bind,"source=/a,b",target=/c,readonly' --mount type=volume,source=cache,target=/d` +
			` --publish '[::1]:8080:80' --publish 127.0.0.1::53/udp --publish 1:2 --publish 3 --env 'A=b c' --label x=y` +
			` --entrypoint python a:b -c 'print('\''x'\'')'`},
	}
	for _, test := range tests {
		argv := Docker(test.spec)
		if diff := cmp.Diff(test.want, Quote(argv)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		out, err := exec.Command("sh", "-c", "printf '%s\\0' "+Quote(argv)).Output()
		if back := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00"); err != nil || !cmp.Equal(back, argv) {
			t.Errorf("a shell reads %q, %v", back, err)
		}
	}
}
