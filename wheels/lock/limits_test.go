package lock

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"
)

// TestHostile holds files that were made to exhaust to the bounds of the package
// comment, with more time for machines that are slow or busy. The memory is what
// the heap grows, with what the collector has yet to free.
func TestHostile(t *testing.T) {
	long := 50 << 20
	tests := []struct{ name, file, text string }{
		{"one line of 50 MB", "requirements.txt", strings.Repeat("x", long)},
		{"one line within the limit", "requirements.txt", "foo==1.0 " + strings.Repeat("x", maxPlain-100)},
		{"one hash after another", "requirements.txt", "foo==1.0" + strings.Repeat(" --hash=sha256:"+strings.Repeat("0", 64), maxPlain/80)},
		{"bad lines", "requirements.txt", strings.Repeat("!\n", maxPlain/2)},
		{"pins", "requirements.txt", pins(maxPlain / 90)},
		{"continuations", "requirements.txt", strings.Repeat("\\\n", maxPlain/2)},
		{"commas", "uv.lock", "version = 1\nx = [" + strings.Repeat("1,", maxSize/2-10) + "]"},
		{"values", "uv.lock", "version = 1\nx = [" + strings.Repeat("1,", maxValues-10) + "]"},
		{"tables", "uv.lock", "version = 1\nrequires-python = \">=3\"\n" + strings.Repeat("[[package]]\n", maxSize/12-10)},
		{"empty packages", "uv.lock", "version = 1\nrequires-python = \">=3\"\n" + strings.Repeat("[[package]]\nname=\"a\"\nsource={registry=\"r\"}\n", maxValues/5-10)},
		{"keys", "poetry.lock", keys(maxSize / 16)},
		{"dotted keys", "pdm.lock", strings.Repeat("a.", maxSize/2-10) + "a = 1"},
		{"brackets", "uv.lock", "x = " + strings.Repeat("[", maxSize-10)},
		{"braces", "uv.lock", "x = " + strings.Repeat("{a=", maxSize/3-10)},
		{"headers", "uv.lock", strings.Repeat("[", maxSize-10)},
		{"string", "pylock.toml", "lock-version = \"1.0\"\ncreated-by = \"" + strings.Repeat("x", maxPlain-100)},
		{"marker", "pylock.toml", "lock-version = \"1.0\"\nenvironments = [\"" + strings.Repeat("(", maxSize-100) + "\"]"},
		{"JSON brackets", "Pipfile.lock", "{\"_meta\": " + strings.Repeat("[", maxSize-100)},
		{"JSON objects", "Pipfile.lock", strings.Repeat("{\"_meta\":", maxSize/9-10)},
		{"JSON values", "Pipfile.lock", "{\"_meta\": [" + strings.Repeat("1,", maxSize/2-100) + "1]}"},
		{"editable lines", "requirements.txt", strings.Repeat("-e.\n", maxPlain/4-10)},
		{"options", "requirements.txt", strings.Repeat("-e . ", maxPlain/5-10)},
		{"specifiers", "requirements.txt", strings.Repeat("foo"+strings.Repeat(">=1,", 50_000)+">=1"+hash+"\n", 20)},
		{"alternatives", "poetry.lock", "[[package]]\nname = \"a\"\nversion = \"1\"\ngroups = [\"main\"]\npython-versions = \"" + strings.Repeat(">=3||", maxSize/6) + ">=3\"\n" + poetryFoot},
		{"extras of alternatives", "poetry.lock", "[[package]]\nname = \"a\"\nversion = \"1\"\ngroups = [\"main\"]\n[package.dependencies]\nx = [" + strings.Repeat("{optional=true},", 60_000) +
			"]\n[package.extras]\n" + extras(40_000) + poetryFoot},
		{"wheels of one name", "pylock.toml", pylockHead + "wheels = [" + strings.Repeat("{name=\"foo-1.0-py3-none-any.whl\",hashes={sha256=\""+digits+"\"}},", 60_000) + "]\n"},
		{"JSON packages", "Pipfile.lock", "{\"_meta\":{\"pipfile-spec\":6},\"default\":{" + jsonPins(62_000) + "}}"},
		{"JSON string", "Pipfile.lock", "{\"" + strings.Repeat("\\u0041", maxSize/6-100) + "\": 1}"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			fsys := fstest.MapFS{tt.file: {Data: []byte(tt.text)}}
			used := peak(func() {
				start := cpu(t)
				l, err := Read(fsys, tt.file, Options{})
				if err == nil {
					_, err = l.Select(python311)
				}
				if took := cpu(t) - start; took > 5*time.Second {
					t.Errorf("took %v", took)
				} else {
					t.Logf("%v: %.100v", took, err)
				}
			})
			if used > 256<<20 {
				t.Errorf("used %d MiB", used>>20)
			}
			t.Logf("%d MiB", used>>20)
		})
	}
}

// cpu is the processor time of this process so far, which other work on the
// machine does not change.
func cpu(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// peak is how much the heap grew at most while f ran.
func peak(f func()) uint64 {
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	done, result := make(chan bool), make(chan uint64)
	go func() {
		most := before.HeapInuse
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			var now runtime.MemStats
			runtime.ReadMemStats(&now)
			most = max(most, now.HeapInuse)
			select {
			case <-done:
				result <- most - before.HeapInuse
				return
			case <-tick.C:
			}
		}
	}()
	f()
	close(done)
	return <-result
}

func pins(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "p%d==1 --hash=%s\n", i, sha)
	}
	return b.String()
}

func extras(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "e%d = [\"x\"]\n", i)
	}
	return b.String()
}

func jsonPins(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "\"p%d\":{\"version\":\"==1\",\"hashes\":[%q]},", i, sha)
	}
	return strings.TrimSuffix(b.String(), ",")
}

func keys(n int) string {
	var b strings.Builder
	b.WriteString("[metadata]\n")
	for i := range n {
		fmt.Fprintf(&b, "a%d = 1\n", i)
	}
	return b.String()
}

// TestDiamond reads each included file once, however often it is named.
func TestDiamond(t *testing.T) {
	fsys := fstest.MapFS{"40.txt": {Data: []byte("foo==1.0" + hash)}}
	for i := range 40 {
		fsys[fmt.Sprintf("%d.txt", i)] = &fstest.MapFile{Data: fmt.Appendf(nil, "-r %d.txt\n-r %[1]d.txt\n", i+1)}
	}
	if got := list(fsys, "0.txt", Options{}, python311); got != "foo 1.0 :" {
		t.Error(got)
	}
}

// TestLinks shows that a lock in an os.Root reads nothing outside of it.
func TestLinks(t *testing.T) {
	dir := t.TempDir()
	inside := filepath.Join(dir, "project")
	for name, text := range map[string]string{"out.txt": "foo==1.0" + hash, "project/r.txt": "-r link.txt\n"} {
		if err := os.MkdirAll(inside, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("../out.txt", filepath.Join(inside, "link.txt")); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(inside)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if _, err := Read(root.FS(), "r.txt", Options{}); err == nil || !strings.Contains(err.Error(), "r.txt:1:4: ") {
		t.Errorf("got %v, want an error of line 1", err)
	}
}

// bigUv is a uv.lock of n packages with twenty wheels each.
func bigUv(n int) string {
	var b strings.Builder
	b.WriteString(uvHead + "[[package]]\nname = \"demo\"\nversion = \"1\"\nsource = { virtual = \".\" }\ndependencies = [\n")
	for i := range n {
		fmt.Fprintf(&b, "    { name = \"p%d\", marker = \"python_full_version >= '3.%d' or sys_platform == 'linux'\" },\n", i, i%14)
	}
	b.WriteString("]\n")
	for i := range n {
		fmt.Fprintf(&b, "\n[[package]]\nname = \"p%d\"\nversion = \"1.0\"\nsource = { registry = \"https://index.example.org/simple\" }\ndependencies = [{ name = \"p%d\" }]\nwheels = [\n", i, (i*7+1)%n)
		for w := range 20 {
			fmt.Fprintf(&b, "    { url = \"https://files.example.org/packages/p%d-1.0-cp3%d-cp3%[2]d-manylinux_2_%d_x86_64.whl\", hash = %q, size = 1000, upload-time = \"2026-01-02T03:04:05Z\" },\n", i, 9+w%6, 17+w/6, sha)
		}
		b.WriteString("]\n")
	}
	return b.String()
}

// BenchmarkUv reads a lock of 300 packages and selects from it.
func BenchmarkUv(b *testing.B) {
	text := bigUv(300)
	fsys := fstest.MapFS{"uv.lock": {Data: []byte(text)}}
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		l, err := Read(fsys, "uv.lock", Options{})
		if err != nil {
			b.Fatal(err)
		}
		s, err := l.Select(python311)
		if err != nil {
			b.Fatal(err)
		}
		if len(s.Packages) != 300 {
			b.Fatalf("%d packages", len(s.Packages))
		}
	}
}

// TestAlternatives holds locks that have many ways to the same name.
func TestAlternatives(t *testing.T) {
	var entries, edges strings.Builder
	for i := range maxForks {
		fmt.Fprintf(&entries, "[[package]]\nname = \"x\"\nversion = \"1.%d\"\nfiles = []\n", i)
	}
	for i := range 20_000 {
		fmt.Fprintf(&edges, "\"<1.%d || >=1\",", i)
	}
	foot := "[metadata]\nlock-version = \"2.0\"\npython-versions = \"*\"\ncontent-hash = \"x\"\n"
	fsys := fstest.MapFS{
		"poetry.lock":    {Data: []byte(entries.String() + "[[package]]\nname = \"y\"\nversion = \"1\"\n[package.dependencies]\nx = [" + edges.String() + "]\n" + foot)},
		"pyproject.toml": {Data: []byte("[tool.poetry]\nname = \"demo\"\n[tool.poetry.dependencies]\ny = \"*\"\n")},
	}
	start := cpu(t)
	got := list(fsys, "poetry.lock", Options{}, python311)
	if want := "poetry.lock: gave up after 200000 steps: too many alternatives"; !strings.Contains(got, want) {
		t.Errorf("got %.300s, want %s", got, want)
	}
	if took := cpu(t) - start; took > 5*time.Second {
		t.Errorf("took %v", took)
	}
	if got, want := list(fstest.MapFS{"r.txt": {Data: []byte(strings.Repeat("foo==1.0"+hash+"\n", 200))}}, "r.txt", Options{}, python311), "read: r.txt:101:1: more than 100 entries of foo"; got != want {
		t.Errorf("got %.300s, want %s", got, want)
	}
}

// TestHostileProject holds a pyproject.toml whose groups include each other
// without end, or whose lists a lock multiplies, to the same bounds.
func TestHostileProject(t *testing.T) {
	old := strings.Replace(poetryFoot, "2.1", "1.1", 1)
	var chain, doubled, groups, entries strings.Builder
	for i := range 50_000 {
		fmt.Fprintf(&chain, "[tool.poetry.group.g%d]\ninclude-groups = [\"g%d\"]\n", i, i+1)
	}
	for i := range 400 {
		fmt.Fprintf(&doubled, "g%d = [{include-group = \"g%d\"}, {include-group = \"g%[2]d\"}]\n", i, i+1)
	}
	for i := range 600 {
		fmt.Fprintf(&groups, "g%d = []\n", i)
	}
	for i := range 100 {
		fmt.Fprintf(&entries, "[[package]]\nname = \"foo\"\nversion = \"1.%d\"\n", i)
	}
	tests := []struct{ name, lock, project, want string }{
		{"chain", old, chain.String(), "more than 150000 versions and requirements"},
		{"doubled", old, "[dependency-groups]\n" + doubled.String() + "g400 = []\n", "dependency group g0: more than 2000 entries"},
		{"many groups", old, "[dependency-groups]\n" + groups.String(), "more than 500 groups"},
		{"requirements again and again", old, "[dependency-groups]\na = [" + strings.Repeat("{include-group = \"b\"},", 2000) + "]\nb = [" + strings.Repeat("\"foo\",", 2000) + "]\n", "dependency group a: more than 2000 entries"},
		{"files again and again", entries.String() + old + "[metadata.files]\nfoo = [" + strings.Repeat("{file=\"foo-1.0.tar.gz\",hash=\""+sha+"\"},", 60_000) + "]\n", "", "more than 150000 versions and requirements"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			fsys := fstest.MapFS{"poetry.lock": {Data: []byte(tt.lock)}, "pyproject.toml": {Data: []byte("[tool.poetry]\nname = \"demo\"\n" + tt.project)}}
			start := cpu(t)
			_, err := Read(fsys, "poetry.lock", Options{})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %.300v, want %s", err, tt.want)
			}
			if took := cpu(t) - start; took > 5*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}
