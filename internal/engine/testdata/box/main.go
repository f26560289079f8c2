// Command box is everything that the test image holds: sleep, and small
// programs that look at, or strain, the container they run in.
package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
)

func main() {
	args := os.Args
	if filepath.Base(args[0]) == "sleep" {
		n, err := strconv.Atoi(args[1])
		check(err)
		time.Sleep(time.Duration(n) * time.Second)
		return
	}
	switch args[1] {
	case "exit":
		n, err := strconv.Atoi(args[2])
		check(err)
		os.Exit(n)
	case "say": // one line on each stream
		fmt.Println(args[2])
		fmt.Fprintln(os.Stderr, args[3])
	case "flood": // N kilobytes on each stream, alternating
		n, err := strconv.Atoi(args[2])
		check(err)
		for range n {
			fmt.Print(strings.Repeat("o", 1024))
			fmt.Fprint(os.Stderr, strings.Repeat("e", 1024))
		}
	case "id":
		host, err := os.Hostname()
		check(err)
		dir, err := os.Getwd()
		check(err)
		fmt.Println(os.Getuid(), os.Getgid(), host, dir)
	case "env":
		fmt.Println(strings.Join(os.Environ(), "\n"))
	case "cat":
		if len(args) == 2 {
			_, err := io.Copy(os.Stdout, os.Stdin)
			check(err)
			return
		}
		data, err := os.ReadFile(args[2])
		check(err)
		os.Stdout.Write(data)
	case "write": // TEXT to a file
		check(os.WriteFile(args[2], []byte(args[3]), 0o644))
	case "remove":
		check(os.RemoveAll(args[2]))
	case "nets":
		list, err := net.Interfaces()
		check(err)
		for _, i := range list {
			fmt.Println(i.Name)
		}
	case "loop": // one connection to itself
		l, err := net.Listen("tcp", "127.0.0.1:0")
		check(err)
		_, err = net.Dial("tcp", l.Addr().String())
		check(err)
	case "hang": // says so, then waits for ever
		fmt.Println("hanging")
		time.Sleep(24 * time.Hour)
	case "eat": // N MiB of memory
		n, err := strconv.Atoi(args[2])
		check(err)
		debug.SetGCPercent(-1)
		var keep [][]byte
		for range n {
			b := make([]byte, 1<<20)
			for i := 0; i < len(b); i += 4096 {
				b[i] = 1
			}
			keep = append(keep, b)
		}
		fmt.Println(len(keep))
	case "child": // runs the rest as a child and fails with 2 if it fails, like make
		if err := exec.Command(args[2], args[3:]...).Run(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
	case "fork": // starts up to N children and says how many it could
		n, err := strconv.Atoi(args[2])
		check(err)
		for i := range n {
			c := exec.Command(args[0], "hang")
			out, err := c.StdoutPipe()
			check(err)
			if err := c.Start(); err != nil {
				fmt.Println(i)
				return
			}
			if line, _ := bufio.NewReader(out).ReadString('\n'); line != "hanging\n" {
				fmt.Println(i)
				return
			}
		}
		fmt.Println(n)
	default:
		fmt.Fprintln(os.Stderr, "box: unknown", args[1])
		os.Exit(64)
	}
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "box:", err)
		os.Exit(1)
	}
}
