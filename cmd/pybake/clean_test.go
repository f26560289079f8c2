package main

import (
	"slices"
	"testing"
	"time"

	"github.com/pybake/pybake/internal/engine"
)

func TestNewest(t *testing.T) {
	at := func(hour int, tags ...string) engine.Image {
		return engine.Image{ID: tags[0], Tags: tags, Created: time.Date(2026, 1, 2, hour, 0, 0, 0, time.UTC)}
	}
	images := []engine.Image{
		at(1, "pybake/base:trixie-amd64-111111111111"),
		at(2, "pybake/builder:trixie-amd64-222222222222"),
		at(3, "pybake/builder:trixie-amd64-333333333333"),
		at(4, "pybake/builder:bookworm-amd64-444444444444"),
		at(1, "pybake/builder:bookworm-amd64-555555555555", "mine:1"),
		{ID: "sha256:6", Created: time.Date(2026, 1, 3, 0, 0, 0, 0, time.UTC)},
	}
	var removed []string
	for _, img := range images {
		if !newest(img, images) {
			removed = append(removed, img.ID)
		}
	}
	// The one that has another name too stays: somebody wants it.
	if want := []string{"pybake/builder:trixie-amd64-222222222222", "sha256:6"}; !slices.Equal(removed, want) {
		t.Errorf("removed %q, want %q", removed, want)
	}
}
