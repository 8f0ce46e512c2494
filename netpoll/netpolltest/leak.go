package netpolltest

import (
	"flag"
	"fmt"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// Main runs the tests, as a TestMain does, and ends the program: with a failure, too,
// if a goroutine or a descriptor is left over when all servers, clients and engines
// have been shut down. The functions of after run first. Fuzzing has goroutines of its own.
func Main(m *testing.M, after ...func()) {
	flag.Parse()
	// The first socket opens the runtime's own poller, which stays.
	if l, err := net.Listen("tcp", "127.0.0.1:0"); err == nil {
		l.Close()
	}
	goroutines, fds := runtime.NumGoroutine(), len(openFiles())
	code := m.Run()
	for _, f := range after {
		f()
	}
	if code == 0 && flag.Lookup("test.fuzz").Value.String() == "" {
		code = leaks(goroutines, fds)
	}
	os.Exit(code)
}

// leaks waits for what is on its way out, for a while.
func leaks(goroutines, fds int) (code int) {
	deadline := time.Now().Add(10 * time.Second)
	for range time.Tick(5 * time.Millisecond) {
		if runtime.NumGoroutine() <= goroutines && len(openFiles()) <= fds {
			return 0
		}
		if time.Now().After(deadline) {
			break
		}
	}
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	files := openFiles()
	fmt.Printf("left over: goroutines %d, before %d; descriptors %d, before %d\n%s\n%s\n",
		runtime.NumGoroutine(), goroutines, len(files), fds, strings.Join(files, "\n"), stacks)
	return 1
}

func openFiles() (names []string) {
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, e := range entries {
		target, err := os.Readlink("/proc/self/fd/" + e.Name())
		if err == nil && !strings.HasSuffix(target, "/fd") { // the directory itself
			names = append(names, e.Name()+" "+target)
		}
	}
	return names
}
