//go:build engine

package sign

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestApt gives repositories to the apt of the distros: bullseye and bookworm
// verify with gpgv, trixie with sqv and its policy. The clock is the real one.
func TestApt(t *testing.T) {
	today := time.Now().Add(-time.Hour).Truncate(time.Second)
	load := func(name, passphrase string) *Keys {
		k, err := Load(private(t, name), []byte(passphrase))
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	generated, err := Generate("pybake", today)
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := Generate("pybake", today)
	if err != nil {
		t.Fatal(err)
	}
	release := fmt.Sprintf("Origin: pybake\nSuite: stable\nCodename: stable\nDate: %s\nArchitectures: amd64\nComponents: main\nSHA256:\n %x 0 main/binary-amd64/Packages\n",
		today.UTC().Format("Mon, 02 Jan 2006 15:04:05 UTC"), sha256.Sum256(nil))
	for _, distro := range []string{"bullseye", "bookworm", "trixie"} {
		t.Run(distro, func(t *testing.T) {
			box := startBox(t, distro)
			for _, test := range []struct {
				name    string
				signers *Keys
				trusted *Keys
				inline  bool // InRelease, else Release and Release.gpg
				change  bool
				fails   bool
			}{
				{name: "generated", signers: generated, trusted: generated, inline: true},
				{name: "generated, detached", signers: generated, trusted: generated},
				{name: "RSA", signers: load("rsa.key", ""), trusted: load("rsa.key", ""), inline: true},
				{name: "RSA 3072, detached", signers: load("default.key", ""), trusted: load("default.key", "")},
				{name: "RSA 3072", signers: load("default.key", ""), trusted: load("default.key", ""), inline: true},
				{name: "subkey", signers: load("subkeys.key", ""), trusted: load("subkeys.key", ""), inline: true},
				{name: "subkey without its primary key", signers: load("offline.key", ""), trusted: load("offline.key", "")},
				{name: "passphrase", signers: load("passphrase2.key", "correct horse"), trusted: load("passphrase2.key", "correct horse"), inline: true},
				{name: "P-256", signers: load("p256.key", ""), trusted: load("p256.key", ""), inline: true},
				{name: "two keys, both known", signers: load("two.key", ""), trusted: load("two.key", ""), inline: true},
				{name: "two keys, the first known", signers: load("two.key", ""), trusted: load("rsa.key", ""), inline: true},
				{name: "two keys, the second known", signers: load("two.key", ""), trusted: load("ed25519.key", "")},
				{name: "an expired key beside a good one", signers: load("rotated.key", ""), trusted: load("rotated.key", ""), inline: true},
				{name: "changed", signers: generated, trusted: generated, inline: true, change: true, fails: true},
				{name: "changed, detached", signers: generated, trusted: generated, change: true, fails: true},
				{name: "another key", signers: stranger, trusted: generated, inline: true, fails: true},
			} {
				t.Run(test.name, func(t *testing.T) {
					files := map[string]string{"dists/stable/main/binary-amd64/Packages": "", "key.asc": string(test.trusted.Public().OpenPGP)}
					if test.inline {
						files["dists/stable/InRelease"] = string(must(t)(test.signers.ClearSign([]byte(release), today)))
					} else {
						files["dists/stable/Release"] = release
						files["dists/stable/Release.gpg"] = string(must(t)(test.signers.Detach([]byte(release), today)))
					}
					if test.change {
						for _, name := range []string{"dists/stable/InRelease", "dists/stable/Release"} {
							if text, ok := files[name]; ok {
								files[name] = strings.Replace(text, "Origin: pybake", "Origin: pybaker", 1)
							}
						}
					}
					out, err := box.update(t, files)
					if (err != nil) != test.fails {
						t.Errorf("%v\n%s", err, out)
					}
					refused := strings.Contains(out, "not signed") || strings.Contains(out, "signatures were invalid") || strings.Contains(out, "couldn't be verified")
					if test.fails && !refused {
						t.Errorf("refused for another reason: %v\n%s", err, out)
					}
					if !test.fails && strings.Contains(out, "W:") {
						t.Errorf("apt warns:\n%s", out)
					}
				})
			}
		})
	}
}

func must(t *testing.T) func([]byte, error) []byte {
	return func(data []byte, err error) []byte {
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
}

// A box is a running container without a network.
type box struct{ id string }

func startBox(t *testing.T, distro string) *box {
	t.Helper()
	ref := "pybake-test/base:" + distro
	if _, err := docker(nil, "image", "inspect", ref); err != nil {
		tarball := filepath.Join(t.TempDir(), distro+".tar")
		if out, err := exec.Command("mmdebstrap", "--quiet", "--variant=minbase", distro, tarball).CombinedOutput(); err != nil {
			t.Fatalf("mmdebstrap %s: %v\n%s", distro, err, out)
		}
		if _, err := docker(nil, "import", tarball, ref); err != nil {
			t.Fatalf("a container engine is needed: %v", err)
		}
	}
	id, err := docker(nil, "run", "--detach", "--init", "--network=none", ref, "sleep", "3600")
	if err != nil {
		t.Fatalf("a container engine is needed: %v", err)
	}
	b := &box{strings.TrimSpace(id)}
	t.Cleanup(func() {
		if _, err := docker(nil, "rm", "--force", "--volumes", b.id); err != nil {
			t.Error(err)
		}
	})
	return b
}

// update is apt-get update with a repository of these files and nothing else.
func (b *box) update(t *testing.T, files map[string]string) (string, error) {
	t.Helper()
	script := "rm -rf /repo /var/lib/apt/lists/* /etc/apt/sources.list /etc/apt/sources.list.d/*\n"
	for name, text := range files {
		script += fmt.Sprintf("mkdir -p /repo/%s && cat >/repo/%s <<'_END_OF_FILE_'\n%s_END_OF_FILE_\n", filepath.Dir(name), name, text)
	}
	script += "echo 'deb [signed-by=/repo/key.asc] file:/repo stable main' >/etc/apt/sources.list.d/pybake.list\n" +
		"apt-get update -o APT::Update::Error-Mode=any -o APT::Sandbox::User=root 2>&1\n"
	return docker(strings.NewReader(script), "exec", "--interactive", "--env=LC_ALL=C", b.id, "sh", "-e")
}

func docker(stdin io.Reader, args ...string) (string, error) {
	cmd := exec.Command("docker", args...)
	cmd.Stdin = stdin
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("docker %s: %w: %s", args[0], err, &stderr)
	}
	return string(out), err
}
