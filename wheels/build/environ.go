package build

import (
	"fmt"
	"maps"
	"path"
	"strconv"
	"time"
)

const (
	cflags = "-fno-strict-overflow -DNDEBUG -O3 %s -fstack-protector-strong -fstack-clash-protection" +
		" -ffile-prefix-map=" + srcDir + "=. -ffile-prefix-map=%s=env" // -g0 or -g, the environment
	ldflags = "-Wl,-z,relro,-z,now,-z,noexecstack -Wl,--build-id=sha1"
)

// environ is the whole environment of hooks.
func (r *Run) environ() map[string]string {
	jobs := strconv.Itoa(max(1, r.job.Jobs))
	programs := ""
	if r.job.Path != "" {
		programs = r.job.Path + ":"
	}
	debug, ldflags := "-g", ldflags
	if !r.job.Symbols {
		debug, ldflags = "-g0", ldflags+" -Wl,-S"
	}
	cflags := fmt.Sprintf(cflags, debug, r.env)
	env := map[string]string{
		"PATH": r.env + "/bin:" + r.b.Prefix + "/bin:" + programs + "/usr/bin:/bin",
		"HOME": homeDir, "TMPDIR": "/tmp", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "TZ": "UTC",
		"SOURCE_DATE_EPOCH": strconv.FormatInt(r.job.epoch().Unix(), 10),
		"PYTHONHASHSEED":    "0", "PYTHONNOUSERSITE": "1", "PYTHONDONTWRITEBYTECODE": "1",
		"MAKEFLAGS": "-j" + jobs, "MAX_JOBS": jobs, "CMAKE_BUILD_PARALLEL_LEVEL": jobs, "CARGO_BUILD_JOBS": jobs,
		"NPY_NUM_BUILD_JOBS": jobs,
		"CFLAGS":             cflags, "CXXFLAGS": cflags, "FFLAGS": cflags, "LDFLAGS": ldflags,
	}
	maps.Copy(env, r.job.Env)
	return env
}

// epoch is the time of everything that a build makes and that it is given.
func (j Job) epoch() time.Time {
	if first := time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC); j.Epoch.Before(first) {
		return first
	}
	return j.Epoch
}

// request is a step that serve.py and hook.py, or symbols.py, run.
type request struct {
	Step           string            `json:"step"`
	Known          []string          `json:"known"`
	Python         string            `json:"python"`
	Source         string            `json:"source"`
	Out            string            `json:"out"`
	Env            map[string]string `json:"env"`
	Backend        string            `json:"backend"`
	BackendPath    []string          `json:"backend_path"`    // nil: None
	ConfigSettings map[string]any    `json:"config_settings"` // nil: None
	Wheel          string            `json:"wheel,omitempty"` // of the step "symbols", in Out
	Debug          string            `json:"debug,omitempty"` // where that puts what it takes out
}

func (r *Run) request(step string, known []string) request {
	q := request{
		Step: step, Known: known, Python: r.env + "/bin/python", Source: path.Join(srcDir, r.job.Subdirectory), Out: outDir,
		Env: r.environ(), Backend: r.job.Backend, BackendPath: r.job.BackendPath,
	}
	for key, values := range r.job.ConfigSettings {
		if q.ConfigSettings == nil {
			q.ConfigSettings = map[string]any{}
		}
		q.ConfigSettings[key] = values
		if len(values) == 1 {
			q.ConfigSettings[key] = values[0]
		}
	}
	return q
}
