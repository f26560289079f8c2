package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// hash is that of files of testdata, by their names, and of other words.
func (s *session) hash(words ...string) string {
	h := sha256.New()
	for _, word := range words {
		if text, err := testdata.ReadFile("testdata/" + word); err == nil {
			word = string(text)
		}
		fmt.Fprintf(h, "%d %s\n", len(word), word)
	}
	return hex.EncodeToString(h.Sum(nil))[:12]
}

// build builds a Dockerfile of testdata by BuildKit, with a network, and pip configured as it is here.
func (s *session) build(ctx context.Context, file, context, from, tag string, arguments ...string) error {
	args := []string{s.buildkit, "build", "-t", tag, "-f", filepath.Join(s.project(), file)}
	for _, a := range append(arguments, "BASE="+from) {
		args = append(args, "--build-arg", a)
	}
	config := "[global]\ndisable-pip-version-check = true\n"
	if index, _, err := (command{args: []string{s.python, "-m", "pip", "config", "get", "global.index-url"}}).run(ctx); err == nil {
		config += "index-url = " + index + "\n"
	}
	if ca := os.Getenv("SSL_CERT_FILE"); ca != "" {
		config += "cert = /run/secrets/ca\n"
		args = append(args, "--secret", "id=ca,src="+ca)
	}
	secret := filepath.Join(s.dir, "pip.conf")
	if err := os.WriteFile(secret, []byte(config), 0o600); err != nil {
		return err
	}
	args = append(append(args, "--secret", "id=pip,src="+secret), proxies()...)
	_, _, err := command{env: []string{"DOCKER_BUILDKIT=1"}, args: append(args, context)}.run(ctx)
	return err
}

// proxies are build arguments for the proxies of the environment.
func proxies() (args []string) {
	for _, name := range []string{"http_proxy", "https_proxy", "no_proxy"} {
		if os.Getenv(name) != "" {
			args = append(args, "--build-arg", name)
		}
	}
	return args
}

// baseImage is the name of the base image that pybake made of a digest.
func baseImage(distro, digest string) string {
	return "pybake/base:" + distro + "-" + arch + "-" + strings.TrimPrefix(digest, "sha256:")[:12]
}

// linkDebs links packages of a Python of the store into a directory, by the beginnings of their names.
func (s *session) linkDebs(version, distro, to string, names ...string) error {
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	for _, name := range names {
		found, err := filepath.Glob(filepath.Join(s.ownStore(), "python", version+"-"+distro+"-"+arch, name+"_*.deb"))
		if err != nil || len(found) != 1 {
			return fmt.Errorf("python %s of %s: %d packages %s, not one", version, s.store, len(found), name)
		}
		if err := os.Link(found[0], filepath.Join(to, filepath.Base(found[0]))); err != nil {
			return err
		}
	}
	return nil
}
