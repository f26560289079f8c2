package main

import (
	"io"
	"strings"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/distro"
)

// reporter is what verbs tell what goes on: the display, or the part of it that one
// of several jobs has that run at once.
type reporter interface {
	distro.Reporter
	Expect(steps []artifacts.Step)
	lines() io.Writer
}

// scoped is the part of a job: its name begins every line. It is not for use by
// several goroutines that have steps of their own: Output is that of the step that
// began last.
type scoped struct {
	*display
	prefix string // "python 3.13 trixie: "

	last *step
	tail []string // of the step that failed first: the last lines that a container printed
}

func (s *scoped) Step(name string) (end func(error)) {
	step := s.begin(s.prefix + name)
	s.mu.Lock()
	s.last = step
	s.mu.Unlock()
	return func(err error) {
		s.mu.Lock()
		if err != nil && s.tail == nil {
			for _, line := range step.tail {
				s.tail = append(s.tail, clean(line))
			}
		}
		s.mu.Unlock()
		s.end(step, err)
	}
}

func (s *scoped) Note(format string, args ...any) {
	s.display.Note(strings.ReplaceAll(s.prefix, "%", "%%")+format, args...)
}

func (s *scoped) Output() io.Writer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last == nil {
		return stepWriter{s.display, &step{}}
	}
	return stepWriter{s.display, s.last}
}

func (s *scoped) Expect(steps []artifacts.Step) {
	named := make([]artifacts.Step, len(steps))
	for i, one := range steps {
		named[i] = artifacts.Step{Name: s.prefix + one.Name, Seconds: one.Seconds}
	}
	s.display.Expect(named)
}
