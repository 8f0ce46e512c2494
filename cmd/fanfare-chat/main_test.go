package main

import (
	"bytes"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m, http.DefaultClient.CloseIdleConnections) }

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
