//go:build engine

package apt

import (
	"bytes"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pybake/pybake/artifacts/sign"
)

const (
	sourcesPath = "/etc/apt/sources.list.d/pybake.sources"
	keyringPath = "/usr/share/keyrings/pybake.asc"
)

// world is one distro's apt, a key and a web server.
type world struct {
	*box
	*site
	keys *sign.Keys
	date time.Time
}

// TestApt gives repositories to the apt of the distros, one claim a subtest.
func TestApt(t *testing.T) {
	for _, distro := range []string{"bullseye", "bookworm", "trixie"} {
		t.Run(distro, func(t *testing.T) {
			w := &world{box: startBox(t, distro), site: startSite(t), keys: keys(t), date: time.Now().Add(-time.Hour)}
			w.write(t, keyringPath, string(w.keys.Public().OpenPGP))
			t.Run("installs", w.installs)
			t.Run("key in the sources file", w.inline)
			t.Run("empty", w.empty)
			t.Run("refuses", w.refuses)
			t.Run("unsigned and wanted so", w.trusted)
			t.Run("second publication", w.second)
			t.Run("between two generations", w.between)
			t.Run("volume", w.volume)
		})
	}
}

// source makes the site's repository the only one of the box.
func (w *world) source(t *testing.T) {
	t.Helper()
	w.forget(t)
	w.write(t, sourcesPath, SourcesFileAt(w.URL, w.distro, keyringPath))
}

// update runs apt-get update, which may not complain.
func (w *world) update(t *testing.T) {
	t.Helper()
	if out := complaints(w.run(t, "apt-get update")); out != "" {
		t.Error(out)
	}
}

// installed installs the package, for which apt has to find its dependency too.
func (w *world) installed(t *testing.T, version string) {
	t.Helper()
	if out := complaints(w.run(t, "apt-get install -y pybake-tiny")); out != "" {
		t.Error(out)
	}
	want := version + "\n" + version + "\n"
	if got := w.run(t, "for p in common tiny; do cat /opt/pybake-$p/version; echo; done"); got != want {
		t.Errorf("installed %q, want %q", got, want)
	}
}

func (w *world) installs(t *testing.T) {
	w.source(t)
	r, pool := tiny(t, w.distro, "1:1.0~rc1+x-1", w.date)
	w.publish(publication(t, w.keys, r, pool))
	w.update(t)
	index := "dists/" + w.distro + "/main/binary-amd64/"
	for _, name := range w.requests() {
		if strings.HasPrefix(name, index) && !strings.HasPrefix(name, index+"by-hash/SHA256/") {
			t.Errorf("apt asked for %s", name)
		}
	}
	w.installed(t, "1:1.0~rc1+x-1")
	show := w.run(t, "apt-cache show pybake-tiny; apt-cache policy pybake-tiny; apt-get indextargets --format '$(ORIGIN) $(SUITE) $(CODENAME)'")
	for _, want := range []string{"\n First paragraph.\n .\n Second one.\n", "\nDepends: pybake-common (= 1:1.0~rc1+x-1), base-files\n", "\npybake " + w.distro + " " + w.distro + "\n"} {
		if !strings.Contains(show, want) {
			t.Errorf("no %q in\n%s", want, show)
		}
	}
}

// inline is the form that apt 2.2 does not know.
func (w *world) inline(t *testing.T) {
	w.forget(t)
	w.write(t, sourcesPath, SourcesFile(w.URL, w.distro, w.keys.Public().OpenPGP))
	r, pool := tiny(t, w.distro, "1", w.date)
	w.publish(publication(t, w.keys, r, pool))
	if w.distro == "bullseye" {
		w.refused(t, "apt-get update", "Invalid value set for option Signed-By")
		return
	}
	w.update(t)
	w.installed(t, "1")
}

func (w *world) empty(t *testing.T) {
	w.source(t)
	r, _ := tiny(t, w.distro, "1", w.date)
	r.Packages = nil
	w.publish(publication(t, w.keys, r, nil))
	w.update(t)
	w.refused(t, "apt-get install -y pybake-tiny", "Unable to locate package pybake-tiny")
}

// refuses gives apt what it must not take, and looks that it did not.
func (w *world) refuses(t *testing.T) {
	type files map[string][]byte
	swap := func(f files, name string, old, new string) {
		for path, data := range f {
			if strings.HasSuffix(path, name) {
				f[path] = bytes.Replace(data, []byte(old), []byte(new), 1)
			}
		}
	}
	hashes := "dists/" + w.distro + "/main/binary-amd64/by-hash/SHA256/"
	for name, c := range map[string]struct {
		repository func(r *Repository)
		keys       *sign.Keys
		files      func(f files)
		want       []string
	}{
		"other Packages": {files: func(f files) {
			for path, data := range f {
				if strings.HasPrefix(path, hashes) || strings.Contains(path, "/Packages") {
					data = bytes.Clone(data)
					data[len(data)/2] ^= 1
					f[path] = data
				}
			}
		}, want: []string{"Hash Sum mismatch"}},
		"longer Packages": {files: func(f files) {
			for path, data := range f {
				if strings.HasPrefix(path, hashes) || strings.Contains(path, "/Packages") {
					f[path] = append(bytes.Clone(data), "\n"...)
				}
			}
		}, want: []string{"File has unexpected size"}},
		"other text in InRelease": {files: func(f files) { swap(f, "/InRelease", "Label: pybake", "Label: pyfake") },
			want: []string{"BADSIG", "Message has been manipulated"}},
		"text before InRelease": {files: func(f files) { swap(f, "/InRelease", "", "Origin: pyfake\n\n") },
			want: []string{"Clearsigned file isn't valid"}},
		"expired":       {repository: func(r *Repository) { r.Date, r.ValidUntil = w.date.AddDate(0, 0, -9), w.date }, want: []string{"is expired"}},
		"of the future": {repository: func(r *Repository) { r.Date, r.ValidUntil = w.date.AddDate(0, 0, 1), w.date.AddDate(0, 0, 2) }, want: []string{"is not valid yet"}},
		"other key":     {keys: keys(t), want: []string{"NO_PUBKEY", "Missing key"}},
		"unsigned":      {files: func(f files) { drop(f, "/InRelease", "/Release.gpg") }, want: []string{"is not signed"}},
	} {
		t.Run(name, func(t *testing.T) {
			w.source(t)
			r, pool := tiny(t, w.distro, "1", w.date)
			if c.repository != nil {
				c.repository(r)
			}
			k := w.keys
			if c.keys != nil {
				k = c.keys
			}
			f := publication(t, k, r, pool)
			if c.files != nil {
				c.files(f)
			}
			w.publish(f)
			w.refused(t, "apt-get update", c.want...)
			w.refused(t, "apt-get install -y pybake-tiny", "Unable to locate package pybake-tiny")
		})
	}
	t.Run("other suite of the same key", func(t *testing.T) {
		w.source(t)
		r, pool := tiny(t, "sid", "1", w.date)
		f := publication(t, w.keys, r, pool)
		move(f, "dists/sid/", "dists/"+w.distro+"/")
		w.publish(f)
		// apt takes it. This is all that stands between two suites signed with one key.
		if out := complaints(w.run(t, "apt-get update")); !strings.Contains(out, "Conflicting distribution") {
			t.Error(out)
		}
	})
	t.Run("other package", func(t *testing.T) {
		w.source(t)
		r, pool := tiny(t, w.distro, "1", w.date)
		f := publication(t, w.keys, r, pool)
		swap(f, "/"+path.Base(r.Packages[0].Filename), "debian-binary", "debian-binarx")
		w.publish(f)
		w.update(t)
		w.refused(t, "apt-get install -y pybake-tiny", "Hash Sum mismatch")
	})
}

func drop(f map[string][]byte, suffixes ...string) {
	maps.DeleteFunc(f, func(path string, _ []byte) bool {
		return slices.ContainsFunc(suffixes, func(s string) bool { return strings.HasSuffix(path, s) })
	})
}

func move(f map[string][]byte, from, to string) {
	for path, data := range maps.Clone(f) {
		if rest, ok := strings.CutPrefix(path, from); ok {
			delete(f, path)
			f[to+rest] = data
		}
	}
}

// trusted takes in the line that SourcesFile writes as a comment.
func (w *world) trusted(t *testing.T) {
	w.forget(t)
	r, pool := tiny(t, w.distro, "1", w.date)
	w.publish(publication(t, nil, r, pool))
	text := SourcesFile(w.URL, w.distro, nil)
	w.write(t, sourcesPath, text)
	w.refused(t, "apt-get update", "is not signed")
	w.write(t, sourcesPath, strings.Replace(text, "# Trusted", "Trusted", 1))
	w.update(t)
	w.installed(t, "1")
}

// second publishes again: later, earlier, and under another name.
func (w *world) second(t *testing.T) {
	w.source(t)
	at := func(version string, date time.Time) (*Repository, map[string][]byte) {
		r, pool := tiny(t, w.distro, version, date)
		r.ValidUntil = w.date.Add(24 * time.Hour)
		return r, pool
	}
	r, pool := at("1", w.date)
	w.publish(publication(t, w.keys, r, pool))
	w.update(t)
	w.installed(t, "1")

	r, pool = at("3", w.date.Add(2*time.Second))
	w.publish(publication(t, w.keys, r, pool))
	w.update(t)
	w.installed(t, "3")

	earlier, pool2 := at("2", w.date.Add(time.Second))
	w.publish(publication(t, w.keys, earlier, pool2))
	w.update(t)
	if out := w.run(t, "apt-cache madison pybake-tiny"); !strings.Contains(out, " 3 |") || strings.Contains(out, " 2 |") {
		t.Errorf("an earlier Release was taken: %s", out)
	}

	r, pool = at("4", w.date.Add(3*time.Second))
	r.Origin = "pyfake"
	w.publish(publication(t, w.keys, r, pool))
	w.refused(t, "apt-get update", "changed its 'Origin' value")
}

// between switches to the next generation when apt has read InRelease of the
// former one.
func (w *world) between(t *testing.T) {
	r, pool := tiny(t, w.distro, "1", w.date)
	former := publication(t, w.keys, r, pool)
	r, pool = tiny(t, w.distro, "2", w.date.Add(time.Second))
	next := publication(t, w.keys, r, pool)
	kept := maps.Clone(next)
	for path, data := range former {
		if strings.Contains(path, "/by-hash/") || strings.HasPrefix(path, "pool/") {
			kept[path] = data
		}
	}
	start := func(after map[string][]byte) {
		w.source(t)
		w.publish(former)
		w.mu.Lock()
		defer w.mu.Unlock()
		w.after = func(path string) {
			if strings.HasSuffix(path, "/InRelease") {
				w.publish(after)
			}
		}
	}
	t.Run("kept by-hash", func(t *testing.T) {
		start(kept)
		w.update(t)
		w.installed(t, "1")
		w.update(t)
		w.installed(t, "2")
	})
	t.Run("lost by-hash", func(t *testing.T) {
		start(next)
		w.refused(t, "apt-get update", "Hash Sum mismatch", "File has unexpected size")
	})
}

// volume mounts the repository.
func (w *world) volume(t *testing.T) {
	r, pool := tiny(t, w.distro, "1", w.date)
	name := volume(t, w.distro, publication(t, w.keys, r, pool))
	b := startBox(t, w.distro, "--network=none", "--volume="+name+":/srv/my repo:ro")
	b.write(t, keyringPath, string(w.keys.Public().OpenPGP))
	v := &world{box: b}
	for _, scheme := range []string{"file:", "copy:"} {
		t.Run(scheme, func(t *testing.T) {
			v.forget(t)
			v.write(t, sourcesPath, SourcesFileAt(scheme+"/srv/my repo", v.distro, keyringPath))
			v.update(t)
			v.installed(t, "1")
		})
	}
}
