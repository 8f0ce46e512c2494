package main

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/coder/websocket"
)

// self is the ID of this process, which contains the servers of the tests.
var self = strconv.Itoa(os.Getpid())

func TestIdle(t *testing.T) {
	bothEchoes(t, func(t *testing.T, url string) {
		r := runProgram(t, "idle", "-json", "-q", "-n", "50", "-hold", "30ms", "-pid", self, url)
		r.wantOK(t)
		want(t, "opened", r.report.Connections.Opened, 50)
		if r.report.Connections.PerSecond <= 0 {
			t.Error("no rate of connections")
		}
		if r.report.Messages != nil {
			t.Errorf("messages: %+v", r.report.Messages)
		}
		checkStages(t, r.report.Memory, "before", "connected", "after 30ms")
	})
}

func TestIdleEcho(t *testing.T) {
	bothEchoes(t, func(t *testing.T, url string) {
		r := runProgram(t, "idle", "-json", "-q", "-n", "50", "-concurrency", "8", "-hold", "10ms", "-echo", "-rest", "20ms", "-pid", self, url)
		r.wantOK(t)
		want(t, "echoed", r.report.Messages.Received, 50)
		want(t, "sent", r.report.Messages.Sent, 50)
		checkStages(t, r.report.Memory, "before", "connected", "after 10ms", "echoed on each", "20ms later")
	})
}

// TestIdleCPU checks the CPU time of a server that works during a rest. The server is this process.
func TestIdleCPU(t *testing.T) {
	checkLeaks(t)
	url := ourEcho(t)
	var stop atomic.Bool
	defer stop.Store(true)
	go func() {
		for !stop.Load() { // it works
		}
	}()
	r := runProgram(t, "idle", "-json", "-q", "-n", "20", "-hold", "1100ms", "-echo", "-rest", "1ms", "-pid", self, url)
	r.wantOK(t)
	idle := r.report.Idle
	if idle == nil || idle.Connections != 20 || idle.Seconds < 1.1 {
		t.Fatalf("%+v", idle)
	}
	if cores := idle.ServerMicros * 20 / 1e6; cores <= 0 || cores > float64(runtime.NumCPU())+0.1 {
		t.Errorf("%.2f cores: %+v", cores, idle)
	}
	var table table
	if idle.table(&table); !strings.Contains(table.String(), "µs per second and connection, over 1 s") {
		t.Error(table.String())
	}
	r = runProgram(t, "idle", "-json", "-q", "-n", "20", "-hold", "1ms", "-pid", self, url)
	want(t, "a rest that is too short to be measured is reported", r.report.Idle != nil, false)
}

// TestIdleEchoConcurrency checks the bound of messages in flight.
func TestIdleEchoConcurrency(t *testing.T) {
	checkLeaks(t)
	g := newGate(4)
	url := theirEcho(t, func(_ int, p []byte) [][]byte {
		g.pass()
		return [][]byte{p}
	})
	r := runProgram(t, "idle", "-json", "-q", "-n", "20", "-concurrency", "4", "-hold", "1ms", "-echo", "-rest", "1ms", url)
	r.wantOK(t)
	want(t, "most messages at a time", g.mostInside(), 4)
}

// TestIdleAt checks that the server is measured at each number, with one echo on each connection, in the turn of the run.
func TestIdleAt(t *testing.T) {
	bothEchoes(t, func(t *testing.T, url string) {
		file := filepath.Join(t.TempDir(), "turn")
		args := []string{"idle", "-json", "-q", "-at", "10,25", "-n", "40", "-hold", "0s", "-echo", "-rest", "10ms", "-turn", file, "-abrupt", "-pid", self, url}
		others, err := openTurn(t.Context(), file)
		if err != nil {
			t.Fatal(err)
		}
		go others.end()
		r := runProgram(t, args...)
		r.wantOK(t)
		want(t, "echoed first", r.report.Messages.Received, 10)
		for i, n := range []int64{15, 15} {
			want(t, "echoed then", r.report.Then[i].Received, n)
			want(t, "expected then", r.report.Then[i].Expected, n)
		}
		stages := r.report.Memory
		want(t, "stages", len(stages), 1+3*4)
		for i, n := range []int64{10, 25, 40} {
			for j, name := range []string{"connected", "after 0s", "echoed on each", "10ms later"} {
				s := stages[1+4*i+j]
				want(t, "stage", s.Name, name)
				want(t, "connections", s.Connections, n)
				// While others may have their turn, the kernel's memory is theirs, too.
				want(t, "kernel is known", s.Kernel.Slab.Total != unknown, j < 3)
			}
		}
	})
}

func checkStages(t *testing.T, stages []stage, names ...string) {
	t.Helper()
	if len(stages) != len(names) {
		t.Fatalf("stages %+v, want %q", stages, names)
	}
	for i, s := range stages {
		want(t, "stage", s.Name, names[i])
		if s.Server.RSS.Total < 1<<20 || s.Server.PSS.Total < 1<<20 {
			t.Errorf("%s: RSS %d, PSS %d", s.Name, s.Server.RSS.Total, s.Server.PSS.Total)
		}
		if first := s.Server.RSS.Over == nil; first != (i == 0) {
			t.Errorf("%s: compared with before: %v", s.Name, !first)
		}
		connections := int64(50)
		if i == 0 {
			connections = 0
		}
		want(t, "connections "+s.Name, s.Connections, connections)
		if rss := s.Server.RSS; i > 0 && (*rss.Over != rss.Total-stages[0].Server.RSS.Total || *rss.PerConnection != float64(*rss.Over)/50) {
			t.Errorf("%s: %+v", s.Name, rss)
		}
		// The kernel's figures are of the whole machine, and too coarse for so few
		// connections to say how they change.
		if s.Kernel.TCPBuffers.Total < 0 || s.Kernel.Slab.Total < 1<<20 {
			t.Errorf("%s: %+v", s.Name, s.Kernel)
		}
	}
}

// TestIdleLosesConnections has a server that closes connections while they are held.
func TestIdleLosesConnections(t *testing.T) {
	checkLeaks(t)
	url := theirs(t, func(ctx context.Context, _ *http.Request, c *websocket.Conn) {
		c.Close(websocket.StatusPolicyViolation, "nobody stays here")
	})
	r := runProgram(t, "idle", "-json", "-q", "-n", "20", "-hold", "1m", url)
	f := r.wantFault(t, "closed by the server with 1008", 20)
	want(t, "reason in the example", strings.Contains(f.Example, "nobody stays here"), true)
	want(t, "lost", r.report.Connections.Lost, 20)
}

// TestIdleTable checks the tables.
func TestIdleTable(t *testing.T) {
	checkLeaks(t)
	r := runProgram(t, "idle", "-at", "5", "-n", "10", "-hold", "1ms", "-echo", "-rest", "1ms", "-pid", self, ourEcho(t))
	want(t, "tables", strings.Count(r.stdout, "server, RSS"), 2)
	want(t, "status", r.status, exitOK)
	for _, s := range []string{"10 of 10 opened", "server, RSS", "server, PSS", "per connection", "kernel, socket objects", "ok: nothing was lost"} {
		if !strings.Contains(r.stdout, s) {
			t.Errorf("the table does not say %q", s)
		}
	}
	for line := range strings.Lines(r.stdout) {
		if len([]rune(line)) > 120 {
			t.Errorf("a line of %d characters: %s", len(line), line)
		}
	}
}
