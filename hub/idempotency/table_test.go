package idempotency

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/hub"
)

// publisher counts what is published.
type publisher struct{ n int }

func (p *publisher) publish(done func(hub.Receipt, error)) {
	p.n++
	done(hub.Receipt{Position: hub.Position{Epoch: 1, Offset: uint64(p.n)}, Receivers: p.n}, nil)
}

// do makes a call, and returns the offset of its receipt.
func do(t *Table, p *publisher, c Call) (offset uint64, err error) {
	err = errors.New("there was no result")
	t.Do(&c, p.publish, func(rc hub.Receipt, e error) { offset, err = rc.Position.Offset, e })
	return offset, err
}

func text(s string) hub.Message { return hub.Message{Data: []byte(s), Kind: hub.Text} }

func TestSameKey(t *testing.T) {
	tab, p := New(Options{}), new(publisher)
	c := Call{Scope: "ada", Topic: "news", Key: "k", Message: text("hello")}
	for range 3 {
		if n, err := do(tab, p, c); n != 1 || err != nil {
			t.Fatal(n, err)
		}
	}
	for i, change := range []func(*Call){
		func(c *Call) { c.Scope = "bob" }, func(c *Call) { c.Topic = "old" }, func(c *Call) { c.Key = "l" },
		func(c *Call) { c.Scope, c.Topic = "adan", "ews" },
	} {
		other := c
		change(&other)
		if n, err := do(tab, p, other); n != uint64(i+2) || err != nil {
			t.Errorf("%+v: %d %v", other, n, err)
		}
	}
	for _, m := range []hub.Message{text("other"), {Data: []byte("hello"), Kind: hub.Binary}, {Data: []byte("hello"), Kind: hub.Text, Key: "k"}} {
		other := c
		other.Message = m
		if _, err := do(tab, p, other); !errors.Is(err, ErrReused) {
			t.Errorf("%+v: %v", m, err)
		}
	}
	if s := tab.Stats(); s != (Stats{Kept: 5, Replayed: 2, Reused: 3}) {
		t.Errorf("%+v", s)
	}
}

// A call that fails is forgotten, and the next one that waits publishes.
func TestFailure(t *testing.T) {
	tab, p := New(Options{}), new(publisher)
	c := Call{Key: "k", Message: text("hello")}
	var fail func(hub.Receipt, error)
	results := make(chan string, 10)
	remember := func(name string) func(hub.Receipt, error) {
		return func(rc hub.Receipt, err error) { results <- fmt.Sprint(name, rc.Position.Offset, err) }
	}
	wrong := errors.New("wrong")
	tab.Do(&c, func(done func(hub.Receipt, error)) { fail = done }, remember("first"))
	tab.Do(&c, func(done func(hub.Receipt, error)) { done(hub.Receipt{}, wrong) }, remember("second"))
	tab.Do(&c, p.publish, remember("third"))
	tab.Do(&c, p.publish, remember("fourth"))
	other := c
	other.Message = text("other")
	if _, err := do(tab, p, other); !errors.Is(err, ErrReused) || p.n > 0 || len(results) > 0 {
		t.Fatalf("during the first call: %v, %d were published, %d results", err, p.n, len(results))
	}
	fail(hub.Receipt{}, wrong)
	for _, want := range []string{"first0 wrong", "second0 wrong", "third1 <nil>", "fourth1 <nil>"} {
		if got := <-results; got != want { // the later ones come from goroutines of their own
			t.Errorf("got %q, want %q", got, want)
		}
	}
	tab.Do(&Call{Key: "l"}, func(done func(hub.Receipt, error)) { done(hub.Receipt{}, wrong) }, remember("alone"))
	if n, err := do(tab, p, Call{Key: "l"}); n != 2 || err != nil || len(tab.pending) > 0 {
		t.Errorf("after a failure: %d %v", n, err)
	}
}

func TestConcurrentCalls(t *testing.T) {
	tab := New(Options{})
	var published atomic.Int64
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			for i := range 100 {
				c := Call{Key: fmt.Sprint(i), Message: text("hello")}
				got := make(chan uint64, 1)
				tab.Do(&c, func(done func(hub.Receipt, error)) {
					published.Add(1)
					go done(hub.Receipt{Position: hub.Position{Offset: uint64(i)}}, nil)
				}, func(rc hub.Receipt, err error) { got <- rc.Position.Offset })
				if n := <-got; n != uint64(i) {
					t.Errorf("call %d got the receipt of %d", i, n)
				}
			}
		})
	}
	all.Wait()
	if n := published.Load(); n != 100 {
		t.Errorf("%d were published, of 100", n)
	}
}

// Receipts are kept for the window, and no owner pushes out those of others.
func TestBounds(t *testing.T) {
	now := time.Unix(1e9, 0)
	tab, p := New(Options{Window: time.Minute, MaxKeys: 100, Now: func() time.Time { return now }, Logger: quiet}), new(publisher)
	for _, owner := range []string{"ada", "bob"} {
		for i := range 10 {
			if _, err := do(tab, p, Call{Owner: owner, Scope: owner, Key: fmt.Sprint(i)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i := range 10_000 {
		_, _ = do(tab, p, Call{Owner: "eve", Scope: "eve", Key: fmt.Sprint(i)})
	}
	if s := tab.Stats(); s.Kept != 45 || s.Forgotten != 9975 {
		t.Errorf("%+v", s)
	}
	before := p.n
	for i := range 10 {
		_, _ = do(tab, p, Call{Owner: "bob", Scope: "bob", Key: fmt.Sprint(i)})
	}
	if p.n != before {
		t.Errorf("%d of bob's were forgotten", p.n-before)
	}
	for i := range 300 { // many owners
		_, _ = do(tab, p, Call{Owner: fmt.Sprint(i), Scope: fmt.Sprint(i), Key: "k"})
	}
	if s := tab.Stats(); s.Kept != 100 || len(tab.owners.byName) != 100 {
		t.Errorf("%+v, %d owners", s, len(tab.owners.byName))
	}
	now = now.Add(time.Minute)
	before = p.n
	if _, _ = do(tab, p, Call{Owner: "299", Scope: "299", Key: "k"}); p.n != before+1 {
		t.Error("a receipt has outlived the window")
	}
	for range 100 {
		tab.Stats()
	}
	if s := tab.Stats(); s.Kept != 1 || len(tab.owners.byName) != 1 || len(tab.pending) != 0 {
		t.Errorf("%+v, %d owners", s, len(tab.owners.byName))
	}
}

// What a receipt costs, as the package says.
func TestMemory(t *testing.T) {
	const n = 50_000
	tab, p := New(Options{MaxKeys: 4 * n}), new(publisher)
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for i := range n {
		if _, err := do(tab, p, Call{Key: fmt.Sprint(i), Message: text("hello")}); err != nil {
			t.Fatal(err)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	each := int64(after.HeapAlloc-before.HeapAlloc) / n
	t.Logf("%d bytes for each receipt", each)
	if each < 100 || each > 200 {
		t.Errorf("a receipt costs %d bytes; about 150 are stated", each)
	}
	runtime.KeepAlive(tab)
}

// A publication that panics has failed: the next call with its key publishes.
func TestPanic(t *testing.T) {
	tab, p := New(Options{}), new(publisher)
	c := Call{Key: "k", Message: text("hello")}
	var got error
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic is swallowed")
			}
		}()
		tab.Do(&c, func(func(hub.Receipt, error)) { panic("spoilt") }, func(_ hub.Receipt, err error) { got = err })
	}()
	if !errors.Is(got, errPanicked) {
		t.Errorf("the call got %v", got)
	}
	if n, err := do(tab, p, c); n != 1 || err != nil || len(tab.pending) > 0 {
		t.Errorf("after a panic: %d %v", n, err)
	}
}
