package python

import (
	"archive/tar"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pybake/pybake/internal/distro"
	"github.com/pybake/pybake/internal/engine"
)

// upgrade goes the way of an installed system: the distro's own Python is
// there, ours comes, is used by root, is upgraded, is purged.
func (p *proof) upgrade(ctx context.Context) error {
	const round = "upgrade and purge"
	plan := p.s.plan
	few := p.packages("", "-venv", "lib")
	ours, err := p.dependencies(ctx, plan.owner()+" lib", few)
	if err != nil {
		return err
	}
	python3, err := p.pinned(ctx, "python3", []string{"python3"}, nil)
	if err != nil {
		return err
	}
	next, err := os.MkdirTemp(p.b.Fetcher.Cache, "upgrade-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(next)
	var names []string
	for _, deb := range few {
		name, _, _ := strings.Cut(filepath.Base(deb), "_")
		names = append(names, name)
	}
	packages, err := p.s.write(next, plan.Request.Release+1, "gzip:1", names...)
	if err != nil {
		return err
	}
	var newer []string
	for _, f := range packages {
		newer = append(newer, filepath.Join(next, f.Path))
	}

	c, err := p.b.Distros.Offliner(ctx, plan.Target(), distro.BaseRef(plan.Target(), plan.base.Digest), "upgrade")
	if err != nil {
		return err
	}
	defer c.Remove(ctx)
	// The same package may be needed by both.
	together := slices.Concat(python3, ours)
	slices.Sort(together)
	if err := p.b.Distros.Install(ctx, c, slices.Compact(together)); err != nil {
		return err
	}
	before, err := snapshot(ctx, c)
	if err != nil {
		return err
	}
	python := plan.Prefix() + "/bin/python" + plan.Series
	p.check(round, "distro-python", func() (string, error) {
		const probe = `command -v python3; python3 -c 'import ssl, sys; print(sys.version, ssl.OPENSSL_VERSION)'`
		was, err := output(ctx, c, probe)
		if err != nil {
			return "", err
		}
		if err := p.b.Distros.Install(ctx, c, few); err != nil {
			return "", err
		}
		is, err := output(ctx, c, probe)
		if err == nil && is != was {
			err = fmt.Errorf("python3 was %q, is %q", was, is)
		}
		return strings.ReplaceAll(was, "\n", " "), err
	})
	p.check(round, "upgrade", func() (string, error) {
		// Used by root, so that bytecode is left behind.
		if said, err := output(ctx, c, python+` -O -c 'import json, asyncio' && `+python+` -OO -c 'import email.message'`); err != nil {
			return "", fmt.Errorf("%w: %s", err, said)
		}
		if err := p.b.Distros.Install(ctx, c, newer); err != nil {
			return "", err
		}
		said, err := output(ctx, c, python+` --version; dpkg-query -W -f '${Version}' pybake-python`+plan.Series)
		if err == nil && !strings.HasSuffix(said, plan.packageVersion(plan.Request.Release+1)) {
			err = fmt.Errorf("after the upgrade: %q", said)
		}
		return fmt.Sprintf("%s to %s in place", plan.PackageVersion(), plan.packageVersion(plan.Request.Release+1)), err
	})
	p.check(round, "purge", func() (string, error) {
		if _, err := p.purge(ctx, c); err != nil {
			return "", err
		}
		after, err := snapshot(ctx, c)
		if err != nil {
			return "", err
		}
		var left []string
		for path := range after {
			if !before[path] {
				left = append(left, path)
			}
		}
		slices.Sort(left)
		if len(left) > 0 {
			return "", fmt.Errorf("left behind: %s", strings.Join(left, " "))
		}
		return fmt.Sprintf("the container's %d files are what they were", len(before)), nil
	})
	return c.Remove(ctx)
}

// purge removes all our packages and looks for what they left.
func (p *proof) purge(ctx context.Context, c *engine.Container) (string, error) {
	said, err := output(ctx, c, `
		python=`+p.s.plan.Prefix()+`/bin/python`+p.s.plan.Series+`
		"$python" -O -c 'import json, asyncio'
		[ ! -d `+p.s.plan.Prefix()+`/lib/python*/test ] || "$python" -m test -q test_json > /dev/null
		dpkg --purge $(dpkg-query -W -f '${Package}\n' 'pybake-*') 2>&1`)
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, tail(said))
	}
	if strings.Contains(said, "warning") {
		return "", fmt.Errorf("dpkg: %s", tail(said))
	}
	left, err := output(ctx, c, `
		find / -xdev \( -path /tmp -o -path /proc -o -path /sys -o -path /srv \) -prune -o \( -path '/opt/*' -o -path '*pybake*' \) -print
		dpkg-query -W -f '${Package} ${Status}\n' 'pybake-*' 2>/dev/null || true`)
	if err != nil {
		return "", err
	}
	// Builders of images give their user a home; a base has none.
	if left = strings.TrimSpace(left); left != "" {
		return "", fmt.Errorf("left behind: %s", strings.ReplaceAll(left, "\n", " "))
	}
	return "nothing left", nil
}

// snapshot is the set of files of a container that dpkg, apt and the linker do
// not keep for themselves.
func snapshot(ctx context.Context, c *engine.Container) (map[string]bool, error) {
	out, err := output(ctx, c, `find / -xdev \( -path /tmp -o -path /proc -o -path /sys -o -path /dev -o -path /srv \
		-o -path /var/lib/dpkg -o -path /var/lib/apt -o -path /var/cache -o -path /var/log \) -prune -o -print`)
	if err != nil {
		return nil, err
	}
	files := map[string]bool{}
	for path := range strings.Lines(out) {
		files[strings.TrimSuffix(path, "\n")] = true
	}
	return files, nil
}

// output runs a script as root and returns what it printed.
func output(ctx context.Context, c *engine.Container, script string) (string, error) {
	var out strings.Builder
	err := c.Exec(ctx, engine.Command{Argv: []string{"sh", "-euc", script}, User: "0:0", Stdout: &out, Stderr: &out})
	return out.String(), err
}

func readFile(ctx context.Context, c *engine.Container, path string) ([]byte, error) {
	stream, err := c.Get(ctx, path)
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	members := tar.NewReader(stream)
	if _, err := members.Next(); err != nil {
		return nil, err
	}
	return io.ReadAll(members)
}

// selfSigned makes a key and a certificate of localhost for a handshake.
func selfSigned() ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return slices.Concat(
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}),
	), nil
}
