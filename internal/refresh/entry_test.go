package refresh

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/artifacts/publish"
	"github.com/pybake/pybake/internal/refresh/report"
	"github.com/pybake/pybake/nfpm"
	"github.com/pybake/pybake/wheels"
)

// workshop is a store and a published directory.
type workshop struct {
	t *testing.T
	Publisher
}

func newWorkshop(t *testing.T) *workshop {
	store, err := artifacts.Open(filepath.Join(t.TempDir(), "baked"))
	if err != nil {
		t.Fatal(err)
	}
	dir, err := publish.Open(filepath.Join(t.TempDir(), "published"))
	if err != nil {
		t.Fatal(err)
	}
	return &workshop{t, Publisher{Store: store, Into: dir}}
}

// artifact puts an artifact of some files into the store.
func (w *workshop) artifact(name string, files map[string][]byte, about ...artifacts.File) *artifacts.Artifact {
	w.t.Helper()
	kind, _, _ := strings.Cut(name, " ")
	draft, err := w.Store.Begin(kind)
	if err != nil {
		w.t.Fatal(err)
	}
	defer draft.Discard()
	for file, data := range files {
		if err := os.WriteFile(filepath.Join(draft.Dir(), file), data, 0o644); err != nil {
			w.t.Fatal(err)
		}
	}
	m := artifacts.Manifest{
		Name: name, Files: about, Inputs: []artifacts.Input{{Name: "name", Value: name}},
		Checks: []artifacts.Check{{Name: "a", OK: true}, {Name: "b"}}, Finished: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
	}
	made, err := draft.Publish(w.t.Context(), m)
	if err != nil {
		w.t.Fatal(err)
	}
	return made
}

func hashOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// inPool sees that the pool has a file with these bytes.
func (w *workshop) inPool(b publish.Blob, data []byte) {
	w.t.Helper()
	got, err := os.ReadFile(filepath.Join(w.Into.Dir, b.Path()))
	if err != nil || !bytes.Equal(got, data) {
		w.t.Errorf("%s: %d bytes in the pool, want %d: %v", b.Name, len(got), len(data), err)
	}
	if b.SHA256 != hashOf(data) || b.Size != int64(len(data)) {
		w.t.Errorf("%s: entry says %s, %d bytes", b.Name, b.SHA256, b.Size)
	}
}

var pythonCell = Cell{Name: "python 3.13 trixie amd64", Kind: KindPython, Want: "3.13", Version: "3.13.5", Distro: "trixie", Arch: "amd64"}

// python is an artifact of one package and a file beside it.
func (w *workshop) python() (made *artifacts.Artifact, deb []byte) {
	w.t.Helper()
	p := nfpm.Package{
		Name: "pybake-python3.13", Version: "3.13.5-1+deb13", Arch: "amd64", Maintainer: "Jo Doe <jo@example.org>", Section: "python",
		Priority: "optional", Synopsis: "a Python", Time: time.Unix(1700000000, 0), Compression: "zstd",
	}
	var b bytes.Buffer
	if err := p.Build(&b); err != nil {
		w.t.Fatal(err)
	}
	about := artifacts.File{Path: p.FileName(), Package: &artifacts.Package{Name: p.Name, Version: p.Version, Architecture: p.Arch}}
	return w.artifact("python 3.13.5 trixie amd64", map[string][]byte{p.FileName(): b.Bytes(), "build.json": []byte("{}")}, about), b.Bytes()
}

func TestEntryOfPython(t *testing.T) {
	w := newWorkshop(t)
	a, deb := w.python()
	e, err := w.Entry(t.Context(), pythonCell, a, nil)
	if err != nil {
		t.Fatal(err)
	}
	if e.Cell != pythonCell.Name || e.Name != a.Name || e.Key != a.Key || e.Series != "3.13" || e.Distro != "trixie" || e.Arch != "amd64" || !e.Finished.Equal(a.Finished) {
		t.Errorf("entry %+v", e)
	}
	if len(e.Debs) != 1 || !strings.HasPrefix(e.Debs[0].Control, "Package: pybake-python3.13\n") {
		t.Fatalf("packages %+v", e.Debs)
	}
	w.inPool(e.Debs[0].Blob, deb)

	// What was published before is not read again, and is stale no more.
	if err := os.RemoveAll(a.Dir); err != nil {
		t.Fatal(err)
	}
	former := e
	former.Stale = &publish.Stale{Why: "x"}
	again, err := w.Entry(t.Context(), pythonCell, a, &former)
	if diff := cmp.Diff(e, again); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	// Unless the pool has lost it.
	if err := os.Remove(filepath.Join(w.Into.Dir, e.Debs[0].Path())); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Entry(t.Context(), pythonCell, a, &former); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}

func TestEntryOfDamagedPython(t *testing.T) {
	w := newWorkshop(t)
	a, deb := w.python()
	deb[len(deb)/2] ^= 1
	name := filepath.Join(a.Dir, a.Files[slices.IndexFunc(a.Files, func(f artifacts.File) bool { return f.Package != nil })].Path)
	if err := os.Chmod(name, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, deb, 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := w.Entry(t.Context(), pythonCell, a, nil)
	if mismatch, ok := errors.AsType[*publish.MismatchError](err); !ok || !strings.HasSuffix(mismatch.Path, "_amd64.deb") {
		t.Errorf("error %v, want the package to be named", err)
	}
}

// TestEntryOfImage: an image that is published already is pushed if it is wanted under
// other tags, and only then.
func TestEntryOfImage(t *testing.T) {
	c := Cell{Name: "image web trixie amd64", Kind: KindImage, Image: "web", Distro: "trixie", Arch: "amd64"}
	a := &artifacts.Artifact{Manifest: artifacts.Manifest{Name: "image web trixie amd64", Key: "5f1c"}}
	gone := errors.New("the registry is gone")
	for _, test := range []struct {
		name       string
		tags       []string // nil: images are not pushed
		refs, want []string
		asks       bool
		err        error
	}{
		{"images are not pushed", nil, []string{"shop:1@sha256:aa"}, []string{"shop:1@sha256:aa"}, false, nil},
		{"it is there", []string{"shop:1", "r.example.org:5000/shop"}, []string{"shop:1@sha256:aa", "r.example.org:5000/shop@sha256:aa"}, []string{"shop:1@sha256:aa", "r.example.org:5000/shop@sha256:aa"}, false, nil},
		{"it has no tags", []string{}, nil, nil, false, nil},
		{"it was never pushed", []string{"shop:1"}, nil, []string{"shop:1@sha256:bb"}, true, nil},
		{"another tag", []string{"shop:10"}, []string{"shop:1@sha256:aa"}, []string{"shop:10@sha256:bb"}, true, nil},
		{"a tag that begins as another", []string{"shop:1"}, []string{"shop:10@sha256:aa"}, []string{"shop:1@sha256:bb"}, true, nil},
		{"one more", []string{"shop:1", "shop:2"}, []string{"shop:1@sha256:aa"}, []string{"shop:1@sha256:bb", "shop:2@sha256:bb"}, true, nil},
		{"no more tags", []string{}, []string{"shop:1@sha256:aa"}, nil, false, nil},
		{"a push that fails", []string{"shop:1"}, nil, nil, true, gone},
	} {
		t.Run(test.name, func(t *testing.T) {
			asked := false
			p := &Publisher{}
			if test.tags != nil {
				p.Tags = func(Cell, *artifacts.Artifact) []string { return test.tags }
				p.Refs = func(Cell, *artifacts.Artifact) (refs []string, err error) {
					asked = true
					for _, tag := range test.tags {
						refs = append(refs, tag+"@sha256:bb")
					}
					return refs, test.err
				}
			}
			former := &publish.Entry{Cell: c.Name, Key: a.Key, Refs: test.refs, Size: 7}
			e, err := p.Entry(t.Context(), c, a, former)
			if asked != test.asks || !errors.Is(err, test.err) {
				t.Fatalf("asked %v, error %v", asked, err)
			}
			if err == nil && (!slices.Equal(e.Refs, test.want) || e.Size != 7 || !slices.Equal(former.Refs, test.refs)) {
				t.Errorf("entry %+v, former %+v", e, former)
			}
		})
	}
}

const metadata = "Metadata-Version: 2.1\nName: greet\nVersion: 1.0\nRequires-Python: >=3.9\n"

// wheel is a file that is enough of a wheel to be published.
func wheel(t *testing.T, metadata string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, text := range map[string]string{"greet-1.0.dist-info/METADATA": metadata, "greet-1.0.dist-info/RECORD": "", "greet-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nTag: py3-none-any\n"} {
		f, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestEntryOfHouse(t *testing.T) {
	w := newWorkshop(t)
	const file = "greet-1.0-py3-none-any.whl"
	data := wheel(t, metadata)
	details, err := json.Marshal([]wheels.Wheel{{Name: "greet", Version: "1.0", Origin: "wheel", File: file, SHA256: hashOf(data), Size: int64(len(data))}})
	if err != nil {
		t.Fatal(err)
	}
	a := w.artifact("wheels sub-one.lock 3.13.5 trixie amd64", map[string][]byte{
		file: data, wheels.DetailsFile: details, wheels.AptFile: []byte("libpq5=17.5-0+deb13u1\n"), "requirements.txt": []byte("greet==1.0\n"),
	})
	c := Cell{Name: "wheels sub/one.lock 3.13 trixie amd64", Kind: KindWheels, Want: "3.13", Version: "3.13.5", Lock: "sub/one.lock", Distro: "trixie", Arch: "amd64"}
	e, err := w.Entry(t.Context(), c, a, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []publish.Wheel{{
		Blob: publish.Blob{Name: file, SHA256: hashOf(data), Size: int64(len(data))}, Project: "greet", Version: "1.0",
		RequiresPython: ">=3.9", MetadataSHA256: hashOf([]byte(metadata)),
	}}
	if diff := cmp.Diff(want, e.Wheels); diff != "" {
		t.Error(diff)
	}
	w.inPool(e.Wheels[0].Blob, data)
	if got, err := os.ReadFile(filepath.Join(w.Into.Dir, e.Wheels[0].Path()+".metadata")); err != nil || string(got) != metadata {
		t.Errorf("metadata %q, %v", got, err)
	}
	if len(e.Files) != 1 || e.Files[0].Name != "wheelhouse-sub-one.lock-3.13.5-trixie-amd64.tar" {
		t.Fatalf("archives %+v", e.Files)
	}
	var archive bytes.Buffer
	if err := publish.HouseTar(a.Dir, &archive); err != nil {
		t.Fatal(err)
	}
	w.inPool(e.Files[0], archive.Bytes())
	if left, err := os.ReadDir(filepath.Join(w.Store.Dir(), "tmp")); err != nil || len(left) > 0 {
		t.Errorf("drafts left: %v, %v", left, err)
	}
}

func TestEntryRefusesAHouse(t *testing.T) {
	data := wheel(t, metadata)
	details := func(sum string, size int64) []byte {
		text, err := json.Marshal([]wheels.Wheel{{Name: "greet", Version: "1.0", File: "greet-1.0-py3-none-any.whl", SHA256: sum, Size: size}})
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	unnamed := wheel(t, "Metadata-Version: 2.1\n")
	for name, test := range map[string]struct {
		files map[string][]byte
		want  string
	}{
		"other bytes":     {map[string][]byte{wheels.DetailsFile: details(strings.Repeat("0", 64), int64(len(data))), "greet-1.0-py3-none-any.whl": data}, "greet-1.0-py3-none-any.whl"},
		"no wheel":        {map[string][]byte{wheels.DetailsFile: details(hashOf(data), int64(len(data)))}, "greet-1.0-py3-none-any.whl"},
		"no list":         {map[string][]byte{"greet-1.0-py3-none-any.whl": data}, wheels.DetailsFile},
		"a list of sorts": {map[string][]byte{wheels.DetailsFile: []byte("{")}, wheels.DetailsFile},
		"no name":         {map[string][]byte{wheels.DetailsFile: details(hashOf(unnamed), int64(len(unnamed))), "greet-1.0-py3-none-any.whl": unnamed}, "greet-1.0-py3-none-any.whl"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorkshop(t)
			test.files[wheels.AptFile] = nil
			a := w.artifact("wheels one.lock 3.13.5 trixie amd64", test.files)
			_, err := w.Entry(t.Context(), Cell{Kind: KindWheels, Lock: "one.lock", Version: "3.13.5", Distro: "trixie", Arch: "amd64"}, a, nil)
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.HasPrefix(err.Error(), "publish wheels one.lock 3.13.5 trixie amd64: ") {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
}

func TestTold(t *testing.T) {
	published := &publish.Entry{
		Key: "abc", Distro: "trixie", Series: "3.13", Stale: &publish.Stale{Since: time.Unix(1700000000, 0)},
		Debs:   []publish.Deb{{Blob: publish.Blob{Name: "a.deb", SHA256: strings.Repeat("5", 64), Size: 3}}},
		Wheels: []publish.Wheel{{Blob: publish.Blob{Name: "a.whl", SHA256: strings.Repeat("6", 64), Size: 4}}},
		Files:  []publish.Blob{{Name: "a.tar", SHA256: strings.Repeat("7", 64), Size: 100}}, Size: 1000,
	}
	for _, test := range []struct {
		state     State
		published *publish.Entry
		want      string
	}{
		{Fresh, published, report.Fresh}, {Rebuilt, published, report.Rebuilt}, {Failed, published, report.Failed}, {Failed, nil, report.Failed},
		{Skipped, published, report.Stale}, {Skipped, nil, report.Skipped}, {Due, published, report.Stale}, {Due, nil, report.Skipped},
	} {
		o := Outcome{Job: Job{Cell: pythonCell}, State: test.state, Err: errors.New("why"), Took: 61234 * time.Millisecond,
			Artifact: &artifacts.Artifact{Manifest: artifacts.Manifest{Checks: []artifacts.Check{{OK: true}, {}}}}}
		got := Told(o, test.published)
		if got.State != test.want || got.Row != "python 3.13" || got.Column != "trixie" || got.Error != "why" || got.Checks != 2 || got.Passed != 1 {
			t.Errorf("%s: %+v", test.state, got)
		}
		if test.published == nil {
			if got.Key != "" || got.Links != nil || got.Size != 0 {
				t.Errorf("%s, not published: %+v", test.state, got)
			}
			continue
		}
		var links []string
		for _, l := range got.Links {
			links = append(links, l.Text+" "+l.Href)
		}
		want := []string{
			"a.deb ../pool/55/" + strings.Repeat("5", 64) + "/a.deb", "simple index ../simple/trixie/3.13/",
			"a.tar ../pool/77/" + strings.Repeat("7", 64) + "/a.tar",
		}
		if !slices.Equal(links, want) || got.Size != 1007 || got.Key != "abc" || !got.Since.Equal(published.Stale.Since) {
			t.Errorf("%s: %+v", test.state, got)
		}
	}
}

// TestNights: what cannot be read of the history is not there.
func TestNights(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "nights")
	if nights, err := LoadNights(dir, 9); err != nil || nights != nil {
		t.Errorf("of no directory: %v, %v", nights, err)
	}
	for day := 1; day <= 3; day++ {
		if err := SaveNight(dir, report.Night{Project: "shop", Generation: day, Started: time.Date(2026, 1, day, 2, 0, 0, 0, time.UTC)}); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{"20260104T020000Z.json": "{", "20260105T020000Z.json": `{"generation": "x"}`, ".night-1": "{}", "notes.txt": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	nights, err := LoadNights(dir, 2)
	if err != nil || len(nights) != 2 || nights[0].Generation != 3 || nights[1].Generation != 2 {
		t.Errorf("%+v, %v", nights, err)
	}
	if err := SaveNight(filepath.Join(dir, "notes.txt"), report.Night{}); err == nil {
		t.Error("saved into a file")
	}
}
