package refresh

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pybake/pybake/artifacts"
)

// State is what became of a cell, or would become of it.
type State string

const (
	Fresh   State = "fresh"   // the store has it, of today's inputs
	Due     State = "due"     // it would be built
	Rebuilt State = "rebuilt" // it was built
	Failed  State = "failed"  // it could not be built
	Skipped State = "skipped" // it was not tried
)

// Look is what is known of a cell before anything is made.
type Look struct {
	State    State               // Fresh or Due
	Artifact *artifacts.Artifact // of Fresh
	Reasons  []string            // of Due: "openssl 3.0.17-1 → 3.0.18-1 in bookworm"
	Compared int                 // inputs that were compared
}

// Job is a cell with what makes it.
type Job struct {
	Cell
	Cores  int           // that making it keeps busy; at least 1
	Memory int64         // bytes that it is likely to need
	Likely time.Duration // that making it takes; 0: unknown

	// Look says what would become of the cell. It needs neither network nor engine.
	// What it needs has been looked at or made before.
	Look func(ctx context.Context) (Look, error)
	// Make makes it, or finds after all that the store has it: then it was not built.
	Make func(ctx context.Context) (made *artifacts.Artifact, built bool, err error)
}

// Outcome is what became of a job.
type Outcome struct {
	Job
	State    State
	Artifact *artifacts.Artifact // of Fresh and Rebuilt
	Reasons  []string
	Compared int
	Err      error // of Failed and Skipped
	Began    time.Time
	Took     time.Duration
}

// Limits are what jobs that run at once may use together.
type Limits struct {
	Cores    int   // at least 1
	Jobs     int   // at once; 0: no limit
	Memory   int64 // bytes; 0: no limit
	Deadline time.Time
	Planned  []Outcome // of Plan, if it was asked: what is fresh there is not looked at again
	// Room is asked before a job is made; its error leaves it out.
	Room func() error
	// Fatal is whether an error, such as that of an engine that is gone, means that
	// nothing more can be made.
	Fatal func(error) bool
	Now   func() time.Time
	// Told is called with each outcome as soon as there is one, by one goroutine at a time.
	Told func(Outcome)
}

// errNeeds is the cause of what was skipped for what it needs.
var errNeeds = errors.New("what it needs is not there")

// Plan looks at all jobs, in their order, each after those that it needs. A job that
// needs one that is not up to date is due as well, unless it says otherwise.
func Plan(ctx context.Context, jobs []Job) ([]Outcome, error) {
	out := make([]Outcome, len(jobs))
	byName := map[string]*Outcome{}
	for _, wave := range waves(jobs) {
		var wg sync.WaitGroup
		slots := make(chan struct{}, 8)
		for _, i := range wave {
			wg.Go(func() {
				slots <- struct{}{}
				defer func() { <-slots }()
				out[i] = look(ctx, jobs[i], byName)
			})
		}
		wg.Wait()
		for _, i := range wave {
			byName[jobs[i].Name] = &out[i]
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
	return out, nil
}

// waves are the indexes of jobs in groups: each job is in a later group than those
// that it needs.
func waves(jobs []Job) (groups [][]int) {
	level := map[string]int{}
	for i, j := range jobs {
		at := 0
		for _, need := range j.Needs {
			if l, ok := level[need]; ok {
				at = max(at, l+1)
			}
		}
		level[j.Name] = at
		for len(groups) <= at {
			groups = append(groups, nil)
		}
		groups[at] = append(groups[at], i)
	}
	return groups
}

// needs are the indexes of the jobs that each job needs. Names of none are left out:
// what is not in the matrix is made on the way, or found.
func needs(jobs []Job) [][]int {
	index := map[string]int{}
	for i, j := range jobs {
		index[j.Name] = i
	}
	out := make([][]int, len(jobs))
	for i, j := range jobs {
		for _, need := range j.Needs {
			if k, ok := index[need]; ok {
				out[i] = append(out[i], k)
			}
		}
	}
	return out
}

// look is what would become of one job. Of what needs something that is due nobody
// can know the key: it may well come out as it was.
func look(ctx context.Context, j Job, known map[string]*Outcome) Outcome {
	o := Outcome{Job: j, State: Due}
	for _, need := range j.Needs {
		if n := known[need]; n != nil && n.State != Fresh {
			if n.State == Failed {
				o.State, o.Err = Skipped, fmt.Errorf("%w: %s", errNeeds, need)
				return o
			}
			o.Reasons = append(o.Reasons, need+" comes first")
		}
	}
	if len(o.Reasons) > 0 {
		return o
	}
	l, err := j.Look(ctx)
	if err != nil {
		o.State, o.Err = Failed, err
		return o
	}
	o.State, o.Artifact, o.Reasons, o.Compared = l.State, l.Artifact, l.Reasons, l.Compared
	return o
}

// runner is one Run.
type runner struct {
	jobs []Job
	lim  Limits

	needs [][]int // of each job, by index

	mu     sync.Mutex
	cond   *sync.Cond
	out    []Outcome
	state  []int // of jobs: waiting, running, finished
	active int   // running
	cores  int   // in use
	memory int64
	fatal  error
}

const (
	waiting = iota
	running
	finished
)

// Run makes what is not up to date. Outcomes are in the order of the jobs, and there
// is one for each whatever happens.
func Run(ctx context.Context, jobs []Job, lim Limits) []Outcome {
	if lim.Now == nil {
		lim.Now = time.Now
	}
	lim.Cores = max(1, lim.Cores)
	r := &runner{jobs: jobs, lim: lim, out: make([]Outcome, len(jobs)), state: make([]int, len(jobs))}
	r.needs = needs(jobs)
	r.cond = sync.NewCond(&r.mu)
	for i := range jobs {
		if i < len(lim.Planned) && lim.Planned[i].Name == jobs[i].Name && lim.Planned[i].State == Fresh {
			r.out[i], r.state[i] = lim.Planned[i], finished
		}
	}
	stop := context.AfterFunc(ctx, func() { r.mu.Lock(); defer r.mu.Unlock(); r.cond.Broadcast() })
	defer stop()
	var wg sync.WaitGroup
	r.mu.Lock()
	for {
		i, left := r.next(ctx)
		if left == 0 {
			break
		}
		if i < 0 {
			r.cond.Wait()
			continue
		}
		r.state[i] = running
		r.active++
		r.cores += r.coresOf(i)
		r.memory += r.jobs[i].Memory
		wg.Go(func() {
			o := r.one(ctx, r.jobs[i])
			r.mu.Lock()
			defer r.mu.Unlock()
			r.active--
			r.cores -= r.coresOf(i)
			r.memory -= r.jobs[i].Memory
			r.finish(i, o)
		})
	}
	r.mu.Unlock()
	wg.Wait()
	return r.out
}

func (r *runner) coresOf(i int) int { return min(max(1, r.jobs[i].Cores), r.lim.Cores) }

// finish records an outcome. The caller has the mutex.
func (r *runner) finish(i int, o Outcome) {
	r.out[i], r.state[i] = o, finished
	if o.State == Failed && r.fatal == nil && r.lim.Fatal != nil && r.lim.Fatal(o.Err) {
		r.fatal = o.Err
	}
	if r.lim.Told != nil {
		r.lim.Told(o)
	}
	r.cond.Broadcast()
}

// next is a job to start, or -1 if one has to wait, and how many are not finished.
// Those that cannot be made any more are finished here. The caller has the mutex.
func (r *runner) next(ctx context.Context) (start, left int) {
	for again := true; again; {
		again, left, start = false, 0, -1
		for i, state := range r.state {
			if state == finished {
				continue
			}
			left++
			if state == running {
				continue
			}
			if why := r.hopeless(ctx, i); why != nil {
				r.finish(i, Outcome{Job: r.jobs[i], State: Skipped, Err: why, Began: r.lim.Now()})
				again = true
				break
			}
			if start < 0 && r.ready(i) && r.fits(i) {
				start = i
			}
		}
	}
	return start, left
}

// hopeless is why a job that has not begun never will.
func (r *runner) hopeless(ctx context.Context, i int) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if r.fatal != nil {
		return fmt.Errorf("not begun: %w", r.fatal)
	}
	for _, k := range r.needs[i] {
		if r.state[k] == finished && r.out[k].Artifact == nil {
			return fmt.Errorf("%w: %s %s", errNeeds, r.jobs[k].Name, r.out[k].State)
		}
	}
	return nil
}

// ready is whether all that a job needs is made.
func (r *runner) ready(i int) bool {
	return !slices.ContainsFunc(r.needs[i], func(k int) bool { return r.state[k] != finished })
}

// fits is whether there is room for a job beside those that run. One that is alone
// always fits.
func (r *runner) fits(i int) bool {
	if r.active == 0 {
		return true
	}
	return (r.lim.Jobs == 0 || r.active < r.lim.Jobs) && r.cores+r.coresOf(i) <= r.lim.Cores && (r.lim.Memory == 0 || r.memory+r.jobs[i].Memory <= r.lim.Memory)
}

// one looks at a job and makes it if it is due.
func (r *runner) one(ctx context.Context, j Job) (o Outcome) {
	o = Outcome{Job: j, Began: r.lim.Now()}
	defer func() { o.Took = r.lim.Now().Sub(o.Began) }()
	l, err := j.Look(ctx)
	if err != nil {
		o.State, o.Err = Failed, err
		return o
	}
	o.Reasons, o.Compared = l.Reasons, l.Compared
	if l.State == Fresh {
		o.State, o.Artifact = Fresh, l.Artifact
		return o
	}
	if why := r.noTime(j); why != nil {
		o.State, o.Err = Skipped, why
		return o
	}
	if r.lim.Room != nil {
		if err := r.lim.Room(); err != nil {
			o.State, o.Err = Skipped, err
			return o
		}
	}
	made, built, err := j.Make(ctx)
	switch o.Artifact = made; {
	case err != nil:
		o.State, o.Artifact, o.Err = Failed, nil, err
	case built:
		o.State = Rebuilt
	default:
		o.State, o.Reasons = Fresh, nil
	}
	return o
}

// noTime is why a job would not be finished before the deadline.
func (r *runner) noTime(j Job) error {
	if r.lim.Deadline.IsZero() {
		return nil
	}
	left := r.lim.Deadline.Sub(r.lim.Now())
	switch {
	case left <= 0:
		return errors.New("not begun: the deadline has passed")
	case j.Likely > left:
		return fmt.Errorf("not begun: it is likely to take %s, and %s are left to the deadline", round(j.Likely), round(left))
	}
	return nil
}

func round(d time.Duration) string {
	if d < time.Minute {
		return d.Round(time.Second).String()
	}
	return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
}
