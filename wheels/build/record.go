package build

import (
	"bytes"
	"io"
	"slices"
	"strings"

	"github.com/pybake/pybake/internal/pattern"
)

const (
	maxLog   = 256 << 20
	maxLine  = 4 << 10 // of a line in the tail
	tailSize = 40
)

// record passes what a build prints on to its log, up to a bound, and keeps what a
// failure tells of it. It is for one goroutine.
type record struct {
	w       io.Writer
	written int64
	line    []byte   // the line that has not ended; at most maxLine of it
	tail    []string // the last lines, at most tailSize
	hosts   []string // that serve.py was asked for, in order
}

func (r *record) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		line, after, ended := bytes.Cut(rest, []byte("\n"))
		r.line = append(r.line, line[:min(len(line), maxLine-len(r.line))]...)
		if ended {
			r.endLine()
		}
		rest = after
	}
	if err := r.pass(p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// pass writes to the log as long as there is room.
func (r *record) pass(p []byte) error {
	left := maxLog - r.written
	if left < 0 {
		return nil
	}
	r.written += int64(len(p))
	if int64(len(p)) <= left {
		_, err := r.w.Write(p)
		return err
	}
	_, err := io.WriteString(r.w, string(p[:left])+"\npybake: the log is cut here, after "+size(maxLog)+"\n")
	return err
}

const asked = "pybake: the build asks for " // as in names.py

func (r *record) endLine() {
	line := printable(string(r.line))
	r.line = r.line[:0]
	if host, ok := strings.CutPrefix(line, asked); ok && !slices.Contains(r.hosts, host) && len(r.hosts) < 100 {
		r.hosts = append(r.hosts, host)
	}
	if len(r.tail) == tailSize {
		r.tail = append(r.tail[:0], r.tail[1:]...)
	}
	r.tail = append(r.tail, line)
}

// begin forgets what an earlier hook printed, and says which one begins.
func (r *record) begin(step string) error {
	r.line, r.tail, r.hosts = nil, nil, nil
	return r.pass([]byte("\n==> " + step + "\n"))
}

// end is what a failure tells: the last lines, and the hosts asked for.
func (r *record) end() (tail, hosts []string) {
	if len(r.line) > 0 {
		r.endLine()
	}
	hosts = append(slices.Clone(r.hosts), hostsIn(r.tail)...)
	slices.Sort(hosts)
	return slices.Clone(r.tail), slices.Compact(hosts)
}

var escapes = pattern.New("\x1b(\\[[0-?]*[ -/]*[@-~]|\\][^\x07\x1b]*(\x07|\x1b\\\\)|[@-Z\\\\-_])")

// printable is a line as it looks on a terminal that has no colours: what was
// overwritten after a carriage return is left out, and so is what would do
// something to the terminal.
func printable(line string) string {
	line = strings.TrimRight(escapes.ReplaceAllString(line, ""), "\r")
	if i := strings.LastIndexByte(line, '\r'); i >= 0 {
		line = line[i+1:]
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069:
			return -1
		}
		return r
	}, strings.ToValidUTF8(line, "\ufffd"))
}

// reachedRE are the ways in which programs name the host that they cannot reach.
var reachedRE = []*pattern.Regexp{
	pattern.New(`(?i)could not resolve (?:host|proxy):? '?([\w.:-]+)`),              // curl, git
	pattern.New(`(?i)connect to (?:host )?([\w.:-]+) port`),                         // curl, ssh
	pattern.New(`(?i)failed to (?:resolve|lookup address of) '([\w.:-]+)'`),         // urllib3
	pattern.New(`(?i)HTTPS?ConnectionPool\(host='([\w.:-]+)'`),                      // requests
	pattern.New(`(?i)unable to resolve host address ['‘"]([\w.:-]+)`),               // wget
	pattern.New(`(?i)connecting to ([\w.:-]+?)(?:\|[^|]*\|)?(?::\d+)?\.\.\. *fail`), // wget
	pattern.New(`(?i)dial (?:tcp|udp)[46]?:? (?:lookup )?([\w.-]+|\[[\w:]+\])[: ]`), // go
	pattern.New(`(?i)unable to access '\w+://(?:[^/@']*@)?([\w.-]+)`),               // git
	pattern.New(`(?i)couldn't connect to server.*?\bto ([\w.-]+)`),                  // libcurl in cargo
	pattern.New(`(?i)connect to address ([\w.:]+)`),                                 // telnet and others
}

// hostsIn finds the hosts that lines name as not reached.
func hostsIn(lines []string) (hosts []string) {
	for _, line := range lines {
		for _, re := range reachedRE {
			for _, m := range re.FindAllStringSubmatch(line, -1) {
				host := strings.ToLower(strings.Trim(m[1], ".:[]"))
				if host != "" && host != "localhost" && !strings.HasPrefix(host, "127.") && host != "::1" {
					hosts = append(hosts, host)
				}
			}
		}
	}
	return hosts
}
