package recipes

import (
	_ "embed"
	"errors"
	"io/fs"
	"maps"
	"path"
	"slices"

	"github.com/pybake/pybake/internal/pattern"
	"github.com/pybake/pybake/internal/strict"
)

// Signer is who signs the releases of a series of CPython: a trust root. A
// series has OpenPGP keys, a Sigstore identity, or both.
type Signer struct {
	Manager  string   `toml:"manager"`  // "Thomas Wouters"
	OpenPGP  []string `toml:"openpgp"`  // fingerprints of the keys, any of which will do: 40 upper-case hex digits
	Identity string   `toml:"identity"` // in the Sigstore certificate: "hugo@python.org"; or empty
	Issuer   string   `toml:"issuer"`   // who vouches for the identity: "https://github.com/login/oauth"
}

//go:embed signers.toml
var embeddedSigners []byte

const signersFile = "signers.toml"

var (
	fingerprintPattern = pattern.New(`^[0-9A-F]{40}$`)
	identityPattern    = pattern.New(`^[^-\s][^\s]*$`) // no option of a program
	issuerPattern      = pattern.New(`^https://[^\s]+$`)
)

// LoadSigners reads who signs the releases, by series: the embedded
// signers.toml with that of the project's recipes directory over it, key by key.
// project may be nil.
//
//	[series."3.13"]
//	manager  = "Thomas Wouters"
//	openpgp  = ["7169605F62C751356D054A26A821E680E5FA6305"]
//	identity = "thomas@python.org"
//	issuer   = "https://accounts.google.com"
//
// Problems are [strict.Errors].
func LoadSigners(project fs.FS) (map[string]Signer, error) {
	var file struct {
		Series map[string]Signer `toml:"series"`
	}
	var errs strict.Errors
	read := func(data []byte) {
		found := len(errs)
		doc, err := strict.Decode(path.Join("recipes", signersFile), data, &file)
		if err != nil {
			add(&errs, signersFile, err)
		}
		if doc != nil && doc.Decoded() {
			p := problems{doc: doc}
			for _, series := range slices.Sorted(maps.Keys(file.Series)) {
				file.Series[series].problems(series, &p)
			}
			errs = append(errs, p.errs...)
		}
		strict.Sort(errs[found:])
	}
	read(embeddedSigners)
	if project != nil {
		switch data, err := fs.ReadFile(project, signersFile); {
		case err == nil:
			read(data)
		case !errors.Is(err, fs.ErrNotExist):
			add(&errs, signersFile, err)
		}
	}
	return file.Series, errs.Err()
}

func (s Signer) problems(series string, p *problems) {
	key := `series."` + series + `"`
	if !seriesPattern.MatchString(series) {
		p.add(key, "%q: want %s", series, `a series such as "3.13"`)
	}
	p.required(key+".manager", s.Manager)
	p.each(key+".openpgp", s.OpenPGP, fingerprintPattern, "the fingerprint of a key, 40 upper-case hex digits")
	if s.Identity != "" || s.Issuer != "" {
		p.match(key+".identity", s.Identity, identityPattern, `an identity such as "hugo@python.org"`)
		p.match(key+".issuer", s.Issuer, issuerPattern, `an address such as "https://github.com/login/oauth"`)
	} else if len(s.OpenPGP) == 0 {
		p.add(key, "neither openpgp nor identity and issuer")
	}
}
