package refresh

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pybake/pybake/artifacts"
)

// bench is a set of jobs of which a test says what becomes of them.
type bench struct {
	mu      sync.Mutex
	jobs    []Job
	running map[string]bool
	most    int      // that ran at once
	began   []string // in order
}

var errBroken = errors.New("broken")

// add adds a job that takes a second. What it is: "fresh", "due", "found" after all, "fails", "unknown".
func (b *bench) add(name, what string, needs ...string) *Job {
	if b.running == nil {
		b.running = map[string]bool{}
	}
	made := &artifacts.Artifact{}
	b.jobs = append(b.jobs, Job{
		Cell: Cell{Name: name, Needs: needs}, Cores: 1,
		Look: func(context.Context) (Look, error) {
			switch what {
			case "fresh":
				return Look{State: Fresh, Artifact: made, Compared: 3}, nil
			case "unknown":
				return Look{}, errBroken
			}
			return Look{State: Due, Reasons: []string{"new"}}, nil
		},
		Make: func(ctx context.Context) (*artifacts.Artifact, bool, error) {
			b.mu.Lock()
			b.began, b.running[name] = append(b.began, name), true
			b.most = max(b.most, len(b.running))
			b.mu.Unlock()
			defer func() {
				b.mu.Lock()
				defer b.mu.Unlock()
				delete(b.running, name)
			}()
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
				return nil, false, context.Cause(ctx)
			}
			if what == "fails" {
				return nil, false, fmt.Errorf("%s: %w", name, errBroken)
			}
			return made, what != "found", nil
		},
	})
	return &b.jobs[len(b.jobs)-1]
}

func states(out []Outcome) (all []string) {
	for _, o := range out {
		all = append(all, o.Name+" "+string(o.State))
	}
	return all
}

func TestRunKeepsFailureToWhatNeedsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bench
		b.add("py3", "fresh")
		b.add("py4", "fails")
		b.add("house3", "due", "py3")
		b.add("house4", "due", "py4")
		b.add("image", "due", "house3", "house4")
		b.add("other", "unknown")
		b.add("free", "due", "not in the matrix")
		b.add("found", "found")
		var told []string
		out := Run(t.Context(), b.jobs, Limits{Cores: 2, Told: func(o Outcome) { told = append(told, o.Name) }})
		want := []string{"py3 fresh", "py4 failed", "house3 rebuilt", "house4 skipped", "image skipped", "other failed", "free rebuilt", "found fresh"}
		if diff := cmp.Diff(want, states(out)); diff != "" {
			t.Error(diff)
		}
		if len(told) != len(b.jobs) {
			t.Errorf("told of %q", told)
		}
		if !strings.Contains(out[4].Err.Error(), "house4") || !errors.Is(out[1].Err, errBroken) {
			t.Errorf("errors %v, %v", out[4].Err, out[1].Err)
		}
		if b.most != 2 {
			t.Errorf("%d at once, want 2", b.most)
		}
	})
}

func TestRunLimits(t *testing.T) {
	for _, test := range []struct {
		name  string
		lim   Limits
		shape func(i int, j *Job)
		most  int
	}{
		{"cores", Limits{Cores: 4}, func(_ int, j *Job) { j.Cores = 2 }, 2},
		{"more cores than there are", Limits{Cores: 2}, func(_ int, j *Job) { j.Cores = 8 }, 1},
		{"memory", Limits{Cores: 8, Memory: 10}, func(_ int, j *Job) { j.Memory = 3 }, 3},
		{"more memory than there is", Limits{Cores: 8, Memory: 1}, func(_ int, j *Job) { j.Memory = 3 }, 1},
		{"jobs", Limits{Cores: 8, Jobs: 3}, func(int, *Job) {}, 3},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var b bench
				for i := range 6 {
					test.shape(i, b.add(fmt.Sprint(i), "due"))
				}
				for _, o := range Run(t.Context(), b.jobs, test.lim) {
					if o.State != Rebuilt {
						t.Errorf("%s %s: %v", o.Name, o.State, o.Err)
					}
				}
				if b.most != test.most {
					t.Errorf("%d at once, want %d", b.most, test.most)
				}
			})
		})
	}
}

func TestRunDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bench
		b.add("short", "due").Likely = time.Second
		b.add("long", "due").Likely = time.Hour
		b.add("unknown", "due")
		b.add("fresh", "fresh")
		out := Run(t.Context(), b.jobs, Limits{Cores: 1, Deadline: time.Now().Add(1500 * time.Millisecond)})
		want := []string{"short rebuilt", "long skipped", "unknown rebuilt", "fresh fresh"}
		if diff := cmp.Diff(want, states(out)); diff != "" {
			t.Error(diff)
		}
		if err := out[1].Err.Error(); !strings.Contains(err, "deadline") {
			t.Errorf("error %q does not tell of the deadline", err)
		}
	})
}

func TestRunStopsWhenNothingCanBeMade(t *testing.T) {
	for _, test := range []struct {
		name string
		lim  func(cancel context.CancelFunc) Limits
		want []string
	}{
		{"engine gone", func(context.CancelFunc) Limits {
			return Limits{Fatal: func(err error) bool { return errors.Is(err, errBroken) }}
		}, []string{"a failed", "b skipped", "c skipped"}},
		{"cancelled", func(cancel context.CancelFunc) Limits {
			return Limits{Told: func(Outcome) { cancel() }}
		}, []string{"a failed", "b skipped", "c skipped"}},
		{"no room", func(context.CancelFunc) Limits {
			return Limits{Room: func() error { return errors.New("disk full") }}
		}, []string{"a skipped", "b skipped", "c fresh"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var b bench
				b.add("a", "fails")
				b.add("b", "due")
				b.add("c", map[bool]string{true: "fresh", false: "due"}[test.name == "no room"])
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if diff := cmp.Diff(test.want, states(Run(ctx, b.jobs, test.lim(cancel)))); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

func TestPlanTellsWhatComesFirst(t *testing.T) {
	var b bench
	b.add("py3", "fresh")
	b.add("py4", "due")
	b.add("py5", "unknown")
	b.add("house3", "fresh", "py3")
	b.add("house4", "fresh", "py4")
	b.add("house5", "fresh", "py5")
	out, err := Plan(t.Context(), b.jobs)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"py3 fresh", "py4 due", "py5 failed", "house3 fresh", "house4 due", "house5 skipped"}
	if diff := cmp.Diff(want, states(out)); diff != "" {
		t.Error(diff)
	}
	if !slices.Equal(out[4].Reasons, []string{"py4 comes first"}) {
		t.Errorf("reasons %q", out[4].Reasons)
	}
	if len(b.began) > 0 {
		t.Errorf("a plan made %q", b.began)
	}
}

func TestDOT(t *testing.T) {
	got := DOT([]Outcome{
		{Job: Job{Cell: Cell{Name: "a"}}, State: Fresh},
		{Job: Job{Cell: Cell{Name: `b "x" \ y`, Needs: []string{"a"}}}, State: Due, Reasons: []string{"line\x1b[0m"}},
	})
	for _, want := range []string{`"a" [label="a\nfresh"`, `"b \"x\" \\ y"`, `"a" -> "b \"x\" \\ y";`} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
	if strings.Contains(got, "\x1b") {
		t.Error("a control character came through")
	}
}
