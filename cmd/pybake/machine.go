package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/pybake/pybake/internal/engine"
)

// machine is what doctor finds on this machine and setup mends.
type machine struct {
	os      string // of os-release: "Debian GNU/Linux 12 (bookworm)"
	apt     bool   // Debian, Ubuntu or one of their children
	root    bool   // this process may install
	systemd bool   // it runs the services

	engine     engine.Info
	engineErr  error  // why no engine answers
	dockerd    string // "/usr/sbin/dockerd", or empty
	mmdebstrap string // "/usr/bin/mmdebstrap", or empty
	debianKeys string // keyring file that signs Debian, or empty
	ubuntuKeys string // keyring file that signs Ubuntu, or empty
	caBundle   string // or empty
	caErr      error
}

// mend is what a person types to have setup do it.
func (m *machine) mend() string {
	if !m.apt {
		return "install Docker Engine 20.10 or newer, or Podman with its socket, and mmdebstrap; on Debian and Ubuntu pybake setup does it"
	}
	return setupCommand(m.root)
}

// setupCommand is the command that runs setup as root with this very program.
func setupCommand(root bool) string {
	self, err := os.Executable()
	if err != nil {
		self = "pybake"
	}
	switch {
	case strings.Contains(self, "/go-build"): // go run: the program is gone as soon as it ends
		self = "go run github.com/pybake/pybake/cmd/pybake"
		if !root {
			return `sudo env "PATH=$PATH" ` + self + " setup"
		}
	case root:
		self = "pybake"
	}
	if root {
		return self + " setup"
	}
	return "sudo " + self + " setup"
}

// inspect looks at this machine. It changes nothing.
func (a *app) inspect(ctx context.Context) *machine {
	release := osRelease()
	m := &machine{
		os:         release["PRETTY_NAME"],
		root:       os.Geteuid() == 0,
		systemd:    isDir("/run/systemd/system"),
		dockerd:    a.lookPath("dockerd"),
		mmdebstrap: a.lookPath("mmdebstrap"),
		debianKeys: firstFile("/usr/share/keyrings/debian-archive-keyring.gpg", "/usr/share/keyrings/debian-archive-keyring.pgp"),
		ubuntuKeys: firstFile("/usr/share/keyrings/ubuntu-archive-keyring.gpg", "/usr/share/keyrings/ubuntu-archive-keyring.pgp"),
	}
	for _, id := range strings.Fields(release["ID"] + " " + release["ID_LIKE"]) {
		m.apt = m.apt || id == "debian" || id == "ubuntu"
	}
	m.engine, m.engineErr = a.askEngine(ctx)
	m.caBundle, m.caErr = a.caBundle()
	return m
}

// askEngine asks the engine about itself, in a session that leaves no trace.
func (a *app) askEngine(ctx context.Context) (info engine.Info, err error) {
	sessions, err := os.MkdirTemp("", "pybake-doctor-")
	if err != nil {
		return engine.Info{}, err
	}
	defer os.RemoveAll(sessions)
	e, err := engine.Connect(ctx, a.engineAddress(), sessions)
	if err != nil {
		return engine.Info{}, err
	}
	defer func() { err = errors.Join(err, e.Close(ctx)) }()
	return e.Info(ctx)
}

// lookPath finds a program on PATH, or where the programs of root are.
func (a *app) lookPath(name string) string {
	for _, dir := range append(filepath.SplitList(a.sys.getenv("PATH")), "/usr/sbin", "/sbin") {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return path
		}
	}
	return ""
}

// osRelease reads os-release(5); nil if there is none.
func osRelease() map[string]string {
	data, err := os.ReadFile("/etc/os-release")
	if err != nil {
		return nil
	}
	release := map[string]string{}
	for line := range strings.Lines(string(data)) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			release[key] = strings.Trim(value, `"'`)
		}
	}
	return release
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func firstFile(paths ...string) string {
	for _, path := range paths {
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path
		}
	}
	return ""
}

// space returns the bytes free for this user where a directory is or would be
// made, and an error if it cannot be written to.
func space(dir string) (free int64, err error) {
	place := dir
	for {
		info, err := os.Stat(place)
		if err == nil && !info.IsDir() {
			return 0, fmt.Errorf("%s: %w", place, syscall.ENOTDIR)
		}
		if err == nil {
			break
		}
		if !errors.Is(err, fs.ErrNotExist) || place == filepath.Dir(place) {
			return 0, err
		}
		place = filepath.Dir(place)
	}
	const mayWrite = 2 // W_OK of access(2)
	if err := syscall.Access(place, mayWrite); err != nil {
		return 0, fmt.Errorf("write to %s: %w", place, err)
	}
	return freeBytes(place)
}

func freeBytes(dir string) (int64, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 0, fmt.Errorf("statfs %s: %w", dir, err)
	}
	return int64(st.Bavail) * int64(st.Bsize), nil
}
