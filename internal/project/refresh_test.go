package project

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/pybake/pybake/internal/strict"
)

func loadText(t *testing.T, text string) (*Project, error) {
	t.Helper()
	root := t.TempDir()
	write(t, filepath.Join(root, File), text)
	return Load(root)
}

func TestRefreshTables(t *testing.T) {
	text, err := os.ReadFile("testdata/refresh.toml")
	if err != nil {
		t.Fatal(err)
	}
	p, err := loadText(t, string(text))
	if err != nil {
		t.Fatal(err)
	}
	want := &Project{
		Root: p.Root, Python: "3.13", Distro: "trixie", Store: filepath.Join(p.Root, "baked"), Images: p.Images,
		Matrix: Matrix{
			Pythons: []string{"3.13", "3.11.9", ">=3.9, <3.15", "3.15.0b4"}, Distros: []string{"bookworm", "trixie"},
			Variants: []string{"full", "fast"}, Locks: []string{"requirements.lock", "gpu.lock"}, Images: []string{"web", "web-tests"},
			Exclude: []Exclude{
				{Python: "<3.11", Distro: "trixie"}, {Lock: "gpu.lock", Distro: "bookworm"}, {Variant: "fast", Python: "3.13"}, {Image: "web-tests"},
			},
		},
		Refresh: Refresh{
			Cooldown: Duration(3 * day), Deadline: Duration(6 * time.Hour), Disk: 5e9, Memory: 8e9, Jobs: 2, Checks: "quick",
			Releases:  []string{filepath.Join(p.Root, "releases.csv"), "http://mirror.example.org/python/", "https://mirror.example.org/releases.csv"},
			OnFailure: []string{"notify", "{report}"}, Webhook: "https://hooks.example.org/${TOKEN}",
		},
		Publication: Publication{
			Dir: filepath.Join(p.Root, "out/published"), Key: "${HOME}/.config/pybake/signing.key", URL: "https://baked.example.org/py/",
			Valid: Duration(14 * day), Keep: 3, Push: true, Origin: "Example Corp.",
		},
	}
	if diff := cmp.Diff(want, p, cmpopts.IgnoreUnexported(Project{}, Image{})); diff != "" {
		t.Error(diff)
	}
}

// TestNothingOrNone: what is not given differs from an empty array.
func TestNothingOrNone(t *testing.T) {
	p, err := loadText(t, "[wheels]\nlocks = [\"a.lock\"]\n[images.web]\nfrom = \"trixie\"\n[matrix]\nimages = []\nlocks = []\npythons = []\n[refresh]\nreleases = []\n")
	if err != nil {
		t.Fatal(err)
	}
	if p.Matrix.Images == nil || p.Matrix.Locks == nil || p.Matrix.Pythons == nil || p.Refresh.Releases == nil {
		t.Errorf("an empty array is as none: %+v, %+v", p.Matrix, p.Refresh)
	}
	if p, err = loadText(t, "[matrix]\n[refresh]\n[publish]\n"); err != nil || p.Matrix.Images != nil || p.Matrix.Pythons != nil || p.Refresh.Releases != nil {
		t.Errorf("nothing is as an empty array: %+v, %v", p, err)
	}
	without := Publication{}.In("/srv")
	if want := (Publication{Dir: "/srv/published", Valid: Duration(7 * day), Keep: 5, Origin: "pybake"}); without != want {
		t.Errorf("without a file: %+v", without)
	}
}

func TestRefreshProblems(t *testing.T) {
	const secret = "hunter2"
	for _, name := range []string{"refresh-values", "refresh-types", "refresh-places"} {
		text, err := os.ReadFile("testdata/" + name + ".toml")
		if err != nil {
			t.Fatal(err)
		}
		p, err := loadText(t, string(text))
		var errs strict.Errors
		if !errors.As(err, &errs) {
			t.Fatalf("%s: %v, %+v", name, err, p)
		}
		lines := strings.Split(err.Error(), "\n")
		for i, line := range lines {
			lines[i] = line[strings.Index(line, File):]
		}
		got := strings.Join(lines, "\n")
		if strings.Contains(got, secret) {
			t.Errorf("%s: a secret shows: %s", name, got)
		}
		golden(t, name+".golden", got+"\n")
	}
}

func TestPythons(t *testing.T) {
	for _, good := range []string{"3.13", "3.9", "3.13.5", "3.15.0b4", ">=3.9, <3.15", ">=3.9 <3.15", "~3.13 || 3.11", "3.10 - 3.12", "!=3.10", "3.x", ">=3.9"} {
		if err := checkPythons(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{"", "3.13.5.1", "3.13.05", "latest", "<3", ">=4", "<3.9, >3.9", ">=3.9.5", "3.15.0beta4", "==3.13", "3.100", "python3.13", strings.Repeat("3.9||", 100) + "3.9"} {
		if err := checkPythons(bad); err == nil {
			t.Errorf("%q: accepted", bad)
		}
	}
	for _, good := range []string{"<3.11.5", "<3.11", "3.13", "3.13.5"} {
		if err := checkExcludedPythons(good); err != nil {
			t.Errorf("exclude %q: %v", good, err)
		}
	}
}

func TestDuration(t *testing.T) {
	for text, want := range map[string]string{"7d": "7d", "1w": "7d", "90m": "90m", "120m": "2h", "36h": "36h", "48h": "2d", "0d": "0s", "9999w": "69993d"} {
		var d Duration
		if err := d.UnmarshalText([]byte(text)); err != nil || d.String() != want || d < 0 {
			t.Errorf("%s: %s, %v, want %s", text, d, err, want)
		}
	}
	for _, bad := range []string{"", "7", "d", "-1d", "1.5h", "1d12h", "7 d", "10000w", "07d", "1s", "1D"} {
		if err := new(Duration).UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("%q: accepted", bad)
		}
	}
}

func TestWebhook(t *testing.T) {
	const secret = "hunter2"
	for _, good := range []string{
		"https://hooks.example.org/${TOKEN}", "${HOOK}", "http://127.0.0.1:8000/night?channel=bake", "https://hooks.example.org/services/T00/B00/${TOKEN}?key=${KEY}&room=bake-nightly",
		"https://me:${TOKEN}@hooks.example.org/", "http://localhost:9/", "https://hooks.example.org/nightly-bake-of-production-images",
	} {
		if err := checkWebhook(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for bad, want := range map[string]string{
		"":                          "missing or empty",
		"http://hooks.example.org/": "http://hooks.example.org/: want https: only what is on this machine itself may do without",
		"https://me:" + secret + "@hooks.example.org/":                     "an address with credentials; keep them in netrc or a keyring, or write ${VAR} for them",
		"https://hooks.example.org/" + secret + "hunterhunter1":            "what looks like a token; write ${VAR} for it",
		"https://hooks.example.org/x?token=" + secret + "abcdefghijklmnop": "what looks like a token; write ${VAR} for it",
		"https://hooks.example.org/x#" + secret:                            "an address with #",
		"mailto:" + secret:                                                 "want an https address",
	} {
		if err := checkWebhook(bad); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", bad, err, want)
		}
	}
}

func TestWebhookAddress(t *testing.T) {
	const secret = "hunter2"
	p, err := loadText(t, "[refresh]\nwebhook = \"${HOOK}/${TOKEN}\"\n")
	if err != nil {
		t.Fatal(err)
	}
	env := func(hook string) func(string) (string, bool) {
		return func(name string) (string, bool) {
			value := map[string]string{"HOOK": hook, "TOKEN": secret + "{${HOOK}"}[name]
			return value, value != ""
		}
	}
	for _, hook := range []string{"https://hooks.example.org", "http://127.0.0.1:8000/x"} {
		if got, err := p.WebhookAddress(env(hook)); err != nil || got != hook+"/"+secret+"{${HOOK}" {
			t.Errorf("%s: %s, %v", hook, got, err)
		}
	}
	for _, hook := range []string{"", "http://hooks.example.org", "hooks.example.org", "https://", "file:///etc", "https://[" + secret} {
		got, err := p.WebhookAddress(env(hook))
		if err == nil || strings.Contains(err.Error(), secret) || !strings.Contains(err.Error(), File+":2:11: refresh.webhook: ") {
			t.Errorf("%s: %s, %v", hook, got, err)
		}
	}
	if got, err := (&Project{}).WebhookAddress(env("")); got != "" || err != nil {
		t.Errorf("no webhook: %q, %v", got, err)
	}
}

func TestSigningKey(t *testing.T) {
	p, err := loadText(t, "[publish]\nkey = \"${KEYS}/night.key\"\n")
	if err != nil {
		t.Fatal(err)
	}
	env := func(keys string) func(string) (string, bool) {
		return func(name string) (string, bool) { return keys, name == "KEYS" && keys != "" }
	}
	for keys, want := range map[string]string{"/srv/keys": "/srv/keys/night.key", "keys": filepath.Join(p.Root, "keys/night.key"), "../keys": filepath.Join(filepath.Dir(p.Root), "keys/night.key")} {
		if got, err := p.SigningKey("baked", env(keys)); err != nil || got != want {
			t.Errorf("%s: %s, %v", keys, got, err)
		}
	}
	for keys, want := range map[string]string{
		"":              "${KEYS}: not set",
		p.Root + "/out": "a key within the store",
		"published/x":   "a key within the published directory",
	} {
		_, err := p.SigningKey(filepath.Join(p.Root, "out"), env(keys))
		if err == nil || !strings.HasSuffix(err.Error(), want) || !strings.Contains(err.Error(), File+":2:7: publish.key: ") {
			t.Errorf("%q: %v", keys, err)
		}
	}
	if got, err := (&Project{}).SigningKey("baked", env("")); got != "" || err != nil {
		t.Errorf("no key: %q, %v", got, err)
	}
}
