//go:build !linux

package publish

import "golang.org/x/sys/unix"

// sync is sync(2), which need not wait for the disk.
func (d *Directory) sync() error { return unix.Sync() }
