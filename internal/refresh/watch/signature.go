package watch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"github.com/pybake/pybake/artifacts/sign"
	"github.com/pybake/pybake/internal/fetch"
	"github.com/pybake/pybake/internal/pattern"
	"github.com/pybake/pybake/recipes"
)

// verifier checks the signatures of one release.
type verifier struct {
	ending string // of the signature's file: ".asc"
	proof  string // of Found
	verify func(ctx context.Context, file string, signature []byte) (time.Time, error)
}

// verifier chooses by which kind of signature a release is checked: one that all
// its archives have and that its series has a signer for, OpenPGP first.
func (w *Watcher) verifier(ctx context.Context, p *place, c *candidate) (*verifier, error) {
	signer, ok := w.Signers[seriesOf(c.version)]
	if !ok {
		return nil, fmt.Errorf("nobody is known who signs %s: want a series in signers.toml", seriesOf(c.version))
	}
	var missing []string
	usable := func(signature string, known bool) bool {
		for _, ending := range endings {
			if known && c.has(ending) && !c.has(ending+signature) {
				missing = append(missing, c.name(ending+signature))
				return false
			}
		}
		return known
	}
	asc, sigstore := usable(".asc", len(signer.OpenPGP) > 0), usable(".sigstore", signer.Identity != "")
	switch {
	case asc:
		armored, trouble := w.keys(ctx, p, signer)
		switch {
		case armored == nil && trouble != nil:
			return nil, &answerError{trouble}
		case armored == nil:
			return nil, fmt.Errorf("no key to check its signature with: neither pubkeys.txt nor keys/%s.asc is there", signer.OpenPGP[0])
		}
		v := &verifier{ending: ".asc", proof: "OpenPGP signature by " + signer.Manager}
		v.verify = func(_ context.Context, file string, signature []byte) (time.Time, error) {
			by, err := openPGP(armored, signer.OpenPGP, file, signature)
			if trouble != nil && errors.Is(err, sign.ErrNoKey) {
				return time.Time{}, &answerError{trouble}
			}
			if err != nil {
				return time.Time{}, err
			}
			v.proof = fmt.Sprintf("OpenPGP signature by %s (%s)", by, signer.Manager)
			return signedAt(signature), nil
		}
		return v, nil
	case sigstore && w.Sigstore == nil:
		return nil, fmt.Errorf("has a Sigstore signature only, and there is %w", ErrNoTool)
	case sigstore:
		return &verifier{
			ending: ".sigstore",
			proof:  fmt.Sprintf("Sigstore signature by %s (%s)", signer.Identity, signer.Issuer),
			verify: func(ctx context.Context, file string, signature []byte) (time.Time, error) {
				return w.sigstore(ctx, signer, file, signature)
			},
		}, nil
	}
	return nil, fmt.Errorf("has no signature: no %s", strings.Join(missing, " nor "))
}

func openPGP(armored [][]byte, fingerprints []string, path string, signature []byte) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", &diskError{err}
	}
	defer file.Close()
	return sign.VerifyDetached(armored, fingerprints, file, signature)
}

// signedAt is when a signature that holds was made; of several the last.
func signedAt(signature []byte) (at time.Time) {
	block, err := armor.Decode(bytes.NewReader(signature))
	if err != nil {
		return at
	}
	for packets := packet.NewReader(block.Body); ; {
		p, err := packets.Next()
		if err != nil {
			return at.UTC()
		}
		if s, ok := p.(*packet.Signature); ok && s.CreationTime.After(at) {
			at = s.CreationTime
		}
	}
}

// sigstore lets the program check a bundle, and tells when the log took it in.
func (w *Watcher) sigstore(ctx context.Context, signer recipes.Signer, file string, bundle []byte) (at time.Time, err error) {
	path := file + ".sigstore"
	if err := os.WriteFile(path, bundle, 0o644); err != nil {
		return at, &diskError{err}
	}
	if err := w.Sigstore(ctx, file, path, signer.Identity, signer.Issuer); err != nil {
		return at, fmt.Errorf("Sigstore signature by %s: %w", signer.Identity, err)
	}
	var b struct {
		VerificationMaterial struct {
			TlogEntries []struct {
				IntegratedTime string `json:"integratedTime"` // seconds since 1970
			} `json:"tlogEntries"`
		} `json:"verificationMaterial"`
	}
	if json.Unmarshal(bundle, &b) != nil {
		return at, nil
	}
	for _, entry := range b.VerificationMaterial.TlogEntries {
		if s, err := strconv.ParseInt(entry.IntegratedTime, 10, 64); err == nil && s > 0 && time.Unix(s, 0).After(at) {
			at = time.Unix(s, 0).UTC()
		}
	}
	return at, nil
}

// SigstoreCommand is the command that checks the Sigstore bundle of a file, by
// the base name of the program: sigstore (of Python, 3.0 or later) or cosign (2.4
// or later). It exits with 0 only if the signature of the file holds, and was made
// by the identity that the issuer vouched for.
func SigstoreCommand(program, file, bundle, identity, issuer string) ([]string, error) {
	switch filepath.Base(program) {
	case "sigstore":
		return []string{program, "verify", "identity", "--bundle", bundle,
			"--cert-identity", identity, "--cert-oidc-issuer", issuer, file}, nil
	case "cosign":
		return []string{program, "verify-blob", "--new-bundle-format", "--bundle", bundle,
			"--certificate-identity", identity, "--certificate-oidc-issuer", issuer, file}, nil
	}
	return nil, fmt.Errorf("%s: want sigstore or cosign", program)
}

// defaultKeys is where the keys of Default are, beside where those of all places
// are.
const defaultKeys = "https://keys.openpgp.org/vks/v1/by-fingerprint/"

var blockPattern = pattern.New(`(?s)-----BEGIN PGP PUBLIC KEY BLOCK-----.*?-----END PGP PUBLIC KEY BLOCK-----`)

// keys are the armored keys of a signer, and perhaps those of others: their
// fingerprints are not looked at yet. Beside them is what kept others from coming.
func (w *Watcher) keys(ctx context.Context, p *place, signer recipes.Signer) (armored [][]byte, trouble error) {
	names := []string{p.file("pubkeys.txt")}
	for _, fingerprint := range signer.OpenPGP {
		names = append(names, p.file("keys", fingerprint+".asc"))
	}
	if p.Label == Default {
		names = append(names, "https://www.python.org/static/files/pubkeys.txt")
		for _, fingerprint := range signer.OpenPGP {
			names = append(names, defaultKeys+fingerprint)
		}
	}
	var errs []error
	for _, name := range names {
		text, err := w.text(ctx, p, name)
		if err != nil && !errors.Is(err, fetch.ErrNotHere) {
			errs = append(errs, err)
		}
		for _, block := range blockPattern.FindAll(text, -1) {
			armored = append(armored, append(block, '\n'))
		}
	}
	return armored, errors.Join(errs...)
}
