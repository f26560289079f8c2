package report

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// metrics writes families of samples, each with its HELP and TYPE.
type metrics struct{ bytes.Buffer }

// gauge begins a family. All numbers of a night can go down as well as up.
func (m *metrics) gauge(name, help string) {
	fmt.Fprintf(m, "# HELP pybake_%s %s\n# TYPE pybake_%s gauge\n", name, help, name)
}

// sample writes one. Labels are names and values by turns.
func (m *metrics) sample(name string, value float64, labels ...string) {
	m.WriteString("pybake_" + name)
	for i := 0; i < len(labels); i += 2 {
		m.WriteString([]string{"{", ","}[min(i, 1)])
		m.WriteString(labels[i] + `="` + labelEscapes.Replace(labels[i+1]) + `"`)
	}
	if len(labels) > 0 {
		m.WriteString("}")
	}
	m.WriteString(" " + strconv.FormatFloat(value, 'f', -1, 64) + "\n")
}

var labelEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

func unix(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}

// renderMetrics is metrics.prom. What is not known has no sample: an artifact that was
// built in none of the nights has no seconds.
func renderMetrics(nights []Night) []byte {
	n := &nights[0]
	m := &metrics{}
	m.gauge("night_started_timestamp_seconds", "When the night began.")
	m.sample("night_started_timestamp_seconds", unix(n.Started))
	m.gauge("night_finished_timestamp_seconds", "When the night ended.")
	m.sample("night_finished_timestamp_seconds", unix(n.Finished))
	m.gauge("night_duration_seconds", "How long the night was.")
	m.sample("night_duration_seconds", took(n))
	if ok := lastGood(nights); ok != nil {
		m.gauge("last_success_timestamp_seconds", "When the last night ended that looked at all pins and after which all was up to date.")
		m.sample("last_success_timestamp_seconds", unix(ok.Finished))
	}
	m.gauge("generation", "Number of the generation that is published; 0: none.")
	m.sample("generation", float64(n.Generation))
	m.gauge("signed", "Whether what is published is signed.")
	signed := 0.0
	if n.Signed {
		signed = 1
	}
	m.sample("signed", signed)
	m.gauge("pins_moved", "Pins that moved in the night.")
	m.sample("pins_moved", float64(len(n.Moves)))
	m.gauge("pins_trouble", "Things that could not be looked at in the night, so that their pins stayed.")
	m.sample("pins_trouble", float64(len(n.Trouble)))
	m.gauge("artifacts", "Artifacts by state.")
	for _, c := range counts(n) {
		m.sample("artifacts", float64(c.N), "state", c.State)
	}
	m.artifacts(newLedger(nights))
	return m.Bytes()
}

// artifacts writes the families that have a sample for each artifact.
func (m *metrics) artifacts(l *ledger) {
	families := []struct {
		name, help string
		of         func(row []*Artifact) (value float64, labels []string, ok bool)
	}{
		{"artifact_state", "1 for the state that an artifact is in.", func(row []*Artifact) (float64, []string, bool) {
			return 1, []string{"state", row[0].State}, true
		}},
		{"artifact_size_bytes", "Bytes of an artifact.", func(row []*Artifact) (float64, []string, bool) {
			return float64(row[0].Size), nil, row[0].Size > 0
		}},
		{"artifact_build_seconds", "What the last build of an artifact took.", func(row []*Artifact) (float64, []string, bool) {
			for _, a := range row {
				if a != nil && a.State == Rebuilt {
					return a.Seconds, nil, true
				}
			}
			return 0, nil, false
		}},
		{"artifact_last_success_timestamp_seconds", "When the last night ended after which an artifact was up to date.",
			func(row []*Artifact) (float64, []string, bool) {
				for i, a := range row {
					if a != nil && a.current() {
						return unix(l.nights[i].Finished), nil, true
					}
				}
				return 0, nil, false
			}},
		{"artifact_checks", "Checks that an artifact went through.", func(row []*Artifact) (float64, []string, bool) {
			return float64(row[0].Checks), nil, row[0].Checks > 0
		}},
		{"artifact_checks_failed", "Checks that an artifact did not pass.", func(row []*Artifact) (float64, []string, bool) {
			return float64(row[0].Checks - row[0].Passed), nil, row[0].Checks > 0
		}},
	}
	artifacts := l.nights[0].Artifacts
	for _, f := range families {
		begun := false
		for i := range artifacts {
			a := &artifacts[i]
			value, labels, ok := f.of(l.row(a.Name))
			if !ok {
				continue
			}
			if !begun {
				m.gauge(f.name, f.help)
				begun = true
			}
			m.sample(f.name, value, append([]string{"artifact", a.Name, "kind", a.Kind}, labels...)...)
		}
	}
}

// lastGood is the newest night that looked at all pins and after which all was up to
// date, or nil.
func lastGood(nights []Night) *Night {
	for i := range nights {
		all := len(nights[i].Trouble) == 0
		for k := range nights[i].Artifacts {
			all = all && nights[i].Artifacts[k].current()
		}
		if all {
			return &nights[i]
		}
	}
	return nil
}
