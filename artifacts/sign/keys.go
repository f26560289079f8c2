package sign

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"golang.org/x/mod/sumdb/note"
)

var (
	// ErrNoKey says that a file holds no key, or none of the kind in question.
	ErrNoKey = errors.New("no key in it")
	// ErrLocked says that a key is protected by a passphrase and none was given.
	ErrLocked = errors.New("the key is protected by a passphrase")
	// ErrPassphrase says that the passphrase is not that of the key.
	ErrPassphrase = errors.New("wrong passphrase")
	// ErrExpired says that all keys that could sign have expired.
	ErrExpired = errors.New("the key has expired")
	// ErrRevoked says that a key is revoked.
	ErrRevoked = errors.New("the key is revoked")
)

// Keys are the private keys of one publisher. A nil *Keys signs nothing. Its
// methods may be called from several goroutines at once.
type Keys struct {
	openpgp []*privateKey
	notes   []noteKey
	public  Public
}

// privateKey is one OpenPGP key, with those of its keys that can sign here.
type privateKey struct {
	entity  *openpgp.Entity
	signing []signingKey // with private part; the preferred one first
}

// noteKey is a key for notes.
type noteKey struct {
	private  string // "PRIVATE+KEY+pybake+1b0d3a4e+AX3…"
	verifier string // "pybake+1b0d3a4e+AcD…"
	signer   note.Signer
}

// Generate makes an OpenPGP key (version 4, Ed25519, no expiry, no subkeys) and a
// key for notes. The name becomes the user id of one and the name of the other:
// letters, digits and "-._", as in "pybake" or "baked.example.org".
func Generate(name string, now time.Time) (*Keys, error) {
	if name == "" || strings.Trim(name, nameCharacters) != "" {
		return nil, fmt.Errorf("generate key: the name %q is not made of letters, digits and -._", name)
	}
	config := signConfig(now)
	config.Algorithm = packet.PubKeyAlgoEdDSA
	config.Curve = packet.Curve25519
	entity, err := openpgp.NewEntity(name, "", "", config)
	if err != nil {
		return nil, fmt.Errorf("generate key: %w", err)
	}
	entity.Subkeys = nil // one for encryption
	private, _, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		return nil, fmt.Errorf("generate key: %w", err)
	}
	k := &Keys{}
	if err := k.addEntity(entity); err != nil {
		return nil, fmt.Errorf("generate key: %w", err)
	}
	if err := k.addNote(private); err != nil {
		return nil, fmt.Errorf("generate key: %w", err)
	}
	if err := k.finish(); err != nil {
		return nil, fmt.Errorf("generate key: %w", err)
	}
	return k, nil
}

const nameCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._"

// signConfig is the configuration of all that is signed.
func signConfig(now time.Time) *packet.Config {
	salt := false
	return &packet.Config{
		DefaultHash:                           crypto.SHA512,
		Time:                                  func() time.Time { return now.UTC() },
		NonDeterministicSignaturesViaNotation: &salt,
	}
}

// Load reads a private key file. The passphrase is for the OpenPGP keys in it that
// have one. The error is a [*ModeError] if others may read or change the file, and
// may be ErrNoKey, ErrLocked, ErrPassphrase, ErrExpired or ErrRevoked.
func Load(path string, passphrase []byte) (*Keys, error) {
	text, err := readPrivate(path)
	if err != nil {
		return nil, fmt.Errorf("read signing key: %w", err)
	}
	k, err := parsePrivate(text, passphrase)
	if err == nil && len(k.openpgp) > 0 {
		_, err = k.signers(time.Now())
	}
	if err != nil {
		return nil, fmt.Errorf("read signing key %s: %w", path, err)
	}
	return k, nil
}

func parsePrivate(text, passphrase []byte) (*Keys, error) {
	blocks, lines, err := split(text)
	if err != nil {
		return nil, err
	}
	k := &Keys{}
	for _, b := range blocks {
		if b.kind != privateBlock {
			continue
		}
		entities, err := readKeys(b)
		if err != nil {
			return nil, err
		}
		for _, entity := range entities {
			if err := unlock(entity, passphrase); err != nil {
				return nil, fmt.Errorf("key %s: %w", fingerprint(entity), err)
			}
			if err := k.addEntity(entity); err != nil {
				return nil, fmt.Errorf("key %s: %w", fingerprint(entity), err)
			}
		}
	}
	for _, line := range lines {
		if !strings.HasPrefix(line, "PRIVATE+KEY+") {
			continue
		}
		if err := k.addNote(line); err != nil {
			return nil, err
		}
	}
	switch {
	case len(k.openpgp)+len(k.notes) > 0:
		return k, k.finish()
	case len(blocks) > 0:
		return nil, fmt.Errorf("no private key, but a %s: %w", blocks[0].kind, ErrNoKey)
	}
	return nil, ErrNoKey
}

// unlock decrypts the private parts of an OpenPGP key.
func unlock(e *openpgp.Entity, passphrase []byte) error {
	keys := []*packet.PrivateKey{e.PrivateKey}
	for _, sub := range e.Subkeys {
		keys = append(keys, sub.PrivateKey)
	}
	for _, key := range keys {
		if key == nil || key.Dummy() || !key.Encrypted {
			continue
		}
		if len(passphrase) == 0 {
			return ErrLocked
		}
		if err := key.Decrypt(passphrase); err != nil {
			return ErrPassphrase
		}
	}
	return nil
}

// addEntity adds an OpenPGP key. One of which no part can sign is none.
func (k *Keys) addEntity(e *openpgp.Entity) error {
	usable, err := signingKeys(e)
	if err != nil {
		return err
	}
	key := &privateKey{entity: e}
	for _, u := range usable {
		if u.private != nil && !u.private.Dummy() {
			key.signing = append(key.signing, u)
		}
	}
	if len(key.signing) == 0 {
		return fmt.Errorf("no part of it can sign: %w", ErrNoKey)
	}
	k.openpgp = append(k.openpgp, key)
	return nil
}

func (k *Keys) addNote(line string) error {
	signer, err := note.NewSigner(line)
	if err != nil {
		return errors.New("the line PRIVATE+KEY is damaged")
	}
	// PRIVATE+KEY+name+hash+base64, which may hold a plus itself.
	seed, err := base64.StdEncoding.DecodeString(strings.SplitN(line, "+", 5)[4])
	if err != nil || len(seed) != 1+ed25519.SeedSize {
		return errors.New("the line PRIVATE+KEY is damaged")
	}
	public := ed25519.NewKeyFromSeed(seed[1:]).Public().(ed25519.PublicKey)
	verifier, err := note.NewEd25519VerifierKey(signer.Name(), public)
	if err != nil {
		return err
	}
	k.notes = append(k.notes, noteKey{line, verifier, signer})
	return nil
}

// finish derives the public keys.
func (k *Keys) finish() (err error) {
	var entities []*openpgp.Entity
	for _, key := range k.openpgp {
		entities = append(entities, key.entity)
	}
	var verifiers []string
	for _, n := range k.notes {
		verifiers = append(verifiers, n.verifier)
	}
	k.public, err = newPublic(entities, verifiers)
	return err
}

// Public returns the public keys.
func (k *Keys) Public() Public {
	if k == nil {
		return Public{}
	}
	return k.public
}

// armored writes packets in armor, as apt reads it: one block, with a checksum.
func armored(kind string, write func(b *bytes.Buffer) error) ([]byte, error) {
	var packets, text bytes.Buffer
	if err := write(&packets); err != nil {
		return nil, err
	}
	w, err := armor.Encode(&text, kind, nil)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(packets.Bytes()); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	text.WriteByte('\n')
	return text.Bytes(), nil
}
