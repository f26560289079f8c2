//go:build engine

package main

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pybake/pybake/artifacts/publish"
	"github.com/pybake/pybake/internal/project"
	"github.com/pybake/pybake/internal/refresh/report"
)

// tooShort leaves out what would not be done before the deadline: a Python takes longer
// than a minute.
func tooShort(t *testing.T, s *nightly) {
	s.change("pybake.toml", `pythons = ["3.13"]`, `pythons = ["3.13", "3.12.4"]`)
	told, night, _ := s.nightWith(nowhereEnv, 1, append([]string{"refresh", "--json", "--deadline", "1m"}, same...)...)
	for _, cell := range []string{cellPython, cellOne, cellTwo, cellClient, cellBare} {
		if told[cell].State != report.Fresh {
			t.Errorf("%s: %s", cell, told[cell].State)
		}
	}
	const left = "python 3.12.4 trixie amd64"
	if a := told[left]; a.State != report.Skipped || !strings.HasPrefix(a.Error, "not begun: it is likely to take ") {
		t.Errorf("%s: %s: %s", left, a.State, a.Error)
	}
	if a := told["wheels one.lock 3.12.4 trixie amd64"]; a.State != report.Skipped || !strings.Contains(a.Error, left) {
		t.Errorf("its house: %s: %s", a.State, a.Error)
	}
	s.alarmed(night, "not begun: it is likely to take ")
	s.change("pybake.toml", `pythons = ["3.13", "3.12.4"]`, `pythons = ["3.13"]`)
	for _, bad := range []string{"1", "6x", "-1h", "0m"} {
		if _, _, status := s.run(nil, append([]string{"refresh", "--dry-run", "--deadline=" + bad}, same...)...); status != 2 {
			t.Errorf("--deadline %s: status %d", bad, status)
		}
	}
}

// twoAtOnce begins a night during another.
func twoAtOnce(t *testing.T, s *nightly) {
	s.lock("two.lock", "taken", "pure 1.3")
	cmd, _, read := s.startVerb("refresh", "build pure 1.3 …", same...)
	for _, verb := range []string{"refresh", "publish", "gc"} {
		_, said, status := s.run(nil, verb)
		if status != 1 || !strings.Contains(said, "another refresh of this store is under way: ") {
			t.Errorf("%s: status %d\n%s", verb, status, said)
		}
	}
	if cmd.ProcessState != nil {
		t.Fatal("the first has ended")
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	<-read
	cmd.Wait()
	if status := cmd.ProcessState.ExitCode(); status != 130 {
		t.Errorf("interrupted: status %d", status)
	}
	s.verifies()
	s.isClean()
}

// killedNights kills nights and publications at several moments.
func killedNights(t *testing.T, s *nightly) {
	before := s.current()
	for _, word := range []string{"look for releases", "build pure 1.3 …"} {
		cmd, _, read := s.startVerb("refresh", word, same...)
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		<-read
		cmd.Wait()
		s.verifies()
		if s.current() != before {
			t.Errorf("killed at %q: %s is published", word, s.current())
		}
	}
	// The next goes on, and is killed while it publishes.
	cmd, _, read := s.startVerb("refresh", "publish …", same...)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-read
	cmd.Wait()
	s.verifies()
	told, _, _ := s.night(0, same...)
	s.states(told, "fresh fresh fresh fresh fresh") // it was built, whether or not it was published
	if e := s.entry(cellTwo); e.Stale != nil || !slices.ContainsFunc(e.Files, func(f publish.Blob) bool { return strings.HasPrefix(f.Name, "wheelhouse-two.lock") }) {
		t.Errorf("published: %+v", e)
	}
	s.verifies()
	s.isClean()
	if left := dockerRun(t, "ps", "-aq", "--filter", "name=pybake-wheel"); left != "" {
		t.Errorf("containers left: %s", left)
	}

	// A publication is killed at all parts of the time that one takes, and later.
	began := time.Now()
	if _, _, status := s.run(nil, "rollback"); status != 0 {
		t.Fatalf("rollback: status %d", status)
	}
	whole := time.Since(began)
	published := map[string]bool{}
	for i := range 10 {
		s.killAfter(whole*time.Duration(i)/5, "rollback")
		s.verifies()
		published[s.current()] = true
	}
	t.Logf("%d kills of a publication that takes %s: %d generations", 10, whole, len(published))
	told, _, _ = s.nightWith(nowhereEnv, 0, "refresh", "--json", "--frozen")
	s.states(told, "fresh fresh fresh fresh fresh")
	s.verifies()
	if drafts, err := os.ReadDir(s.published(".work")); err != nil || slices.ContainsFunc(drafts, fs.DirEntry.IsDir) {
		t.Errorf("drafts left: %v, %v", drafts, err)
	}
}

// flippedBit damages a house of the store before it is published.
func flippedBit(t *testing.T, s *nightly) {
	s.lock("one.lock", "compiled", "greet 1.3")
	if _, _, status := s.run(nil, "wheels", "one.lock", "--python", "3.13.5", "--distro", "trixie"); status != 0 {
		t.Fatalf("wheels: status %d", status)
	}
	link := filepath.Join(s.dir, "baked/wheels/one.lock-3.13.5-trixie-amd64/greet-1.3-py3-none-any.whl")
	file, err := filepath.EvalSymlinks(link)
	if err != nil {
		t.Fatal(err)
	}
	s.flip(file)
	old := s.entry(cellOne)
	told, _, said := s.night(1, "--frozen")
	if told[cellOne].State != "failed" || !strings.Contains(told[cellOne].Error, "greet-1.3-py3-none-any.whl") {
		t.Errorf("%s: %s: %s", cellOne, told[cellOne].State, told[cellOne].Error)
	}
	if !strings.Contains(said, "greet-1.3-py3-none-any.whl") || !strings.Contains(said, "verify --store") {
		t.Errorf("not named, or no hint:\n%s", said)
	}
	if e := s.entry(cellOne); e.Key != old.Key || e.Stale == nil {
		t.Errorf("published: %+v", e)
	}
	s.verifies()
	out, _, status := s.run(nil, "verify", "--store")
	if status != 1 || !strings.Contains(out, "greet-1.3-py3-none-any.whl") {
		t.Errorf("verify --store: status %d\n%s", status, out)
	}
	out, _, status = s.run(nil, "verify", "--store", "--repair")
	if !strings.Contains(out, "greet-1.3-py3-none-any.whl") {
		t.Errorf("verify --store --repair: status %d\n%s", status, out)
	}
	if _, _, status = s.run(nil, "verify", "--store"); status != 0 {
		t.Errorf("verify --store after the repair: status %d", status)
	}
	told, _, _ = s.night(0, same...)
	s.states(told, "fresh rebuilt fresh rebuilt fresh")
	if e := s.entry(cellOne); e.Key == old.Key || e.Stale != nil {
		t.Errorf("published: %+v", e)
	}
	s.verifies()
}

// flippedPool damages a file of what is published: the next publication has it from the
// store.
func flippedPool(t *testing.T, s *nightly) {
	name := s.entry(cellOne).Wheels[0].Path()
	s.flip(s.published(name))
	if out, _, status := s.run(nil, "verify"); status != 1 || !strings.Contains(out, name) {
		t.Errorf("verify: status %d\n%s", status, out)
	}
	if _, _, status := s.run(nowhereEnv, "publish"); status != 0 {
		t.Errorf("publish: status %d", status)
	}
	s.verifies()
}

// flip changes a bit of a file. It becomes a file of its own: the same bytes may be
// linked elsewhere.
func (s *nightly) flip(file string) {
	s.t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		s.t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.WriteFile(file+".new", data, 0o644); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		s.t.Fatal(err)
	}
}

var netbasePin = regexp.MustCompile(`'netbase [^']*'`)

// runtimePin is the line of pybake.lock with which an image pins netbase.
func (s *nightly) runtimePin(image string) (line string, change func(new string)) {
	s.t.Helper()
	file := filepath.Join(s.dir, project.LockFile)
	text, err := os.ReadFile(file)
	if err != nil {
		s.t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(text), "for = 'image "+image+"'")
	at := netbasePin.FindStringIndex(rest)
	if !ok || at == nil {
		s.t.Fatalf("%s pins nothing for image %s", project.LockFile, image)
	}
	return rest[at[0]:at[1]], func(new string) {
		s.t.Helper()
		s.write(project.LockFile, head+"for = 'image "+image+"'"+rest[:at[0]]+new+rest[at[1]:])
	}
}

// movedPin has pins of a day when the distro had something older.
func movedPin(t *testing.T, s *nightly) {
	older := map[string]string{}
	for _, image := range []string{"client", "bare"} {
		line, change := s.runtimePin(image)
		words := strings.Fields(strings.Trim(line, "'"))
		for i, w := range words {
			if len(w) == 64 && strings.Trim(w, "0123456789abcdef") == "" {
				words[i] = strings.Repeat("0", 64)
			}
		}
		now := words[1]
		words[1] = "5.0"
		older[image] = "netbase 5.0 → " + now + " in trixie"
		change("'" + strings.ReplaceAll(strings.Join(words, " "), "_"+now+"_", "_5.0_") + "'")
	}
	out, _, status := s.run(nil, "refresh", "--dry-run", "--update", "image client", "--json")
	var plan printedPlan
	if err := json.Unmarshal([]byte(out), &plan); err != nil || status != 0 {
		t.Fatalf("--dry-run: status %d, %v", status, err)
	}
	if len(plan.Moves) != 1 || !strings.HasPrefix(plan.Moves[0], older["client"]) || !strings.Contains(plan.Moves[0], "image client") {
		t.Errorf("moves %q, want %q of image client", plan.Moves, older["client"])
	}
	for _, image := range []string{"client", "bare"} {
		if line, _ := s.runtimePin(image); !strings.HasPrefix(line, "'netbase 5.0 ") {
			t.Errorf("--dry-run moved the pin of image %s to %s", image, line)
		}
	}
	told, night, said := s.night(0)
	if want := []string{older["bare"] + " (image bare, image client)"}; !slices.Equal(night.Moves, want) {
		t.Errorf("moves %q, want %q", night.Moves, want)
	}
	if !strings.Contains(said, older["bare"]) {
		t.Errorf("%q is not said", older["bare"])
	}
	s.states(told, "fresh fresh fresh fresh fresh") // the store has what they move to
	text, err := os.ReadFile(s.published("report/night.txt"))
	if err != nil || !strings.Contains(string(text), older["bare"]) {
		t.Errorf("the report does not say %q: %v\n%s", older["bare"], err, text)
	}

	// Without a pin there is no frozen night.
	file := filepath.Join(s.dir, project.LockFile)
	pins, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(pins, []byte("for = 'image bare'"))
	head, rest, ok := bytes.Cut(pins[at:], []byte("\n[["))
	if at < 0 || !ok {
		t.Fatalf("no pins of image bare, or nothing after them: %s", head)
	}
	begin := bytes.LastIndex(pins[:at], []byte("[[runtime]]"))
	s.write(project.LockFile, string(pins[:begin])+"[["+string(rest))
	frozen, _, _ := s.nightWith(nowhereEnv, 1, "refresh", "--json", "--frozen")
	s.states(frozen, "fresh fresh fresh fresh failed")
	if why := frozen[cellBare].Error; !strings.Contains(why, "not pinned") || !strings.Contains(why, "--frozen") {
		t.Errorf("why: %s", why)
	}
	s.write(project.LockFile, string(pins))
	frozen, _, _ = s.nightWith(nowhereEnv, 0, "refresh", "--json", "--frozen")
	s.states(frozen, "fresh fresh fresh fresh fresh")
	if _, said, status := s.run(nil, "refresh", "--update", "image clent"); status != 2 || !strings.Contains(said, "image client") {
		t.Errorf("--update of nothing: status %d\n%s", status, said)
	}

	// A cell of which nobody knows what it is today stays published.
	s.write(project.LockFile, strings.Replace(string(pins), "want = '3.13'\nversion = '3.13.5'", "want = '3.12'\nversion = '3.12.5'", 1))
	if _, said, status := s.run(nowhereEnv, "refresh", "--frozen"); status != 1 || !strings.Contains(said, "python 3.13: ") {
		t.Errorf("without the pin of 3.13: status %d\n%s", status, said)
	}
	s.write(project.LockFile, string(pins))
	for _, cell := range []string{cellPython, cellOne, cellTwo, cellClient} {
		s.entry(cell)
	}
}

// killAfter kills pybake after a time, unless it has ended.
func (s *nightly) killAfter(d time.Duration, args ...string) {
	s.t.Helper()
	cmd := exec.Command(s.bin, args...)
	cmd.Dir, cmd.Env = s.dir, s.base
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	kill := time.AfterFunc(d, func() { cmd.Process.Kill() })
	defer kill.Stop()
	cmd.Wait()
}
