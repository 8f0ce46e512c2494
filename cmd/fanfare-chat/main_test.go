package main

import (
	"bytes"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/internal/leak"
)

// asProgram is the variable that has the test binary be the program.
const asProgram = "FANFARE_CHAT_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	leak.Main(m, http.DefaultClient.CloseIdleConnections)
}

// itself starts the program in a process of its own.
func itself(t testing.TB, args ...string) *process {
	t.Helper()
	t.Setenv(asProgram, "1")
	return begin(t, os.Args[0], args...)
}

// settles waits until cond holds, at most ten seconds.
func settles(cond func() bool) bool {
	limit := time.After(10 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-limit:
			return false
		case <-tick.C:
		}
	}
	return true
}

// output collects what the program prints, which tests read while it runs.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}
