// Command serve runs one of the servers in the comparison. Its arguments are the name of the server, echo or broadcast, and
// host:port.
//
// It prints its address and that of an expvar page with the memory statistics of its runtime; a request for /settle on that
// address returns its garbage to the system. It runs until it is killed. It is a program of its own, so that the heap of the
// comparison does not delay the server's garbage collections.
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
		fail(fmt.Errorf("usage: serve NAME %s|%s HOST:PORT, with a NAME of %q", servers.EchoMode, servers.BroadcastMode, servers.Names()))
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
		// Garbage from the start of the program, and the cost of a first collection, must not count for connections.
		settle()
		fmt.Println(at, vars.Addr())
	}))
}

// settle returns all garbage to the system. It needs two collections, because pools keep objects until the second one.
func settle() {
	runtime.GC()
	debug.FreeOSMemory()
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "serve:", err)
	os.Exit(1)
}
