package check

import (
	"bufio"
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/engine"
	"github.com/pybake/pybake/internal/pattern"
)

//go:embed proof.py
var proof string

// loadProof runs the proof, which is its argument: no file of it could be
// written into the container.
const loadProof = "import sys; exec(sys.argv[1])"

// strays are the top-level modules that package gate excuses.
var strays = []string{
	"benchmark", "benchmarks", "conftest", "demo", "demos", "doc", "docs", "example", "examples", "samples", "scripts",
	"setup", "test", "testing", "tests", "tools",
}

// Limits of time.
const (
	containerLimit = 2 * time.Hour
	importLimit    = 5 * time.Minute // of one distribution
	checkLimit     = 5 * time.Minute
	versionLimit   = 30 * time.Second
)

// Dynamic uses an image, which the engine holds as ref, in a container that
// start makes. What commands say goes to log. Checks that fail are no error.
func Dynamic(ctx context.Context, start func(engine.Spec) (*engine.Container, error), ref string, i Image, log io.Writer) ([]artifacts.Check, error) {
	checks, err := dynamic(ctx, start, ref, i, log)
	if err != nil {
		return nil, fmt.Errorf("run image %s: %w", ref, err)
	}
	return checks, nil
}

func dynamic(ctx context.Context, start func(engine.Spec) (*engine.Container, error), ref string, i Image, log io.Writer) ([]artifacts.Check, error) {
	c, err := start(engine.Spec{
		Image: ref, Purpose: "image-check", Limit: containerLimit, ReadOnly: true, Tmpfs: map[string]string{"/tmp": "exec,mode=1777,size=1g"},
	})
	if err != nil {
		return nil, err
	}
	defer c.Remove(ctx)
	var checks []artifacts.Check
	if i.Series != "" {
		began := time.Now()
		f, err := i.modulesImport(ctx, c, log)
		if err != nil {
			return nil, err
		}
		checks = append(checks, f.check("modules import", began))
	}
	began := time.Now()
	f, err := i.starts(ctx, c, log)
	if err != nil {
		return nil, err
	}
	return append(checks, f.check("starts", began)), c.Remove(ctx)
}

// command is one that runs as the image says.
func (i Image) command(argv ...string) engine.Command {
	user := i.User
	if user == "" {
		user = "0:0"
	}
	return engine.Command{Argv: argv, Env: i.Env, User: user, Dir: i.Workdir}
}

// modulesImport is "modules import".
func (i Image) modulesImport(ctx context.Context, c *engine.Container, log io.Writer) (f found, err error) {
	names := slices.Sorted(maps.Keys(i.New))
	names = slices.DeleteFunc(names, func(n string) bool { return !i.New[n] })
	if len(names) == 0 {
		f.note("nothing is new")
		return f, nil
	}
	config, err := json.Marshal(map[string]any{
		"site": "/" + i.site(), "dists": names, "skip": i.Skip, "project": i.Project, "strays": strays, "jobs": 2, "limit": importLimit.Seconds(),
	})
	if err != nil {
		return f, err
	}
	var out bytes.Buffer
	var tail lastBytes
	cmd := i.command("/"+venv+"/bin/python", "-c", loadProof, proof, "main")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(config), &out, io.MultiWriter(log, &tail)
	ended := c.Exec(ctx, cmd)
	var exit engine.ExitError
	if e := (*engine.ExitError)(nil); errors.As(ended, &e) && !engine.IsGone(ended) {
		exit = *e
	} else if ended != nil {
		return f, ended
	}
	return imported(out.Bytes(), names, exit, tail.String()), nil
}

// imported reads what the proof writes.
func imported(out []byte, names []string, exit engine.ExitError, tail string) (f found) {
	count, told, done := 0, 0, false
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var r struct {
			Dist            string
			Count           int
			Problems, Notes []string
			Done            bool
		}
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			tail += lines.Text() // the engine's reason, or an interpreter's
			continue
		}
		done = done || r.Done
		if r.Dist != "" {
			told++
		}
		count += r.Count
		f.problems = append(f.problems, r.Problems...)
		f.notes = append(f.notes, r.Notes...)
	}
	if !done || exit.Code != 0 || told != len(names) {
		f.bad("the imports ended after %d of %s with status %d: %s", told, plural(len(names), "distribution"), exit.Code, strings.TrimSpace(tail))
	}
	f.notes = slices.Insert(f.notes, 0, fmt.Sprintf("%s of %s", plural(count, "module"), plural(len(names), "distribution")))
	return f
}

// errSlow is the cause when a command is given up.
var errSlow = errors.New("no end in time")

// starts is "starts". It comes last: a command that does not end takes the
// container with it.
func (i Image) starts(ctx context.Context, c *engine.Container, log io.Writer) (f found, err error) {
	argv, limit := i.Check, checkLimit
	if len(argv) == 0 {
		argv, limit = i.program(), versionLimit
		if len(argv) > 0 {
			argv = append(argv, "--version")
		}
	}
	if len(argv) == 0 {
		f.note("neither a check nor an ENTRYPOINT nor a CMD")
		return f, nil
	}
	tail, ended := i.run(ctx, c, argv, limit, log)
	if ctx.Err() != nil {
		return f, ended
	}
	i.judge(&f, argv, ended, tail)
	if len(f.problems)+len(f.notes) == 0 {
		return f, ended
	}
	return f, nil
}

// program is what the image runs, without arguments of its own: ENTRYPOINT, or the
// program of CMD if that is none, or only an init, which ends in "--".
func (i Image) program() []string {
	if n := len(i.Entrypoint); (n == 0 || i.Entrypoint[n-1] == "--") && len(i.Cmd) > 0 {
		return slices.Concat(i.Entrypoint, i.Cmd[:1])
	} else if n > 0 && i.Entrypoint[n-1] == "--" {
		return nil
	}
	return slices.Clone(i.Entrypoint)
}

// run runs a command and returns the end of what it says. The cause of the
// error is errSlow when it took too long.
func (i Image) run(ctx context.Context, c *engine.Container, argv []string, limit time.Duration, log io.Writer) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errSlow)
	defer cancel()
	var tail lastBytes
	cmd := i.command(argv...)
	cmd.Stdout = io.MultiWriter(log, &tail)
	cmd.Stderr = cmd.Stdout
	err := c.Exec(ctx, cmd)
	return strings.TrimSpace(tail.String()), err
}

// judge says what it means how a command ended; nothing if it is not the
// command's fault.
func (i Image) judge(f *found, argv []string, ended error, tail string) {
	line := strings.Join(argv, " ")
	var exit *engine.ExitError
	switch {
	case ended == nil:
		f.note("%s: %s", line, lastLine(tail))
	case errors.Is(ended, errSlow) && len(i.Check) > 0:
		f.bad("%s: no end within %v: %s", line, checkLimit, tail)
	case errors.Is(ended, errSlow):
		f.note("%s: no end within %v", line, versionLimit)
	case !errors.As(ended, &exit) || engine.IsGone(ended):
	case len(i.Check) > 0 || exit.OOM || fatal(exit.Code, tail):
		f.bad("%s: status %d: %s", line, exit.Code, tail)
	default:
		f.note("%s: status %d: %s", line, exit.Code, lastLine(tail))
	}
}

// fatalLine is the last line of a traceback that ends with a missing module, or
// what the engine's runtime says of a script without its interpreter.
var fatalLine = pattern.New(`^(?:ModuleNotFoundError|ImportError): |^exec /.*: (?:no such file or directory|exec format error|permission denied)$`)

// fatal is whether a command that may not know --version ended for another reason.
func fatal(code int, tail string) bool {
	switch code {
	case 126, 127: // cannot be run, or a library is missing
		return true
	case 128 + 4, 128 + 6, 128 + 7, 128 + 8, 128 + 11: // SIGILL, SIGABRT, SIGBUS, SIGFPE, SIGSEGV
		return true
	}
	return fatalLine.MatchString(lastLine(tail))
}

func lastLine(text string) string { return text[strings.LastIndexByte(text, '\n')+1:] }

// lastBytes keeps the end of what is written to it.
type lastBytes []byte

func (l *lastBytes) Write(p []byte) (int, error) {
	*l = append(*l, p...)
	if extra := len(*l) - 2000; extra > 0 {
		*l = append((*l)[:0], (*l)[extra:]...)
	}
	return len(p), nil
}

func (l lastBytes) String() string { return strings.ToValidUTF8(string(l), "") }
