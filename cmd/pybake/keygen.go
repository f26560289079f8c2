package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pybake/pybake/artifacts/sign"
)

func (a *app) keygenCommand() *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "keygen [FILE]",
		Short: "Make a key that signs what is published",
		Long: `Keygen writes a private key to FILE (mode 0600) and what others verify with to
FILE.pub, and prints what to put into pybake.toml. Neither file is ever
overwritten. Without FILE it is pybake/signing.key below $XDG_CONFIG_HOME, else
below ~/.config. It must lie neither in the store nor in the published
directory.

FILE holds an OpenPGP key (Ed25519, no expiry, no passphrase) for apt, and a key
for the lists of files. It is text: an OpenPGP key of your own takes the place
of the one in it, or stands beside it, as gpg --export-secret-keys --armor
prints it. All keys in FILE sign, so that clients can move from one to the next.
PYBAKE_KEY_PASSPHRASE is the passphrase of a key that has one.

With --json: {"private", "public", "fingerprint", "note"}.`,
		Example: `  pybake keygen
  pybake keygen /etc/pybake/signing.key --name baked.example.org`,
		Args: wantArgs(0, 1, ""),
		RunE: func(_ *cobra.Command, args []string) error {
			return a.keygen(strings.Join(args, ""), name)
		},
	}
	cmd.Flags().StringVar(&name, "name", "", "the `name` in the key (default: the host in url of [publish], else pybake)")
	return cmd
}

func (a *app) keygen(file, name string) error {
	p, err := a.project()
	if err != nil {
		return err
	}
	if file == "" {
		if file, err = a.defaultKey(); err != nil {
			return err
		}
	}
	path := a.path(file)
	store, err := a.storeDir()
	if err != nil {
		return err
	}
	// The default directory is one even if nothing was published yet.
	published := p.Publication.In(cmp.Or(p.Root, a.sys.dir)).Dir
	if err := sign.CheckPlace(path, a.path(store), a.path(published)); err != nil {
		return usagef("pybake keygen", "keygen: %w", err)
	}
	if at, err := url.Parse(p.Publication.URL); name == "" && err == nil && !strings.Contains(at.Hostname(), ":") {
		name = at.Hostname()
	}
	now := a.sys.now()
	keys, err := sign.Generate(cmp.Or(name, "pybake"), now)
	if err != nil {
		return usagef("pybake keygen --name baked.example.org", "%w", err)
	}
	switch err := keys.Write(path, now); {
	case errors.Is(err, fs.ErrExist):
		return usagef("pybake keygen OTHER-FILE", "%w", err)
	case err != nil:
		return err
	}
	return a.printKey(path, keys.Public())
}

func (a *app) printKey(path string, public sign.Public) error {
	if a.flags.json {
		return a.printJSON(struct {
			Private     string `json:"private"`
			Public      string `json:"public"`
			Fingerprint string `json:"fingerprint"`
			Note        string `json:"note"`
		}{path, path + ".pub", public.Fingerprint, public.Note})
	}
	_, err := fmt.Fprintf(a.sys.stdout, "private      %s\npublic       %s\nfingerprint  %s\nnote         %s\n\n[publish]\nkey = %s\n",
		path, path+".pub", public.Fingerprint, public.Note, strconv.Quote(a.portable(path)))
	a.display.Note("put the last two lines into pybake.toml, and keep a copy of the private file: a new key must be given to every client")
	return err
}

// portable writes a path as pybake.toml takes it: for everybody's home.
func (a *app) portable(path string) string {
	home := a.sys.getenv("HOME")
	rel, err := filepath.Rel(home, path)
	escape := strings.NewReplacer("{", "{{", "}", "}}").Replace
	if home == "" || err != nil || !filepath.IsLocal(rel) {
		return escape(path)
	}
	return "${HOME}/" + escape(rel)
}

// defaultKey is the path of the user's own key.
func (a *app) defaultKey() (string, error) {
	if dir := a.sys.getenv("XDG_CONFIG_HOME"); filepath.IsAbs(dir) { // others are void, says the XDG specification
		return filepath.Join(dir, "pybake", "signing.key"), nil
	}
	if home := a.sys.getenv("HOME"); home != "" {
		return filepath.Join(home, ".config", "pybake", "signing.key"), nil
	}
	return "", usagef("pybake keygen FILE", "no directory for the key: neither XDG_CONFIG_HOME nor HOME is set")
}
