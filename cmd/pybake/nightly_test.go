package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/pybake/pybake/artifacts/serve"
)

const nightlyDocs = "docs/nightly"

// TestNightlyCommands holds every command line of pybake in the examples and in
// README.md to the verbs and flags that there are.
func TestNightlyCommands(t *testing.T) {
	texts := files(t, nightlyDocs)
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	texts["README.md"] = string(readme)
	for name, text := range texts {
		lines, err := commandLines(name, text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if len(lines) == 0 && name != "pybake-refresh.timer" && name != "prometheus-rules.yml" {
			t.Errorf("%s: no command line found", name)
		}
		for _, argv := range lines {
			if err := parsesAs(t, argv); err != nil {
				t.Errorf("%s: %s: %v", name, strings.Join(argv, " "), err)
			}
		}
	}
	for _, wrong := range []string{"pybake refersh", "pybake refresh --frozn", "pybake gc now", "pybake -C x refresh --deadline", "pybake serve a b"} {
		lines, err := commandLines("github-actions.yml", "run: |\n  if true; then "+wrong+" || exit 1; fi\n")
		if err != nil || len(lines) != 1 || parsesAs(t, lines[0]) == nil {
			t.Errorf("%q is taken: %q, %v", wrong, lines, err)
		}
	}
}

// parsesAs parses a command line as pybake does, without running it.
func parsesAs(t *testing.T, argv []string) error {
	root := newApp(testSystem(t)).rootCommand()
	cmd, rest, err := root.Find(argv[1:])
	if err != nil {
		return err
	}
	if err := cmd.ParseFlags(rest); err != nil {
		return err
	}
	if len(argv) == 2 && cmd.HasParent() {
		return nil // a verb that prose names
	}
	return cmd.ValidateArgs(cmd.Flags().Args())
}

func TestCheckCron(t *testing.T) {
	for _, bad := range []string{"60 * * * *", "0 2 * *", "0 2 * * * *", "0 24 * * *", "5-1 * * * *", "0 2 0 * *", "*/0 * * * *", "0 2 * JAN *"} {
		if checkCron(bad) == nil {
			t.Errorf("%q is taken", bad)
		}
	}
	if _, err := cronCommands("0 2 * * * date +%F\n"); err == nil {
		t.Error("a percent sign is taken")
	}
}

// TestNightlyScripts has a shell read the scripts of the YAML files.
func TestNightlyScripts(t *testing.T) {
	for name, text := range files(t, nightlyDocs) {
		if !strings.HasSuffix(name, ".yml") && !strings.HasSuffix(name, ".yaml") {
			continue
		}
		scripts, err := yamlScripts(text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		read := 0
		for _, script := range scripts {
			if !strings.Contains(script, "\n") {
				continue
			}
			read++
			cmd := exec.Command("sh", "-n")
			cmd.Stdin = strings.NewReader(expression.ReplaceAllString(script, "X"))
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s: %v: %s\n%s", name, err, out, script)
			}
		}
		if read == 0 && name != "prometheus-rules.yml" {
			t.Errorf("%s: no script found", name)
		}
	}
}

// TestNightlyYAML holds what runs the night elsewhere to what the engine of pybake, its
// key and its locks need.
func TestNightlyYAML(t *testing.T) {
	var github struct {
		On   struct{ Schedule []struct{ Cron string } }
		Jobs map[string]struct {
			Timeout int `yaml:"timeout-minutes"`
			Steps   []struct{ Uses, Run string }
		}
	}
	readYAML(t, "github-actions.yml", &github)
	if len(github.On.Schedule) != 1 || checkCron(github.On.Schedule[0].Cron) != nil {
		t.Errorf("GitHub: schedule %v", github.On.Schedule)
	}
	action := regexp.MustCompile(`^actions/[a-z-]+(/[a-z]+)?@v[0-9]+$`)
	for name, job := range github.Jobs {
		if job.Timeout == 0 || job.Timeout > 360 {
			t.Errorf("GitHub: %s ends after %d minutes", name, job.Timeout)
		}
		for _, step := range job.Steps {
			if (step.Uses == "") == (step.Run == "") || step.Uses != "" && !action.MatchString(step.Uses) {
				t.Errorf("GitHub: %s: step %+v", name, step)
			}
		}
	}
	var gitlab struct {
		Refresh struct {
			Script    []string
			Services  []struct{ Name string }
			Variables map[string]string
			Artifacts struct{ When string }
			Resource  string `yaml:"resource_group"`
		}
		Pages struct {
			Needs     []string
			Artifacts struct{ Paths []string }
		}
	}
	readYAML(t, "gitlab-ci.yml", &gitlab)
	r := gitlab.Refresh
	if len(r.Script) == 0 || len(r.Services) != 1 || r.Variables["DOCKER_HOST"] == "" || r.Artifacts.When != "always" || r.Resource == "" {
		t.Errorf("GitLab: refresh: %+v", r)
	}
	if p := gitlab.Pages; !slices.Equal(p.Needs, []string{"refresh"}) || !slices.Equal(p.Artifacts.Paths, []string{"public/"}) {
		t.Errorf("GitLab: pages: %+v", p)
	}
}

// TestNightlyPod looks at the CronJob: one at a time, every mount has a volume, and a
// key that nobody else can read.
func TestNightlyPod(t *testing.T) {
	type container struct {
		Name         string
		VolumeMounts []struct{ Name, MountPath string } `yaml:"volumeMounts"`
	}
	var cron struct {
		Spec struct {
			Schedule    string
			Concurrency string `yaml:"concurrencyPolicy"`
			JobTemplate struct {
				Spec struct {
					Template struct {
						Spec struct {
							InitContainers  []container    `yaml:"initContainers"`
							Containers      []container    `yaml:"containers"`
							SecurityContext map[string]any `yaml:"securityContext"`
							Volumes         []struct {
								Name   string
								Secret struct {
									Mode int `yaml:"defaultMode"`
								}
								Claim struct {
									Name string `yaml:"claimName"`
								} `yaml:"persistentVolumeClaim"`
							}
						}
					}
				}
			} `yaml:"jobTemplate"`
		}
	}
	claims := readYAML(t, "kubernetes.yaml", &cron)
	if checkCron(cron.Spec.Schedule) != nil || cron.Spec.Concurrency != "Forbid" {
		t.Errorf("schedule %q, concurrencyPolicy %q", cron.Spec.Schedule, cron.Spec.Concurrency)
	}
	pod := cron.Spec.JobTemplate.Spec.Template.Spec
	if _, ok := pod.SecurityContext["fsGroup"]; ok || pod.SecurityContext["runAsNonRoot"] != true {
		t.Errorf("securityContext %v", pod.SecurityContext)
	}
	volumes, unused := map[string]bool{}, map[string]bool{}
	for _, v := range pod.Volumes {
		volumes[v.Name], unused[v.Name] = true, true
		if v.Name == "signing" && v.Secret.Mode != 0o400 {
			t.Errorf("the key has mode %o", v.Secret.Mode)
		}
		if v.Claim.Name != "" && !slices.Contains(claims, v.Claim.Name) {
			t.Errorf("there is no claim %s", v.Claim.Name)
		}
	}
	for _, c := range slices.Concat(pod.InitContainers, pod.Containers) {
		for _, m := range c.VolumeMounts {
			if !volumes[m.Name] {
				t.Errorf("%s: there is no volume %s", c.Name, m.Name)
			}
			delete(unused, m.Name)
		}
	}
	if len(volumes) == 0 || len(unused) > 0 {
		t.Errorf("volumes that nobody mounts: %v", unused)
	}
}

// readYAML reads the first document of an example into v, and returns the names
// (metadata.name) of the others.
func readYAML(t *testing.T, name string, v any) (others []string) {
	text, err := os.ReadFile(filepath.Join(nightlyDocs, name))
	if err != nil {
		t.Fatal(err)
	}
	first := true
	if err := eachDocument(string(text), func(doc *yaml.Node) {
		var named struct{ Metadata struct{ Name string } }
		into := any(&named)
		if first {
			into = v
		}
		if err := doc.Decode(into); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if !first {
			others = append(others, named.Metadata.Name)
		}
		first = false
	}); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return others
}

// TestNightlyNegotiation holds the web servers of the examples to what pybake serve
// answers pip, uv and a browser.
func TestNightlyNegotiation(t *testing.T) {
	dir := t.TempDir()
	page := filepath.Join(dir, "simple/trixie/3.13/six")
	if err := os.MkdirAll(page, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"index.html", "index.json"} {
		if err := os.WriteFile(filepath.Join(page, name), []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, pattern := range map[string]string{
		"nginx.conf": `"~\*(.+)" index\.json;`,
		"Caddyfile":  `header_regexp Accept "\(\?i\)(.+)"`,
	} {
		text, err := os.ReadFile(filepath.Join(nightlyDocs, name))
		if err != nil {
			t.Fatal(err)
		}
		m := regexp.MustCompile(pattern).FindSubmatch(text)
		if m == nil {
			t.Fatalf("%s: no pattern of Accept", name)
		}
		wantsJSON := regexp.MustCompile("(?i)" + string(m[1]))
		for _, accept := range []string{
			"application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01", // pip
			"application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01",   // uv
			"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
			"application/vnd.pypi.simple.latest+json",
			"text/html, application/vnd.pypi.simple.v1+json;q=0.5",
			"application/vnd.pypi.simple.v1+jsonx",
			"*/*", "",
		} {
			r := httptest.NewRequest(http.MethodGet, "/simple/trixie/3.13/six/", nil)
			r.Header.Set("Accept", accept)
			w := httptest.NewRecorder()
			serve.Handler(dir).ServeHTTP(w, r)
			if got, want := wantsJSON.MatchString(accept), w.Body.String() == "index.json"; got != want {
				t.Errorf("%s: Accept: %s: JSON is %v, pybake serve says %v", name, accept, got, want)
			}
		}
	}
}

// TestNightlyUnits holds the units to the settings that systemd knows; where
// systemd-analyze is there, it reads them, too.
func TestNightlyUnits(t *testing.T) {
	for _, bad := range []string{"[Service\n", "[Servce]\n", "[Service]\nExecSart=/bin/true\n", "[Timer]\nNice=1\n", "Nice=1\n"} {
		if _, err := parseUnit(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	analyze, err := exec.LookPath("systemd-analyze")
	dir := t.TempDir()
	for _, name := range []string{"pybake-refresh.service", "pybake-refresh.timer"} {
		text, readErr := os.ReadFile(filepath.Join(nightlyDocs, name))
		if readErr != nil {
			t.Fatal(readErr)
		}
		if _, err := parseUnit(string(text)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		// It looks whether the program is there.
		text = bytes.ReplaceAll(text, []byte("/usr/local/bin/pybake "), []byte(self+" "))
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err != nil {
		return // without systemd the settings are all that can be checked
	}
	cmd := exec.Command(analyze, "verify", "--man=no", "./pybake-refresh.service", "./pybake-refresh.timer")
	cmd.Dir = dir
	// What it says of other units of the machine is theirs.
	if out, err := cmd.CombinedOutput(); err != nil || bytes.Contains(out, []byte("pybake-refresh")) {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}
