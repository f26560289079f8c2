//go:build engine

package python

import (
	"io"
	"path"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pybake/pybake/internal/engine"
	"github.com/pybake/pybake/internal/fetch"
)

// circumstancesVary sees that a job under other circumstances is under others: a
// variation that changed nothing would prove nothing.
func circumstancesVary(t *testing.T, c *engine.Container) {
	found, err := run(t, c, "/", "echo /usr/lib/*/faketime/"+fakeTime)
	if err != nil {
		t.Fatalf("%v: %s", err, found)
	}
	fake, err := readFile(t.Context(), c, strings.TrimSpace(found))
	if err != nil {
		t.Fatal(err)
	}
	const script = `echo "$(pwd) $(id -u) $(umask) ${TZ-none} ${LC_ALL-none} $HOME" $(ls -U listed); touch made; stat -c %A made; date +%s`
	var outcomes []string
	var clocks []time.Time
	for _, at := range []*circumstances{nil, {vary: Variations, fake: fake}} {
		j := &job{Container: c, b: &Builder{Report: quiet{}}, log: io.Discard, at: at, env: at.environ([]string{"HOME=/home/pybake", "LC_ALL=C.UTF-8", "TZ=UTC"})}
		if err := at.prepare(t.Context(), j); err != nil {
			t.Fatal(err)
		}
		files := []fetch.MemFile{{Name: "listed/b"}, {Name: "listed/c"}, {Name: "listed/a"}, {Name: "listed/d"}}
		if err := j.putFiles(t.Context(), at.place(path.Join(jobDir, "vary")), files); err != nil {
			t.Fatal(err)
		}
		var said strings.Builder
		err := c.Exec(t.Context(), engine.Command{
			Argv: at.command([]string{"sh", "-euc", script}), Env: j.env, User: at.user(), Dir: at.place(path.Join(jobDir, "vary")), Stdout: &said, Stderr: &said,
		})
		if err != nil {
			t.Fatalf("%v: %s", err, said.String())
		}
		lines := strings.Split(strings.TrimSpace(said.String()), "\n")
		seconds, err := strconv.ParseInt(lines[len(lines)-1], 10, 64)
		if err != nil {
			t.Fatalf("%v: %s", err, said.String())
		}
		outcomes = append(outcomes, strings.Join(lines[:len(lines)-1], "\n"))
		clocks = append(clocks, time.Unix(seconds, 0))
	}
	const varied = `/srv/somewhere/else-and-longer/vary 4242 0077 <-11>11 C /srv/somewhere/else-and-longer/home d c b a
-rw-------`
	if diff := cmp.Diff(varied, outcomes[1]); diff != "" {
		t.Errorf("varied: %s", diff)
	}
	if !strings.HasPrefix(outcomes[0], "/build/vary 1000 0022 UTC C.UTF-8 /home/pybake ") || strings.HasSuffix(strings.Split(outcomes[0], "\n")[0], " d c b a") {
		t.Errorf("usually: %s", outcomes[0])
	}
	if later := clocks[1].Sub(clocks[0]); later < 399*24*time.Hour || later > 401*24*time.Hour {
		t.Errorf("%s later", later)
	}
}
