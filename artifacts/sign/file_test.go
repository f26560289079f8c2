package sign

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestModes(t *testing.T) {
	path := private(t, "ed25519.key")
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []fs.FileMode{0o600, 0o400, 0o700, 0o640, 0o604, 0o620, 0o602, 0o660, 0o601} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{path, link} {
			_, err := Load(name, nil)
			refused, ok := errors.AsType[*ModeError](err)
			if ok != (mode&0o077 != 0) || !ok && err != nil {
				t.Errorf("%04o: %v", mode, err)
			}
			if ok && (refused.Mode != mode || !strings.Contains(err.Error(), name)) {
				t.Errorf("%04o: %v", mode, err)
			}
		}
	}
	if os.Geteuid() == 0 {
		if err := errors.Join(os.Chmod(path, 0o600), os.Chown(path, 4711, 0)); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(path, nil); !errors.As(err, new(*ModeError)) || !strings.Contains(err.Error(), "belongs to user 4711") {
			t.Errorf("a foreign file: %v", err)
		}
	}
}

func TestLoadNoFile(t *testing.T) {
	dir := t.TempDir()
	pipe, big := filepath.Join(dir, "pipe"), filepath.Join(dir, "big")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(big, make([]byte, maxFile+1), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		dir: "not a regular file", pipe: "not a regular file", big: "more than 1048576 bytes", dir + "/none": "no such file",
	} {
		if _, err := Load(path, nil); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestWrite(t *testing.T) {
	k := generate(t)
	path := filepath.Join(t.TempDir(), "new", "signing.key")
	if err := k.Write(path, now); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]fs.FileMode{path: 0o600, path + ".pub": 0o644, filepath.Dir(path): 0o700 | fs.ModeDir} {
		info, err := os.Stat(name)
		if err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 2 {
		t.Errorf("%v, %v", left, err)
	}
	loaded, err := Load(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	pub, err := os.ReadFile(path + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := ParsePublic(pub)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []Public{loaded.Public(), parsed} {
		if got, want := string(p.Text()), string(k.Public().Text()); got != want || p.Fingerprint != k.Public().Fingerprint {
			t.Errorf("got\n%swant\n%s", got, want)
		}
	}
	if parsed.Name != "pybake.example.org" || !parsed.Expires.IsZero() || !strings.HasPrefix(parsed.Note, "pybake.example.org+") {
		t.Errorf("%+v", parsed)
	}
	// What is there stays.
	for _, there := range []string{"signing.key", "signing.key.pub"} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, there), []byte("mine"), 0o600); err != nil {
			t.Fatal(err)
		}
		err := k.Write(filepath.Join(dir, "signing.key"), now)
		files, _ := os.ReadDir(dir)
		text, _ := os.ReadFile(filepath.Join(dir, there))
		if !errors.Is(err, fs.ErrExist) || len(files) != 1 || string(text) != "mine" {
			t.Errorf("%s: %v, %v, %q", there, err, files, text)
		}
	}
}

// TestWriteFails: what cannot be written leaves nothing.
func TestWriteFails(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := generate(t).Write(filepath.Join(dir, "file", "signing.key"), now); err == nil {
		t.Error("a file is taken for a directory")
	}
	long := filepath.Join(dir, strings.Repeat("a", 250)) // too long for the file beside it that is renamed
	if err := generate(t).Write(long, now); err == nil {
		t.Error("a name that is too long is taken")
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}

func TestCheckPlace(t *testing.T) {
	dir := t.TempDir()
	store, elsewhere := filepath.Join(dir, "store"), filepath.Join(dir, "elsewhere")
	for _, d := range []string{store + "/keys", elsewhere} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for link, target := range map[string]string{"alias": store, "elsewhere/in": store + "/keys/signing.key", "store/out": elsewhere} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(store+"/keys/signing.key", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, inside := range map[string]bool{
		"store/keys/signing.key": true, "store/new/file": true, "store": true, "alias/keys/signing.key": true, "alias/new": true,
		"elsewhere/in": true, "store/out/key": true, "elsewhere/../store/x": true,
		"elsewhere/key": false, "storekeys": false, "store/../elsewhere/key": false, "none/none": false, "store..": false,
	} {
		for _, root := range []string{store, filepath.Join(dir, "alias")} {
			err := CheckPlace(filepath.Join(dir, path), "", elsewhere+"/none", root)
			// By another name of the root, only what follows links leads there.
			if _, ok := errors.AsType[*PlaceError](err); ok != inside && !(path == "store/out/key" && root != store) || !ok && err != nil {
				t.Errorf("%s in %s: %v", path, root, err)
			}
		}
	}
}
