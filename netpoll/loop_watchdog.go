//go:build linux

package netpoll

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"reflect"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fanfare-ws/fanfare/netpoll/internal/clock"
	"github.com/fanfare-ws/fanfare/netpoll/paced"
)

// Describer is a [Handler], or the [Runner] of a [Task], that says what it is in the log, where it would else be its type.
// Describe may be called from any goroutine, also beside a method of the Handler.
type Describer interface{ Describe() string }

// watchdog reports the turns and tasks that take longer than Options.BlockedAfter. The monitor sees that a worker is in the
// same turn at two looks, so nothing is measured for that. It counts; what it has to say is logged by another goroutine,
// since a log can block, too.
type watchdog struct {
	now   atomic.Int64 // workers that are blocked
	ever  atomic.Int64
	lines paced.Log
	said  sayer
}

// blockage is a turn or task that has taken long.
type blockage struct {
	worker *worker
	turn   uint32     // worker.turns in it
	since  clock.Tick // when the monitor has first seen it
	who    any        // a handler or a runner
	remote netip.AddrPort
	id     ConnID
	logged bool // its beginning was, so that its end will be; the sayer's
}

// watch looks at a worker that has been in the same turn since the last look at least. It returns the blockage if it is
// one from now on. Called under workers.mu.
func (w *worker) watch(now clock.Tick, after time.Duration) *blockage {
	switch {
	case w.stuck == 0:
		w.stuck = now
	case !w.told && now.Reached(w.stuck.After(after)):
		w.told = true
		return &blockage{worker: w, turn: w.seen, since: w.stuck}
	}
	return nil
}

// ended reports whether the turn or task is over.
func (b *blockage) ended() bool { return b.worker.turns.Load() != b.turn }

// report counts those that block from now on, and those that no longer do.
func (m *monitor) report(fresh []*blockage, now clock.Tick) {
	d := &m.engine.watchdog
	for _, b := range fresh {
		if b.identify(); b.who == nil || b.ended() {
			continue
		}
		m.blocked = append(m.blocked, b)
		d.ever.Add(1)
		e, took := m.engine, now.Since(b.since)
		d.said.say(func() { e.logBlocked(b, took) })
	}
	rest := m.blocked[:0]
	for _, b := range m.blocked {
		if !b.ended() {
			rest = append(rest, b)
			continue
		}
		e, took := m.engine, now.Since(b.since)
		d.said.say(func() { e.logUnblocked(b, took) })
	}
	clear(m.blocked[len(rest):])
	m.blocked = rest
	d.now.Store(int64(len(rest)))
}

// identify notes whom the worker serves.
func (b *blockage) identify() {
	if t := b.worker.task.Load(); t != nil {
		b.who = t.runner
	} else if c := b.worker.conn.Load(); c != nil {
		b.who, b.remote, b.id = c.handler, c.RemoteAddr(), c.ID()
	}
}

// isTask reports whether the worker runs a task, such as a fan-out of package hub, and not the handler of a connection.
func (b *blockage) isTask() bool { return b.id == (ConnID{}) }

func (b *blockage) attrs(took time.Duration) []any {
	args := []any{"handler", describe(b.who), "for", took}
	if !b.isTask() {
		args = append(args, "client", b.remote, "connection", b.id)
	}
	return args
}

func (e *Engine) logBlocked(b *blockage, took time.Duration) {
	msg := "a handler blocks its worker"
	if b.isTask() { // of this module or the program, and for many connections
		msg = "a task takes long; it waits for something, or the machine is too busy to run it"
	}
	d := &e.watchdog
	args := append(b.attrs(took), "blocked", d.now.Load(), "workers", e.opts.Workers)
	before, ok := d.lines.Due()
	if !ok {
		e.opts.Logger.Debug(msg, args...)
		return
	}
	if before > 0 {
		args = append(args, "left_out", before)
	}
	b.logged = true
	e.opts.Logger.Warn(msg, append(args, "stack", b.stack())...)
}

func (e *Engine) logUnblocked(b *blockage, took time.Duration) {
	if !b.logged {
		return
	}
	msg := "a handler that has blocked its worker has returned"
	if b.isTask() {
		msg = "a task that has taken long is done"
	}
	e.opts.Logger.Info(msg, b.attrs(took)...)
}

// describe returns what v is: what it says itself, the name of a function, or its type. A program's Describe may wait for what
// the handler holds, so the monitor does not call it.
func describe(v any) (s string) {
	defer func() {
		if recover() != nil {
			s = fmt.Sprintf("%T", v)
		}
	}()
	if d, ok := v.(Describer); ok {
		return d.Describe()
	}
	if f := reflect.ValueOf(v); f.Kind() == reflect.Func {
		return runtime.FuncForPC(f.Pointer()).Name()
	}
	return fmt.Sprintf("%T", v)
}

// sayer calls functions one after the other on a goroutine, which ends when there are none.
type sayer struct {
	mu      sync.Mutex
	waiting []func()
	runs    bool
}

// mostWaiting bounds sayer.waiting, for a log that blocks.
const mostWaiting = 64

func (s *sayer) say(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.waiting) == mostWaiting {
		return
	}
	s.waiting = append(s.waiting, f)
	if !s.runs {
		s.runs = true
		go s.run()
	}
}

func (s *sayer) run() {
	for {
		s.mu.Lock()
		if len(s.waiting) == 0 {
			s.runs = false
			s.waiting = nil
			s.mu.Unlock()
			return
		}
		f := s.waiting[0]
		s.waiting = s.waiting[1:]
		s.mu.Unlock()
		f()
	}
}

// workerLabel is the label in profiles of goroutines that has the number of their worker.
const workerLabel = "netpoll_worker"

// labelled returns the labels of the goroutines that run worker number n.
func labelled(n int) context.Context {
	return pprof.WithLabels(context.Background(), pprof.Labels(workerLabel, fmt.Sprint(n)))
}

// stack returns the stack of the worker's goroutine. It costs a profile of all goroutines.
func (b *blockage) stack() string {
	var profile bytes.Buffer
	_ = pprof.Lookup("goroutine").WriteTo(&profile, 1)
	if b.ended() {
		return "it has returned"
	}
	return findStack(profile.String(), b.worker.number)
}

// findStack returns the stack of the goroutine that runs worker number n, from a profile in the form debug=1: records that are
// separated by an empty line, of which each has a line of labels, and a line for each frame with its address, function and
// place. Goroutines that a handler has started have its labels, too, but none of takeTurns.
func findStack(profile string, n int) string {
	label := fmt.Sprintf("%q:%q", workerLabel, fmt.Sprint(n))
	for record := range strings.SplitSeq(profile, "\n\n") {
		if !strings.Contains(record, label) || !strings.Contains(record, ".takeTurns+") {
			continue
		}
		var frames strings.Builder
		for line := range strings.Lines(record) {
			frame := strings.Fields(line) // #, address, function, place
			if len(frame) < 4 || frame[0] != "#" {
				continue
			}
			if strings.Contains(frame[2], ".takeTurns+") {
				break
			}
			frames.WriteString(frame[2] + " " + strings.Join(frame[3:], " ") + "\n")
		}
		return frames.String()
	}
	return ""
}
