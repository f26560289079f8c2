package main

import (
	"strings"
	"testing"
)

func TestMedian(t *testing.T) {
	for _, test := range []struct {
		values []float64
		want   float64
	}{
		{[]float64{3}, 3},
		{[]float64{9, 1, 2}, 2},
		{[]float64{4, 1, 9, 2}, 3},
	} {
		if got := median(test.values); got != test.want {
			t.Errorf("median(%v) = %v, want %v", test.values, got, test.want)
		}
	}
}

func TestPrintTable(t *testing.T) {
	rows := []*row{
		{What: "edit", Unit: "s", Pybake: []float64{2, 1, 3}, Peer: "docker build", Theirs: []float64{0.5, 0.5, 0.5}, Target: 0.5},
		{What: "size", Unit: "B", Pybake: []float64{40e6}, Peer: "slim", Theirs: []float64{100e6}, Target: 0.5, Note: "above the base"},
		{What: "nothing new", Unit: "s", Pybake: []float64{0.03}, Target: 0.05},
		{What: "base", Unit: "B", Pybake: []float64{80e6}},
	}
	var out strings.Builder
	if err := printTable(&out, rows); err != nil {
		t.Fatal(err)
	}
	want := strings.TrimPrefix(`
COMPARISON   PYBAKE                  PEER                     RATIO  TARGET
edit         2.00 s (1.00 s–3.00 s)  docker build  500 ms     4.000  ≤ 0.50   missed
size         40.00 MB                slim          100.00 MB  0.400  ≤ 0.50   met
nothing new  30 ms                                                   ≤ 50 ms  met
base         80.00 MB
size: above the base
`, "\n")
	if out.String() != want {
		t.Errorf("table:\n%s\nwant:\n%s", out.String(), want)
	}
}
