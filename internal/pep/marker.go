package pep

import "strings"

// Marker is a marker expression of PEP 508: a comparison, or markers joined by
// "and" or "or". Joins are flat: `a and b and c` is one Marker with three Args.
type Marker struct {
	Join       string // "and", "or", or "" for a comparison
	Args       []Marker
	Parens     bool // written in parentheses, which String keeps; it adds those needed
	Comparison Comparison
}

// Comparison is what a marker is made of, such as python_version < "3.13".
type Comparison struct {
	Left  Operand
	Op    string // "==", "!=", "<=", ">=", "<", ">", "~=", "===", "in", "not in"
	Right Operand
}

// Operand is a variable, under its name of today (os_name for os.name), or a
// literal. A literal beside extra, extras or dependency_groups is normalised.
type Operand struct {
	Variable bool
	Text     string
}

// ParseMarker reads a marker, such as `extra == "test" and os_name != "nt"`.
func ParseMarker(s string) (Marker, error) {
	if err := checkInput("marker", s); err != nil {
		return Marker{}, err
	}
	l := &lexer{what: "marker", s: s}
	m, err := l.marker(0)
	if err != nil {
		return Marker{}, err
	}
	if !l.end() {
		return Marker{}, l.expected(`"and", "or" or the end`)
	}
	m.Parens = false
	return m, nil
}

// marker reads alternatives between "or", of terms between "and".
func (l *lexer) marker(depth int) (Marker, error) {
	var alternatives []Marker
	for {
		var terms []Marker
		for {
			m, err := l.term(depth)
			if err != nil {
				return Marker{}, err
			}
			terms = append(terms, m)
			if !l.acceptWord("and") {
				break
			}
		}
		alternatives = append(alternatives, join("and", terms))
		if !l.acceptWord("or") {
			return join("or", alternatives), nil
		}
	}
}

func join(op string, args []Marker) Marker {
	if len(args) == 1 {
		return args[0]
	}
	return Marker{Join: op, Args: args}
}

// term reads a comparison or a marker in parentheses, and the blanks around it.
func (l *lexer) term(depth int) (m Marker, err error) {
	l.blank()
	open := l.pos
	if !l.accept("(") {
		m.Comparison, err = l.comparison()
		l.blank()
		return m, err
	}
	if depth == maxDepth {
		return Marker{}, l.fail(open, "parentheses nested deeper than %d", maxDepth)
	}
	if m, err = l.marker(depth + 1); err != nil {
		return Marker{}, err
	}
	if !l.accept(")") {
		return Marker{}, l.expected(`"and", "or" or ")"`)
	}
	l.blank()
	m.Parens = m.Join != ""
	return m, nil
}

func (l *lexer) comparison() (c Comparison, err error) {
	if c.Left, err = l.operand(); err != nil {
		return c, err
	}
	l.blank()
	if c.Op, err = l.operator(); err != nil {
		return c, err
	}
	l.blank()
	c.Right, err = l.operand()
	c.normalize()
	return c, err
}

// operand reads a variable or a literal.
func (l *lexer) operand() (Operand, error) {
	if l.peek(`"`) || l.peek("'") {
		text, err := l.literal()
		return Operand{Text: text}, err
	}
	word := l.word()
	if name := variable(word); name != "" {
		l.pos += len(word)
		return Operand{Variable: true, Text: name}, nil
	}
	return Operand{}, l.expected("a variable or a string")
}

// variable is the name of today of a variable, "" if there is none.
func variable(word string) string {
	switch word {
	case "os.name", "sys.platform", "platform.version", "platform.machine", "platform.python_implementation":
		return strings.Replace(word, ".", "_", 1)
	case "python_implementation":
		return "platform_python_implementation"
	case "extra", "extras", "dependency_groups":
		return word
	}
	if _, ok := (Env{}).lookup(word); ok {
		return word
	}
	return ""
}

func (l *lexer) operator() (string, error) {
	switch l.word() {
	case "in":
		l.pos += len("in")
		return "in", nil
	case "not":
		l.pos += len("not")
		if !l.blank() || !l.acceptWord("in") {
			return "", l.expected(`" in" after "not"`)
		}
		return "not in", nil
	}
	for _, op := range []string{"===", "==", "~=", "!=", "<=", ">=", "<", ">"} {
		if l.accept(op) {
			return op, nil
		}
	}
	return "", l.expected("one of <= < != == >= > ~= === in, not in")
}

// normalize brings names of extras and groups to the form of NormalizeName.
func (c *Comparison) normalize() {
	switch {
	case c.Left.Variable && c.Left.Text == "extra" && !c.Right.Variable:
		c.Right.Text = NormalizeName(c.Right.Text)
	case c.Right.Variable && !c.Left.Variable &&
		(c.Right.Text == "extra" || c.Right.Text == "extras" || c.Right.Text == "dependency_groups"):
		c.Left.Text = NormalizeName(c.Left.Text)
	}
}

// String is the marker with one space between words and strings in double
// quotes where possible.
func (m Marker) String() string {
	if m.Join == "" {
		return m.Comparison.String()
	}
	parts := make([]string, len(m.Args))
	for i, arg := range m.Args {
		parts[i] = arg.String()
		if arg.Join != "" && (arg.Parens || m.Join == "and" && arg.Join == "or") {
			parts[i] = "(" + parts[i] + ")"
		}
	}
	return strings.Join(parts, " "+m.Join+" ")
}

func (c Comparison) String() string {
	return c.Left.String() + " " + c.Op + " " + c.Right.String()
}

func (o Operand) String() string {
	if o.Variable {
		return o.Text
	}
	return quote(o.Text)
}
