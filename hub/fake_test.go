package hub

import (
	"encoding/binary"
	"sync"
	"testing"

	"github.com/fanfare-ws/fanfare/wsproto"
)

// fake is a subscriber without a socket. It takes frames apart again, so that a
// test sees what a client would.
type fake struct {
	sub  Subscription
	loop int

	mu      sync.Mutex
	stalled bool // it takes one write, which then is pending, and no more
	full    bool // it takes nothing
	pending int  // writes
	drained interface{ Schedule() }
	got     []uint64
	writes  int
	closed  wsproto.Code
	block   chan struct{} // if not nil, SendPrepared waits for it
}

func (f *fake) Loop() int { return f.loop }

func (f *fake) SendPrepared(p *wsproto.Prepared) wsproto.Outcome {
	if f.block != nil {
		<-f.block
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.closed != 0:
		return wsproto.Closed
	case f.full || f.pending > 0:
		return wsproto.Full
	}
	f.writes++
	f.got = append(f.got, numbers(p)...)
	if f.stalled {
		f.pending++
		return wsproto.Queued
	}
	return wsproto.Sent
}

func (f *fake) WhenDrained(t interface{ Schedule() }) {
	f.mu.Lock()
	waits := f.pending > 0 && f.closed == 0
	if waits {
		f.drained = t
	}
	f.mu.Unlock()
	if !waits {
		t.Schedule()
	}
}

// drain has what is pending leave.
func (f *fake) drain() {
	f.mu.Lock()
	t := f.drained
	f.pending, f.drained = 0, nil
	f.mu.Unlock()
	if t != nil {
		t.Schedule()
	}
}

// stall has it take no more, or, if not, all again.
func (f *fake) stall(yes bool) {
	f.mu.Lock()
	f.stalled = yes
	f.mu.Unlock()
	if !yes {
		f.drain()
	}
}

func (f *fake) Close(code wsproto.Code, _ string) {
	f.mu.Lock()
	f.closed = code
	f.mu.Unlock()
	f.drain()
}

func (f *fake) received() []uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]uint64(nil), f.got...)
}

// number makes a message of n, and numbers reads those of a write back.
func number(n uint64) Message {
	return Message{Prepared: wsproto.Prepare(wsproto.Binary, binary.BigEndian.AppendUint64(nil, n))}
}

func numbers(p *wsproto.Prepared) []uint64 {
	var all []uint64
	b := p.Bytes()
	for ; len(b) > 0; b = b[10:] {
		if b[0] != 0x82 || b[1] != 8 {
			panic("not a frame of number")
		}
		all = append(all, binary.BigEndian.Uint64(b[2:]))
	}
	return all
}

// manual collects tasks, which run when the test says so.
type manual struct {
	mu  sync.Mutex
	due []*manualTask
}

type manualTask struct {
	m   *manual
	r   Runner
	due bool
}

func (t *manualTask) Schedule() {
	t.m.mu.Lock()
	if !t.due {
		t.due = true
		t.m.due = append(t.m.due, t)
	}
	t.m.mu.Unlock()
}

func (m *manual) newTask(_ int, r Runner) Task { return &manualTask{m: m, r: r} }

func (m *manual) runAll() {
	for {
		m.mu.Lock()
		due := m.due
		m.due = nil
		for _, t := range due {
			t.due = false
		}
		m.mu.Unlock()
		if len(due) == 0 {
			return
		}
		for _, t := range due {
			t.r.Run()
		}
	}
}

func (f *fake) join(t testing.TB, h *Hub, topic string) *fake {
	t.Helper()
	if _, err := h.Subscribe(topic, &f.sub, f, SubscribeOptions{}); err != nil {
		t.Fatal(err)
	}
	return f
}

func publish(t testing.TB, h *Hub, topic string, n uint64) Receipt {
	t.Helper()
	rc, err := h.Publish(topic, number(n))
	if err != nil {
		t.Fatal(err)
	}
	return rc
}
