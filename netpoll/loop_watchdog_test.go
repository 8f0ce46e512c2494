//go:build linux

package netpoll

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"
)

// logText is a log as text.
type logText struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// lines returns the lines that contain what.
func (l *logText) lines(what string) (all []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.buf.String()) {
		if strings.Contains(line, what) {
			all = append(all, line)
		}
	}
	return all
}

// watched is an engine whose clock and monitor the test moves, with its log.
type watched struct {
	*server
	clk *testClock
	log *logText
}

func watch(t *testing.T, setup func(*peer)) watched {
	t.Helper()
	w := watched{clk: newTestClock(), log: new(logText)}
	w.server = serveStepped(t, Options{Loops: 1, BlockedAfter: 3 * time.Second, Now: w.clk.now, Logger: slog.New(slog.NewTextHandler(w.log, nil))}, setup)
	return w
}

// look moves the clock and has the monitor look.
func (w watched) look(ahead time.Duration) {
	w.clk.advance(ahead)
	w.monitor.look()
}

func (w watched) expect(t *testing.T, now int, ever int64) {
	t.Helper()
	if st := w.Stats(); st.WorkersBlocked != now || st.Blocked != ever {
		t.Errorf("%d are blocked, and %d ever; want %d and %d", st.WorkersBlocked, st.Blocked, now, ever)
	}
}

// line waits for the one line that contains what, and checks that it has all of want.
func (w watched) line(t *testing.T, what string, want ...string) {
	t.Helper()
	eventually(t, "a line: "+what, func() bool { return len(w.log.lines(what)) > 0 })
	for _, part := range want {
		if lines := w.log.lines(what); len(lines) != 1 || !strings.Contains(lines[0], part) {
			t.Errorf("%d lines without %q: %q", len(lines), part, lines)
		}
	}
}

const (
	blocksLine   = "a handler blocks its worker"
	returnedLine = "a handler that has blocked its worker has returned"
	taskLine     = "a task takes long; it waits for something, or the machine is too busy to run it"
)

// A handler that blocks is named once, with its client and its stack, and again when it has returned.
func TestWatchdog(t *testing.T) {
	b := newBlocking(t)
	w := watch(t, b.setup)
	nc, p := w.connect(t)
	id := p.c.ID()
	write(t, nc, []byte("block"))
	eventually(t, "the handler blocks", func() bool { return b.entered.Load() == 1 })
	w.look(0) // it has seen the turn
	w.look(0) // which goes on
	w.look(2 * time.Second)
	w.expect(t, 0, 0)
	w.look(time.Second)
	w.expect(t, 1, 1)
	client := netip.MustParseAddrPort(nc.LocalAddr().String())
	w.line(t, blocksLine, "level=WARN", "handler=*netpoll.peer", "client="+client.String(), "connection="+id.String(), "for=3s", "blocked=1", "(*blocking).setup")
	w.look(time.Hour)
	w.expect(t, 1, 1)
	b.gate.open()
	expect(t, nc, "block")
	eventually(t, "the worker has left", func() bool { return w.Stats().WorkersBusy == 0 })
	w.look(time.Minute)
	w.expect(t, 0, 1)
	w.line(t, returnedLine, "level=INFO", "handler=*netpoll.peer", "client="+client.String(), "for=1h1m3s")
	w.look(0)
	if w.monitor.armed.Load() {
		t.Error("the monitor still looks")
	}
}

// One of several is logged, and all are counted. A worker that is used again is blocked anew.
func TestWatchdogPacesItsLines(t *testing.T) {
	const blocked = 5
	b := newBlocking(t)
	w := watch(t, b.setup)
	clients := dialAll(t, w.server, blocked)
	for _, nc := range clients {
		write(t, nc, []byte("block"))
	}
	for looks := 0; b.settled(t, w.server, blocked) < blocked && looks < 20; looks++ {
		w.look(0)
	}
	w.look(0)
	w.look(0)
	w.look(3 * time.Second)
	w.expect(t, blocked, blocked)
	w.line(t, blocksLine, "handler=*netpoll.peer")
	b.gate.open()
	for _, nc := range clients {
		expect(t, nc, "block")
	}
	eventually(t, "the workers have left", func() bool { return w.Stats().WorkersBusy == 0 })
	w.look(0)
	w.expect(t, 0, blocked)
	w.line(t, returnedLine, "for=3s")

	again := newGate(t)
	w.NewTask(0, again.wait).Schedule()
	eventually(t, "the task blocks", func() bool { return w.Stats().WorkersBusy == 1 })
	w.look(0)
	w.look(0)
	w.look(3 * time.Second)
	w.expect(t, 1, blocked+1)
	again.open()
	eventually(t, "the worker has left", func() bool { return w.Stats().WorkersBusy == 0 })
	w.look(0)
	w.expect(t, 0, blocked+1)
	w.line(t, returnedLine, "for=3s") // of the one whose beginning was logged
}

// lengthy is a Runner that says what it is.
type lengthy struct{ gate *gate }

func (l lengthy) Run()           { l.gate.wait() }
func (lengthy) Describe() string { return "a lengthy task" }

// A task is named by what it says, its function, or its type.
func TestWatchdogNamesTasks(t *testing.T) {
	for _, tt := range []struct {
		runner func(*gate) Runner
		name   string
	}{
		{func(g *gate) Runner { return lengthy{g} }, `handler="a lengthy task"`},
		{func(g *gate) Runner { return runFunc(g.wait) }, "netpoll.(*gate).wait"},
		{func(g *gate) Runner { return &room{} }, "handler=*netpoll.room"},
	} {
		if name := describe(tt.runner(nil)); !strings.Contains("handler="+fmt.Sprintf("%q", name)+" handler="+name, tt.name) {
			t.Errorf("%q, want %s", name, tt.name)
		}
	}
	g := newGate(t)
	w := watch(t, func(*peer) {})
	var task Task
	task.Init(w.Engine, 0, lengthy{g})
	task.Schedule()
	eventually(t, "the task blocks", func() bool { return w.Stats().WorkersBusy == 1 })
	w.look(0)
	w.look(0)
	w.look(3 * time.Second)
	w.line(t, taskLine, `handler="a lengthy task"`, "lengthy.Run")
	if lines := w.log.lines(taskLine); strings.Contains(lines[0], "client=") {
		t.Errorf("a task with a client: %s", lines)
	}
	g.open()
}

// Many turns one after the other are not one that blocks.
func TestWatchdogKnowsTurns(t *testing.T) {
	w := watch(t, func(p *peer) { p.onData = p.echo })
	nc, _ := w.connect(t)
	for range 10 {
		write(t, nc, []byte("x"))
		expect(t, nc, "x")
		w.look(time.Second)
	}
	w.expect(t, 0, 0)
	if lines := w.log.lines(blocksLine); len(lines) != 0 {
		t.Errorf("%s", lines)
	}
}

// What is said is bounded if the log blocks, and comes in order.
func TestSayer(t *testing.T) {
	var s sayer
	begun, g := make(chan struct{}), newGate(t)
	s.say(func() { close(begun); g.wait() })
	receive(t, "the first", begun)
	said := make(chan int, 2*mostWaiting)
	for i := range 2 * mostWaiting {
		s.say(func() { said <- i })
	}
	g.open()
	for i := range mostWaiting {
		if n := receive(t, "the next", said); n != i {
			t.Errorf("%d comes after %d", n, i-1)
		}
	}
	eventually(t, "it ends", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return !s.runs })
	if len(said) != 0 {
		t.Errorf("%d more than may wait", len(said))
	}
}
