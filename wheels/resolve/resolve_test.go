package resolve

import (
	"strings"
	"testing"
)

func TestSmoke(t *testing.T) {
	f := newFake(t, `
a 1.0
a 2.0
	c>=2
b 1.0
b 2.0
	c<2
c 1.0
c 2.0
`)
	r := trixie(t, f)
	got, err := r.Resolve(t.Context(), strings.Fields("a b"))
	if err != nil {
		t.Fatal(err)
	}
	t.Log(pins(got), f.asked)
	_, err = r.Resolve(t.Context(), strings.Fields("a>=2 b>=2"))
	t.Log(err)
	_, err = r.Resolve(t.Context(), strings.Fields("a>=3 b>=2 dd"))
	t.Log(err)
}
