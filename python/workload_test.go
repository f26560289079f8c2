package python

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// leftOut is what a series says of a piece that it has no module for.
var leftOut = regexp.MustCompile(`^[a-z_]+: left out: No module named '[a-z.]+'$`)

// TestWorkload runs each piece once or more, with whatever Pythons this machine has: a
// piece that one of them cannot run would end the training.
func TestWorkload(t *testing.T) {
	ran := 0
	for _, name := range []string{"python3", "python3.8", "python3.9", "python3.10", "python3.11", "python3.12", "python3.13", "python3.14", "python3.15"} {
		if _, err := exec.LookPath(name); err != nil {
			continue
		}
		// A name may be that of a launcher that has no such Python.
		if exec.Command(name, "-c", "pass").Run() != nil && name != "python3" {
			continue
		}
		ran++
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, err := exec.Command(name, "workload.py", "0.001").CombinedOutput()
			if err != nil {
				t.Errorf("%v\n%s", err, out)
			}
			for line := range strings.Lines(string(out)) {
				if !leftOut.MatchString(strings.TrimSpace(line)) {
					t.Errorf("it says %q", line)
				}
			}
		})
	}
	if ran == 0 {
		t.Error("no python3 on this machine")
	}
}
