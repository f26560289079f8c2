package main

import (
	"strings"
	"testing"

	"github.com/pybake/pybake/artifacts"
)

func TestDue(t *testing.T) {
	for _, tt := range []struct{ last, missing, want string }{
		{"toolchain configure train profile compile", "base builder", "toolchain configure train profile compile"},
		{"toolchain configure train profile compile", "", "configure compile"},
		{"toolchain configure train profile compile", "profile", "configure train profile compile"},
		{"configure freeze compile", "", "configure freeze compile"},
		{"configure freeze compile", "profile", "configure compile"},
		{"train compile", "base", "compile"},
	} {
		var steps []artifacts.Step
		for name := range strings.FieldsSeq(tt.last) {
			steps = append(steps, artifacts.Step{Name: name})
		}
		var got []string
		for _, s := range due(steps, strings.Fields(tt.missing)) {
			got = append(got, s.Name)
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s, missing %s: %q, want %s", tt.last, tt.missing, got, tt.want)
		}
	}
}
