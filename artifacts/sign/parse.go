package sign

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

const (
	privateBlock   = "PGP PRIVATE KEY BLOCK"
	publicBlock    = "PGP PUBLIC KEY BLOCK"
	signatureBlock = "PGP SIGNATURE"
)

// block is one armored block of a text.
type block struct {
	kind string // "PGP PUBLIC KEY BLOCK"
	text []byte // with its first and last line
}

// split divides the text of a key file into armored blocks and other lines.
func split(text []byte) (blocks []block, lines []string, err error) {
	if len(text) > 0 && text[0]&0x80 != 0 && !bytes.Contains(text, []byte("-----BEGIN ")) {
		return nil, nil, errors.New("it is binary, not armored text: gpg --export… --armor writes that")
	}
	var open *block
	for line := range bytes.Lines(text) {
		trimmed := strings.TrimSpace(string(line))
		kind, isBegin := strings.CutPrefix(trimmed, "-----BEGIN ")
		kind, isFence := strings.CutSuffix(kind, "-----")
		switch {
		case open != nil && isBegin:
			return nil, nil, fmt.Errorf("a %s has no end", open.kind)
		case isBegin && isFence:
			open = &block{kind: kind, text: append([]byte(trimmed), '\n')}
		case open == nil:
			lines = append(lines, trimmed)
		default:
			open.text = append(append(open.text, trimmed...), '\n')
			if trimmed == "-----END "+open.kind+"-----" {
				blocks, open = append(blocks, *open), nil
			}
		}
	}
	if open != nil {
		return nil, nil, fmt.Errorf("a %s has no end", open.kind)
	}
	return blocks, lines, nil
}

// readKeys reads the OpenPGP keys of an armored block. One that cannot be read is
// an error even if others can: which one is meant cannot be known.
func readKeys(b block) ([]*openpgp.Entity, error) {
	a, err := armor.Decode(bytes.NewReader(b.text))
	if err != nil {
		return nil, fmt.Errorf("the %s is damaged", b.kind)
	}
	var entities []*openpgp.Entity
	packets := packet.NewReader(a.Body)
	for {
		e, err := openpgp.ReadEntity(packets)
		if err == io.EOF && len(entities) > 0 {
			return entities, nil
		}
		if err != nil {
			return nil, fmt.Errorf("the %s is damaged or of an unknown kind", b.kind)
		}
		entities = append(entities, e)
	}
}

// fingerprint is that of the primary key: 40 or 64 upper-case hex digits.
func fingerprint(e *openpgp.Entity) string {
	return strings.ToUpper(hex.EncodeToString(e.PrimaryKey.Fingerprint))
}

// signingKey is a primary key or subkey that may sign.
type signingKey struct {
	entity  *openpgp.Entity
	public  *packet.PublicKey
	private *packet.PrivateKey // nil if not known
	from    time.Time          // when it was made
	until   time.Time          // when it expires, or zero
	bound   time.Time          // when it was declared to sign
}

// during returns nil if the key is valid at a time, or says why not.
func (k signingKey) during(at time.Time) error {
	switch {
	case at.Before(k.from):
		return fmt.Errorf("key %s was made on %s, after %s", fingerprint(k.entity), date(k.from), date(at))
	case !k.until.IsZero() && !at.Before(k.until):
		return fmt.Errorf("key %s, on %s: %w", fingerprint(k.entity), date(k.until), ErrExpired)
	}
	return nil
}

func date(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// readConfig is how the signatures in keys are judged. Keys of old have no flags.
var readConfig = &packet.Config{InsecureAllowAllKeyFlagsWhenMissing: true}

// signingKeys returns the keys of an entity that may sign or could when they had
// not expired: subkeys first, the newest of them first, then the primary key.
func signingKeys(e *openpgp.Entity) ([]signingKey, error) {
	// The library is asked without a date, so that it does not remember what was
	// true on one day only.
	if e.Revoked(time.Now()) {
		return nil, ErrRevoked
	}
	self, err := e.VerifyPrimaryKey(time.Time{}, readConfig)
	if err != nil {
		return nil, errors.New("none of its user ids is signed by itself with a digest that can be trusted")
	}
	primary := signingKey{
		entity: e, public: e.PrimaryKey, private: e.PrivateKey,
		from: e.PrimaryKey.CreationTime, until: end(e.PrimaryKey, self), bound: self.CreationTime,
	}
	if direct, err := e.LatestValidDirectSignature(time.Time{}, readConfig); err == nil {
		primary.until = earlier(primary.until, end(e.PrimaryKey, direct))
	}
	var keys []signingKey
	revoked := false
	for i := range e.Subkeys {
		sub := &e.Subkeys[i]
		binding, err := sub.LatestValidBindingSignature(time.Time{}, readConfig)
		if err != nil || !maySign(binding, sub.PublicKey) {
			continue
		}
		if sub.Revoked(binding, time.Now()) {
			revoked = true
			continue
		}
		keys = append(keys, signingKey{
			entity: e, public: sub.PublicKey, private: sub.PrivateKey, bound: binding.CreationTime,
			from:  later(primary.from, sub.PublicKey.CreationTime),
			until: earlier(primary.until, end(sub.PublicKey, binding)),
		})
	}
	slices.SortStableFunc(keys, func(a, b signingKey) int { return b.bound.Compare(a.bound) })
	if maySign(self, e.PrimaryKey) {
		keys = append(keys, primary)
	}
	if len(keys) == 0 && revoked {
		return nil, ErrRevoked
	}
	return keys, nil
}

// maySign says whether a key is declared to sign and strong enough.
func maySign(self *packet.Signature, key *packet.PublicKey) bool {
	if !key.PubKeyAlgo.CanSign() || self.FlagsValid && !self.FlagSign || weak(key) {
		return false
	}
	return true
}

func weak(key *packet.PublicKey) bool {
	switch key.PubKeyAlgo {
	case packet.PubKeyAlgoRSA, packet.PubKeyAlgoRSASignOnly:
		bits, err := key.BitLength()
		return err != nil || bits < 2047
	}
	return readConfig.RejectPublicKeyAlgorithm(key.PubKeyAlgo)
}

// end is when a key expires according to a signature of itself, or zero.
func end(key *packet.PublicKey, self *packet.Signature) time.Time {
	if self.KeyLifetimeSecs == nil || *self.KeyLifetimeSecs == 0 {
		return time.Time{}
	}
	return key.CreationTime.Add(time.Duration(*self.KeyLifetimeSecs) * time.Second)
}

// earlier returns the earlier of two ends, of which zero is never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// userIDs returns the user ids of a key: those that are marked as primary, then
// the others, by name.
func userIDs(e *openpgp.Entity) []*openpgp.Identity {
	rank := func(id *openpgp.Identity) int {
		self, err := id.LatestValidSelfCertification(time.Time{}, readConfig)
		switch {
		case err != nil:
			return 2
		case self.IsPrimaryId != nil && *self.IsPrimaryId:
			return 0
		}
		return 1
	}
	return slices.SortedFunc(maps.Values(e.Identities), func(a, b *openpgp.Identity) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.Name, b.Name))
	})
}

// serialize writes the public part of an OpenPGP key, always in the same order,
// without what others have certified.
func serialize(b *bytes.Buffer, e *openpgp.Entity) error {
	head := *e
	head.Identities, head.Subkeys = nil, nil
	if err := head.Serialize(b); err != nil {
		return err
	}
	for _, id := range userIDs(e) {
		own := *id
		own.OtherCertifications = nil
		if err := own.Serialize(b); err != nil {
			return err
		}
	}
	for i := range e.Subkeys {
		if err := e.Subkeys[i].Serialize(b, false); err != nil {
			return err
		}
	}
	return nil
}
