// Command serve runs one of the servers that are compared. Its arguments are the name of
// the server, echo or broadcast, and host:port.
//
// It prints the address that it listens on and that of a page of package expvar, with
// what its runtime knows of its memory; /settle beside that page returns the garbage to
// the system. It ends when it is told to. It is a program of
// its own because that of the comparison brings fonts for its charts, whose megabytes
// would let every server's garbage pile up higher.
package main

import (
	"expvar"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"

	"github.com/fanfare-ws/fanfare/bench/servers"
)

func main() {
	if len(os.Args) != 4 {
		fail(fmt.Errorf("usage: serve NAME %s|%s HOST:PORT, with one of the names %q", servers.EchoMode, servers.BroadcastMode, servers.Names()))
	}
	s, err := servers.Find(os.Args[1])
	if err != nil {
		fail(err)
	}
	serve, err := s.Mode(os.Args[2])
	if err != nil {
		fail(err)
	}
	vars, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fail(err)
	}
	expvar.Publish("goroutines", expvar.Func(func() any { return runtime.NumGoroutine() }))
	http.Handle("/", expvar.Handler())
	http.HandleFunc("/settle", func(http.ResponseWriter, *http.Request) { settle() })
	go func() { fail(http.Serve(vars, nil)) }()
	fail(serve(os.Args[3], func(at net.Addr) {
		// What other servers in this program left at its start, and what the first
		// collection costs a process, is no connection's.
		settle()
		fmt.Println(at, vars.Addr())
	}))
}

// settle returns all garbage to the system: what pools hold is garbage only after the
// second collection.
func settle() {
	runtime.GC()
	debug.FreeOSMemory()
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "serve:", err)
	os.Exit(1)
}
