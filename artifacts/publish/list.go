package publish

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	listHead = "pybake published directory, format 1"

	listFile      = "files.txt"
	listSignature = "files.txt.asc"
	setFile       = "set.json"
	recordFile    = "generation.json"
)

// maxList is how many bytes of a list are read: some hundred thousand files.
const maxList = 256 << 20

// listed is a line of the list of a generation.
type listed struct {
	Path   string // "dists/trixie/InRelease", "pool/5f/5f1c…/NAME"
	Size   int64
	SHA256 string
}

func (f listed) inPool() bool { return strings.HasPrefix(f.Path, poolDir+"/") }

// list is what files.txt says.
type list struct {
	Number  int
	Date    time.Time
	Content string
	Files   []listed // sorted by path
}

// text is the text of the note, without signatures.
func (l *list) text() string {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s\ngeneration %d\ndate %s\ncontent %s\n", listHead, l.Number, l.Date.UTC().Format(time.RFC3339), l.Content)
	for _, f := range l.Files {
		b.WriteString(f.SHA256)
		b.WriteByte(' ')
		b.WriteString(strconv.FormatInt(f.Size, 10))
		b.WriteByte(' ')
		b.WriteString(f.Path)
		b.WriteByte('\n')
	}
	return b.String()
}

// unsigned is the text of a note, whoever signed it.
func unsigned(note []byte) string {
	text, _, signed := strings.Cut(string(note), "\n\n")
	if signed {
		text += "\n"
	}
	return text
}

// parseList reads what text writes, and nothing else.
func parseList(text string) (*list, error) {
	rest, ok := strings.CutSuffix(text, "\n")
	if !ok {
		return nil, errors.New("it does not end with a newline")
	}
	lines := strings.Split(rest, "\n")
	if lines[0] != listHead {
		return nil, fmt.Errorf("line 1: %.80q, want %q", lines[0], listHead)
	}
	if len(lines) < 4 {
		return nil, errors.New("it ends in its head")
	}
	var l list
	var err error
	number, ok1 := strings.CutPrefix(lines[1], "generation ")
	date, ok2 := strings.CutPrefix(lines[2], "date ")
	content, ok3 := strings.CutPrefix(lines[3], "content ")
	if !ok1 || !ok2 || !ok3 || !isHash(content) {
		return nil, errors.New("lines 2 to 4: want generation, date and content")
	}
	if l.Number, err = strconv.Atoi(number); err != nil || l.Number < 1 {
		return nil, fmt.Errorf("line 2: %.80q is not the number of a generation", number)
	}
	if l.Date, err = time.Parse(time.RFC3339, date); err != nil {
		return nil, fmt.Errorf("line 3: %w", err)
	}
	l.Content = content
	l.Files = make([]listed, 0, len(lines)-4)
	for i, line := range lines[4:] {
		f, err := parseListed(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+5, err)
		}
		if i > 0 && l.Files[i-1].Path >= f.Path {
			return nil, fmt.Errorf("line %d: %s is not behind %s", i+5, f.Path, l.Files[i-1].Path)
		}
		l.Files = append(l.Files, f)
	}
	return &l, nil
}

func parseListed(line string) (listed, error) {
	sum, rest, _ := strings.Cut(line, " ")
	digits, path, ok := strings.Cut(rest, " ")
	size, err := strconv.ParseInt(digits, 10, 64)
	if !ok || err != nil || size < 0 || !isHash(sum) {
		return listed{}, fmt.Errorf("%.80q, want SHA-256, size and path", line)
	}
	return listed{path, size, sum}, checkPath(path)
}

// find returns the line of a path.
func (l *list) find(path string) (listed, bool) {
	i, found := slices.BinarySearchFunc(l.Files, path, func(f listed, p string) int { return strings.Compare(f.Path, p) })
	if !found {
		return listed{}, false
	}
	return l.Files[i], true
}

// owns is whether a by-hash file belongs to an index of the list itself, and is not
// carried for a client of a former generation.
func (l *list) owns(byHash listed) bool {
	dir, _, ok := strings.Cut(byHash.Path, byHashDir)
	if !ok {
		return false
	}
	i, _ := slices.BinarySearchFunc(l.Files, dir, func(f listed, p string) int { return strings.Compare(f.Path, p) })
	for _, f := range l.Files[i:] {
		name, below := strings.CutPrefix(f.Path, dir)
		if !below {
			return false
		}
		if f.SHA256 == byHash.SHA256 && !strings.Contains(name, "/") {
			return true
		}
	}
	return false
}

const byHashDir = "by-hash/SHA256/"
