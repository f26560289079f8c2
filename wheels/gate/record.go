package gate

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"

	"github.com/pybake/pybake/internal/distro"
	"github.com/pybake/pybake/internal/project"
)

// record is what is known of a house that was proved from its beginning, and is
// installed in an image.
type record struct {
	Key    string            `json:"key"`   // of the house
	State  string            `json:"state"` // of all but the wheels
	Wheels map[string]*known `json:"wheels"`
}

// known is what is known of a wheel of it.
type known struct {
	SHA256   string          `json:"sha256"` // of the file
	Excuses  string          `json:"excuses"`
	Requires []string        `json:"requires"` // names, normalised
	Tops     []string        `json:"tops"`
	Linked   bool            `json:"linked"` // it has files that are linked
	Shares   bool            `json:"shares"` // it has a file in the place of another wheel's
	Used     json.RawMessage `json:"used"`   // what house.py told
}

// used is what house.py tells of the use of a wheel, as far as it is read here.
type used struct {
	Reads []string `json:"reads"`
	Wants []string `json:"wants"`
	Dists []string `json:"dists"`
	All   bool     `json:"all"`
}

// newRecord is what a house would be known by, without what its use tells.
func (g *Gate) newRecord(h House, parts []*part, state string) *record {
	r := &record{Key: h.Key, State: state, Wheels: map[string]*known{}}
	owners := map[string]int{}
	for _, p := range parts {
		for _, at := range p.places() {
			owners[at]++
		}
	}
	for _, p := range parts {
		k := &known{
			SHA256: h.SHA256[p.File], Requires: p.requires, Tops: p.tops(layout{g.Series}.site()), Linked: len(p.ELF) > 0,
			Excuses: hashOf(h.ImportSkip[p.Name], g.Absent[p.Name], p.Back),
		}
		for _, at := range p.places() {
			k.Shares = k.Shares || owners[at] > 1
		}
		r.Wheels[p.Name] = k
	}
	return r
}

// state is all that a proof depends on beside the wheels: a ready image, and the
// packages of the distro and files of the Python's on it.
func state(ready string, apt []project.Package, debs []string) string {
	return hashOf(Format, ready, apt, debs)
}

// hashOf is the SHA-256 of values as JSON.
func hashOf(values ...any) string {
	text, err := json.Marshal(values)
	if err != nil {
		panic(err) // lists and maps of strings
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// Labels of an image in which a house is installed.
const (
	recordLabel = "org.pybake.house"
	maxLabel    = 256 << 10 // bytes; the engine takes labels in an address
)

// provedRef is the name of the image of the last house that was proved for
// somebody.
func provedRef(t distro.Target, owner string) string {
	return "pybake/" + ProvedImage + ":" + t.String() + "-" + hashOf(owner)[:12]
}

// encode is the record as the value of a label: JSON, gzip, base64.
func (r *record) encode() (string, error) {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if err := json.NewEncoder(w).Encode(r); err != nil {
		return "", err
	}
	if err := w.Close(); err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(b.Bytes()), nil
}

func decodeRecord(label string) (*record, error) {
	data, err := base64.StdEncoding.DecodeString(label)
	if err != nil {
		return nil, fmt.Errorf("label %s: %w", recordLabel, err)
	}
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("label %s: %w", recordLabel, err)
	}
	var r record
	if err := json.NewDecoder(io.LimitReader(z, maxResults)).Decode(&r); err != nil {
		return nil, fmt.Errorf("label %s: %w", recordLabel, err)
	}
	return &r, nil
}
