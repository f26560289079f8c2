package publish

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/artifacts/sign"
)

// day is a time on a day of January 2026.
func day(n int) time.Time { return time.Date(2026, 1, n, 2, 0, 0, 0, time.UTC) }

func blobOf(name, text string) Blob {
	return Blob{Name: name, SHA256: hashBytes([]byte(text)), Size: int64(len(text))}
}

func open(t testing.TB, dir string) *Directory {
	t.Helper()
	d, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func must[T any](t testing.TB) func(value T, err error) T {
	return func(value T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

// builder puts files into the pool and makes entries of them. Its first error stays.
type builder struct {
	d   *Directory
	err error
}

func (b *builder) keep(err error) {
	if b.err == nil {
		b.err = err
	}
}

// wheel is a wheel whose bytes are the text.
func (b *builder) wheel(project, version, text string) Wheel {
	w := Wheel{
		Blob: blobOf(project+"-"+version+"-py3-none-any.whl", text), Project: project, Version: version, RequiresPython: ">=3.9",
	}
	metadata := "Metadata-Version: 2.1\nName: " + project + "\nVersion: " + version + "\n"
	w.MetadataSHA256 = hashBytes([]byte(metadata))
	b.keep(b.d.PutBytes(context.Background(), w.Blob, []byte(text)))
	b.keep(b.d.PutMetadata(context.Background(), w.Blob, []byte(metadata)))
	return w
}

func (b *builder) house(distro, series string, finished time.Time, wheels ...Wheel) Entry {
	name := "wheels requirements.lock " + series + " " + distro + " amd64"
	text := name
	for _, w := range wheels {
		text += w.SHA256
	}
	archive := blobOf("wheelhouse-"+series+"-"+distro+".tar", text)
	b.keep(b.d.PutBytes(context.Background(), archive, []byte(text)))
	return Entry{
		Cell: "house " + series + " " + distro, Name: name, Kind: "wheels", Key: artifacts.Key(hashBytes([]byte(text))),
		Distro: distro, Arch: "amd64", Series: series, Finished: finished, Wheels: wheels, Files: []Blob{archive},
	}
}

func (b *builder) python(distro, version string, finished time.Time) Entry {
	text := "python " + version + " " + distro
	e := Entry{
		Cell: "python 3.13 " + distro, Name: text + " amd64", Kind: "python", Key: artifacts.Key(hashBytes([]byte(text))),
		Distro: distro, Arch: "amd64", Series: "3.13", Finished: finished,
	}
	for _, name := range []string{"pybake-python3.13", "pybake-python3.13-venv"} {
		d := Deb{
			Blob:    blobOf(name+"_"+version+"_amd64.deb", name+text),
			Control: "Package: " + name + "\nVersion: " + version + "\nArchitecture: amd64\nMaintainer: X <x@example.org>\nDescription: " + text + "\n",
		}
		b.keep(b.d.PutBytes(context.Background(), d.Blob, []byte(name+text)))
		e.Debs = append(e.Debs, d)
	}
	return e
}

// sample is a set of two artifacts in a version: the Python and one of two wheels
// are its own.
func (b *builder) sample(version int) Set {
	return Set{Entries: []Entry{
		b.python("trixie", fmt.Sprintf("3.13.5-%d+deb13", version), day(1)),
		b.house("trixie", "3.13", day(1),
			b.wheel("alpha", "1.0", fmt.Sprint("alpha ", version)), // the same name, other bytes
			b.wheel("beta", "2.0", "beta"),
			b.wheel("gamma", fmt.Sprintf("1.%d", version), fmt.Sprint("gamma ", version))),
	}}
}

func sample(t testing.TB, d *Directory, version int) Set {
	t.Helper()
	b := &builder{d: d}
	s := b.sample(version)
	if b.err != nil {
		t.Fatal(b.err)
	}
	return s
}

// publishDay publishes a set on a day, unsigned.
func publishDay(t testing.TB, d *Directory, n int, s Set) *Generation {
	t.Helper()
	return must[*Generation](t)(d.Publish(t.Context(), Release{Set: s, Now: day(n)}))
}

func newKeys(t testing.TB) *sign.Keys {
	t.Helper()
	return must[*sign.Keys](t)(sign.Generate("pybake", day(1)))
}

func read(t testing.TB, d *Directory, path string) string {
	t.Helper()
	return string(must[[]byte](t)(os.ReadFile(d.path(path))))
}

func exists(d *Directory, path string) bool {
	_, err := os.Stat(d.path(path))
	return err == nil
}

// verified is that the directory is whole.
func verified(t testing.TB, d *Directory, trust sign.Public, now time.Time) *Verified {
	t.Helper()
	v := must[*Verified](t)(Verify(t.Context(), Source{Dir: d.Dir, Now: now}, trust))
	if err := v.Err(); err != nil {
		t.Fatalf("generation %d:\n%v", v.Number, err)
	}
	return v
}

// readAll reads what a client reads, step by step, whatever is published meanwhile: by
// the list, as apt, and as pip.
func readAll(dir string) error {
	d := &Directory{Dir: dir}
	for _, client := range []func(*Directory) error{readListed, readApt, readSimple} {
		if err := client(d); err != nil {
			return err
		}
	}
	return nil
}

func checkRead(d *Directory, f listed) error {
	data, err := os.ReadFile(d.path(f.Path))
	if err != nil {
		return err
	}
	if int64(len(data)) != f.Size || hashBytes(data) != f.SHA256 {
		return fmt.Errorf("%s: %d bytes, sha256 %s, want %d, %s", f.Path, len(data), hashBytes(data), f.Size, f.SHA256)
	}
	return nil
}

func readListed(d *Directory) error {
	data, err := os.ReadFile(d.path("current/files.txt"))
	if err != nil {
		return err
	}
	l, err := parseList(unsigned(data))
	if err != nil {
		return err
	}
	for _, f := range l.Files {
		if !f.inPool() {
			f.Path = path.Join(generationsDir, generationName(l.Number), f.Path)
		}
		if err := checkRead(d, f); err != nil {
			return fmt.Errorf("list of generation %d: %w", l.Number, err)
		}
	}
	return nil
}

func readApt(d *Directory) error {
	release, err := os.ReadFile(d.path("dists/trixie/Release"))
	if err != nil {
		return err
	}
	_, hashes := parseRelease(release)
	if len(hashes) != 2 {
		return fmt.Errorf("Release has %d hashes", len(hashes))
	}
	for _, line := range hashes {
		words := strings.Fields(line)
		f := listed{"dists/trixie/" + path.Dir(words[2]) + "/by-hash/SHA256/" + words[0], size(words[1]), words[0]}
		if err := checkRead(d, f); err != nil {
			return fmt.Errorf("apt: %w", err)
		}
		if path.Base(words[2]) != "Packages" {
			continue
		}
		packages, err := os.ReadFile(d.path(f.Path))
		if err != nil {
			return err
		}
		for stanza := range strings.SplitSeq(strings.TrimSpace(string(packages)), "\n\n") {
			fields, _ := parseRelease([]byte(stanza))
			if err := checkRead(d, listed{fields["Filename"], size(fields["Size"]), fields["SHA256"]}); err != nil {
				return fmt.Errorf("apt: %w", err)
			}
		}
	}
	return nil
}

// page is a page of a simple index in JSON.
type page struct {
	Projects []struct{ Name string }
	Files    []struct {
		Filename, URL string
		Size          int64
		Hashes        map[string]string
		Yanked        any
		UploadTime    string `json:"upload-time"`
	}
}

func readPage(d *Directory, name string) (p page, err error) {
	data, err := os.ReadFile(d.path(name))
	if err != nil {
		return p, err
	}
	return p, json.Unmarshal(data, &p)
}

func readSimple(d *Directory) error {
	const root = "simple/trixie/3.13/"
	index, err := readPage(d, root+"index.json")
	if err != nil {
		return err
	}
	for _, project := range index.Projects {
		name := root + project.Name + "/index.json"
		p, err := readPage(d, name)
		if err != nil {
			return err
		}
		for _, f := range p.Files {
			u, err := url.Parse(f.URL)
			if err != nil {
				return err
			}
			if err := checkRead(d, listed{path.Join(path.Dir(name), u.Path), f.Size, f.Hashes["sha256"]}); err != nil {
				return fmt.Errorf("pip: %w", err)
			}
			if _, err := os.Stat(d.path(path.Join(path.Dir(name), u.Path) + ".metadata")); err != nil {
				return fmt.Errorf("pip: %w", err)
			}
		}
	}
	return nil
}

// age makes everything in the directory older.
func age(t testing.TB, dir string, by time.Duration) {
	t.Helper()
	old := time.Now().Add(-by)
	err := filepath.WalkDir(dir, func(p string, e os.DirEntry, err error) error {
		if err != nil || e.Type()&os.ModeSymlink != 0 {
			return err
		}
		return os.Chtimes(p, old, old)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// isSwept is that no draft is left.
func isSwept(t testing.TB, d *Directory) {
	t.Helper()
	for _, e := range must[[]os.DirEntry](t)(os.ReadDir(d.path(workDir))) {
		if e.Name() != lockName {
			t.Errorf("left: .work/%s", e.Name())
		}
	}
}

func contains(text, part string) bool { return strings.Contains(text, part) }
