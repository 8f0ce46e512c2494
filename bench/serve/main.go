// Command serve runs one of the servers that are compared:
//
//	serve NAME HOST:PORT
//
// It prints the address that it listens on, and ends when it is told to. It is a
// program of its own because that of the comparison brings fonts for its charts,
// whose megabytes would let every server's garbage pile up higher.
package main

import (
	"fmt"
	"net"
	"os"

	"github.com/fanfare-ws/fanfare/bench/servers"
)

func main() {
	if len(os.Args) != 3 {
		fail(fmt.Errorf("usage: serve NAME HOST:PORT, with one of the names %q", servers.Names()))
	}
	s, err := servers.Find(os.Args[1])
	if err != nil {
		fail(err)
	}
	fail(s.Serve(os.Args[2], func(at net.Addr) { fmt.Println(at) }))
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "serve:", err)
	os.Exit(1)
}
