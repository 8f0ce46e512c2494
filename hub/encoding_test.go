package hub

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// counting is an encoding that counts its calls.
type counting struct {
	*testEncoding
	mu      *sync.Mutex
	encoded map[*Record]int
	joined  *atomic.Int64
}

func newCounting() *counting {
	return &counting{raw, new(sync.Mutex), make(map[*Record]int), new(atomic.Int64)}
}

func (c *counting) Encode(r *Record) Encoded {
	c.mu.Lock()
	c.encoded[r]++
	c.mu.Unlock()
	return c.testEncoding.Encode(r)
}

func (c *counting) Join(all []Encoded) Encoded {
	c.joined.Add(1)
	return c.testEncoding.Join(all)
}

// Subscribers with different encodings share a topic, on several loops: each message is
// encoded once for each encoding that is in use, and each batch joined once.
func TestEncodingsSideBySide(t *testing.T) {
	const loops, each, messages = 3, 20, 500
	h := New(Options{Workers: Goroutines(loops)})
	encodings := []*counting{newCounting(), newCounting()}
	unused := newCounting()
	var all []*fake
	for i := range each * len(encodings) {
		f := &fake{loop: i % loops}
		if _, err := h.Subscribe("x", &f.sub, f, SubscribeOptions{Encoding: encodings[i%2]}); err != nil {
			t.Fatal(err)
		}
		all = append(all, f)
	}
	if _, err := h.encodings.id(unused); err != nil {
		t.Fatal(err)
	}
	for n := range uint64(messages) {
		publish(t, h, "x", n)
	}
	for _, f := range all {
		f.gets(t, span(0, messages-1)...)
	}
	for i, e := range encodings {
		if len(e.encoded) != messages {
			t.Errorf("encoding %d: %d messages were encoded", i, len(e.encoded))
		}
		for r, n := range e.encoded {
			if n != 1 {
				t.Errorf("encoding %d: message %d was encoded %d times", i, r.Offset, n)
			}
		}
	}
	if len(unused.encoded) != 0 {
		t.Error("an encoding that nobody uses was asked")
	}
}

// A batch of several messages is joined once for each encoding.
func TestBatchIsJoinedOnce(t *testing.T) {
	var m manual
	h := New(Options{Workers: m.on(1)})
	encodings := []*counting{newCounting(), newCounting()}
	var all []*fake
	for i := range 10 {
		f := new(fake)
		if _, err := h.Subscribe("x", &f.sub, f, SubscribeOptions{Encoding: encodings[i%2]}); err != nil {
			t.Fatal(err)
		}
		all = append(all, f)
	}
	publishAll(t, h, &m, 1, 5)
	for _, f := range all {
		f.expect(t, 1, 2, 3, 4, 5)
	}
	for i, e := range encodings {
		if n := e.joined.Load(); n != 1 {
			t.Errorf("encoding %d: joined %d times", i, n)
		}
	}
}

// If an encoding has no form for a message, its subscribers do not get it, and others do.
func TestNoForm(t *testing.T) {
	var m manual
	h := New(Options{Workers: m.on(1)})
	even := &testEncoding{record: func(r *Record) []byte {
		if r.Offset%2 == 1 {
			return nil
		}
		return r.Data
	}}
	some, all := new(fake), new(fake).join(t, h, "x")
	if _, err := h.Subscribe("x", &some.sub, some, SubscribeOptions{Encoding: even}); err != nil {
		t.Fatal(err)
	}
	publishEach(t, h, &m, 1, 3)
	publishAll(t, h, &m, 4, 7)
	all.expect(t, 1, 2, 3, 4, 5, 6, 7)
	some.expect(t, 2, 4, 6)
	if n := h.Stats().Delivered; n != 10 {
		t.Errorf("%d deliveries", n)
	}
	some.stall(true)
	publishAll(t, h, &m, 8, 8)
	publishAll(t, h, &m, 9, 13)
	some.stall(false)
	m.runAll()
	some.expect(t, 2, 4, 6, 8, 10, 12)
}

// several is an encoding that is not comparable.
type several struct {
	_ []int
}

func (several) Encode(*Record) Encoded     { return nil }
func (several) EncodeEvent(*Event) Encoded { return nil }
func (several) Join([]Encoded) Encoded     { return nil }

// numbered is an encoding of which there are many that are not equal.
type numbered struct {
	*testEncoding
	n int
}

// picky takes one encoding.
type picky struct{ fake }

func (*picky) CheckEncoding(e Encoding) error {
	if e != Encoding(raw) {
		return fmt.Errorf("not %T", e)
	}
	return nil
}

func TestBadEncodings(t *testing.T) {
	h := New(Options{})
	f := new(picky)
	for _, e := range []Encoding{nil, several{}, wrapped} {
		if _, err := h.Subscribe("x", &f.sub, f, SubscribeOptions{Encoding: e}); !errors.Is(err, ErrNoEncoding) {
			t.Errorf("%T: %v", e, err)
		}
	}
	for n := range 255 {
		if _, err := h.encodings.id(numbered{raw, n}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := h.Subscribe("x", &f.sub, f, SubscribeOptions{Encoding: raw}); !errors.Is(err, ErrNoEncoding) {
		t.Errorf("the 256th: %v", err)
	}
	if _, err := h.encodings.id(numbered{raw, 7}); err != nil {
		t.Error(err)
	}
}

// A panic of an encoding does not stop the fan-out: subscribers with that encoding do not get
// the message, and all others do.
func TestEncodingPanics(t *testing.T) {
	defer slog.SetDefault(slog.Default())
	var logged bytes.Buffer
	slog.SetDefault(slog.New(slog.NewTextHandler(&logged, nil)))
	var m manual
	h := New(Options{Workers: m.on(1)})
	bad := &testEncoding{record: func(r *Record) []byte {
		if r.Offset == 2 {
			panic("no form for it")
		}
		return r.Data
	}}
	f, other := new(fake), new(fake)
	for to, e := range map[*fake]Encoding{f: bad, other: raw} {
		if _, err := h.Subscribe("x", &to.sub, to, SubscribeOptions{Encoding: e}); err != nil {
			t.Fatal(err)
		}
	}
	for n := range uint64(4) { // two batches of two messages
		publish(t, h, "x", n+1)
		if n%2 == 1 {
			m.runAll()
		}
	}
	f.gets(t, 1, 3, 4)
	other.gets(t, 1, 2, 3, 4)
	if !strings.Contains(logged.String(), "no form for it") {
		t.Errorf("the panic was not logged: %q", logged.String())
	}
}

// joinPanics is an encoding whose Join panics.
type joinPanics struct{ *testEncoding }

func (joinPanics) Join([]Encoded) Encoded { panic("it cannot be joined") }

// A panic of Join does not stop the fan-out either.
func TestJoinPanics(t *testing.T) {
	defer slog.SetDefault(slog.Default())
	slog.SetDefault(slog.New(slog.DiscardHandler))
	var m manual
	h := New(Options{Workers: m.on(1)})
	f := new(fake)
	if _, err := h.Subscribe("x", &f.sub, f, SubscribeOptions{Encoding: joinPanics{raw}}); err != nil {
		t.Fatal(err)
	}
	publish(t, h, "x", 1)
	publish(t, h, "x", 2)
	m.runAll()
	publish(t, h, "x", 3)
	m.runAll()
	f.gets(t, 3)
}
