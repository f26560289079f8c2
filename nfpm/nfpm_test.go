package nfpm

import (
	"bytes"
	"crypto/md5"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// staged makes a tree as a build leaves it, prefix and all, and returns its root.
func staged(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, mode := range map[string]fs.FileMode{
		"opt/python/3.13/bin/python3.13":                                                         0o700,
		"opt/python/3.13/lib/python3.13/os.py":                                                   0o666,
		"opt/python/3.13/lib/python3.13/[a]{b,c}*?\\ d":                                          0o600,
		"opt/python/3.13/lib/python3.13/empty":                                                   0o644,
		"opt/python/3.13/lib/ünï":                                                                0o4755,
		"opt/python/3.13/lib/" + strings.Repeat(strings.Repeat("long-name-", 9)+"/", 2) + "x.py": 0o644,
	} {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o775); err != nil {
			t.Fatal(err)
		}
		content := strings.Repeat(filepath.Base(name)+"\n", 300)
		if strings.HasSuffix(name, "/empty") {
			content = ""
		}
		if err := errors.Join(os.WriteFile(name, []byte(content), mode), os.Chmod(name, mode)); err != nil {
			t.Fatal(err)
		}
	}
	prefix := filepath.Join(dir, "opt/python/3.13")
	err := errors.Join(
		os.Mkdir(filepath.Join(prefix, "share"), 0o777),
		os.Symlink("python3.13", filepath.Join(prefix, "bin/python3")),
		os.Symlink("../lib", filepath.Join(prefix, "bin/lib")),
	)
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// sample is a package that uses everything a package can.
func sample(t *testing.T, compression string) *Package {
	t.Helper()
	files, err := Tree(staged(t), "/")
	if err != nil {
		t.Fatal(err)
	}
	doc := "/usr/share/doc/pybake-sample/"
	files = append(files,
		File{Path: doc + "copyright", Content: []byte("Public domain.\n")},
		File{Path: "/opt/python/3.13/private", Dir: true, Mode: 0o700},
		File{Path: "/opt/python/3.13/private/key", Content: []byte{}, Mode: 0o600},
	)
	return &Package{
		Name: "pybake-sample", Version: "1:3.13.5~rc1+x-1+deb12", Arch: "amd64",
		Maintainer: "Jo Doe <jo@example.org>", Section: "python", Priority: "optional",
		Homepage:    "https://example.org/sample",
		Synopsis:    "sample of a package",
		Description: "First paragraph,\nof two lines.\n\nSecond one: $HOME {{.}}.\n",
		Depends:     []string{"libc6 (>= 2.31)", "tar | mawk (>= 1:0)"},
		Recommends:  []string{"base-files"}, Suggests: []string{"pybake-other:any"},
		Provides:  []string{"pybake-virtual (= 3.13.5)"},
		Conflicts: []string{"pybake-foe"}, Breaks: []string{"pybake-old (<< 3.13.5~)"},
		Replaces:    []string{"pybake-old (<< 3.13.5~)"},
		Fields:      map[string]string{"Multi-Arch": "same", "Build-Ids": "0123abcd"},
		Scripts:     scripts(),
		Files:       files,
		Time:        time.Unix(1750000000, 999).In(time.FixedZone("far", 9*3600)),
		Compression: compression,
	}
}

// scripts leave a trace of what they were called with.
func scripts() Scripts {
	text := func(name string) string {
		return "#!/bin/sh\nset -e\necho \"" + name + " $*\" >>/var/log/pybake-sample\n"
	}
	return Scripts{
		PreInst: text("preinst"), PostInst: text("postinst"), PreRm: text("prerm"),
		PostRm: text("postrm") + "if [ \"$1\" = purge ]; then rm /var/log/pybake-sample; fi\n",
	}
}

func build(t *testing.T, p *Package) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := p.Build(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func inspect(t *testing.T, deb []byte) *Contents {
	t.Helper()
	c, err := Inspect(bytes.NewReader(deb))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	name = filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got), -update rewrites it:\n%s", name, diff)
	}
}

func TestGolden(t *testing.T) {
	for _, compression := range []string{"zstd", "xz", "gzip", "zstd:3", "gzip:9"} {
		t.Run(compression, func(t *testing.T) {
			c := inspect(t, build(t, sample(t, compression)))
			golden(t, "control.golden", string(c.Control["control"]))
			var list strings.Builder
			for _, f := range c.Files {
				fmt.Fprintf(&list, "%v %s %d %s %q -> %q\n", f.Mode, f.Owner, f.Size, f.Time.Format(time.RFC3339), f.Path, f.Link)
			}
			golden(t, "members.golden", list.String())
			golden(t, "md5sums.golden", string(c.Control["md5sums"]))
		})
	}
	t.Run("smallest", func(t *testing.T) {
		p := &Package{
			Name: "pybake-none", Version: "1", Arch: "all", Maintainer: "Jo Doe <jo@example.org>", Section: "python",
			Priority: "optional", Synopsis: "nothing", Time: time.Unix(0, 0), Compression: "xz",
		}
		c := inspect(t, build(t, p))
		golden(t, "smallest.golden", string(c.Control["control"]))
		if len(c.Files) != 1 || c.Files[0].Path != "/" {
			t.Errorf("files %v, want the root alone", c.Files)
		}
	})
}

func TestContents(t *testing.T) {
	p := sample(t, "gzip")
	c := inspect(t, build(t, p))
	t.Run("md5sums cover every regular file", func(t *testing.T) {
		var want []string
		for _, f := range p.Files {
			if f.Dir || f.Link != "" {
				continue
			}
			data := f.Content
			if f.Source != "" {
				var err error
				if data, err = os.ReadFile(f.Source); err != nil {
					t.Fatal(err)
				}
			}
			want = append(want, fmt.Sprintf("%x  %s", md5.Sum(data), f.Path[1:]))
		}
		got := strings.Split(strings.TrimSuffix(string(c.Control["md5sums"]), "\n"), "\n")
		slices.Sort(want)
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("scripts arrive unchanged", func(t *testing.T) {
		s := scripts()
		for name, want := range map[string]string{"preinst": s.PreInst, "postinst": s.PostInst, "prerm": s.PreRm, "postrm": s.PostRm} {
			if got := string(c.Control[name]); got != want {
				t.Errorf("%s %q, want %q", name, got, want)
			}
		}
	})
	t.Run("raw names begin with ./ and directories end with /", func(t *testing.T) {
		// Uncompressed by nfpm's own setting, so that the names can be read off.
		info, err := p.info(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		names := tarNames(t, info)
		for _, want := range []string{"./", "./opt/", "./opt/python/3.13/bin/python3.13", "./opt/python/3.13/share/"} {
			if !slices.Contains(names, want) {
				t.Errorf("no member %q in %q", want, names)
			}
		}
		for _, name := range names {
			if !strings.HasPrefix(name, "./") {
				t.Errorf("member %q does not begin with ./", name)
			}
		}
	})
}

// Everything that differs between two machines is turned, one thing a subtest.
func TestSameBytes(t *testing.T) {
	for _, compression := range []string{"zstd", "zstd:3", "xz", "gzip"} {
		t.Run(compression, func(t *testing.T) {
			p := sample(t, compression)
			// Enough blocks, some incompressible, to keep several cores busy.
			noise := make([]byte, 3<<19)
			src := rand.NewChaCha8([32]byte{1})
			src.Read(noise[1<<19 : 2<<19])
			p.Files = append(p.Files, File{Path: "/opt/python/noise", Content: noise})
			want := build(t, p)
			same := func(name string, turn func(t *testing.T)) {
				t.Run(name, func(t *testing.T) {
					turn(t)
					if got := build(t, p); !bytes.Equal(got, want) {
						t.Errorf("%d bytes differ from the %d before", len(got), len(want))
					}
				})
			}
			same("again", func(*testing.T) {})
			same("umask", func(t *testing.T) {
				old := syscall.Umask(0o077)
				t.Cleanup(func() { syscall.Umask(old) })
			})
			same("time zone", func(t *testing.T) {
				old := time.Local
				time.Local = time.FixedZone("west", -11*3600)
				t.Cleanup(func() { time.Local = old })
			})
			same("SOURCE_DATE_EPOCH", func(t *testing.T) { t.Setenv("SOURCE_DATE_EPOCH", "1") })
			same("one core", func(t *testing.T) {
				old := runtime.GOMAXPROCS(1)
				t.Cleanup(func() { runtime.GOMAXPROCS(old) })
			})
			same("four cores", func(t *testing.T) {
				old := runtime.GOMAXPROCS(4)
				t.Cleanup(func() { runtime.GOMAXPROCS(old) })
			})
			same("order of files", func(*testing.T) {
				rand.Shuffle(len(p.Files), func(i, j int) { p.Files[i], p.Files[j] = p.Files[j], p.Files[i] })
			})
			same("times and modes on disk", func(t *testing.T) {
				for _, f := range p.Files {
					if f.Source == "" {
						continue
					}
					if err := errors.Join(os.Chtimes(f.Source, time.Unix(7, 0), time.Unix(9, 0)), os.Chmod(f.Source, 0o400)); err != nil {
						t.Fatal(err)
					}
				}
			})
			same("other place on disk", func(t *testing.T) { p.Files = append(sample(t, compression).Files, p.noise()) })
		})
	}
	t.Run("a changed byte shows", func(t *testing.T) {
		p := sample(t, "zstd")
		want := build(t, p)
		p.Files = append(p.Files, File{Path: "/opt/python/one", Content: []byte("x")})
		if bytes.Equal(build(t, p), want) {
			t.Error("one more file, same bytes")
		}
	})
}

// noise returns the file that TestSameBytes added.
func (p *Package) noise() File {
	i := slices.IndexFunc(p.Files, func(f File) bool { return f.Path == "/opt/python/noise" })
	return p.Files[i]
}

func TestFileName(t *testing.T) {
	for version, want := range map[string]string{
		"3.13.5-1+deb12":   "pybake-x_3.13.5-1+deb12_amd64.deb",
		"2:3.13.5~rc1-1":   "pybake-x_3.13.5~rc1-1_amd64.deb",
		"3.13.5+fast1-2~x": "pybake-x_3.13.5+fast1-2~x_amd64.deb",
	} {
		p := Package{Name: "pybake-x", Version: version, Arch: "amd64"}
		if got := p.FileName(); got != want {
			t.Errorf("version %s: %s, want %s", version, got, want)
		}
	}
}

func TestWriteFile(t *testing.T) {
	names := func(dir string) (list []string) {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			list = append(list, e.Name())
		}
		return list
	}
	t.Run("mode 0644 under any umask, no other file", func(t *testing.T) {
		defer syscall.Umask(syscall.Umask(0o077))
		p, dir := sample(t, "gzip"), t.TempDir()
		path := filepath.Join(dir, p.FileName())
		if err := p.WriteFile(path); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil || info.Mode() != 0o644 {
			t.Errorf("mode %v, %v", info.Mode(), err)
		}
		if got := names(dir); len(got) != 1 {
			t.Errorf("files %q, want one", got)
		}
	})
	t.Run("a failure leaves the old file", func(t *testing.T) {
		p, dir := sample(t, "gzip"), t.TempDir()
		path := filepath.Join(dir, "x.deb")
		if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
			t.Fatal(err)
		}
		p.Version = "wrong"
		if err := p.WriteFile(path); err == nil {
			t.Fatal("wrong version written")
		}
		if data, _ := os.ReadFile(path); string(data) != "old" || len(names(dir)) != 1 {
			t.Errorf("%q in %q, want the old file alone", data, names(dir))
		}
	})
	t.Run("no scratch files stay", func(t *testing.T) {
		tmp := t.TempDir()
		t.Setenv("TMPDIR", tmp)
		build(t, sample(t, "gzip"))
		if got := names(tmp); len(got) != 0 {
			t.Errorf("left behind %q", got)
		}
	})
	t.Run("a full disk is an error", func(t *testing.T) {
		full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer full.Close()
		if err := sample(t, "gzip").Build(full); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("error %v, want %v", err, syscall.ENOSPC)
		}
	})
}

func TestInspectErrors(t *testing.T) {
	good := build(t, sample(t, "gzip"))
	for name, data := range map[string][]byte{
		"empty":          nil,
		"not ar":         []byte("PK\x03\x04 not an ar archive"),
		"header cut":     good[:40],
		"control cut":    good[:200],
		"data cut":       good[:len(good)-20],
		"wrong order":    append([]byte("!<arch>\n"), good[8+60+4:]...),
		"malformed size": bytes.Replace(good, []byte("100644  4 "), []byte("100644  x "), 1),
	} {
		t.Run(name, func(t *testing.T) {
			if c, err := Inspect(bytes.NewReader(data)); err == nil || !strings.HasPrefix(err.Error(), "inspect deb: ") {
				t.Errorf("contents %v, error %v", c, err)
			}
		})
	}
	t.Run("reads no further than the archive", func(t *testing.T) {
		if _, err := Inspect(io.MultiReader(bytes.NewReader(good), strings.NewReader("\ntail"))); err != nil {
			t.Error(err)
		}
	})
}
