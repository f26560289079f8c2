package refresh

import (
	"fmt"
	"strconv"
	"strings"
)

// DOT is a plan in the language of Graphviz: an arrow goes from what is made first.
func DOT(plan []Outcome) string {
	var b strings.Builder
	b.WriteString("digraph pybake {\n  rankdir=LR;\n  node [shape=box, style=filled, fontname=\"sans-serif\"];\n")
	colours := map[State]string{Fresh: "#e4f2e4", Rebuilt: "#d8e8fb", Due: "#d8e8fb", Failed: "#f9dcdc", Skipped: "#eeeeee"}
	for _, o := range plan {
		label := o.Name + "\n" + string(o.State)
		if len(o.Reasons) > 0 {
			label += ": " + o.Reasons[0]
		}
		fmt.Fprintf(&b, "  %s [label=%s, fillcolor=%q];\n", quote(o.Name), quote(label), colours[o.State])
		for _, need := range o.Needs {
			fmt.Fprintf(&b, "  %s -> %s;\n", quote(need), quote(o.Name))
		}
	}
	b.WriteString("}\n")
	return b.String()
}

// quote is a string of DOT, in which only quotes and backslashes are escaped.
func quote(s string) string {
	s = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s)
	if strings.ContainsFunc(s, func(r rune) bool { return !strconv.IsPrint(r) }) {
		s = strings.Map(func(r rune) rune {
			if strconv.IsPrint(r) {
				return r
			}
			return '\uFFFD'
		}, s)
	}
	return `"` + s + `"`
}
