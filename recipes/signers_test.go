package recipes

import (
	"testing"
	"testing/fstest"
)

func signers(text string) (map[string]Signer, error) {
	return LoadSigners(fstest.MapFS{"signers.toml": {Data: []byte(text)}})
}

// TestSigners holds that every series has a trust root, and one of the kind
// that its releases are signed with (PEP 761).
func TestSigners(t *testing.T) {
	all, err := LoadSigners(nil)
	if err != nil {
		t.Fatal(err)
	}
	series := embeddedSet(t).AllSeries()
	if len(all) != len(series) {
		t.Errorf("%d signers for %d series", len(all), len(series))
	}
	for _, s := range series {
		signer := all[s.Series]
		if signer.Identity == "" || signer.Issuer == "" {
			t.Errorf("%s: no Sigstore identity", s.Series)
		}
		if pgp := Compare(s.Series, "3.13") <= 0; pgp != (len(signer.OpenPGP) == 1) {
			t.Errorf("%s: OpenPGP keys %q", s.Series, signer.OpenPGP)
		}
	}
}

// TestSignersOfProject puts those of a project over the embedded ones.
func TestSignersOfProject(t *testing.T) {
	const ours = "0123456789ABCDEF0123456789ABCDEF01234567"
	all, err := signers("[series.\"3.13\"]\nopenpgp = [\"" + ours + "\"]\n[series.\"3.16\"]\nmanager = \"M\"\nidentity = \"m@example.org\"\nissuer = \"https://id.example.org\"\n")
	if err != nil {
		t.Fatal(err)
	}
	if s := all["3.13"]; len(s.OpenPGP) != 1 || s.OpenPGP[0] != ours || s.Identity != "thomas@python.org" {
		t.Errorf("3.13: %+v", s)
	}
	if s := all["3.16"]; s.Identity != "m@example.org" {
		t.Errorf("3.16: %+v", s)
	}
	if plain, _ := LoadSigners(nil); plain["3.13"].OpenPGP[0] == ours {
		t.Error("a project changed the embedded signers")
	}
	if _, err := LoadSigners(fstest.MapFS{}); err != nil {
		t.Errorf("no file: %v", err)
	}
}

func TestSignersProblems(t *testing.T) {
	_, err := signers(`[series."3.13"]
openpgp = ["7169605f62c751356d054a26a821e680e5fa6305", "E5FA6305"]
identity = "--offline"
[series."3.16"]
manager = "M"
[series."3.17"]
manager = "M"
issuer = "http://id.example.org"
[series.latest]
finger = "x"
`)
	if err == nil {
		t.Fatal("accepted")
	}
	golden(t, "signers", err.Error()+"\n")
	if _, err := LoadSigners(fstest.MapFS{"signers.toml/x": {}}); err == nil {
		t.Error("a directory: accepted")
	}
}
