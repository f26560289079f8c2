//go:build engine

package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
)

// httpBody is what answers at an address; empty while nothing does.
func httpBody(url string) string {
	answer, err := http.Get(url)
	if err != nil {
		return ""
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return ""
	}
	return string(body)
}

// imageDelivered writes an image to files and to a registry.
func imageDelivered(t *testing.T, s *shop) {
	before := imageID(shopWeb)
	s.change("src/shop/__init__.py", "second edition", "planned edition")
	images := len(s.images())
	out, _, status := s.run(nil, "image", "shop", "--dry-run")
	if status != 0 || strings.Count(out, "to be made") != 1 || !strings.Contains(out, "in the store") {
		t.Errorf("--dry-run: status %d\n%s", status, out)
	}
	if imageID(shopWeb) != before || len(s.images()) != images {
		t.Error("--dry-run made an image")
	}
	s.git("checkout", "-q", "src")

	m := s.imageTo("oci:layout", "oci-archive:layout.tar", "docker-archive:docker.tar")
	var index struct {
		Manifests []struct{ Digest string }
	}
	text, err := os.ReadFile(filepath.Join(s.dir, "layout", "index.json"))
	if err := errors.Join(err, json.Unmarshal(text, &index)); err != nil {
		t.Fatal(err)
	}
	if len(index.Manifests) != 1 || index.Manifests[0].Digest != m.Digest {
		t.Errorf("the layout has %+v, want %s", index.Manifests, m.Digest)
	}
	first := hashes(t, s.dir, "layout.tar", "docker.tar")
	if s.imageTo("oci:layout", "oci-archive:layout.tar", "docker-archive:docker.tar"); !maps.Equal(first, hashes(t, s.dir, "layout.tar", "docker.tar")) {
		t.Error("the archives are others the second time")
	}
	s.forget()
	dockerRun(t, "load", "-i", filepath.Join(s.dir, "docker.tar"))
	if id := imageID(shopWeb); id != m.ID {
		t.Errorf("docker load gives %q, want %s", id, m.ID)
	}
	if err := os.RemoveAll(filepath.Join(s.dir, "layout")); err != nil {
		t.Fatal(err)
	}

	if _, _, status := s.run(nil, "save", "shop", "--output", "saved.tar"); status != 0 {
		t.Errorf("save: status %d", status)
	}
	s.forget()
	dockerRun(t, "load", "-i", filepath.Join(s.dir, "saved.tar"))
	if id := imageID(shopWeb); id != m.ID {
		t.Errorf("docker load of what was saved gives %q, want %s", id, m.ID)
	}

	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	ref := strings.TrimPrefix(server.URL, "http://") + "/pybake-test/shop:pushed"
	s.image("shop", "--push", "--tag", ref)
	s.forget()
	dockerRun(t, "rmi", ref)
	dockerRun(t, "pull", "-q", ref)
	if got := dockerRun(t, "inspect", "-f", "{{.Id}} {{.RepoDigests}}", ref); !strings.Contains(got, m.ID) || !strings.Contains(got, m.Digest) {
		t.Errorf("docker pull gives %s, want %s %s", got, m.ID, m.Digest)
	}
	dockerRun(t, "rmi", ref)
	if m := s.imageTo(); m.Origin != "found" || imageID(shopWeb) != m.ID {
		t.Errorf("%s, and the engine has %q, want %s", m.Origin, imageID(shopWeb), m.ID)
	}
	s.isClean()
}

// imageTo writes the shop to some places.
func (s *shop) imageTo(outputs ...string) madeImage {
	s.t.Helper()
	args := []string{"shop"}
	for _, out := range outputs {
		args = append(args, "--output", out)
	}
	made, _ := s.image(args...)
	return made["shop"]
}

func hashes(t *testing.T, dir string, names ...string) map[string][32]byte {
	t.Helper()
	sums := map[string][32]byte{}
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		sums[name] = sha256.Sum256(data)
	}
	return sums
}

// imageDockerfile has BuildKit make the image and compares all files.
func imageDockerfile(t *testing.T, s *shop) {
	text, _, status := s.run(nil, "dockerfile", "shop")
	if status != 0 {
		t.Fatalf("status %d", status)
	}
	s.write("baked/Dockerfile.shop", text)
	docker := "docker" // a newer one wants a plugin for BuildKit; Debian's has it built in
	if _, err := os.Stat("/usr/bin/docker"); err == nil {
		docker = "/usr/bin/docker"
	}
	const ref = "pybake-test/from-dockerfile:1"
	build := exec.Command(docker, "build", "-q", "-f", "baked/Dockerfile.shop", "-t", ref, ".")
	build.Dir, build.Env = s.dir, append(slices.Clone(s.base), "DOCKER_BUILDKIT=1")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s\n%s", err, out, text)
	}
	ours, theirs := rootOf(t, shopWeb), rootOf(t, ref)
	for _, name := range slices.Sorted(maps.Keys(ours)) {
		if theirs[name] != ours[name] {
			t.Errorf("/%s: %q, built from the Dockerfile %q", name, ours[name], theirs[name])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(theirs)) {
		if _, ok := ours[name]; !ok {
			t.Errorf("/%s is in what is built from the Dockerfile only: %q", name, theirs[name])
		}
	}
	if len(ours) < 1000 {
		t.Errorf("%d files", len(ours))
	}
	config := "{{.Config.User}} {{.Config.WorkingDir}} {{.Config.Entrypoint}} {{.Config.Cmd}} {{.Config.ExposedPorts}}"
	if got, want := dockerRun(t, "inspect", "-f", config, ref), dockerRun(t, "inspect", "-f", config, shopWeb); got != want {
		t.Errorf("configuration %s, want %s", got, want)
	}
	if got, want := environment(t, ref), environment(t, shopWeb); !slices.Equal(got, want) {
		t.Errorf("environment %q, want %q", got, want)
	}
	if said := dockerRun(t, "run", "--rm", ref, "--version"); said != "second edition" {
		t.Errorf("it says %q", said)
	}
	dockerRun(t, "rmi", ref)
}

func environment(t *testing.T, ref string) []string {
	t.Helper()
	return slices.Sorted(strings.Lines(dockerRun(t, "inspect", "-f", "{{range .Config.Env}}{{println .}}{{end}}", ref) + "\n"))
}

// rootOf are the files of an image: type, mode, owner, link and contents by name.
func rootOf(t *testing.T, ref string) map[string]string {
	t.Helper()
	c := dockerRun(t, "create", ref)
	defer dockerRun(t, "rm", c)
	cmd := exec.Command("docker", "export", c)
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	r := tar.NewReader(pipe)
	for {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		name := strings.Trim(h.Name, "/")
		top, _, below := strings.Cut(name, "/")
		if name == ".dockerenv" || slices.Contains([]string{"etc/hostname", "etc/hosts", "etc/resolv.conf", "etc/mtab"}, name) || below && slices.Contains([]string{"dev", "proc", "sys"}, top) {
			continue
		}
		sum := sha256.New()
		if _, err := io.Copy(sum, r); err != nil {
			t.Fatal(err)
		}
		files[name] = fmt.Sprintf("%c %o %d:%d %s %x", h.Typeflag, h.Mode, h.Uid, h.Gid, h.Linkname, sum.Sum(nil)[:8])
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	return files
}

// imageClosed brings the shop to a machine that reaches nothing, and changes it there.
func imageClosed(t *testing.T, s *shop) {
	if _, _, status := s.run(nil, "save", "shop", "--artifacts", "--output", "shop.tar"); status != 0 {
		t.Fatalf("status %d", status)
	}
	there := s.clone(t, "closed")
	s.forget()
	proxy := "http://127.0.0.1:9"
	there.base = append(there.base, "http_proxy="+proxy, "https_proxy="+proxy, "no_proxy=")
	whole, err := os.ReadFile(filepath.Join(s.dir, "shop.tar"))
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(whole)
	flipped[len(flipped)/2] ^= 4
	for name, data := range map[string][]byte{"flipped": flipped, "cut off": whole[:len(whole)-2048], "half": whole[:len(whole)/2], "empty": nil} {
		there.write("bad.tar", string(data))
		out, said, status := there.run(nil, "load", "bad.tar")
		if status != 2 || out != "" || !strings.Contains(said, "bad.tar") {
			t.Errorf("%s: status %d, %q\n%s", name, status, out, said)
		}
	}
	if imageID(shopWeb) != "" {
		t.Error("the engine has the image")
	}
	for _, touched := range []string{there.dir + "/baked/artifacts/*/*", there.dir + "/pybake.lock", there.cache() + "/downloads/sha256/*/*"} {
		if found, err := filepath.Glob(touched); err != nil || len(found) > 0 {
			t.Errorf("a bad file left %q, %v", found, err)
		}
	}
	copyFile(t, filepath.Join(s.dir, "shop.tar"), there.dir)
	if out, _, status := there.run(nil, "load", "shop.tar"); status != 0 || out != shopWeb+"\n" {
		t.Fatalf("status %d, and it prints %q", status, out)
	}
	shopAnswers(t, "second edition; bonjour; greet 1.1; open; 1000; compiled")

	s.index.wasAsked()
	there.t = t
	made, _ := there.image("--offline", "shop")
	if made["shop"].Origin != "found" {
		t.Errorf("the same source: %s: %s", made["shop"].Origin, rows(made["shop"]))
	}
	there.change("src/shop/__init__.py", "second edition", "offline edition")
	made, _ = there.image("--offline", "shop")
	if got, want := rows(made["shop"]), "trixie base reused, shopdata python reused, shopdata files reused, shopdeps wheels reused, shop apt reused, shop app built"; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	if tags := made["shop"].Tags; !slices.Equal(tags, []string{"pybake-test/shop:1.4.2-dirty"}) {
		t.Errorf("tags %q", tags)
	}
	if said := dockerRun(t, "run", "--rm", made["shop"].Tags[0], "--version"); said != "offline edition" {
		t.Errorf("it says %q", said)
	}
	if asked := s.index.wasAsked(); len(asked) > 0 {
		t.Errorf("the index was asked for %q", asked)
	}
	there.isClean()
}
