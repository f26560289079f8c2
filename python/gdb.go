package python

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/pybake/pybake/internal/engine"
	"github.com/pybake/pybake/internal/fetch"
)

// gdb runs a program of the installed Python under the distro's gdb, which has
// to find the symbols of all that it loads, and the frames of Python.
func (p *proof) gdb(ctx context.Context) error {
	plan := p.s.plan
	c, err := p.withTool(ctx, "gdb", "gdb")
	if err != nil {
		return err
	}
	defer c.Remove(ctx)
	if err := p.b.Distros.Install(ctx, c, slices.Concat(p.fewDeps, p.packages("", "-dbgsym"))); err != nil {
		return err
	}
	j := &job{Container: c}
	if err := j.putFiles(ctx, proofDir, []fetch.MemFile{{Name: "frames.py", Data: framesScript}}); err != nil {
		return err
	}
	argv := []string{"gdb", "-nx", "-batch"}
	for _, command := range []string{
		"set width 0", "set disable-randomization off", // which containers do not allow
		"run", "bt", "py-bt", "info sharedlibrary",
	} {
		argv = append(argv, "-ex", command)
	}
	argv = append(argv, "--args", plan.Prefix()+"/bin/python"+plan.Series, proofDir+"/frames.py")
	_, err = p.check("gdb", "backtrace", func() (string, error) {
		var out strings.Builder
		err := c.Exec(ctx, engine.Command{
			Argv: append(argv, plan.runtimeExtensions()...), Env: []string{"HOME=" + proofDir, "LC_ALL=C.UTF-8"}, Dir: proofDir, Stdout: &out, Stderr: &out,
		})
		fmt.Fprintf(p.log, "\n==> gdb\n%s", out.String())
		if err != nil {
			return "", fmt.Errorf("%w: %s", err, tail(out.String()))
		}
		return readBacktrace(out.String(), plan.Prefix())
	})
	if err != nil {
		return err
	}
	return c.Remove(ctx)
}

// readBacktrace judges what gdb printed of frames.py: a line for each library
// of "info sharedlibrary", with "Yes (*)" for one without its symbols; the
// source of the eval loop, if those of the interpreter were found; the frames
// that py-bt shows.
func readBacktrace(out, prefix string) (string, error) {
	var bad, frames []string
	libraries, source := 0, false
	for line := range strings.Lines(out) {
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		last := fields[len(fields)-1]
		frame, isFrame := strings.CutPrefix(strings.TrimSpace(line), `File "`+proofDir+`/frames.py", line `)
		switch {
		case isFrame:
			_, function, _ := strings.Cut(frame, ", in ")
			frames = append(frames, function)
		case strings.HasPrefix(line, "0x") && strings.HasPrefix(last, prefix+"/"):
			libraries++
			if len(fields) != 4 || fields[2] != "Yes" {
				bad = append(bad, last+" has no symbols")
			}
		case strings.HasPrefix(line, "#") && strings.Contains(line, "_PyEval_EvalFrame") && strings.Contains(line, ") at "):
			source = true
		}
	}
	if !source {
		bad = append(bad, "the interpreter has no symbols")
	}
	if want := []string{"innermost", "middle", "outermost", "<module>"}; !slices.Equal(frames, want) {
		bad = append(bad, fmt.Sprintf("py-bt shows the frames %q, want %q", frames, want))
	}
	if libraries == 0 {
		bad = append(bad, "no extension module was loaded: "+tail(out))
	}
	return fmt.Sprintf("the interpreter and %d extension modules with their symbols, %d frames of Python", libraries, len(frames)), findings("findings", bad)
}
