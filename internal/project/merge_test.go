package project

import (
	"slices"
	"testing"
)

func TestMerge(t *testing.T) {
	set := func(who, version string) SetPin {
		return SetPin{Distro: "trixie", Arch: "amd64", For: who, Packages: []Package{{Name: "libpq5", Version: version, Arch: "amd64", Digest: "sha256:00"}}}
	}
	into := &Lock{Pythons: []PythonPin{{Want: "3.13", Version: "3.13.4"}}, Runtimes: []SetPin{set("image web", "1"), set("python 3.13", "1")}}
	from := &Lock{
		Bases:    []BasePin{{Distro: "trixie", Arch: "amd64", Digest: "sha256:11"}},
		Runtimes: []SetPin{set("image web", "2"), set("python 3.13", "1"), set("image api", "1")},
		Pythons:  []PythonPin{{Want: "3.13", Version: "3.13.5"}},
		Releases: []ReleasePin{{Python: "3.13.5", Release: 2}},
		Builds:   []BuildPin{{Name: "shop", Source: "directory .", Python: "3.13", Distro: "trixie", Arch: "amd64"}},
	}
	other := into.Merge(from)
	if !slices.Equal(other, []string{"python 3.13", "runtime trixie amd64 image web"}) {
		t.Errorf("pinned otherwise: %q", other)
	}
	if len(into.Runtimes) != 3 || len(into.Bases) != 1 || len(into.Builds) != 1 || len(into.Releases) != 1 {
		t.Errorf("merged: %+v", into)
	}
	if pin, _ := into.Runtime("trixie", "amd64", "image web"); pin.Packages[0].Version != "1" {
		t.Errorf("what was pinned here moved to %s", pin.Packages[0].Version)
	}
	if other := into.Merge(from); len(into.Runtimes) != 3 || len(other) != 2 {
		t.Errorf("a second time: %q, %d pins", other, len(into.Runtimes))
	}
}
