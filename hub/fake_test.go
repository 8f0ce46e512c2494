package hub

import (
	"encoding/binary"
	"encoding/json"
	"sync"
	"testing"

	"github.com/fanfare-ws/fanfare/netpoll"
)

// testEncoding is an encoding without a protocol: it keeps payloads separate. Two are equal only if
// they are the same pointer.
type testEncoding struct {
	record func(r *Record) []byte // nil for the data as it is
	event  func(e *Event) []byte  // nil for JSON
}

// testForm has the payloads of messages.
type testForm [][]byte

func (f *testForm) Len() (n int) {
	for _, p := range *f {
		n += len(p)
	}
	return n
}

func (e *testEncoding) Encode(r *Record) Encoded {
	if e.record == nil {
		return &testForm{r.Data}
	}
	if p := e.record(r); p != nil {
		return &testForm{p}
	}
	return nil
}

func (e *testEncoding) EncodeEvent(event *Event) Encoded {
	if e.event != nil {
		return &testForm{e.event(event)}
	}
	b, err := json.Marshal(struct {
		Presence     string
		Joined, Left []Person `json:",omitempty"`
	}{event.Topic, event.Joined, event.Left})
	if err != nil {
		panic(err)
	}
	return &testForm{b}
}

func (e *testEncoding) Join(all []Encoded) Encoded {
	joined := make(testForm, 0, len(all))
	for _, one := range all {
		joined = append(joined, *one.(*testForm)...)
	}
	return &joined
}

var (
	raw = new(testEncoding)
	// wrapped is an encoding whose messages are a little longer.
	wrapped = &testEncoding{record: func(r *Record) []byte { return append([]byte("some more"), r.Data...) }}
	// offsets is an encoding that sends only the offset.
	offsets = &testEncoding{record: func(r *Record) []byte { return binary.BigEndian.AppendUint64(nil, r.Offset) }}
)

// payloads returns the payloads in a value from a test encoding.
func payloads(e Encoded) [][]byte { return *e.(*testForm) }

// The codes with which a fake is closed.
const (
	codeNormal    = 1000
	codeGoingAway = 1001
	codePolicy    = 1008
	codeRestart   = 1012
	codeTooSlow   = 1013
)

func codeOf(why CloseReason) int {
	if why.Cause == Disconnected {
		return why.Code
	}
	return map[Cause]int{ShuttingDown: codeGoingAway, MessagesLost: codeRestart, TooSlow: codeTooSlow}[why.Cause]
}

// fake is a subscriber without a socket.
type fake struct {
	sub  Subscription
	loop int

	mu      sync.Mutex
	stalled bool // it takes one write, which stays pending, and no more
	full    bool // it takes nothing
	pending int  // writes
	drained interface{ Schedule() }
	got     []uint64
	writes  int
	closed  int           // code
	dropped int64         // messages
	block   chan struct{} // if not nil, Send waits for it
}

func (f *fake) Loop() int { return f.loop }

func (f *fake) Send(e Encoded) netpoll.Outcome {
	if f.block != nil {
		<-f.block
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.closed != 0:
		return netpoll.Closed
	case f.full || f.pending > 0:
		return netpoll.Full
	}
	f.writes++
	f.got = append(f.got, numbers(e)...)
	if f.stalled {
		f.pending++
		return netpoll.Queued
	}
	return netpoll.Sent
}

func (f *fake) OnDrop(_ string, messages int64) {
	f.mu.Lock()
	f.dropped += messages
	f.mu.Unlock()
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

// drain lets the pending writes leave.
func (f *fake) drain() {
	f.mu.Lock()
	t := f.drained
	f.pending, f.drained = 0, nil
	f.mu.Unlock()
	if t != nil {
		t.Schedule()
	}
}

// stall makes the fake take no more writes, or, if yes is false, all of them again.
func (f *fake) stall(yes bool) {
	f.mu.Lock()
	f.stalled = yes
	f.mu.Unlock()
	if !yes {
		f.drain()
	}
}

func (f *fake) Close(why CloseReason) {
	f.mu.Lock()
	f.closed = codeOf(why)
	f.mu.Unlock()
	f.drain()
}

func (f *fake) received() []uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]uint64(nil), f.got...)
}

// number makes a message of n, and numbers reads back the numbers of a write.
func number(n uint64) Message {
	return Message{Kind: Binary, Data: binary.BigEndian.AppendUint64(nil, n)}
}

func numbers(e Encoded) (all []uint64) {
	for _, p := range payloads(e) {
		if len(p) != 8 {
			panic("not a number")
		}
		all = append(all, binary.BigEndian.Uint64(p))
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

// on returns workers with n loops.
func (m *manual) on(n int) Workers { return manualWorkers{Goroutines(n), m} }

type manualWorkers struct {
	Goroutines
	m *manual
}

func (w manualWorkers) NewTask(_ int, r Runner) Task { return &manualTask{m: w.m, r: r} }

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
	if _, err := h.Subscribe(topic, &f.sub, f, SubscribeOptions{Encoding: raw}); err != nil {
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
