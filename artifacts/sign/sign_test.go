package sign

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func read(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// private copies a fixture to a file of mode 0600.
func private(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, read(t, name), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func generate(t *testing.T) *Keys {
	t.Helper()
	k, err := Generate("pybake.example.org", now)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// gpgv is what gpgv says of a clear-signed text, or of a detached signature of a
// text. The key goes to it as apt gives it: without armor.
func gpgv(t *testing.T, key []byte, files ...[]byte) (string, error) {
	t.Helper()
	dir := t.TempDir()
	blocks, _, err := split(key)
	if err != nil || len(blocks) != 1 {
		t.Fatalf("%d blocks, %v", len(blocks), err)
	}
	args := []string{"--status-fd", "1", "--keyring", filepath.Join(dir, "key.gpg")}
	if err := os.WriteFile(filepath.Join(dir, "key.gpg"), dearmor(t, key), 0o644); err != nil {
		t.Fatal(err)
	}
	for i, data := range files {
		path := filepath.Join(dir, string(rune('a'+i)))
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		args = append(args, path)
	}
	out, err := exec.Command("gpgv", args...).CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		t.Fatalf("gpgv is needed: %v", err)
	}
	return string(out), err
}

// TestFixtures signs with every kind of key that gpg exports, and gpgv and this
// package check it.
func TestFixtures(t *testing.T) {
	text := read(t, "text")
	for _, test := range []struct {
		name, passphrase string
		signatures       int
	}{
		{name: "rsa.key", signatures: 1},
		{name: "ed25519.key", signatures: 1},
		{name: "p256.key", signatures: 1},
		{name: "default.key", signatures: 1},
		{name: "subkeys.key", signatures: 1},
		{name: "offline.key", signatures: 1},
		{name: "passphrase.key", passphrase: "correct horse", signatures: 1},
		{name: "passphrase2.key", passphrase: "correct horse", signatures: 1},
		{name: "two.key", signatures: 2},
		{name: "rotated.key", signatures: 1},
		{name: "generated", signatures: 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			k := generate(t)
			if test.name != "generated" {
				var err error
				if k, err = Load(private(t, test.name), []byte(test.passphrase)); err != nil {
					t.Fatal(err)
				}
			}
			signed, err := k.ClearSign(text, now)
			if err != nil {
				t.Fatal(err)
			}
			detached, err := k.Detach(text, now)
			if err != nil {
				t.Fatal(err)
			}
			p := k.Public()
			out, err := gpgv(t, p.OpenPGP, signed)
			if n := strings.Count(out, "[GNUPG:] GOODSIG "); err != nil || n != test.signatures {
				t.Errorf("%d good signatures in the clear-signed text: %v\n%s", n, err, out)
			}
			out, err = gpgv(t, p.OpenPGP, detached, text)
			if n := strings.Count(out, "[GNUPG:] GOODSIG "); err != nil || n != test.signatures {
				t.Errorf("%d good detached signatures: %v\n%s", n, err, out)
			}
			if strings.Count(out, " 10 00 ") != test.signatures { // the digest in VALIDSIG: SHA-512
				t.Errorf("not SHA-512:\n%s", out)
			}
			got, by, err := p.VerifyClearSigned(signed)
			if err != nil || !bytes.Equal(got, text) {
				t.Fatalf("%q, %v", got, err)
			}
			if test.name != "rotated.key" && by != p.Fingerprint {
				t.Errorf("signed by %s, want %s", by, p.Fingerprint)
			}
			if by2, err := VerifyDetached([][]byte{p.OpenPGP}, []string{strings.ToLower(by)}, bytes.NewReader(text), detached); err != nil || by2 != by {
				t.Errorf("%s, %v", by2, err)
			}
			if !strings.Contains(out, " "+by) {
				t.Errorf("gpgv does not say %s:\n%s", by, out)
			}
		})
	}
}

// TestNewestSubkey: gpg and this package sign with the same subkey.
func TestNewestSubkey(t *testing.T) {
	text := read(t, "text")
	for _, name := range []string{"subkeys.key", "offline.key"} {
		k, err := Load(private(t, name), nil)
		if err != nil {
			t.Fatal(err)
		}
		ours, err := k.Detach(text, now)
		if err != nil {
			t.Fatal(err)
		}
		var want, got string
		for signature, id := range map[string]*string{"theirs": &want, "ours": &got} {
			data := read(t, "subkeys.text.asc")
			if signature == "ours" {
				data = ours
			}
			out, err := gpgv(t, read(t, "subkeys.asc"), data, text)
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			_, rest, _ := strings.Cut(out, "[GNUPG:] VALIDSIG ")
			*id, _, _ = strings.Cut(rest, " ")
		}
		if got != want || len(want) != 40 || got == k.Public().Fingerprint {
			t.Errorf("%s: signed by %s, gpg signs by %s", name, got, want)
		}
	}
}

func TestDeterministic(t *testing.T) {
	text := read(t, "text")
	k, err := Load(private(t, "two.key"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		a, err1 := k.ClearSign(text, now)
		b, err2 := k.ClearSign(text, now)
		if err1 != nil || err2 != nil || !bytes.Equal(a, b) || !bytes.Equal(k.Public().OpenPGP, k.Public().OpenPGP) {
			t.Fatalf("%v, %v:\n%s%s", err1, err2, a, b)
		}
	}
}

func TestLoadErrors(t *testing.T) {
	for _, test := range []struct {
		name, passphrase string
		want             error
		says             string
	}{
		{"passphrase.key", "", ErrLocked, "protected by a passphrase"},
		{"passphrase.key", "wrong horse", ErrPassphrase, "wrong passphrase"},
		{"passphrase2.key", "wrong horse", ErrPassphrase, "wrong passphrase"},
		{"expired.key", "", ErrExpired, "2021-01-01 00:00:00 UTC: the key has expired"},
		{"revoked.key", "", ErrRevoked, "the key is revoked"},
		{"nosign.key", "", ErrNoKey, "no part of it can sign"},
		{"weak.key", "", ErrNoKey, "no part of it can sign"},
		{"rsa.asc", "", ErrNoKey, "no private key, but a PGP PUBLIC KEY BLOCK"},
		{"text", "", ErrNoKey, "no key in it"},
		{"binary.key", "", nil, "binary, not armored"},
	} {
		path := private(t, test.name)
		_, err := Load(path, []byte(test.passphrase))
		if err == nil || test.want != nil && !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.says) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s with %q: %v", test.name, test.passphrase, err)
		}
	}
}

// TestNoSecretsInErrors damages a key file in many ways: no error tells any of it.
func TestNoSecretsInErrors(t *testing.T) {
	k := generate(t)
	whole, err := k.privateText(now)
	if err != nil {
		t.Fatal(err)
	}
	var secrets []string
	blocks, lines, err := split(whole)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(blocks[0].text)) {
		if line = strings.TrimSpace(line); len(line) > 20 && !strings.HasPrefix(line, "-----") {
			secrets = append(secrets, line[:12])
		}
	}
	for _, line := range lines {
		if strings.HasPrefix(line, "PRIVATE") {
			secrets = append(secrets, line[len(line)-20:len(line)-8])
		}
	}
	if len(secrets) < 3 {
		t.Fatalf("%q", secrets)
	}
	failed := 0
	for i := range whole {
		for _, text := range [][]byte{whole[:i], append(append(bytes.Clone(whole[:i]), 'Z'), whole[i+1:]...)} {
			if _, err := parsePrivate(text, nil); err != nil {
				failed++
				for _, s := range secrets {
					if strings.Contains(err.Error(), s) {
						t.Fatalf("at %d: %v", i, err)
					}
				}
			}
		}
	}
	if failed < len(whole)/2 {
		t.Errorf("only %d of %d damages are noticed", failed, 2*len(whole))
	}
}

func TestGenerateNames(t *testing.T) {
	for _, name := range []string{"", "two words", "a+b", "<a@b>", "a\x00b", "ä", "a\nb"} {
		if _, err := Generate(name, now); err == nil {
			t.Errorf("%q is taken", name)
		}
	}
}

func TestNilSignsNothing(t *testing.T) {
	var k *Keys
	for _, sign := range []func([]byte, time.Time) ([]byte, error){k.ClearSign, k.Detach} {
		if out, err := sign([]byte("text"), now); out != nil || err != nil {
			t.Errorf("%q, %v", out, err)
		}
	}
	if out, err := k.Note("text\n"); string(out) != "text\n" || err != nil {
		t.Errorf("%q, %v", out, err)
	}
	if p := k.Public(); p.OpenPGP != nil || p.Text() != nil {
		t.Errorf("%+v", p)
	}
}

func TestClearSignRefuses(t *testing.T) {
	k := generate(t)
	for _, text := range []string{"", "no newline", "blanks \n", "tab\t\nx\n", "cr\r\n"} {
		if _, err := k.ClearSign([]byte(text), now); err == nil {
			t.Errorf("%q is signed", text)
		}
	}
	for _, text := range []string{"\n", "a\n", "-\n", "- a\n", "-----BEGIN PGP SIGNATURE-----\n", "\n\n\na\n\n", " a\n", "ä\n"} {
		signed, err := k.ClearSign([]byte(text), now)
		if err != nil {
			t.Fatal(err)
		}
		if got, _, err := k.Public().VerifyClearSigned(signed); err != nil || string(got) != text {
			t.Errorf("%q became %q, %v", text, got, err)
		}
		if out, err := gpgv(t, k.Public().OpenPGP, signed); err != nil {
			t.Errorf("%q: %v\n%s", text, err, out)
		}
	}
}

// TestSignTooEarlyTooLate: a key signs only while it is valid.
func TestSignTooEarlyTooLate(t *testing.T) {
	k := generate(t)
	if _, err := k.Detach([]byte("a"), now.Add(-time.Second)); err == nil || !strings.Contains(err.Error(), "was made on") {
		t.Error(err)
	}
	expired, err := parsePrivate(read(t, "expired.key"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := expired.Detach([]byte("a"), time.Date(2020, 12, 31, 23, 59, 59, 0, time.UTC)); err != nil {
		t.Error(err)
	}
	if _, err := expired.ClearSign([]byte("a\n"), time.Date(2021, 1, 1, 0, 0, 0, 0, time.UTC)); !errors.Is(err, ErrExpired) {
		t.Error(err)
	}
}
