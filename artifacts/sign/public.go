package sign

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"golang.org/x/mod/sumdb/note"

	"github.com/pybake/pybake/internal/pattern"
)

var (
	// ErrUntrusted says that a text is signed, but by none of the keys in question.
	ErrUntrusted = errors.New("signed by none of the trusted keys")
	// ErrUnsigned says that a text is not signed.
	ErrUnsigned = errors.New("not signed")
	// ErrSignature says that a signature does not belong to the text.
	ErrSignature = errors.New("the signature does not belong to the text")
)

// Public are the public keys of a publisher, either of which may be missing. Of
// several OpenPGP keys, Fingerprint, Name and Expires are those of the first.
type Public struct {
	OpenPGP     []byte    // armored
	Fingerprint string    // of the OpenPGP key: 40 upper-case hex digits
	Name        string    // the user id of the OpenPGP key: "pybake"
	Expires     time.Time // when the last part of the OpenPGP key that can sign expires, or zero
	Note        string    // verifier line of the note key, without newline; several on lines of their own
}

// verifierPattern is what looks like a verifier line.
var verifierPattern = pattern.New(`^[^\s+]+\+[0-9a-f]{8}\+[A-Za-z0-9+/=]+$`)

// ParsePublic reads a public key file. The error is ErrNoKey if it holds none. A
// private key is refused: it is not where public ones should be.
func ParsePublic(text []byte) (Public, error) {
	blocks, lines, err := split(text)
	if err != nil {
		return Public{}, fmt.Errorf("read public key: %w", err)
	}
	var entities []*openpgp.Entity
	for _, b := range blocks {
		switch b.kind {
		case privateBlock:
			return Public{}, errPrivate
		case publicBlock:
			read, err := readKeys(b)
			if err != nil {
				return Public{}, fmt.Errorf("read public key: %w", err)
			}
			entities = append(entities, read...)
		}
	}
	var verifiers []string
	for _, line := range lines {
		if strings.HasPrefix(line, "PRIVATE+KEY+") {
			return Public{}, errPrivate
		}
		if !verifierPattern.MatchString(line) {
			continue
		}
		if _, err := note.NewVerifier(line); err != nil {
			return Public{}, fmt.Errorf("read public key: %.100s: %w", line, err)
		}
		verifiers = append(verifiers, line)
	}
	if len(entities)+len(verifiers) == 0 {
		return Public{}, fmt.Errorf("read public key: %w", ErrNoKey)
	}
	p, err := newPublic(entities, verifiers)
	if err != nil {
		return Public{}, fmt.Errorf("read public key: %w", err)
	}
	return p, nil
}

var errPrivate = errors.New("read public key: the file holds a private key")

func newPublic(entities []*openpgp.Entity, verifiers []string) (Public, error) {
	p := Public{Note: strings.Join(verifiers, "\n")}
	if len(entities) == 0 {
		return p, nil
	}
	text, err := armored(publicBlock, func(b *bytes.Buffer) error {
		for _, e := range entities {
			if err := serialize(b, e); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return Public{}, err
	}
	first := entities[0]
	p.OpenPGP, p.Fingerprint = text, fingerprint(first)
	if ids := userIDs(first); len(ids) > 0 {
		p.Name = ids[0].Name
	}
	keys, err := signingKeys(first)
	if err != nil || len(keys) == 0 {
		return p, nil // it is no error to name a key that cannot sign; nothing will hold
	}
	p.Expires = keys[0].until
	for _, k := range keys[1:] {
		if k.until.IsZero() || !p.Expires.IsZero() && k.until.After(p.Expires) {
			p.Expires = k.until
		}
	}
	return p, nil
}

// Text returns the keys as a public key file.
func (p Public) Text() []byte {
	text := bytes.Clone(p.OpenPGP)
	if p.Note != "" {
		if len(text) > 0 {
			text = append(text, '\n')
		}
		text = append(append(text, p.Note...), '\n')
	}
	return text
}

// VerifyClearSigned checks a clear-signed text and returns what was signed, with
// the fingerprint of the primary key that signed it. Text before or after it that
// nobody signed is refused.
func (p Public) VerifyClearSigned(signed []byte) (text []byte, by string, err error) {
	if len(p.OpenPGP) == 0 {
		return nil, "", fmt.Errorf("verify clear-signed text: no OpenPGP key: %w", ErrNoKey)
	}
	block, rest := clearsign.Decode(signed)
	switch {
	case block == nil:
		return nil, "", fmt.Errorf("verify clear-signed text: %w, or damaged", ErrUnsigned)
	case !bytes.HasPrefix(signed, []byte("-----BEGIN PGP SIGNED MESSAGE-----")) || len(bytes.TrimSpace(rest)) > 0:
		return nil, "", errors.New("verify clear-signed text: there is other text around it")
	}
	keys, err := keyring([][]byte{p.OpenPGP})
	if err != nil {
		return nil, "", fmt.Errorf("verify clear-signed text: %w", err)
	}
	by, err = verify(keys, bytes.NewReader(block.Bytes), block.ArmoredSignature.Body)
	if err != nil {
		return nil, "", fmt.Errorf("verify clear-signed text: %w", err)
	}
	return append(block.Plaintext, '\n'), by, nil
}

// VerifyNote checks a signed note and returns its text, with the name and hash of
// the key that signed it: "pybake+1b0d3a4e".
func (p Public) VerifyNote(signed []byte) (text string, by string, err error) {
	if p.Note == "" {
		return "", "", fmt.Errorf("verify note: no key for notes: %w", ErrNoKey)
	}
	var verifiers []note.Verifier
	for line := range strings.Lines(p.Note) {
		v, err := note.NewVerifier(strings.TrimSpace(line))
		if err != nil {
			return "", "", fmt.Errorf("verify note: the verifier line: %w", err)
		}
		verifiers = append(verifiers, v)
	}
	n, err := note.Open(signed, note.VerifierList(verifiers...))
	unverified, isUnverified := errors.AsType[*note.UnverifiedNoteError](err)
	switch {
	case isUnverified:
		s := unverified.Note.UnverifiedSigs[0]
		return "", "", fmt.Errorf("verify note: by %s+%08x: %w", s.Name, s.Hash, ErrUntrusted)
	case errors.As(err, new(*note.InvalidSignatureError)):
		return "", "", fmt.Errorf("verify note: %w: %w", err, ErrSignature)
	case err != nil:
		return "", "", fmt.Errorf("verify note: %w, or damaged: %w", ErrUnsigned, err)
	}
	return n.Text, fmt.Sprintf("%s+%08x", n.Sigs[0].Name, n.Sigs[0].Hash), nil
}
