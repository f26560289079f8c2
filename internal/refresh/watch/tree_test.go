package watch

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"github.com/pybake/pybake/artifacts/sign"
	"github.com/pybake/pybake/internal/fetch"
	"github.com/pybake/pybake/recipes"
)

func sum(data []byte) string { return fmt.Sprintf("%x", sha256.Sum256(data)) }

// both runs a test with the tree as a directory and as an address.
func both(t *testing.T, tr *tree, test func(t *testing.T, place string)) {
	t.Helper()
	t.Run("directory", func(t *testing.T) { test(t, tr.write()) })
	t.Run("address", func(t *testing.T) { test(t, tr.serve()) })
}

func TestLook(t *testing.T) {
	tr := newTree(t, "3.12.9", "3.12.10", "3.13.9", "3.13.100", "3.13.11")
	delete(tr.files, at("3.12.10", ".tgz"))
	delete(tr.files, at("3.12.10", ".tgz.asc"))
	tr.files["2.7.18/Python-2.7.18.tgz"] = nil
	tr.files["doc/index.html"] = nil
	both(t, tr, func(t *testing.T, place string) {
		w := watcher(t, place)
		found, errs := w.Look(context.Background(), []string{"3.12", "3.13"}, known("3.12.9"))
		if errs != nil || versions(found) != "3.13.100 3.12.10" {
			t.Fatalf("found %s, %v", versions(found), errs)
		}
		xz, tgz := sum(tr.files[at("3.13.100", ".tar.xz")]), sum(tr.files[at("3.13.100", ".tgz")])
		want := Found{
			Release:  recipes.Release{Version: "3.13.100", Series: "3.13", XZ: xz, TGZ: tgz},
			Released: today.AddDate(0, 0, -1),
			From:     place,
			Proof:    "OpenPGP signature by " + manager().Public().Fingerprint + " (M)",
		}
		if found[0] != want {
			t.Errorf("got %+v\nwant %+v", found[0], want)
		}
		if found[1].TGZ != "" || found[1].XZ == "" {
			t.Errorf("without a .tgz: %+v", found[1])
		}
		hashes := []string{xz, tgz, found[1].XZ}
		if slices.Sort(hashes); !slices.Equal(cached(t, w), hashes) {
			t.Errorf("in the cache: %v", cached(t, w))
		}
		if _, err := w.Fetcher.Get(context.Background(), []fetch.File{{Name: "x", SHA256: xz}}, nil); err != nil {
			t.Error(err)
		}
	})
}

// TestLookAsksLittle holds that what is known costs one request.
func TestLookAsksLittle(t *testing.T) {
	tr := newTree(t, "3.12.9", "3.13.11")
	w := watcher(t, tr.serve())
	found, errs := w.Look(context.Background(), []string{"3.12", "3.13", "3.14"}, known("3.12.9", "3.13.11"))
	if found != nil || errs != nil || !slices.Equal(tr.asked, []string{""}) {
		t.Errorf("found %v, %v; asked %q", found, errs, tr.asked)
	}
}

func TestPrereleases(t *testing.T) {
	for _, test := range []struct {
		versions, known []string
		want            string
	}{
		{[]string{"3.15.0a7", "3.15.0b4", "3.15.0b10"}, nil, "3.15.0b10"},
		{[]string{"3.15.0b4", "3.15.0rc1"}, []string{"3.15.0b4"}, "3.15.0rc1"},
		{[]string{"3.15.0b4"}, []string{"3.15.0b4"}, ""},
		{[]string{"3.15.0rc1", "3.15.0"}, nil, "3.15.0"},
		{[]string{"3.15.0rc1"}, []string{"3.15.0"}, ""},
		{[]string{"3.15.0", "3.15.1rc1"}, nil, "3.15.0"},
		{[]string{"3.15.0", "3.15.1rc1"}, []string{"3.15.0"}, ""},
	} {
		both(t, newTree(t, test.versions...), func(t *testing.T, place string) {
			w := watcher(t, place)
			found, errs := w.Look(context.Background(), []string{"3.15"}, known(test.known...))
			if errs != nil || versions(found) != test.want {
				t.Errorf("%v: found %s, %v; want %s", test.versions, versions(found), errs, test.want)
			}
		})
	}
}

// TestRefused has releases that do not count. Each error names the release, and
// that the older one is not taken.
func TestRefused(t *testing.T) {
	stranger := newKeys("stranger")
	detach := func(k *sign.Keys, data []byte) []byte {
		signature, err := k.Detach(data, today)
		if err != nil {
			t.Fatal(err)
		}
		return signature
	}
	xz, tgz := at("3.13.6", ".tar.xz"), at("3.13.6", ".tgz")
	for _, test := range []struct {
		what  string
		spoil func(tr *tree)
		want  string // in the error
		is    error
	}{
		{"wrong key", func(tr *tree) { tr.files[xz+".asc"] = detach(stranger, tr.files[xz]) }, "Python-3.13.6.tar.xz: ", sign.ErrUntrusted},
		{"wrong key beside its owner's", func(tr *tree) {
			tr.files["pubkeys.txt"] = append(tr.files["pubkeys.txt"], stranger.Public().OpenPGP...)
			tr.files[tgz+".asc"] = detach(stranger, tr.files[tgz])
		}, "Python-3.13.6.tgz: ", sign.ErrUntrusted},
		{"only another key", func(tr *tree) { tr.files["pubkeys.txt"] = stranger.Public().OpenPGP }, manager().Public().Fingerprint, sign.ErrNoKey},
		{"no keys", func(tr *tree) { delete(tr.files, "pubkeys.txt") }, "neither pubkeys.txt nor keys/" + manager().Public().Fingerprint + ".asc is there", nil},
		{"no keys but a page", func(tr *tree) { tr.files["pubkeys.txt"] = []byte("<html>Log in</html>") }, "no key to check its signature with", nil},
		{"tampered", func(tr *tree) { tr.files[xz] = append(bytes.Clone(tr.files[xz]), 0) }, "Python-3.13.6.tar.xz: ", sign.ErrSignature},
		{"tampered .tgz", func(tr *tree) { tr.files[tgz][20] ^= 1 }, "Python-3.13.6.tgz: ", sign.ErrSignature},
		{"signature of the other archive", func(tr *tree) { tr.files[xz+".asc"] = tr.files[tgz+".asc"] }, "", sign.ErrSignature},
		{"no signature", func(tr *tree) { delete(tr.files, xz+".asc") }, "has no signature: no Python-3.13.6.tar.xz.asc nor Python-3.13.6.tar.xz.sigstore", nil},
		{"no signature of one", func(tr *tree) { delete(tr.files, tgz+".asc") }, "no Python-3.13.6.tgz.asc nor", nil},
		{"empty signature", func(tr *tree) { tr.files[xz+".asc"] = nil }, "Python-3.13.6.tar.xz: ", sign.ErrUnsigned},
		{"a former release in its place", func(tr *tree) {
			tr.put("3.13.6", ".tar.xz", source(t, "3.13.5", ".tar.xz"))
		}, `Python-3.13.6.tar.xz: is signed, but unpacks to "Python-3.13.5"`, nil},
		{"no archive", func(tr *tree) { tr.put("3.13.6", ".tgz", []byte("#!/bin/sh")) }, "Python-3.13.6.tgz: read archive", nil},
		{"no tool", func(tr *tree) {
			for _, name := range []string{xz, tgz} {
				delete(tr.files, name+".asc")
				tr.files[name+".sigstore"] = []byte("{}")
			}
		}, "install sigstore or cosign, or put the SHA-256 of the release into a releases.csv", ErrNoTool},
	} {
		t.Run(test.what, func(t *testing.T) {
			tr := newTree(t, "3.13.3", "3.13.4", "3.13.5", "3.13.6", "3.12.1")
			test.spoil(tr)
			both(t, tr, func(t *testing.T, place string) {
				w := watcher(t, place)
				found, errs := w.Look(context.Background(), []string{"3.13"}, known("3.13.3"))
				if found != nil || len(errs) != 1 {
					t.Fatalf("found %v, %v", found, errs)
				}
				var bad *ReleaseError
				if !errors.As(errs[0], &bad) || bad.Version != "3.13.6" || bad.Place != place {
					t.Errorf("got %v", errs[0])
				}
				text := errs[0].Error()
				if !strings.Contains(text, test.want) || !strings.HasSuffix(text, "; 3.13.5, 3.13.4, also there, is not taken in its stead") {
					t.Errorf("got %s\nwant %s", text, test.want)
				}
				if test.is != nil && !errors.Is(errs[0], test.is) {
					t.Errorf("got %v, want %v", errs[0], test.is)
				}
				if left := cached(t, w); left != nil {
					t.Errorf("left behind: %v", left)
				}
			})
		})
	}
}

// TestOtherSeriesGoOn holds that a bad release of one series, and a place that
// does not answer, cost the others nothing.
func TestOtherSeriesGoOn(t *testing.T) {
	bad := newTree(t, "3.12.1", "3.13.6")
	bad.files[at("3.13.6", ".tgz.asc")] = nil
	good := newTree(t, "3.13.6", "3.12.1")
	gone := httptest.NewServer(nil)
	gone.Close()
	place := bad.serve()
	w := watcher(t, gone.URL, place, good.serve())
	found, errs := w.Look(context.Background(), []string{"3.13", "3.12"}, known())
	if versions(found) != "3.13.6 3.12.1" || found[1].From != place || found[0].From == place || len(errs) != 2 {
		t.Fatalf("found %+v, %v", found, errs)
	}
	if _, ok := errors.AsType[*PlaceError](errs[0]); !ok || !strings.Contains(texts(errs[:1]), gone.URL) {
		t.Errorf("got %v", errs[0])
	}
	if _, ok := errors.AsType[*ReleaseError](errs[1]); !ok {
		t.Errorf("got %v", errs[1])
	}
	// 3.12.1 was found before: nothing of it is asked of the third place.
	for _, path := range good.asked {
		if strings.HasPrefix(path, "3.12") {
			t.Errorf("asked for %s", path)
		}
	}
}

// TestExpiredKey has a key that expired after it signed.
func TestExpiredKey(t *testing.T) {
	year := func(n int) *packet.Config {
		return &packet.Config{Algorithm: packet.PubKeyAlgoEdDSA, KeyLifetimeSecs: 366 * 24 * 3600,
			Time: func() time.Time { return time.Date(n, 6, 1, 0, 0, 0, 0, time.UTC) }}
	}
	key, err := openpgp.NewEntity("former", "", "former@example.org", year(2020))
	if err != nil {
		t.Fatal(err)
	}
	var public bytes.Buffer
	block, _ := armor.Encode(&public, openpgp.PublicKeyType, nil)
	if err := key.Serialize(block); err != nil {
		t.Fatal(err)
	}
	block.Close()
	fingerprint := fmt.Sprintf("%X", key.PrimaryKey.Fingerprint)
	tr := newTree(t, "3.13.6")
	delete(tr.files, "pubkeys.txt")
	tr.files["keys/"+fingerprint+".asc"] = public.Bytes()
	for _, ending := range endings {
		var signature bytes.Buffer
		if err := openpgp.ArmoredDetachSign(&signature, key, bytes.NewReader(tr.files[at("3.13.6", ending)]), year(2021)); err != nil {
			t.Fatal(err)
		}
		tr.files[at("3.13.6", ending+".asc")] = signature.Bytes()
	}
	both(t, tr, func(t *testing.T, place string) {
		w := watcher(t, place)
		w.Signers["3.13"] = recipes.Signer{Manager: "former", OpenPGP: []string{fingerprint}}
		found, errs := w.Look(context.Background(), []string{"3.13"}, known())
		if errs != nil || len(found) != 1 || !found[0].Released.Equal(year(2021).Now()) {
			t.Errorf("found %+v, %v", found, errs)
		}
	})
}

// TestSignedTomorrow has a signature of a clock that is wrong.
func TestSignedTomorrow(t *testing.T) {
	w := watcher(t, newTree(t, "3.13.6").write())
	w.Now = func() time.Time { return today.AddDate(0, -1, 0) }
	found, errs := w.Look(context.Background(), []string{"3.13"}, known())
	if errs != nil || len(found) != 1 || !found[0].Released.IsZero() {
		t.Errorf("found %+v, %v", found, errs)
	}
}

func TestSigstore(t *testing.T) {
	tr := newTree(t, "3.14.1")
	for _, ending := range endings {
		delete(tr.files, at("3.14.1", ending+".asc"))
		tr.files[at("3.14.1", ending+".sigstore")] = fmt.Appendf(nil, `{"verificationMaterial":{"tlogEntries":[{"integratedTime":"%d"}]}}`, today.Unix()-60)
	}
	both(t, tr, func(t *testing.T, place string) {
		w := watcher(t, place)
		var asked []string
		w.Sigstore = func(_ context.Context, file, bundle, identity, issuer string) error {
			data, err := os.ReadFile(file)
			if err != nil || !bytes.Equal(data, tr.files["3.14.1/"+filepath.Base(file)]) {
				t.Errorf("%s: %v", file, err)
			}
			if data, err := os.ReadFile(bundle); err != nil || !bytes.Contains(data, []byte("tlogEntries")) {
				t.Errorf("%s: %v", bundle, err)
			}
			asked = append(asked, filepath.Base(file)+" "+filepath.Base(bundle)+" "+identity+" "+issuer)
			return nil
		}
		found, errs := w.Look(context.Background(), []string{"3.14"}, known())
		if errs != nil || len(found) != 1 || found[0].Proof != "Sigstore signature by hugo@example.org (https://id.example.org)" ||
			!found[0].Released.Equal(today.Add(-time.Minute)) {
			t.Errorf("found %+v, %v", found, errs)
		}
		if want := "Python-3.14.1.tar.xz Python-3.14.1.tar.xz.sigstore hugo@example.org https://id.example.org"; len(asked) != 2 || asked[0] != want {
			t.Errorf("asked %q", asked)
		}

		w = watcher(t, place)
		cause := errors.New("exit status 1: the identity is another")
		w.Sigstore = func(context.Context, string, string, string, string) error { return cause }
		found, errs = w.Look(context.Background(), []string{"3.14"}, known())
		if found != nil || len(errs) != 1 || !errors.Is(errs[0], cause) || cached(t, w) != nil {
			t.Errorf("found %v, %v", found, errs)
		}
	})
}

func TestNoSigner(t *testing.T) {
	w := watcher(t, newTree(t, "3.16.0").write())
	_, errs := w.Look(context.Background(), []string{"3.16"}, known())
	if len(errs) != 1 || !strings.Contains(errs[0].Error(), "nobody is known who signs 3.16") {
		t.Errorf("got %v", errs)
	}
}

// TestNotYetThere has a directory that the archives are still missing from.
func TestNotYetThere(t *testing.T) {
	tr := newTree(t, "3.13.5")
	tr.files["3.13.6/python-3.13.6-amd64.exe"] = nil
	both(t, tr, func(t *testing.T, place string) {
		w := watcher(t, place)
		r := &recorder{}
		w.Report = r
		found, errs := w.Look(context.Background(), []string{"3.13"}, known())
		if errs != nil || versions(found) != "3.13.5" || len(r.notes) != 1 || r.notes[0] != place+": 3.13.6 has no source archive yet" {
			t.Errorf("found %s, %v, %q", versions(found), errs, r.notes)
		}
	})
	for _, v := range []string{"3.13.7", "3.13.8"} {
		tr.files[v+"/x"] = nil
	}
	found, errs := watcher(t, tr.write()).Look(context.Background(), []string{"3.13"}, known())
	if found != nil || len(errs) != 1 || !strings.Contains(errs[0].Error(), "no source archive in 3.13.8, 3.13.7, 3.13.6") {
		t.Errorf("found %v, %v", found, errs)
	}
}

type recorder struct{ steps, notes []string }

func (r *recorder) Step(name string) func(error) {
	r.steps = append(r.steps, name)
	return func(error) {}
}
func (r *recorder) Note(format string, args ...any) {
	r.notes = append(r.notes, fmt.Sprintf(format, args...))
}
