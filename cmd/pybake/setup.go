package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

const (
	engineLog  = "/var/log/pybake-dockerd.log"
	engineWait = time.Minute // for a started engine to answer
)

func (a *app) setupCommand() *cobra.Command {
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "setup",
		Short: "Install and start what doctor finds missing",
		Long: `Setup installs what doctor finds missing, on Debian and Ubuntu and as root: a
container engine (docker.io) unless one answers, mmdebstrap, the keyrings of the
distros and the certificates. It starts the engine: with systemd where that
runs, else as a process of its own that logs to ` + engineLog + `.

Where all is there it does nothing. The package lists of apt are updated only if
they do not know what is to be installed. To anybody but root it says the
command for sudo, with exit status 1.`,
		Example: `  pybake setup --dry-run
  sudo pybake setup`,
		Args:              wantArgs(0, 0, ""),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(cmd *cobra.Command, _ []string) error { return a.setup(cmd.Context(), dryRun) },
	}
	cmd.Flags().BoolVarP(&dryRun, "dry-run", "n", false, "print the commands and run none")
	return cmd
}

// setupPlan is what setup does on a machine, in this order.
type setupPlan struct {
	install  []string // Debian packages that have to be there
	optional []string // Debian packages that are installed if apt knows them, the first that it does
	start    bool     // the engine
}

func (p setupPlan) empty() bool { return len(p.install) == 0 && len(p.optional) == 0 && !p.start }

// planSetup is pure: it decides from what was found.
func planSetup(m *machine) setupPlan {
	var p setupPlan
	if m.engineErr != nil {
		p.start = true
		if m.dockerd == "" {
			p.install = append(p.install, "docker.io")
		}
	}
	if m.mmdebstrap == "" {
		p.install = append(p.install, "mmdebstrap")
	}
	if m.debianKeys == "" {
		p.install = append(p.install, "debian-archive-keyring")
	}
	if m.caBundle == "" {
		p.install = append(p.install, "ca-certificates")
	}
	if m.ubuntuKeys == "" {
		p.optional = []string{"ubuntu-keyring", "ubuntu-archive-keyring"} // Ubuntu's name, Debian's name
	}
	return p
}

func (a *app) setup(ctx context.Context, dryRun bool) error {
	m := a.inspect(ctx)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return a.carryOut(ctx, m, planSetup(m), dryRun)
}

// carryOut does what is planned for a machine, or prints the commands.
func (a *app) carryOut(ctx context.Context, m *machine, plan setupPlan, dryRun bool) error {
	if plan.empty() {
		a.display.Note("all is there; nothing to do")
		return nil
	}
	if !m.apt {
		return fmt.Errorf("setup knows only Debian and Ubuntu, and this is %s: %s", orUnknown(m.os), m.mend())
	}
	if plan.start && (a.sys.getenv("DOCKER_HOST") != "" || a.sys.getenv("DOCKER_CONTEXT") != "") {
		return fmt.Errorf("%w; setup starts only the engine of this machine: %s",
			m.engineErr, engineFix(m, a.sys.getenv("DOCKER_HOST"), a.sys.getenv("DOCKER_CONTEXT")))
	}
	known, err := a.aptKnows(ctx, slices.Concat(plan.install, plan.optional))
	if err != nil {
		return err
	}
	packages, update := choosePackages(plan, known)
	if len(packages) == 0 && !update && !plan.start {
		a.display.Note("all is there, save that apt knows none of %s; nothing to do", strings.Join(plan.optional, ", "))
		return nil
	}
	if dryRun {
		return a.printSetup(m, packages, update, plan.start)
	}
	if !m.root && len(packages) == 0 && errors.Is(m.engineErr, fs.ErrPermission) {
		return &advised{m.engineErr, statusFailed, engineFix(m, "", "")}
	}
	if !m.root {
		return &advised{errors.New("setup installs packages, for which it must be root"), statusFailed, setupCommand(false)}
	}
	if err := a.install(ctx, plan, packages, update); err != nil {
		return err
	}
	if !plan.start {
		return nil
	}
	return a.startEngine(ctx, m.systemd)
}

// choosePackages returns the packages to install, and whether the lists of apt
// are too old or too empty to know all that must be installed.
func choosePackages(plan setupPlan, known map[string]bool) (packages []string, update bool) {
	packages = slices.Clone(plan.install)
	for _, name := range plan.install {
		update = update || !known[name]
	}
	for _, name := range plan.optional {
		if known[name] {
			packages = append(packages, name)
			break
		}
	}
	return packages, update
}

var (
	aptUpdate  = []string{"apt-get", "update"}
	aptInstall = []string{"apt-get", "install", "--yes", "--no-install-recommends"}
)

// printSetup prints the commands of a dry run.
func (a *app) printSetup(m *machine, packages []string, update, start bool) error {
	var lines []string
	sudo := "sudo "
	if m.root {
		sudo = ""
	}
	if update {
		lines = append(lines, sudo+strings.Join(aptUpdate, " "))
	}
	if len(packages) > 0 {
		lines = append(lines, sudo+strings.Join(slices.Concat(aptInstall, packages), " "))
	}
	switch {
	case start && m.systemd:
		lines = append(lines, sudo+"systemctl start docker")
	case start:
		lines = append(lines, sudo+"sh -c 'setsid dockerd >>"+engineLog+" 2>&1 </dev/null &'")
	}
	_, err := fmt.Fprintln(a.sys.stdout, strings.Join(lines, "\n"))
	return err
}

// aptKnows asks which packages apt could install.
func (a *app) aptKnows(ctx context.Context, names []string) (map[string]bool, error) {
	known := map[string]bool{}
	if len(names) == 0 {
		return known, nil
	}
	cmd := exec.CommandContext(ctx, "apt-cache", append([]string{"policy"}, names...)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("ask apt what it knows: %w", err)
	}
	return parsePolicy(out), nil
}

// parsePolicy reads the output of apt-cache policy: the packages that have a
// candidate.
func parsePolicy(out []byte) map[string]bool {
	known := map[string]bool{}
	name := ""
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		line := lines.Text()
		if !strings.HasPrefix(line, " ") {
			name = strings.TrimSuffix(line, ":")
		}
		if candidate, ok := strings.CutPrefix(strings.TrimSpace(line), "Candidate: "); ok && candidate != "(none)" {
			known[name] = true
		}
	}
	return known
}

// install runs apt-get. Lists that name files which the mirror no longer has
// look like a failed installation, so that is tried again after an update.
func (a *app) install(ctx context.Context, plan setupPlan, packages []string, update bool) error {
	if update {
		if a.flags.offline {
			return fmt.Errorf("install %s: apt does not know them, and --offline forbids to ask", strings.Join(packages, " "))
		}
		var err error
		if packages, err = a.update(ctx, plan); err != nil {
			return err
		}
	}
	if len(packages) == 0 {
		return nil
	}
	install := aptInstall
	if a.flags.offline {
		install = append(slices.Clone(install), "--no-download")
	}
	err := a.command(ctx, slices.Concat(install, packages))
	if err == nil || update || a.flags.offline || ctx.Err() != nil {
		return err
	}
	if packages, err = a.update(ctx, plan); err != nil {
		return err
	}
	return a.command(ctx, slices.Concat(aptInstall, packages))
}

// update updates the lists of apt and chooses the packages again.
func (a *app) update(ctx context.Context, plan setupPlan) ([]string, error) {
	if err := a.command(ctx, aptUpdate); err != nil {
		return nil, err
	}
	known, err := a.aptKnows(ctx, slices.Concat(plan.install, plan.optional))
	if err != nil {
		return nil, err
	}
	packages, _ := choosePackages(plan, known)
	return packages, nil
}

// command runs a program as a step.
func (a *app) command(ctx context.Context, argv []string) (err error) {
	end := a.display.Step(strings.Join(argv, " "))
	defer func() { end(err) }()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8")
	output := a.display.Output()
	cmd.Stdout, cmd.Stderr = output, output
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = grace - time.Second
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return fmt.Errorf("%s: %w", strings.Join(argv, " "), err)
	}
	return nil
}

// startEngine starts the engine, unless the installation did, and waits until
// it answers.
func (a *app) startEngine(ctx context.Context, systemd bool) (err error) {
	if _, err := a.askEngine(ctx); err == nil {
		return nil
	}
	if systemd {
		if err := a.command(ctx, []string{"systemctl", "start", "docker"}); err != nil {
			return err
		}
		return a.awaitEngine(ctx, nil)
	}
	end := a.display.Step("start dockerd")
	defer func() { end(err) }()
	path := a.lookPath("dockerd")
	if path == "" {
		return errors.New("start the engine: dockerd is not there, though docker.io is installed")
	}
	log, err := os.OpenFile(engineLog, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o640)
	if err != nil {
		return fmt.Errorf("start the engine: %w", err)
	}
	defer log.Close()
	cmd := exec.Command(path) // not ended with this process
	cmd.Dir = "/"
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the engine: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	return a.awaitEngine(ctx, ended)
}

// awaitEngine waits until the engine answers, or the started one has ended.
func (a *app) awaitEngine(ctx context.Context, ended <-chan error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, engineWait, fmt.Errorf("the engine does not answer after %s; its log is %s", engineWait, engineLog))
	defer cancel()
	for {
		if _, err := a.askEngine(ctx); err == nil {
			return nil
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case err := <-ended:
			a.display.Output().Write(tailOf(engineLog))
			return fmt.Errorf("dockerd has ended: %v; its log is %s", err, engineLog)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// tailOf returns the last lines of a log.
func tailOf(path string) []byte {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	lines := bytes.SplitAfter(data, []byte("\n"))
	return bytes.Join(lines[max(0, len(lines)-tailLines):], nil)
}

func orUnknown(name string) string {
	if name == "" {
		return "an unknown system"
	}
	return name
}
