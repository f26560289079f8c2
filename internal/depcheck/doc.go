// Package depcheck has only tests. They hold the module to its shape:
//
//   - A package imports only packages of lower rows. The rows, from the top:
//     the commands; internal/refresh; internal/image; python and wheels;
//     wheels/lock; nfpm; internal/distro; recipes and internal/project;
//     artifacts, internal/engine, internal/fetch and internal/pep;
//     internal/strict. A package in no row is a failure: give it one.
//   - Only internal/engine knows Docker, only internal/distro runs a program.
//   - Below the commands nothing reads the environment or the command line,
//     prints, handles signals, ends the process, or has an init function.
//
// testdata/imports.golden is the graph of imports, without the standard
// library's, so that a new arrow shows in review:
//
//	go test ./internal/depcheck -update
package depcheck
