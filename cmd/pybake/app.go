package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/engine"
	"github.com/pybake/pybake/internal/project"
	"github.com/pybake/pybake/python"
	"github.com/pybake/pybake/recipes"
)

// app is one run of pybake: the outside world, the global flags, and what
// follows from both. The verbs are its methods.
type app struct {
	sys         *system
	screen      *display
	display     reporter // the screen, or a part of it
	log         *slog.Logger
	flags       globalFlags
	args        []string         // of the command line, without the program
	commandLine string           // "pybake python 3.13.5", for those who wait for its locks
	loaded      *project.Project // nil: not read yet
	set         *recipes.Set     // likewise
	locks       *lockCache       // likewise
	ended       chan struct{}    // closed when all is cleaned up

	// replan returns, by kind, the inputs that an artifact would be made from
	// today; show compares them with those it was made from.
	replan map[string]func(ctx context.Context, made *artifacts.Artifact) ([]artifacts.Input, error)
}

// globalFlags are the flags that every verb has.
type globalFlags struct {
	store   string // "" unless given
	project string // "" unless given
	json    bool
	offline bool
	verbose bool
	quiet   bool
}

func newApp(sys *system) *app {
	screen := newDisplay(sys)
	a := &app{sys: sys, screen: screen, display: screen, locks: &lockCache{}, ended: make(chan struct{})}
	a.replan = map[string]func(context.Context, *artifacts.Artifact) ([]artifacts.Input, error){python.Kind: a.replanPython}
	a.setLog()
	return a
}

// setLog makes the logger that packages below get: warnings, everything with
// --verbose, errors only with --quiet, as lines that go well with the display.
func (a *app) setLog() {
	level := slog.LevelWarn
	switch {
	case a.flags.verbose:
		level = slog.LevelDebug
	case a.flags.quiet:
		level = slog.LevelError
	}
	a.log = slog.New(slog.NewTextHandler(a.display.lines(), &slog.HandlerOptions{
		Level: level,
		ReplaceAttr: func(groups []string, attr slog.Attr) slog.Attr {
			if len(groups) == 0 && attr.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return attr
		},
	}))
}

// near makes an absolute path relative, if it is below the working directory.
func (a *app) near(name string) string {
	rel, err := filepath.Rel(a.sys.dir, name)
	if err != nil || !filepath.IsLocal(rel) {
		return name
	}
	return rel
}

// path makes a path absolute that the user gave.
func (a *app) path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(a.sys.dir, name)
}

// project returns what pybake.toml says: that of --project, else the nearest
// from the working directory upwards, else the zero value.
func (a *app) project() (*project.Project, error) {
	if a.loaded != nil {
		return a.loaded, nil
	}
	root, ok := a.path(a.flags.project), true
	if a.flags.project == "" {
		root, ok = project.Find(a.sys.dir)
	}
	p := &project.Project{}
	if ok {
		var err error
		if p, err = project.Load(a.near(root)); err != nil {
			return nil, &advised{err, statusUsage, ""}
		}
	}
	a.loaded = p
	return p, nil
}

// recipes returns the recipes in force.
func (a *app) recipes() (*recipes.Set, error) {
	p, err := a.project()
	if err != nil {
		return nil, err
	}
	if a.set == nil {
		if a.set, err = recipes.Load(p.Recipes()); err != nil {
			return nil, &advised{err, statusUsage, ""}
		}
	}
	return a.set, nil
}

// storeDir returns the directory of the store: that of --store, PYBAKE_STORE
// or pybake.toml, else baked beside pybake.toml or in the working directory.
func (a *app) storeDir() (string, error) {
	if dir := cmp.Or(a.flags.store, a.sys.getenv("PYBAKE_STORE")); dir != "" {
		return dir, nil
	}
	p, err := a.project()
	if err != nil {
		return "", err
	}
	return a.near(cmp.Or(p.Store, filepath.Join(cmp.Or(p.Root, a.sys.dir), "baked"))), nil
}

// store opens the store. It need not exist.
func (a *app) store() (*artifacts.Store, error) {
	dir, err := a.storeDir()
	if err != nil {
		return nil, err
	}
	store, err := artifacts.Open(dir)
	if err != nil {
		return nil, &advised{err, statusUsage, "pybake --store DIR, with a directory that pybake may use"}
	}
	store.Command = a.commandLine
	return store, nil
}

// pins returns what is pinned, and the file that says it.
func (a *app) pins() (lock *project.Lock, path string, err error) {
	store, err := a.storeDir()
	if err != nil {
		return nil, "", err
	}
	p, err := a.project()
	if err != nil {
		return nil, "", err
	}
	path = p.LockPath(store)
	if lock, err = project.ReadLock(path); err != nil {
		return nil, "", &advised{err, statusUsage, ""}
	}
	return lock, path, nil
}

// cacheDir returns the directory of downloads and other things that can be had
// again.
func (a *app) cacheDir() (string, error) {
	if dir := a.sys.getenv("PYBAKE_CACHE"); dir != "" {
		return a.path(dir), nil
	}
	if dir := a.sys.getenv("XDG_CACHE_HOME"); filepath.IsAbs(dir) { // others are void, says the XDG specification
		return filepath.Join(dir, "pybake"), nil
	}
	if home := a.sys.getenv("HOME"); home != "" {
		return a.path(filepath.Join(home, ".cache", "pybake")), nil
	}
	return "", usagef("PYBAKE_CACHE=DIR pybake …", "no cache directory: none of PYBAKE_CACHE, XDG_CACHE_HOME and HOME is set")
}

// downloadDir returns the directory of verified downloads, below the cache.
func (a *app) downloadDir() (string, error) { return a.inCache("downloads") }

// sessionDir returns the directory in which running pybakes say that they
// live, below the cache.
func (a *app) sessionDir() (string, error) { return a.inCache("sessions") }

func (a *app) inCache(name string) (string, error) {
	dir, err := a.cacheDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, name), nil
}

// engineAddress is where the docker command would look for an engine.
func (a *app) engineAddress() engine.Address {
	config := a.sys.getenv("DOCKER_CONFIG")
	if home := a.sys.getenv("HOME"); config == "" && home != "" {
		config = filepath.Join(home, ".docker")
	}
	return engine.Address{
		Host:       a.sys.getenv("DOCKER_HOST"),
		Context:    a.sys.getenv("DOCKER_CONTEXT"),
		TLSVerify:  a.sys.getenv("DOCKER_TLS_VERIFY") != "",
		CertPath:   a.sys.getenv("DOCKER_CERT_PATH"),
		ConfigDir:  config,
		RuntimeDir: a.sys.getenv("XDG_RUNTIME_DIR"),
	}
}

// connect connects to the engine. The caller closes it.
func (a *app) connect(ctx context.Context) (*engine.Engine, error) {
	sessions, err := a.sessionDir()
	if err != nil {
		return nil, err
	}
	return engine.Connect(ctx, a.engineAddress(), sessions)
}

// httpClient returns a client that honours the proxies of the environment. It
// has no limit for a whole request: who downloads watches for stalls.
func (a *app) httpClient() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.ResponseHeaderTimeout = time.Minute
	return &http.Client{Transport: transport}
}

// proxyNames are the variables by which proxies are told to programs. curl
// knows only the lower-case http_proxy.
var proxyNames = [...]string{
	"http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy",
	"HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY",
}

// proxies returns the proxy variables that are set, as lines for the
// environment of a container: "https_proxy=http://proxy.example.org:3128".
func (a *app) proxies() []string {
	var lines []string
	for _, name := range proxyNames {
		if value := a.sys.getenv(name); value != "" {
			lines = append(lines, name+"="+value)
		}
	}
	return lines
}

// errNoBundle is the error of a machine without certificates.
var errNoBundle = errors.New("no certificate bundle found on this machine")

// caBundle returns the path of the host's certificate bundle.
func (a *app) caBundle() (string, error) {
	if path := a.sys.getenv("SSL_CERT_FILE"); path != "" {
		path = a.path(path)
		if err := checkCABundle(path); err != nil {
			return "", usagef("", "SSL_CERT_FILE: %w", err)
		}
		return path, nil
	}
	for _, path := range []string{
		"/etc/ssl/certs/ca-certificates.crt", // Debian, Ubuntu, Arch, Alpine
		"/etc/pki/tls/certs/ca-bundle.crt",   // Fedora, RHEL
		"/etc/ssl/ca-bundle.pem",             // openSUSE
		"/etc/ssl/cert.pem",                  // BSDs, macOS
	} {
		if checkCABundle(path) == nil {
			return path, nil
		}
	}
	return "", errNoBundle
}

func checkCABundle(path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if !bytes.Contains(data, []byte("-----BEGIN CERTIFICATE-----")) {
		return fmt.Errorf("%s: no certificate in it", path)
	}
	return nil
}

// printJSON prints a result as an indented JSON document.
func (a *app) printJSON(v any) error {
	enc := json.NewEncoder(a.sys.stdout)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
