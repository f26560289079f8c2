package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// codeSpan is `code` in prose and comments.
var codeSpan = regexp.MustCompile("`(pybake [^`]+)`")

// commandLines finds the command lines of pybake in a file: those that its format
// runs, and those between backquotes.
func commandLines(name, text string) (lines [][]string, err error) {
	prose := text
	var scripts []string
	switch filepath.Ext(name) {
	case ".yml", ".yaml":
		scripts, err = yamlScripts(text)
	case ".service", ".timer":
		var unit []unitLine
		unit, err = parseUnit(text)
		for _, l := range unit {
			if strings.HasPrefix(l.key, "Exec") {
				scripts = append(scripts, l.value)
			}
		}
	case ".md":
		scripts = codeBlocks(text)
		prose = strings.Join(strings.Fields(text), " ")
	}
	if name == "crontab" {
		scripts, err = cronCommands(text)
	}
	prose = strings.ReplaceAll(prose, "\n# ", " ") // a command may go on on the next line of a comment
	for _, m := range codeSpan.FindAllStringSubmatch(prose, -1) {
		lines = append(lines, strings.Fields(m[1]))
	}
	for _, script := range scripts {
		for _, argv := range shellCommands(script) {
			if argv[0] == "pybake" || strings.HasSuffix(argv[0], "/pybake") {
				lines = append(lines, argv)
			}
		}
	}
	return lines, err
}

// codeBlocks are the indented lines of Markdown that are commands.
func codeBlocks(text string) (scripts []string) {
	for line := range strings.Lines(text) {
		if code, ok := strings.CutPrefix(line, "    "); ok {
			scripts = append(scripts, code)
		}
	}
	return scripts
}

// yamlScripts are all texts of a YAML file, and lists of words as a line.
func yamlScripts(text string) (scripts []string, err error) {
	err = eachDocument(text, func(doc *yaml.Node) {
		var walk func(n *yaml.Node)
		walk = func(n *yaml.Node) {
			if n.Kind == yaml.ScalarNode {
				scripts = append(scripts, n.Value)
			}
			if n.Kind == yaml.SequenceNode && len(n.Content) > 0 && n.Content[0].Value == "pybake" {
				var argv []string
				for _, word := range n.Content {
					argv = append(argv, word.Value)
				}
				scripts = append(scripts, strings.Join(argv, " "))
				return
			}
			for _, child := range n.Content {
				walk(child)
			}
		}
		walk(doc)
	})
	return scripts, err
}

// eachDocument calls do for each document of a YAML file. A key that is given twice
// is an error.
func eachDocument(text string, do func(*yaml.Node)) error {
	decoder := yaml.NewDecoder(strings.NewReader(text))
	for n := 0; ; n++ {
		var doc yaml.Node
		err := decoder.Decode(&doc)
		if errors.Is(err, io.EOF) && n > 0 {
			return nil
		}
		if err != nil {
			return err
		}
		var any map[string]any
		if err := doc.Decode(&any); err != nil {
			return err
		}
		do(&doc)
	}
}

var (
	expression = regexp.MustCompile(`\$\{\{[^}]*\}\}`) // of GitHub
	assignment = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*=`)
	redirected = regexp.MustCompile(`^[0-9]*(>|<)`)

	// Words before a command.
	before = []string{"!", "{", "(", "do", "else", "exec", "if", "sudo", "then", "time", "until", "while"}
)

// shellCommands are the simple commands of a script, as words. It knows quotes,
// comments, separators and redirections, and no more than that.
func shellCommands(script string) (all [][]string) {
	script = expression.ReplaceAllString(strings.ReplaceAll(script, "\\\n", " "), "X")
	var argv []string
	word, open, quote := "", false, rune(0)
	endWord := func() {
		if open && !redirected.MatchString(word) {
			argv = append(argv, word)
		}
		word, open = "", false
	}
	endCommand := func() {
		endWord()
		for len(argv) > 0 && (slices.Contains(before, argv[0]) || assignment.MatchString(argv[0])) {
			argv = argv[1:]
		}
		if len(argv) > 0 {
			all = append(all, argv)
		}
		argv = nil
	}
	comment := false
	for _, c := range script + "\n" {
		switch {
		case comment && c != '\n':
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			word += string(c)
		case c == '\'' || c == '"':
			quote, open = c, true
		case c == '#' && !open:
			comment = true
		case c == ' ' || c == '\t':
			endWord()
		case strings.ContainsRune("\n;|&()", c):
			endCommand()
			comment = false
		default:
			word, open = word+string(c), true
		}
	}
	return all
}

// cronCommands are the commands of a crontab, whose fields it checks (crontab(5)).
func cronCommands(text string) (commands []string, err error) {
	line := regexp.MustCompile(`^(\S+\s+\S+\s+\S+\s+\S+\s+\S+)\s+(.+)$`)
	for n, l := range strings.Split(text, "\n") {
		if l == "" || l[0] == '#' || assignment.MatchString(l) {
			continue
		}
		m := line.FindStringSubmatch(l)
		if m == nil {
			return nil, fmt.Errorf("line %d: want five fields and a command", n+1)
		}
		if err := checkCron(m[1]); err != nil {
			return nil, fmt.Errorf("line %d: %w", n+1, err)
		}
		if strings.Contains(strings.ReplaceAll(m[2], `\%`, ""), "%") {
			return nil, fmt.Errorf(`line %d: a %% that is no \%%`, n+1)
		}
		commands = append(commands, m[2])
	}
	return commands, nil
}

// checkCron checks the fields of a schedule: "*", "5", "1-5", "*/15" and lists of them.
func checkCron(schedule string) error {
	fields := strings.Fields(schedule)
	if len(fields) != 5 {
		return fmt.Errorf("%q: want five fields", schedule)
	}
	part := regexp.MustCompile(`^(?:\*|([0-9]+)(?:-([0-9]+))?)(?:/([1-9][0-9]*))?$`)
	for i, limits := range [][2]int{{0, 59}, {0, 23}, {1, 31}, {1, 12}, {0, 7}} {
		for p := range strings.SplitSeq(fields[i], ",") {
			m := part.FindStringSubmatch(p)
			if m == nil {
				return fmt.Errorf("%q: field %d", schedule, i+1)
			}
			last := limits[0]
			for _, number := range m[1:3] {
				if number == "" {
					continue
				}
				n, err := strconv.Atoi(number)
				if err != nil || n < last || n > limits[1] {
					return fmt.Errorf("%q: field %d: %s is not from %d to %d", schedule, i+1, number, last, limits[1])
				}
				last = n
			}
		}
	}
	return nil
}

// unitLine is a setting of a unit of systemd.
type unitLine struct{ section, key, value string }

// unitKeys are the settings that the examples use, by section.
var unitKeys = map[string]string{
	"Unit":    "After Description Documentation Wants",
	"Install": "WantedBy",
	"Timer":   "OnCalendar Persistent RandomizedDelaySec",
	"Service": `CacheDirectory CapabilityBoundingSet Environment EnvironmentFile ExecStart ExecStartPost Group
		IOSchedulingClass KillMode LockPersonality Nice NoNewPrivileges PrivateDevices PrivateTmp ProtectClock
		ProtectControlGroups ProtectHome ProtectHostname ProtectKernelLogs ProtectKernelModules
		ProtectKernelTunables ProtectSystem ReadWritePaths RestrictAddressFamilies RestrictNamespaces
		RestrictRealtime RestrictSUIDSGID StateDirectory SupplementaryGroups SystemCallArchitectures
		SystemCallErrorNumber SystemCallFilter TimeoutStartSec TimeoutStopSec Type UMask User WorkingDirectory`,
}

// parseUnit reads a unit file (systemd.syntax(7)) that has only known settings.
func parseUnit(text string) (lines []unitLine, err error) {
	section := ""
	for n, line := range strings.Split(text, "\n") {
		if line == "" || line[0] == '#' {
			continue
		}
		if name, ok := strings.CutPrefix(line, "["); ok {
			section = strings.TrimSuffix(name, "]")
			if _, known := unitKeys[section]; !known || name == section {
				return nil, fmt.Errorf("line %d: %s is no section", n+1, line)
			}
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok || !slices.Contains(strings.Fields(unitKeys[section]), key) {
			return nil, fmt.Errorf("line %d: %s is no setting of [%s]", n+1, key, section)
		}
		if strings.HasSuffix(value, `\`) || value != strings.TrimSpace(value) {
			return nil, fmt.Errorf("line %d: %q", n+1, value)
		}
		lines = append(lines, unitLine{section, key, value})
	}
	return lines, nil
}
