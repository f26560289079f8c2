package sign

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
)

// dearmor returns the packets of armored text.
func dearmor(t *testing.T, text []byte) []byte {
	t.Helper()
	block, err := armor.Decode(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	packets, err := io.ReadAll(block.Body)
	if err != nil {
		t.Fatal(err)
	}
	return packets
}

func public(t *testing.T, name string) Public {
	t.Helper()
	p, err := ParsePublic(read(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestVerifyDetached checks signatures that gpg made.
func TestVerifyDetached(t *testing.T) {
	text := read(t, "text")
	all := []string{"rsa.asc", "ed25519.asc", "subkeys.asc", "expired.asc", "revoked.asc", "weak.asc"}
	for _, test := range []struct {
		signature string
		keys      []string // nil: all
		pinned    string
		want      error
		says      string
	}{
		{signature: "rsa.text.asc", pinned: "rsa.asc"},
		{signature: "rsa.text.asc", keys: []string{"two.asc"}, pinned: "rsa.asc"},
		{signature: "textmode.text.asc", pinned: "rsa.asc"},
		{signature: "subkeys.text.asc", pinned: "subkeys.asc"},
		{signature: "subkeys.text.sig", pinned: "subkeys.asc"},
		{signature: "both.text.asc", pinned: "rsa.asc"},
		{signature: "both.text.asc", pinned: "ed25519.asc"},
		// Made before the key expired: holds. So it does if the key at hand has only
		// the self-signature with which it was extended.
		{signature: "expired.text.asc", pinned: "expired.asc"},
		{signature: "expired.text.asc", keys: []string{"extended.asc"}, pinned: "extended.asc"},
		{signature: "extended.text.asc", keys: []string{"extended.asc"}, pinned: "extended.asc"},
		{signature: "extended.text.asc", pinned: "expired.asc", want: ErrExpired, says: "2021-01-01"},
		{signature: "rsa.text.asc", pinned: "ed25519.asc", want: ErrUntrusted, says: "by key "},
		{signature: "subkeys.text.asc", pinned: "rsa.asc", want: ErrUntrusted},
		{signature: "rsa.text.asc", keys: []string{"ed25519.asc"}, pinned: "rsa.asc", want: ErrNoKey, says: "none of the fingerprints"},
		{signature: "revoked.text.asc", pinned: "revoked.asc", want: ErrRevoked},
		{signature: "weak.text.asc", pinned: "weak.asc", want: ErrUntrusted},
		{signature: "sha1.text.asc", pinned: "rsa.asc", says: "SHA-1, which is broken"},
		{signature: "past.text.asc", pinned: "subkeys.asc", says: "the signature expired on 2024-01-02"},
		{signature: "text", pinned: "rsa.asc", want: ErrUnsigned},
		{signature: "rsa.asc", pinned: "rsa.asc", want: ErrUnsigned},
	} {
		t.Run(test.signature+" "+test.pinned, func(t *testing.T) {
			var keys [][]byte
			names := test.keys
			if names == nil {
				names = all
			}
			for _, name := range names {
				keys = append(keys, read(t, name))
			}
			pinned := public(t, test.pinned).Fingerprint
			signature := read(t, test.signature)
			by, err := VerifyDetached(keys, []string{pinned}, bytes.NewReader(text), signature)
			if test.want == nil && test.says == "" {
				if err != nil || by != pinned {
					t.Fatalf("%q, %v", by, err)
				}
				for i := range text { // no byte can be another one
					changed := bytes.Clone(text)
					changed[i] ^= 1
					if by, err := VerifyDetached(keys, []string{pinned}, bytes.NewReader(changed), signature); !errors.Is(err, ErrSignature) || by != "" {
						if test.signature == "textmode.text.asc" && bytes.ContainsAny(changed[i:i+1], "\r\n") {
							continue
						}
						t.Fatalf("byte %d: %q, %v", i, by, err)
					}
				}
				return
			}
			if err == nil || by != "" || test.want != nil && !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.says) {
				t.Errorf("%q, %v", by, err)
			}
		})
	}
}

func TestVerifyDetachedFingerprints(t *testing.T) {
	key, text, signature := read(t, "rsa.asc"), read(t, "text"), read(t, "rsa.text.asc")
	whole := public(t, "rsa.asc").Fingerprint
	spaced := strings.ToLower(whole[:20]) + "  " + whole[20:]
	if _, err := VerifyDetached([][]byte{key}, []string{spaced}, bytes.NewReader(text), signature); err != nil {
		t.Error(err)
	}
	for _, f := range []string{"", whole[24:], whole + "z", "0x" + whole} {
		if _, err := VerifyDetached([][]byte{key}, []string{f}, bytes.NewReader(text), signature); err == nil {
			t.Errorf("%q is taken", f)
		}
	}
	if _, err := VerifyDetached([][]byte{key}, nil, bytes.NewReader(text), signature); !errors.Is(err, ErrNoKey) {
		t.Error(err)
	}
	broken := errors.New("broken")
	if _, err := VerifyDetached([][]byte{key}, []string{whole}, io.MultiReader(bytes.NewReader(text), failing{broken}), signature); !errors.Is(err, broken) {
		t.Error(err)
	}
}

// TestPublicVerifyDetached: any of the keys may have signed.
func TestPublicVerifyDetached(t *testing.T) {
	text := read(t, "text")
	for _, test := range []struct {
		key, signature string
		want           error
	}{
		{"two.asc", "rsa.text.asc", nil},
		{"ed25519.asc", "both.text.asc", nil},
		{"ed25519.asc", "rsa.text.asc", ErrUntrusted},
		{"rsa.asc", "text", ErrUnsigned},
	} {
		by, err := public(t, test.key).VerifyDetached(bytes.NewReader(text), read(t, test.signature))
		if !errors.Is(err, test.want) || (by == "") != (test.want != nil) {
			t.Errorf("%s of %s: %q, %v", test.signature, test.key, by, err)
		}
	}
	if _, err := (Public{}).VerifyDetached(bytes.NewReader(text), read(t, "rsa.text.asc")); !errors.Is(err, ErrNoKey) {
		t.Error(err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestVerifyClearSigned(t *testing.T) {
	text, signed := read(t, "text"), read(t, "subkeys.text.clear")
	p := public(t, "subkeys.asc")
	got, by, err := p.VerifyClearSigned(signed)
	if err != nil || by != p.Fingerprint || !bytes.Equal(got, text) {
		t.Fatalf("%q by %s, %v", got, by, err)
	}
	if _, _, err := public(t, "expired.asc").VerifyClearSigned(read(t, "expired.text.clear")); err != nil {
		t.Error(err)
	}
	for _, test := range []struct {
		name   string
		p      Public
		signed string
		want   error
		says   string
	}{
		{"another key", public(t, "rsa.asc"), string(signed), ErrUntrusted, ""},
		{"no key", Public{}, string(signed), ErrNoKey, ""},
		{"no signature", p, string(text), ErrUnsigned, ""},
		{"empty", p, "", ErrUnsigned, ""},
		{"changed", p, strings.Replace(string(signed), "pybake", "pybäke", 1), ErrSignature, ""},
		{"text before", p, "Origin: evil\n" + string(signed), nil, "other text around it"},
		{"text behind", p, string(signed) + "Origin: evil\n", nil, "other text around it"},
		{"twice", p, string(signed) + string(signed), nil, "other text around it"},
		{"cut", p, string(signed[:len(signed)-40]), ErrUnsigned, ""},
	} {
		got, by, err := test.p.VerifyClearSigned([]byte(test.signed))
		if err == nil || got != nil || by != "" || test.want != nil && !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %q by %q, %v", test.name, got, by, err)
		}
	}
}

func TestNote(t *testing.T) {
	k, other := generate(t), generate(t)
	signed, err := k.Note("a list\nof files\n")
	if err != nil {
		t.Fatal(err)
	}
	text, by, err := k.Public().VerifyNote(signed)
	if err != nil || text != "a list\nof files\n" || !strings.HasPrefix(k.Public().Note, by+"+") {
		t.Errorf("%q by %q, %v", text, by, err)
	}
	both := &Keys{notes: append(other.notes, k.notes...)}
	if err := both.finish(); err != nil {
		t.Fatal(err)
	}
	if text, by2, err := both.Public().VerifyNote(signed); err != nil || text == "" || by2 != by {
		t.Errorf("by %q, %v", by2, err)
	}
	twice, err := both.Note("x\n")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []Public{k.Public(), other.Public(), both.Public()} {
		if _, _, err := p.VerifyNote(twice); err != nil {
			t.Error(err)
		}
	}
	for _, test := range []struct {
		p      Public
		signed string
		want   error
	}{
		{other.Public(), string(signed), ErrUntrusted},
		{Public{}, string(signed), ErrNoKey},
		{k.Public(), "a list\n", ErrUnsigned},
		{k.Public(), "", ErrUnsigned},
		{k.Public(), strings.Replace(string(signed), "of", "on", 1), ErrSignature},
	} {
		if text, by, err := test.p.VerifyNote([]byte(test.signed)); !errors.Is(err, test.want) || text != "" || by != "" {
			t.Errorf("%q: %q by %q, %v", test.signed, text, by, err)
		}
	}
	for _, text := range []string{"", "no newline", "tab\t\n", "\xff\n"} {
		if _, err := k.Note(text); err == nil {
			t.Errorf("%q is signed", text)
		}
	}
}

func TestParsePublic(t *testing.T) {
	verifier := generate(t).Public().Note
	hash := strings.Index(verifier, "+") + 1
	wrong := verifier[:hash] + "00000000" + verifier[hash+8:]
	for _, test := range []struct{ name, text, says string }{
		{"a private key", string(read(t, "rsa.key")), "holds a private key"},
		{"a private note key", generate(t).notes[0].private + "\n", "holds a private key"},
		{"nothing", "hello\n", "no key in it"},
		{"wrong hash", wrong + "\n", "invalid verifier hash"},
		{"cut", string(read(t, "rsa.asc")[:300]), "has no end"},
		{"begin in begin", string(read(t, "rsa.asc")[:300]) + "\n" + string(read(t, "rsa.asc")), "has no end"},
		{"binary", string(dearmor(t, read(t, "rsa.asc"))), "binary"},
	} {
		if _, err := ParsePublic([]byte(test.text)); err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
	p, err := ParsePublic([]byte("a comment\r\n" + strings.ReplaceAll(string(read(t, "rsa.asc")), "\n", "\r\n") + verifier + "\r\n"))
	if err != nil || p.Note != verifier || p.Fingerprint != public(t, "rsa.asc").Fingerprint || p.Name != "Rita RSA <rsa@example.org>" {
		t.Errorf("%+v, %v", p, err)
	}
	if e := public(t, "expired.asc").Expires.Format("2006-01-02"); e != "2021-01-01" {
		t.Errorf("expires %s", e)
	}
}
