package repin

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pybake/pybake/internal/project"
)

// TestApply applies moves to locks that others changed meanwhile.
func TestApply(t *testing.T) {
	a := sample()
	l := locked(t, a)
	a.versions["libssl3"], a.versions["perl"], a.versions["libc6"], a.digest = "2", "2", "2", "sha256:"+strings.Repeat("b", 64)
	moved, err := lookAt(t, a, l, nil)
	if err != nil {
		t.Fatal(err)
	}
	new(Moved).Apply(l)
	fresh := func() *project.Lock { return locked(t, sample()) }
	version := func(l *project.Lock, who, name string) string {
		pin, _ := l.Runtime("trixie", "amd64", who)
		for _, p := range pin.Packages {
			if p.Name == name {
				return p.Version
			}
		}
		return ""
	}

	whole := fresh()
	moved.Apply(whole)
	once := text(t, whole)
	moved.Apply(whole)
	if again := text(t, whole); again != once || version(whole, "lintian", "perl") != "2" || whole.Bases[0].Digest != a.digest {
		t.Errorf("applied twice: %s", cmp.Diff(once, again))
	}
	// What was applied is the lock's own.
	for i := range whole.Runtimes {
		slices.Reverse(whole.Runtimes[i].Request)
		for j := range whole.Runtimes[i].Packages {
			whole.Runtimes[i].Packages[j].Version = "9"
		}
	}
	whole.Bases[0].Packages[0].Version = "9"
	whole = fresh()
	if moved.Apply(whole); text(t, whole) != once {
		t.Error("a lock shares memory with what is applied")
	}

	dropped := fresh()
	dropped.Runtimes = slices.DeleteFunc(dropped.Runtimes, func(p project.SetPin) bool { return p.For == "lintian" })
	moved.Apply(dropped)
	if _, ok := dropped.Runtime("trixie", "amd64", "lintian"); ok || version(dropped, "python 3.13", "libssl3") != "2" {
		t.Error("a set that was dropped is back, or the others did not move")
	}

	other := fresh()
	pin, _ := other.Runtime("trixie", "amd64", "lintian")
	pin.Request = []string{"lintian", "gcc"}
	other.SetRuntime(pin)
	moved.Apply(other)
	if version(other, "lintian", "perl") != "1" || version(other, "python 3.13", "libssl3") != "2" {
		t.Error("a set that was pinned anew moved, or the others did not")
	}

	base := fresh()
	base.Bases[0].Digest = "sha256:" + strings.Repeat("c", 64)
	before := text(t, base)
	if moved.Apply(base); text(t, base) != before {
		t.Error("applied on another base image")
	}
	base.Bases = nil
	before = text(t, base)
	if moved.Apply(base); text(t, base) != before {
		t.Error("applied without a base image")
	}
	first, err := lookAt(t, a, base, nil)
	if err != nil {
		t.Fatal(err)
	}
	if first.Apply(base); text(t, base) != once {
		t.Errorf("the first base image is not pinned: %s", cmp.Diff(once, text(t, base)))
	}
	pinned := fresh()
	before = text(t, pinned)
	if first.Apply(pinned); text(t, pinned) != before {
		t.Error("the first base image, and applied on another")
	}
}

func TestDiff(t *testing.T) {
	pkg := func(text string) (p project.Package) {
		if err := p.UnmarshalText([]byte(text)); err != nil {
			t.Fatal(err)
		}
		return p
	}
	hash := func(digit string) string { return " sha256:" + strings.Repeat(digit, 64) }
	old := []project.Package{pkg("a 1 amd64" + hash("1")), pkg("b 1 amd64" + hash("1")), pkg("c 1:1-1 all"), pkg("d 1 i386"), pkg("d 1 amd64")}
	now := []project.Package{pkg("a 1 amd64" + hash("2")), pkg("c 1:1-1 amd64"), pkg("d 2 i386"), pkg("d 1 amd64"), pkg("e 1~rc1 all")}
	want := []string{
		"a 1 amd64 111111111111 → 1 amd64 222222222222 in trixie (x)", "b 1 removed in trixie (x)",
		"c 1:1-1 all → 1:1-1 amd64 in trixie (x)", "d:i386 1 → 2 in trixie (x)", "e 1~rc1 added in trixie (x)",
	}
	if diff := cmp.Diff(want, say(merge(diff(Move{Distro: "trixie", Arch: "amd64", For: "x"}, old, now)))); diff != "" {
		t.Error(diff)
	}
}

func TestSummary(t *testing.T) {
	moves := []Move{
		{"trixie", "amd64", "python 3.13", "tzdata", "2025a-2", "2025b-2"},
		{"bookworm", "amd64", "python 3.11", "tzdata", "2025a-1", "2025b-1"},
		{"bookworm", "amd64", "base image", "openssl", "3.0.17-1", "3.0.18-1"},
		{"bookworm", "arm64", "base image", "openssl", "3.0.17-1", "3.0.18-1"},
		{"bookworm", "amd64", "base image", "perl", "", "5.36"},
	}
	want := []string{
		"openssl: 3.0.17-1 → 3.0.18-1 in bookworm",
		"perl: 5.36 added in bookworm",
		"tzdata: 2025a-1 → 2025b-1 in bookworm; 2025a-2 → 2025b-2 in trixie",
	}
	if diff := cmp.Diff(want, Summary(moves)); diff != "" {
		t.Error(diff)
	}
	if got := moves[2].String(); got != "openssl 3.0.17-1 → 3.0.18-1 in bookworm (base image)" {
		t.Error(got)
	}
}
