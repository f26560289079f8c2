package sign

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"golang.org/x/mod/sumdb/note"
)

// signers returns, of each OpenPGP key that is valid at a time, the key that signs.
func (k *Keys) signers(now time.Time) ([]*packet.PrivateKey, error) {
	var signers []*packet.PrivateKey
	var invalid error
	for _, key := range k.openpgp {
		var err error
		for _, s := range key.signing {
			if err = s.during(now); err == nil {
				signers = append(signers, s.private)
				break
			}
		}
		if invalid == nil {
			invalid = err
		}
	}
	if len(signers) == 0 {
		return nil, invalid
	}
	return signers, nil
}

// ClearSign returns a text with the signatures of all OpenPGP keys around it, as
// InRelease is; nil without an OpenPGP key. The text ends with a newline, and no
// line of it with blanks: the signature would not cover them. The error may be
// ErrExpired.
func (k *Keys) ClearSign(text []byte, now time.Time) ([]byte, error) {
	if k == nil || len(k.openpgp) == 0 {
		return nil, nil
	}
	if err := checkText(text); err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	// Signed are the lines between CRLFs, without one at the end; written are the
	// lines with their dashes escaped (RFC 4880, section 7).
	var escaped bytes.Buffer
	for line := range bytes.Lines(text) {
		if line[0] == '-' {
			escaped.WriteString("- ")
		}
		escaped.Write(line)
	}
	lines := bytes.ReplaceAll(text[:len(text)-1], []byte("\n"), []byte("\r\n"))
	signature, err := k.signature(packet.SigTypeText, lines, now)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	return slices.Concat([]byte("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n"), escaped.Bytes(), signature), nil
}

func checkText(text []byte) error {
	if !bytes.HasSuffix(text, []byte("\n")) {
		return errors.New("the text does not end with a newline")
	}
	for line := range bytes.Lines(text) {
		line = bytes.TrimSuffix(line, []byte("\n"))
		if len(bytes.TrimRight(line, " \t\r")) < len(line) {
			return fmt.Errorf("a line of the text ends with blanks: %.60q", line)
		}
	}
	return nil
}

// Detach returns the armored signatures of all OpenPGP keys over a text, as
// Release.gpg is; nil without an OpenPGP key. The error may be ErrExpired.
func (k *Keys) Detach(text []byte, now time.Time) ([]byte, error) {
	if k == nil || len(k.openpgp) == 0 {
		return nil, nil
	}
	signature, err := k.signature(packet.SigTypeBinary, text, now)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	return signature, nil
}

// signature returns the armored signatures of all OpenPGP keys that are valid. The
// checksum of the armor matters: without it, gpgv rejects some lengths.
func (k *Keys) signature(kind packet.SignatureType, data []byte, now time.Time) ([]byte, error) {
	signers, err := k.signers(now)
	if err != nil {
		return nil, err
	}
	config := signConfig(now)
	return armored(signatureBlock, func(b *bytes.Buffer) error {
		for _, key := range signers {
			sig := &packet.Signature{
				Version:           key.Version,
				SigType:           kind,
				PubKeyAlgo:        key.PubKeyAlgo,
				Hash:              crypto.SHA512,
				CreationTime:      now,
				IssuerKeyId:       &key.KeyId,
				IssuerFingerprint: key.Fingerprint,
			}
			h, err := sig.PrepareSign(config)
			if err != nil {
				return err
			}
			h.Write(data)
			if err := sig.Sign(h, key, config); err != nil {
				return err
			}
			if err := sig.Serialize(b); err != nil {
				return err
			}
		}
		return nil
	})
}

// Note returns a text with the signatures of all note keys below it; without a
// note key, the text as it is. The text is UTF-8, has no control characters but
// newlines, and ends with one.
func (k *Keys) Note(text string) ([]byte, error) {
	if k == nil || len(k.notes) == 0 {
		return []byte(text), nil
	}
	isControl := func(r rune) bool { return r < 0x20 && r != '\n' }
	if !utf8.ValidString(text) || strings.ContainsFunc(text, isControl) {
		return nil, errors.New("sign: the text of a note has control characters or is not UTF-8")
	}
	var signers []note.Signer
	for _, n := range k.notes {
		signers = append(signers, n.signer)
	}
	signed, err := note.Sign(&note.Note{Text: text}, signers...)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	return signed, nil
}
