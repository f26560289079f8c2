package sign

import (
	"bytes"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"
	"time"

	pgp "github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// VerifyDetached checks a detached signature, armored or binary, and returns the
// fingerprint of the primary key that made it, itself or by a subkey. The keys are
// armored texts with any number of keys each, in which everything but the keys
// with one of the fingerprints (40 hex digits in any case, spaces allowed) is left
// out. The data is read to its end. The error is ErrNoKey if none of the
// fingerprints is among the keys, ErrUntrusted if another key signed, ErrSignature
// if the data is not what was signed.
func VerifyDetached(armoredKeys [][]byte, fingerprints []string, data io.Reader, signature []byte) (by string, err error) {
	pinned := map[string]bool{}
	for _, f := range fingerprints {
		f = strings.ToUpper(strings.Join(strings.Fields(f), ""))
		if len(f) < 40 || strings.Trim(f, "0123456789ABCDEF") != "" {
			return "", fmt.Errorf("verify signature: %q is not a whole fingerprint", f)
		}
		pinned[f] = true
	}
	all, err := keyring(armoredKeys)
	if err != nil {
		return "", fmt.Errorf("verify signature: %w", err)
	}
	var keys []*openpgp.Entity
	for _, e := range all {
		if pinned[fingerprint(e)] {
			keys = append(keys, e)
		}
	}
	if len(keys) == 0 {
		return "", fmt.Errorf("verify signature: none of the fingerprints %s is among the keys: %w", strings.Join(fingerprints, ", "), ErrNoKey)
	}
	return verifyDetached(keys, data, signature)
}

// VerifyDetached checks a detached signature, armored or binary, by one of the
// OpenPGP keys, and returns the fingerprint of the primary key. The errors are those
// of the function [VerifyDetached].
func (p Public) VerifyDetached(data io.Reader, signature []byte) (by string, err error) {
	if len(p.OpenPGP) == 0 {
		return "", fmt.Errorf("verify signature: no OpenPGP key: %w", ErrNoKey)
	}
	keys, err := keyring([][]byte{p.OpenPGP})
	if err != nil {
		return "", fmt.Errorf("verify signature: %w", err)
	}
	return verifyDetached(keys, data, signature)
}

func verifyDetached(keys []*openpgp.Entity, data io.Reader, signature []byte) (by string, err error) {
	packets := io.Reader(bytes.NewReader(signature))
	if len(signature) == 0 || signature[0]&0x80 == 0 {
		a, err := armor.Decode(bytes.NewReader(signature))
		if err != nil || a.Type != signatureBlock {
			return "", fmt.Errorf("verify signature: it is no signature: %w", ErrUnsigned)
		}
		packets = a.Body
	}
	if by, err = verify(keys, data, packets); err != nil {
		return "", fmt.Errorf("verify signature: %w", err)
	}
	return by, nil
}

// keyring reads public keys, without those that cannot be read.
func keyring(texts [][]byte) ([]*openpgp.Entity, error) {
	var all []*openpgp.Entity
	for _, text := range texts {
		blocks, _, err := split(text)
		if err != nil {
			return nil, err
		}
		for _, b := range blocks {
			if b.kind != publicBlock {
				continue
			}
			a, err := armor.Decode(bytes.NewReader(b.text))
			if err != nil {
				return nil, fmt.Errorf("the %s is damaged", b.kind)
			}
			read, err := openpgp.ReadKeyRing(a.Body)
			if err != nil {
				continue
			}
			all = append(all, read...)
		}
	}
	return all, nil
}

// candidate is a signature that one of the keys may have made.
type candidate struct {
	sig  *packet.Signature
	key  signingKey
	hash hash.Hash // of what is signed, when the data has been read
}

// maxSignatures is how many signatures of one text are looked at.
const maxSignatures = 20

// verify returns the fingerprint of the first of the keys that signed the data.
func verify(keys []*openpgp.Entity, data, signature io.Reader) (by string, err error) {
	candidates, err := candidates(keys, signature)
	if err != nil {
		return "", err
	}
	var hashes []io.Writer
	for i := range candidates {
		c := &candidates[i]
		if c.hash, err = c.sig.PrepareVerify(); err != nil {
			return "", err
		}
		if c.sig.SigType == packet.SigTypeText {
			hashes = append(hashes, pgp.NewCanonicalTextHash(c.hash))
		} else {
			hashes = append(hashes, c.hash)
		}
	}
	if _, err := io.Copy(io.MultiWriter(hashes...), data); err != nil {
		return "", err
	}
	var errs []error
	for _, c := range candidates {
		if err := c.check(); err != nil {
			errs = append(errs, err)
			continue
		}
		return fingerprint(c.key.entity), nil
	}
	return "", errors.Join(errs...)
}

// candidates returns the signatures that may be by one of the keys.
func candidates(keys []*openpgp.Entity, signature io.Reader) ([]candidate, error) {
	var found []candidate
	var unusable error
	signers := []string{}
	packets := packet.NewReader(signature)
	for range maxSignatures {
		p, err := packets.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("the signature is damaged or of an unknown kind: %w", ErrUnsigned)
		}
		sig, ok := p.(*packet.Signature)
		if !ok || sig.IssuerKeyId == nil {
			continue
		}
		signers = append(signers, fmt.Sprintf("%016X", *sig.IssuerKeyId))
		for _, e := range keys {
			usable, err := signingKeys(e)
			if err != nil && knows(e, *sig.IssuerKeyId) {
				unusable = fmt.Errorf("key %s: %w", fingerprint(e), err)
			}
			for _, k := range usable {
				if k.public.KeyId == *sig.IssuerKeyId {
					found = append(found, candidate{sig: sig, key: k})
				}
			}
		}
	}
	switch {
	case len(signers) == 0:
		return nil, ErrUnsigned
	case len(found) == 0 && unusable != nil:
		return nil, unusable
	case len(found) == 0:
		return nil, fmt.Errorf("by key %s: %w", strings.Join(signers, ", "), ErrUntrusted)
	}
	return found, nil
}

func knows(e *openpgp.Entity, id uint64) bool {
	for _, sub := range e.Subkeys {
		if sub.PublicKey.KeyId == id {
			return true
		}
	}
	return e.PrimaryKey.KeyId == id
}

// check returns nil if the key made the signature when it was allowed to.
func (c *candidate) check() error {
	if t := c.sig.SigType; t != packet.SigTypeBinary && t != packet.SigTypeText {
		return fmt.Errorf("a signature of type %d, not of data", t)
	}
	if readConfig.RejectMessageHashAlgorithm(c.sig.Hash) {
		return fmt.Errorf("the signature is made with %v, which is broken", c.sig.Hash)
	}
	for _, n := range c.sig.Notations {
		if n.IsCritical {
			return fmt.Errorf("the signature demands the unknown notation %.100q", n.Name)
		}
	}
	if err := c.key.public.VerifySignature(c.hash, c.sig); err != nil {
		return fmt.Errorf("by key %s: %w", fingerprint(c.key.entity), ErrSignature)
	}
	if err := c.key.during(c.sig.CreationTime); err != nil {
		return err
	}
	if life := c.sig.SigLifetimeSecs; life != nil && *life != 0 {
		if until := c.sig.CreationTime.Add(time.Duration(*life) * time.Second); !time.Now().Before(until) {
			return fmt.Errorf("the signature expired on %s", date(until))
		}
	}
	return nil
}
