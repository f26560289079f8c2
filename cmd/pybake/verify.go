package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pybake/pybake/artifacts/publish"
	"github.com/pybake/pybake/artifacts/sign"
)

// verifyFlags are the flags of verify.
type verifyFlags struct {
	store  string
	repair bool
	key    string
}

// storeInUse is the value of --store without one.
const storeInUse = "the one in use"

func (a *app) verifyCommand() *cobra.Command {
	var f verifyFlags
	cmd := &cobra.Command{
		Use:   "verify [PATH|URL]",
		Short: "Verify what is published, or the store",
		Long: `Verify reads all of a published directory, here or as a server gives it, and
tells by path everything that is wrong: signatures of the list of files and of
the apt repositories, whether their time is over, the size and hash of every
file, and whether the indexes agree with the list. Without PATH or URL it is the
directory of [publish].

What is signed must be signed by a key that is trusted, and verify says which
that is and why: the keys in the file of --key, else the key that [publish] of
pybake.toml names, else the key in the directory itself. The last shows damage,
but not who published it. --key takes a FILE.pub of pybake keygen, or an armored
OpenPGP key.

With --store it reads all of the store, or of the store DIR: a changed, missing
or additional file, a format that this pybake does not read, a stable name that
leads nowhere, and what is no part of a store. --repair removes what is damaged,
so that the next run builds that and nothing else. What is no part of a store
stays, and so does what a newer pybake made.

Exit status 1 if anything is wrong. With --json, of a directory: {"source",
"because", "number", "date", "content", "files", "size", "by", "suites":
[{"codename", "by", "date", "validUntil"}], "own", "trusts", "problems":
[{"path", "text"}]}; of a store: {"store", "artifacts", "files", "bytes",
"problems": [{"name", "kind", "key", "path", "error", "repaired"}]}.`,
		Example: `  pybake verify https://baked.example.org/ --key signing.key.pub
  pybake verify --store
  pybake verify --store=/srv/baked --repair`,
		Args: wantArgs(0, 1, ""),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.verify(cmd.Context(), f, strings.Join(args, ""), cmd.Flags().Changed("store"))
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.store, "store", "", "verify the store, or that in `DIR`")
	flags.Lookup("store").NoOptDefVal = storeInUse
	flags.BoolVar(&f.repair, "repair", false, "with --store: remove what is damaged")
	flags.StringVar(&f.key, "key", "", "the `file` of the public keys that are trusted")
	return cmd
}

func (a *app) verify(ctx context.Context, f verifyFlags, where string, isStore bool) error {
	switch {
	case isStore && f.key != "":
		return usagef("pybake verify --store", "--key is for what is published; a store is not signed")
	case isStore && where != "" && f.store != storeInUse:
		return usagef("pybake verify --store="+f.store, "two stores: %s and %s", f.store, where)
	case isStore:
		// The flag hides the global one, and may have a value like that.
		if f.store == storeInUse {
			f.store = where
		}
		a.flags.store = f.store
		return a.verifyStore(ctx, f.repair)
	case f.repair:
		return usagef("pybake verify --store --repair", "--repair is for the store; pybake publish makes what is published anew")
	}
	return a.verifyPublished(ctx, where, f.key)
}

// verifyPublished checks a published directory and prints what it found.
func (a *app) verifyPublished(ctx context.Context, where, keyFile string) error {
	src, err := a.publishedSource(where)
	if err != nil {
		return err
	}
	keys, because, err := a.trusted(keyFile)
	if err != nil {
		return err
	}
	end := a.display.Step("verify " + src.String())
	v, err := publish.Verify(ctx, src, keys)
	end(err)
	if errors.Is(err, publish.ErrNone) {
		return &advised{err, statusFailed, "pybake publish"}
	}
	if err != nil {
		return err
	}
	if !keys.Expires.IsZero() && !src.Now.Before(keys.Expires) {
		text := "the key " + keys.Fingerprint + " expired on " + keys.Expires.UTC().Format(time.DateOnly) + ": apt refuses what it signed"
		v.Problems = append(v.Problems, publish.Problem{Path: "pybake.asc", Text: text})
	}
	if v.Own {
		because = "NO KEY WAS GIVEN: this shows damage, but not who published it; give the publisher's key: --key FILE"
	}
	if err := a.printVerified(src, because, v); err != nil {
		return err
	}
	if v.Own {
		a.display.Note("%s", because)
	}
	if len(v.Problems) > 0 {
		return &advised{fmt.Errorf("verify %s: %s", src, countText(len(v.Problems), "problem")), statusFailed, ""}
	}
	return nil
}

// publishedSource is what the argument of verify means.
func (a *app) publishedSource(where string) (publish.Source, error) {
	now := a.sys.now()
	if strings.HasPrefix(where, "http://") || strings.HasPrefix(where, "https://") {
		if a.flags.offline {
			return publish.Source{}, usagef("pybake verify PATH", "--offline: %s is not on this machine", where)
		}
		return publish.Source{URL: where, HTTP: a.httpClient(), Now: now}, nil
	}
	if where == "" {
		p, err := a.project()
		if err != nil {
			return publish.Source{}, err
		}
		where = p.Publication.In(cmp.Or(p.Root, a.sys.dir)).Dir
	}
	info, err := os.Stat(a.path(where))
	if err != nil || !info.IsDir() {
		return publish.Source{}, usagef("pybake verify PATH", "verify %s: it is no directory", a.near(where))
	}
	return publish.Source{Dir: a.near(a.path(where)), Now: now}, nil
}

// trusted returns the public keys to verify with, and why they are trusted. None
// are none.
func (a *app) trusted(file string) (keys sign.Public, because string, err error) {
	if file != "" {
		keys, err := readPublic(a.path(file))
		if err != nil {
			return sign.Public{}, "", usagef("pybake verify --key FILE.pub", "--key %s: %w", file, err)
		}
		return keys, "--key " + file, nil
	}
	p, err := a.project()
	if err != nil {
		return sign.Public{}, "", err
	}
	store, err := a.storeDir()
	if err != nil {
		return sign.Public{}, "", err
	}
	path, err := p.SigningKey(a.path(store), a.lookupEnv)
	if err != nil {
		return sign.Public{}, "", &advised{err, statusUsage, "pybake verify --key FILE.pub"}
	}
	if path == "" {
		return sign.Public{}, "", nil
	}
	because = "[publish] of pybake.toml names " + a.near(path)
	private, err := sign.Load(path, []byte(a.sys.getenv("PYBAKE_KEY_PASSPHRASE")))
	if err == nil {
		return private.Public(), because, nil
	}
	// Who only verifies has no private key, or has no passphrase for it.
	if keys, err := readPublic(path + ".pub"); err == nil {
		return keys, because + ".pub", nil
	}
	return sign.Public{}, "", &advised{fmt.Errorf("[publish] key: %w", err), statusUsage, "pybake verify --key FILE.pub"}
}

func readPublic(path string) (sign.Public, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return sign.Public{}, err
	}
	return sign.ParsePublic(text)
}

func (a *app) printVerified(src publish.Source, because string, v *publish.Verified) error {
	if a.flags.json {
		return a.printJSON(struct {
			Source  string `json:"source"`
			Because string `json:"because"`
			*publish.Verified
		}{src.String(), because, v})
	}
	var b strings.Builder
	line := func(head, format string, args ...any) {
		fmt.Fprintf(&b, "%-11s  %s\n", head, fmt.Sprintf(format, args...))
	}
	line("generation", "%d of %s", v.Number, v.Date.UTC().Format("2006-01-02 15:04:05 UTC"))
	line("signed by", "%s", cmp.Or(strings.Join(v.By, ", "), "NOBODY who is trusted"))
	for _, s := range v.Suites {
		until := ""
		if !s.ValidUntil.IsZero() {
			until = ", good until " + s.ValidUntil.UTC().Format("2006-01-02 15:04:05 UTC")
		}
		line("apt "+s.Codename, "signed by %s%s", cmp.Or(s.By, "NOBODY who is trusted"), until)
	}
	for _, t := range v.Trusts {
		line("trusted", "%s", t)
	}
	line("because", "%s", because)
	line("checked", "%s, %s", countText(v.Files, "file"), bytesText(v.Size))
	for _, p := range v.Problems {
		line("WRONG", "%s", p)
	}
	_, err := fmt.Fprint(a.sys.stdout, b.String())
	return err
}
