package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pybake/pybake/artifacts/publish"
	"github.com/pybake/pybake/artifacts/sign"
)

// publishSample publishes one package into DIR/published, signed by the key
// DIR/signing.key, which is made if it is not there, or by nobody.
func publishSample(t *testing.T, dir string, signed bool) publish.Blob {
	t.Helper()
	now := time.Now().Add(-time.Minute)
	var keys *sign.Keys
	if path := filepath.Join(dir, "signing.key"); signed {
		made, err := sign.Generate("pybake", now)
		if err == nil {
			err = made.Write(path, now)
		}
		if err != nil && !errors.Is(err, os.ErrExist) {
			t.Fatal(err)
		}
		if keys, err = sign.Load(path, nil); err != nil {
			t.Fatal(err)
		}
	}
	d, err := publish.Open(filepath.Join(dir, "published"))
	if err != nil {
		t.Fatal(err)
	}
	data := []byte("the bytes of a package")
	sum := sha256.Sum256(data)
	blob := publish.Blob{Name: "sample_1_amd64.deb", SHA256: hex.EncodeToString(sum[:]), Size: int64(len(data))}
	if err := d.PutBytes(t.Context(), blob, data); err != nil {
		t.Fatal(err)
	}
	control := "Package: sample\nVersion: 1\nArchitecture: amd64\nMaintainer: Nobody <nobody@example.org>\nDescription: sample\n"
	entry := publish.Entry{
		Name: "python 3.13.5 trixie amd64", Kind: "python", Distro: "trixie", Arch: "amd64", Series: "3.13", Finished: now,
		Key: "5f1c09ab23de5f1c09ab23de5f1c09ab23de5f1c09ab23de5f1c09ab23de5f1c", Debs: []publish.Deb{{Blob: blob, Control: control}},
	}
	if _, err := d.Publish(t.Context(), publish.Release{Set: publish.Set{Entries: []publish.Entry{entry}}, Keys: keys, Now: now, Valid: 24 * time.Hour}); err != nil {
		t.Fatal(err)
	}
	return blob
}

// verifyIn is pybake verify in a directory, and what it printed.
func verifyIn(t *testing.T, dir string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	t.Chdir(dir)
	sys := testSystem(t)
	sys.dir = dir
	status = run(append([]string{"verify"}, args...), sys)
	return status, sys.stdout.(*bytes.Buffer).String(), sys.stderr.(*bytes.Buffer).String()
}

func TestVerifyPublished(t *testing.T) {
	dir, forger := t.TempDir(), t.TempDir()
	blob := publishSample(t, dir, true)
	publishSample(t, forger, true)
	unsigned := t.TempDir()
	publishSample(t, unsigned, false)
	published := filepath.Join(dir, "published")
	server := httptest.NewServer(http.FileServer(http.Dir(published)))
	defer server.Close()
	for name, text := range map[string]string{
		"mine/pybake.toml":   "[publish]\ndir = \"../published\"\nkey = \"" + dir + "/signing.key\"\n",
		"theirs/pybake.toml": "[publish]\nkey = \"" + forger + "/signing.key\"\n",
	} {
		if err := errors.Join(os.Mkdir(filepath.Join(dir, filepath.Dir(name)), 0o755), os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	key := filepath.Join(dir, "signing.key.pub")
	expired, err := filepath.Abs("../../artifacts/sign/testdata/expired.asc")
	if err != nil {
		t.Fatal(err)
	}
	public, err := readPublic(key)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name   string
		in     string
		args   []string
		status int
		says   []string
		loud   bool // the key of the directory itself
	}{
		{"a key", dir, []string{"published", "--key", "signing.key.pub"}, 0,
			[]string{"generation   1 of ", "signed by    pybake+", public.Fingerprint, "apt trixie   signed by " + public.Fingerprint, "because      --key signing.key.pub"}, false},
		{"an address", dir, []string{server.URL, "--key", "signing.key.pub"}, 0, []string{"signed by    pybake+"}, false},
		{"the project's", filepath.Join(dir, "mine"), nil, 0, []string{"because      [publish] of pybake.toml names " + dir + "/signing.key\n"}, false},
		{"another project's", filepath.Join(dir, "theirs"), []string{"../published"}, 1, []string{"NOBODY who is trusted", "WRONG        current/files.txt: "}, false},
		{"its own", dir, []string{"published"}, 0, []string{"NO KEY WAS GIVEN", "which is in the directory itself"}, true},
		{"nothing signed", unsigned, nil, 0, []string{"NOBODY who is trusted", "NO KEY"}, true},
		{"nothing signed, but a key", unsigned, []string{"--key", key}, 1, []string{"NOBODY who is trusted", "WRONG"}, false},
		{"an expired key", dir, []string{"published", "--key", expired}, 1, []string{"WRONG        pybake.asc: the key ", " expired on 2021-01-01"}, false},
		{"a forger's", forger, []string{"--key", key}, 1, []string{"NOBODY who is trusted", "WRONG"}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			status, out, said := verifyIn(t, test.in, test.args...)
			if status != test.status || strings.Contains(said, "NO KEY WAS GIVEN") != test.loud || (status != 0) != strings.Contains(said, "problem") {
				t.Errorf("status %d\n%s%s", status, out, said)
			}
			for _, says := range test.says {
				if !strings.Contains(out, says) {
					t.Errorf("want %q in\n%s", says, out)
				}
			}
		})
	}
	// One bit of one package.
	path := filepath.Join(published, filepath.FromSlash(blob.Path()))
	if err := errors.Join(os.Remove(path), os.WriteFile(path, []byte("the bytes of a Package"), 0o644)); err != nil {
		t.Fatal(err)
	}
	for _, where := range []string{"published", server.URL} {
		status, out, said := verifyIn(t, dir, where, "--key", "signing.key.pub", "--json")
		var got struct {
			Source, Because string
			Problems        []publish.Problem
		}
		if err := json.Unmarshal([]byte(out), &got); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if status != 1 || len(got.Problems) != 1 || got.Problems[0].Path != blob.Path() || got.Because != "--key signing.key.pub" || got.Source != where {
			t.Errorf("status %d\n%s%s", status, out, said)
		}
	}
}

func TestVerifyUsage(t *testing.T) {
	dir := t.TempDir()
	publishSample(t, dir, true)
	for _, test := range []struct {
		args   []string
		status int
		says   string
	}{
		{[]string{"none"}, 2, "verify none: it is no directory"},
		{[]string{"signing.key"}, 2, "verify signing.key: it is no directory"},
		{[]string{"published", "--key", "signing.key"}, 2, "--key signing.key: read public key: the file holds a private key"},
		{[]string{"published", "--key", "none"}, 2, "--key none: open "},
		{[]string{"published", "--repair"}, 2, "--repair is for the store"},
		{[]string{"--store", "--key", "signing.key.pub"}, 2, "--key is for what is published"},
		{[]string{"--store=a", "b"}, 2, "two stores: a and b"},
		{[]string{"--store", "none"}, 2, "verify store: stat none"},
		{[]string{"--offline", "https://baked.example.org/"}, 2, "--offline: https://baked.example.org/ is not on this machine"},
		{[]string{"."}, 1, "it is no published directory"},
	} {
		status, out, said := verifyIn(t, dir, test.args...)
		if status != test.status || out != "" || !strings.Contains(said, test.says) {
			t.Errorf("%q: status %d\n%s%s", test.args, status, out, said)
		}
	}
}
