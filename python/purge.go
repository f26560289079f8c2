package python

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"math/big"
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
	newer, err := p.nextRelease(ctx)
	if err != nil {
		return err
	}
	c, err := p.b.Distros.Offliner(ctx, plan.Target(), distro.BaseRef(plan.Target(), plan.base.Digest), "upgrade")
	if err != nil {
		return err
	}
	defer c.Remove(ctx)
	// The same package may be needed by both.
	together := slices.Concat(p.python3, p.mostDeps)
	slices.Sort(together)
	if err := p.b.Distros.Install(ctx, c, slices.Compact(together)); err != nil {
		return err
	}
	before, err := snapshot(ctx, c)
	if err != nil {
		return err
	}
	for _, check := range []struct {
		name string
		run  func() (string, error)
	}{
		{"distro-python", func() (string, error) { return p.besideDistro(ctx, c) }},
		{"upgrade", func() (string, error) { return p.toNextRelease(ctx, c, newer) }},
		{"purge", func() (string, error) { return p.asBefore(ctx, c, before) }},
	} {
		if ok, err := p.check(round, check.name, check.run); !ok {
			return err
		}
	}
	return c.Remove(ctx)
}

// nextRelease makes packages of the next release, with the same files.
func (p *proof) nextRelease(ctx context.Context) (paths []string, err error) {
	dir, err := p.draft.Scratch("upgrade")
	if err != nil {
		return nil, err
	}
	var names []string
	for name, deb := range p.debs {
		if slices.Contains(p.most, deb) {
			names = append(names, name)
		}
	}
	packages, err := p.s.write(ctx, dir, p.s.plan.Request.Release+1, "gzip:1", names...)
	for _, f := range packages {
		paths = append(paths, filepath.Join(dir, f.Path))
	}
	return paths, err
}

// besideDistro installs the packages where the distro's own Python is.
func (p *proof) besideDistro(ctx context.Context, c *engine.Container) (string, error) {
	const probe = `command -v python3; python3 -c 'import ssl, sys; print(sys.version, ssl.OPENSSL_VERSION)'`
	was, err := output(ctx, c, probe)
	if err != nil {
		return "", err
	}
	if err := p.b.Distros.Install(ctx, c, p.most); err != nil {
		return "", err
	}
	is, err := output(ctx, c, probe)
	if err == nil && is != was {
		err = finding(fmt.Sprintf("python3 was %q, is %q", was, is))
	}
	return strings.ReplaceAll(strings.TrimSpace(was), "\n", " "), err
}

// toNextRelease upgrades what root has used, so that bytecode is left behind.
func (p *proof) toNextRelease(ctx context.Context, c *engine.Container, newer []string) (string, error) {
	plan := p.s.plan
	python := plan.Prefix() + "/bin/python" + plan.Series
	if said, err := output(ctx, c, python+` -O -c 'import json, asyncio' && `+python+` -OO -c 'import email.message'`); err != nil {
		return "", fmt.Errorf("%w: %s", err, tail(said))
	}
	if err := p.b.Distros.Install(ctx, c, newer); err != nil {
		return "", err
	}
	next := plan.packageVersion(plan.Request.Release + 1)
	said, err := output(ctx, c, python+` --version; dpkg-query -W -f '${Version}' pybake-python`+plan.label())
	if err == nil && !strings.HasSuffix(said, next) {
		err = finding(fmt.Sprintf("after the upgrade: %q", said))
	}
	return fmt.Sprintf("%s to %s in place", plan.PackageVersion(), next), err
}

// asBefore purges and compares the container's files with those of before.
func (p *proof) asBefore(ctx context.Context, c *engine.Container, before map[string]bool) (string, error) {
	if _, err := p.purge(ctx, c); err != nil {
		return "", err
	}
	after, err := snapshot(ctx, c)
	if err != nil {
		return "", err
	}
	maps.DeleteFunc(after, func(path string, _ bool) bool { return before[path] })
	if len(after) > 0 {
		return "", finding("left behind: " + strings.Join(slices.Sorted(maps.Keys(after)), " "))
	}
	return fmt.Sprintf("the container's %d files are what they were", len(before)), nil
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
		return "", finding("dpkg: " + tail(said))
	}
	left, err := output(ctx, c, `
		find / -xdev \( -path /tmp -o -path /proc -o -path /sys -o -path /srv \) -prune -o \( -path '/opt/*' -o -path '*pybake*' \) -print
		dpkg-query -W -f '${Package} ${Status}\n' 'pybake-*' 2>/dev/null || true`)
	if err != nil {
		return "", err
	}
	if left = strings.TrimSpace(left); left != "" {
		return "", finding("left behind: " + strings.ReplaceAll(left, "\n", " "))
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
	members, err := regular(stream)
	if err != nil {
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
