package distro

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/pybake/pybake/internal/engine"
	"github.com/pybake/pybake/internal/pattern"
	"github.com/pybake/pybake/internal/project"
)

// readSources prints apt's configuration of archives, files apart.
const readSources = `for f in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
	if [ -f "$f" ]; then cat "$f"; echo; echo; fi
done`

// writeSources replaces it by entries of one line, $1, and stanzas, $2.
const writeSources = `rm -f /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources
mkdir -p /etc/apt/sources.list.d
printf %s "$1" > /etc/apt/sources.list
printf %s "$2" > /etc/apt/sources.list.d/pybake.sources`

// Sources returns the addresses that apt uses in containers of the base with a
// network, in its order: archives that also hold the distro's source packages.
func (m *Maker) Sources(ctx context.Context, t Target, base project.BasePin) ([]string, error) {
	c, err := m.Offliner(ctx, t, BaseRef(t, base.Digest), "sources")
	if err != nil {
		return nil, fmt.Errorf("apt sources of %s: %w", t, err)
	}
	defer c.Remove(ctx)
	entries, err := m.sources(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("apt sources of %s: %w", t, err)
	}
	if mirror := m.Mirror[t.Distro.Codename]; mirror != "" {
		entries = mirrored(entries, t, mirror)
	}
	return addresses(entries), c.Remove(ctx)
}

// useMirror makes the apt of a container take the distro from the mirror.
func (m *Maker) useMirror(ctx context.Context, c *engine.Container, t Target, mirror string) error {
	entries, err := m.sources(ctx, c)
	if err != nil {
		return fmt.Errorf("use the mirror of %s: %w", t, err)
	}
	var lines, stanzas strings.Builder
	for _, e := range mirrored(entries, t, mirror) {
		if e.line {
			lines.WriteString(e.text)
		} else {
			stanzas.WriteString(e.text + "\n")
		}
	}
	if err := m.sh(ctx, c, writeSources, lines.String(), stanzas.String()); err != nil {
		return fmt.Errorf("use the mirror of %s: %w", t, err)
	}
	return nil
}

func (m *Maker) sources(ctx context.Context, c *engine.Container) ([]source, error) {
	var out strings.Builder
	err := c.Exec(ctx, engine.Command{Argv: []string{"sh", "-c", readSources}, User: "0:0", Stdout: &out})
	return parseSources(out.String()), err
}

// source is an entry of sources.list(5) that is in force.
type source struct {
	line     bool     // of one line; else a stanza
	text     string   // with line ends
	uris     []string // "https://deb.example.org/debian"
	suites   []string // "trixie", "trixie-updates"
	signedBy string   // value of Signed-By, with all its lines; or empty
}

var (
	oneLine     = pattern.New(`^(?:deb|deb-src)\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)`)
	signedByOpt = pattern.New(`(?:^|\s)signed-by=(\S+)`)
	suitesField = pattern.New(`(?mi)^Suites:.*\n([ \t].*\n)*`)
)

// parseSources reads entries in both styles:
//
//	deb [signed-by=/usr/share/keyrings/k.gpg] https://deb.example.org/debian trixie main
//
//	Types: deb
//	URIs: https://deb.example.org/debian https://security.example.org/debian-security
//	Suites: trixie
func parseSources(text string) (found []source) {
	var stanza strings.Builder
	end := func() {
		if s, ok := parseStanza(stanza.String()); ok {
			found = append(found, s)
		}
		stanza.Reset()
	}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, " \t\r\n") + "\n"
		if m := oneLine.FindStringSubmatch(line); m != nil {
			end()
			s := source{line: true, text: line, uris: []string{m[2]}, suites: []string{m[3]}}
			if by := signedByOpt.FindStringSubmatch(m[1]); by != nil {
				s.signedBy = strings.ReplaceAll(by[1], ",", " ")
			}
			found = append(found, s)
			continue
		}
		switch {
		case line == "\n":
			end()
		case line[0] != '#':
			stanza.WriteString(line)
		}
	}
	end()
	return found
}

// parseStanza reads a stanza of deb822(5), without its comments.
func parseStanza(text string) (s source, ok bool) {
	fields := map[string]string{}
	var name string
	for line := range strings.Lines(text) {
		if line[0] == ' ' || line[0] == '\t' {
			fields[name] += "\n" + strings.TrimRight(line, "\n")
			continue
		}
		var value string
		name, value, _ = strings.Cut(line, ":")
		name = strings.ToLower(name)
		fields[name] = strings.TrimSpace(value)
	}
	switch strings.ToLower(fields["enabled"]) {
	case "no", "false", "without", "off", "disable", "0": // StringToBool of apt
		return s, false
	}
	s = source{text: text, uris: strings.Fields(fields["uris"]), suites: strings.Fields(fields["suites"]), signedBy: fields["signed-by"]}
	return s, len(s.uris) > 0
}

// mirrored are the entries with the distro's main suite from a mirror, which
// comes first. Other suites, of updates say, stay where they are.
func mirrored(entries []source, t Target, mirror string) []source {
	codename := t.Distro.Codename
	own := source{uris: []string{mirror}, suites: []string{codename}}
	var rest []source
	for _, e := range entries {
		if !slices.Contains(e.suites, codename) {
			rest = append(rest, e)
			continue
		}
		if own.signedBy == "" {
			own.signedBy = e.signedBy
		}
		e.suites = slices.DeleteFunc(slices.Clone(e.suites), func(s string) bool { return s == codename })
		if len(e.suites) > 0 {
			e.text = suitesField.ReplaceAllLiteralString(e.text, "Suites: "+strings.Join(e.suites, " ")+"\n")
			rest = append(rest, e)
		}
	}
	own.text = "Types: deb\nURIs: " + mirror + "\nSuites: " + codename + "\nComponents: " + strings.Join(t.Distro.Base.Mmdebstrap.Components, " ") + "\n"
	if own.signedBy != "" {
		own.text += "Signed-By: " + own.signedBy + "\n"
	}
	return append([]source{own}, rest...)
}

// addresses are the archives of entries that a network leads to, each once.
func addresses(entries []source) (uris []string) {
	for _, e := range entries {
		for _, uri := range e.uris {
			uri = strings.TrimSuffix(uri, "/")
			if (strings.HasPrefix(uri, "http://") || strings.HasPrefix(uri, "https://")) && !slices.Contains(uris, uri) {
				uris = append(uris, uri)
			}
		}
	}
	return uris
}
