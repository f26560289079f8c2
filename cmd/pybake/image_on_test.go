//go:build engine

package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestImagesOn(t *testing.T) {
	from := os.Getenv("IMAGES_ON")
	if from == "" {
		t.Skip()
	}
	b := newBakery(t)
	copyStore(t, from, filepath.Join(b.dir, "baked"), "python")
	if err := os.Rename(filepath.Join(b.dir, "pybake.lock"), filepath.Join(b.dir, "baked", "pybake.lock")); err != nil {
		t.Fatal(err)
	}
	imageTests(t, b)
}
