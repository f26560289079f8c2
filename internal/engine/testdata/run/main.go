// Command run is process 1 of the containers that the tests of Run start.
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/term"
)

func main() {
	switch args := os.Args; args[1] {
	case "exit":
		n, err := strconv.Atoi(args[2])
		check(err)
		os.Exit(n)
	case "say": // one line on each stream
		fmt.Println(args[2])
		fmt.Fprintln(os.Stderr, args[3])
	case "flood": // N kilobytes
		n, err := strconv.Atoi(args[2])
		check(err)
		block := make([]byte, 1024)
		for range n {
			_, err := os.Stdout.Write(block)
			check(err)
		}
	case "cat":
		_, err := io.Copy(os.Stdout, os.Stdin)
		check(err)
	case "look": // what it is and has
		host, err := os.Hostname()
		check(err)
		dir, err := os.Getwd()
		check(err)
		fmt.Println(os.Getpid(), os.Getuid(), os.Getgid(), host, dir, os.Getenv("WORD"))
		for _, path := range args[2:] {
			err := os.WriteFile(path, []byte("written"), 0o644)
			fmt.Println(path, err == nil)
		}
	case "trap": // exits with 64 and the number of the signal that comes
		signals := make(chan os.Signal, 1)
		signal.Notify(signals)
		fmt.Println("ready")
		for s := range signals {
			if s != syscall.SIGURG { // the runtime's own
				os.Exit(64 + int(s.(syscall.Signal)))
			}
		}
	case "deaf": // heeds no signal
		signal.Ignore()
		fmt.Println("ready")
		time.Sleep(24 * time.Hour)
	case "terminal": // tells the size of its terminal until that has N rows
		n, err := strconv.Atoi(args[2])
		check(err)
		signals := make(chan os.Signal, 1)
		signal.Notify(signals, syscall.SIGWINCH)
		for {
			columns, rows, err := term.GetSize(int(os.Stdin.Fd()))
			check(err)
			fmt.Println("size", rows, columns)
			if rows == n {
				return
			}
			<-signals
		}
	case "serve":
		listener, err := net.Listen("tcp", ":80")
		check(err)
		fmt.Println("ready")
		check(http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, "hello")
		})))
	default:
		check(fmt.Errorf("%s: unknown", args[1]))
	}
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "run:", err)
		os.Exit(1)
	}
}
