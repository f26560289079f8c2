package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pybake/pybake/artifacts/serve"
)

func (a *app) serveCommand() *cobra.Command {
	var listen string
	cmd := &cobra.Command{
		Use:   "serve [DIRECTORY]",
		Short: "Serve the published directory, for trying it",
		Long: `Serve answers HTTP requests from the published directory: that of [publish] in
pybake.toml, else ./published, or the one given. It prints its address and the
lines with which apt, pip and uv install from it, and runs until Ctrl-C. What is
published meanwhile is served from then on.

Nobody is asked who they are and nothing is encrypted: it listens on loopback,
unless --listen says otherwise. Any web server can serve the directory for good.
With --verbose each request is a line on standard error: client, method, path,
status, bytes.

With --json one document, as soon as requests are answered: {"url", "dir",
"report", "apt": [{"distro", "signed", "lines"}], "simple": [{"distro", "python",
"url", "pip", "uv"}]}.`,
		Example: `  pybake serve
  pybake serve /srv/published --listen 127.0.0.1:0 --verbose`,
		Args:              wantArgs(0, 1, ""),
		ValidArgsFunction: completeDirectory,
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := ""
			if len(args) > 0 {
				dir = args[0]
			}
			return a.serve(cmd.Context(), dir, listen)
		},
	}
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:8081", "`address` and port; port 0 is one that is free")
	return cmd
}

func completeDirectory(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveFilterDirs
}

func (a *app) serve(ctx context.Context, dir, listen string) error {
	dir, err := a.servedDir(dir)
	if err != nil {
		return err
	}
	listener, host, err := a.listen(ctx, listen)
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler:           a.logged(serve.Handler(dir)),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       time.Minute,
		ErrorLog:          slog.NewLogLogger(a.log.Handler(), slog.LevelDebug),
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	if err := a.printServing(dir, host); err != nil {
		return errors.Join(err, server.Close())
	}
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace/2)
	defer cancel()
	if err := server.Shutdown(last); err != nil {
		a.display.Note("cut off what was still being downloaded")
		return server.Close()
	}
	return nil
}

// servedDir is the directory to serve, in which something is published.
func (a *app) servedDir(dir string) (string, error) {
	if dir == "" {
		p, err := a.project()
		if err != nil {
			return "", err
		}
		dir = p.Publication.In(cmp.Or(p.Root, a.sys.dir)).Dir
	}
	dir = a.path(dir)
	_, err := os.Stat(filepath.Join(dir, "current"))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", usagef("pybake publish", "serve %s: nothing is published there", a.near(dir))
	case err != nil:
		return "", fmt.Errorf("serve %s: %w", a.near(dir), err)
	}
	return dir, nil
}

// listen opens the port, and says so if others than this machine reach it. host is
// where it is reached: "127.0.0.1:8081".
func (a *app) listen(ctx context.Context, address string) (l net.Listener, host string, err error) {
	name, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return nil, "", usagef("pybake serve --listen 127.0.0.1:8081", "--listen %s: want an address and a port", address)
	}
	if l, err = new(net.ListenConfig).Listen(ctx, "tcp", address); err != nil {
		return nil, "", &advised{fmt.Errorf("serve: %w", err), statusFailed, "pybake serve --listen 127.0.0.1:0"}
	}
	at := l.Addr().(*net.TCPAddr)
	if !at.IP.IsLoopback() {
		fmt.Fprintf(a.sys.stderr, "pybake: WARNING: listening on %s: whoever reaches this machine can read all that is published, unencrypted\n", at)
	}
	if ip := net.ParseIP(name); name == "" || ip != nil && ip.IsUnspecified() {
		name = "127.0.0.1"
	}
	return l, net.JoinHostPort(name, strconv.Itoa(at.Port)), nil
}

// logged writes a line for each request, with --verbose.
func (a *app) logged(h http.Handler) http.Handler {
	if !a.flags.verbose {
		return h
	}
	out := a.display.lines()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := &answer{ResponseWriter: w, status: http.StatusOK}
		h.ServeHTTP(answer, r)
		client, _, _ := net.SplitHostPort(r.RemoteAddr)
		uri := strings.Trim(strconv.QuoteToASCII(r.RequestURI), `"`)
		fmt.Fprintf(out, "%s %s %s %d %d\n", client, r.Method, uri, answer.status, answer.bytes)
	})
}

// answer remembers what was answered.
type answer struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (a *answer) WriteHeader(status int) {
	a.status = status
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(p []byte) (int, error) {
	n, err := a.ResponseWriter.Write(p)
	a.bytes += int64(n)
	return n, err
}

// serving is what serve --json prints.
type serving struct {
	URL    string          `json:"url"`
	Dir    string          `json:"dir"`
	Report string          `json:"report,omitempty"`
	Apt    []servingApt    `json:"apt"`
	Simple []servingSimple `json:"simple"`
}

type servingApt struct {
	Distro string   `json:"distro"`
	Signed bool     `json:"signed"`
	Lines  []string `json:"lines"` // for a shell of root
}

type servingSimple struct {
	Distro string `json:"distro"`
	Python string `json:"python"`
	URL    string `json:"url"`
	Pip    string `json:"pip"`
	UV     string `json:"uv"`
}

// printServing prints how to install from what is served.
func (a *app) printServing(dir, host string) error {
	s := findServing(dir, host)
	if a.flags.json {
		return a.printJSON(s)
	}
	lines := []string{s.URL}
	for _, one := range s.Apt {
		title := "# apt, " + one.Distro
		if !one.Signed {
			title += " (not signed)"
		}
		lines = append(append(lines, "", title), one.Lines...)
	}
	for _, one := range s.Simple {
		lines = append(lines, "", "# "+one.Distro+", Python "+one.Python, one.Pip, one.UV)
	}
	if s.Report != "" {
		lines = append(lines, "", "# report", s.Report)
	}
	_, err := fmt.Fprintln(a.sys.stdout, strings.Join(lines, "\n"))
	return err
}

// findServing looks at what is published now.
func findServing(dir, host string) serving {
	root := "http://" + host + "/"
	s := serving{URL: root, Dir: dir, Apt: []servingApt{}, Simple: []servingSimple{}}
	there := func(names ...string) bool {
		_, err := os.Stat(filepath.Join(append([]string{dir}, names...)...))
		return err == nil
	}
	if there("report", "index.html") {
		s.Report = root + "report/"
	}
	for _, distro := range namesIn(dir, "dists") {
		one := servingApt{Distro: distro, Signed: there("pybake.asc") && there("dists", distro, "InRelease")}
		option := "trusted=yes"
		if one.Signed {
			const keyring = "/usr/share/keyrings/pybake.asc"
			option = "signed-by=" + keyring
			one.Lines = append(one.Lines, "curl -fsSo "+keyring+" "+root+"pybake.asc")
		}
		one.Lines = append(one.Lines, fmt.Sprintf("echo 'deb [%s] %s %s main' > /etc/apt/sources.list.d/pybake.list", option, root, distro))
		s.Apt = append(s.Apt, one)
	}
	trust := ""
	if name, _, _ := net.SplitHostPort(host); name != "localhost" && !net.ParseIP(name).IsLoopback() {
		trust = " --trusted-host " + name
	}
	for _, distro := range namesIn(dir, "simple") {
		for _, python := range namesIn(dir, "simple", distro) {
			one := servingSimple{Distro: distro, Python: python, URL: root + "simple/" + distro + "/" + python + "/"}
			one.Pip = "pip install --index-url " + one.URL + trust + " --require-hashes -r requirements.txt"
			one.UV = "uv pip install --default-index " + one.URL + " --require-hashes -r requirements.txt"
			s.Simple = append(s.Simple, one)
		}
	}
	return s
}

// namesIn are the names in a directory, sorted; none if it cannot be read.
func namesIn(parts ...string) (names []string) {
	entries, _ := os.ReadDir(filepath.Join(parts...))
	for _, entry := range entries {
		if entry.IsDir() {
			names = append(names, entry.Name())
		}
	}
	return names
}
