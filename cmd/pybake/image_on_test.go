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
	copyFile(t, filepath.Join(from, "pybake.lock"), filepath.Join(b.dir, "baked"))
	imageTests(t, b)
}
