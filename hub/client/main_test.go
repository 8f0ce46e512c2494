package client_test

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

// TestMain fails the run if a goroutine or a descriptor is left over.
func TestMain(m *testing.M) {
	flag.Parse()
	// The first socket opens the runtime's own poller, which stays.
	if l, err := net.Listen("tcp", "127.0.0.1:0"); err == nil {
		l.Close()
	}
	goroutines, fds := runtime.NumGoroutine(), openFiles()
	code := m.Run()
	if code == 0 {
		code = leaks(goroutines, fds)
	}
	os.Exit(code)
}

// leaks waits for what is on its way out, for a while.
func leaks(goroutines, fds int) (code int) {
	deadline := time.Now().Add(10 * time.Second)
	for range time.Tick(5 * time.Millisecond) {
		if runtime.NumGoroutine() <= goroutines && openFiles() <= fds {
			return 0
		}
		if time.Now().After(deadline) {
			break
		}
	}
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	fmt.Printf("left over: goroutines %d, before %d; descriptors %d, before %d\n%s\n%s\n",
		runtime.NumGoroutine(), goroutines, openFiles(), fds, strings.Join(fileNames(), "\n"), stacks)
	return 1
}

func openFiles() int { return len(fileNames()) }

func fileNames() []string {
	entries, _ := os.ReadDir("/proc/self/fd")
	var names []string
	for _, e := range entries {
		target, err := os.Readlink("/proc/self/fd/" + e.Name())
		if err == nil && !strings.HasSuffix(target, "/fd") { // the directory itself
			names = append(names, e.Name()+" "+target)
		}
	}
	return names
}
