//go:build engine

package main

import "testing"

// TestEngineScripts drives the real binary on a machine with an engine at one
// of the usual sockets.
func TestEngineScripts(t *testing.T) {
	runScripts(t, "testdata/engine")
}
