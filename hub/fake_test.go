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

	mu     sync.Mutex
	full   bool // refuse
	got    []uint64
	writes int
	closed wsproto.Code
	block  chan struct{} // if not nil, SendPrepared waits for it
}

func (f *fake) Loop() int { return f.loop }

func (f *fake) SendPrepared(p *wsproto.Prepared) wsproto.Outcome {
	if f.block != nil {
		<-f.block
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed != 0 {
		return wsproto.Closed
	}
	if f.full {
		return wsproto.Full
	}
	f.writes++
	f.got = append(f.got, numbers(p)...)
	return wsproto.Queued
}

func (f *fake) Close(code wsproto.Code, _ string) {
	f.mu.Lock()
	f.closed = code
	f.mu.Unlock()
}

func (f *fake) received() []uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]uint64(nil), f.got...)
}

// number makes a message of n, and numbers reads those of a write back.
func number(n uint64) *wsproto.Prepared {
	return wsproto.Prepare(wsproto.Binary, binary.BigEndian.AppendUint64(nil, n))
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
	due []func()
}

type manualTask struct {
	m   *manual
	run func()
}

func (t *manualTask) Schedule() {
	t.m.mu.Lock()
	t.m.due = append(t.m.due, t.run)
	t.m.mu.Unlock()
}

func (m *manual) newTask(_ int, run func()) Task { return &manualTask{m, run} }

func (m *manual) runAll() {
	for {
		m.mu.Lock()
		due := m.due
		m.due = nil
		m.mu.Unlock()
		if len(due) == 0 {
			return
		}
		for _, run := range due {
			run()
		}
	}
}

func (f *fake) join(t testing.TB, h *Hub, topic string) *fake {
	t.Helper()
	if err := h.Subscribe(topic, &f.sub, f); err != nil {
		t.Fatal(err)
	}
	return f
}

func publish(t testing.TB, h *Hub, topic string, n uint64) int {
	t.Helper()
	receivers, err := h.Publish(topic, number(n))
	if err != nil {
		t.Fatal(err)
	}
	return receivers
}
