package backend

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// gate is a server that answers when the test lets it.
type gate struct {
	arrived chan string
	leave   chan struct{}
}

func newGate() *gate { return &gate{make(chan string, 1000), make(chan struct{}, 1000)} }

func (g *gate) serve(r *http.Request) (int, string, error) {
	b := make([]byte, r.ContentLength)
	r.Body.Read(b)
	g.arrived <- string(b)
	select {
	case <-g.leave:
		return 200, ok, nil
	case <-r.Context().Done():
		return 0, "", r.Context().Err()
	}
}

// At most MaxConcurrent of 10,000 requests are under way at the same time, and each call is answered once.
func TestManyCalls(t *testing.T) {
	const calls, most = 10_000, 16
	var now, peak, answered atomic.Int64
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		n := now.Add(1)
		defer now.Add(-1)
		for p := peak.Load(); n > p && !peak.CompareAndSwap(p, n); p = peak.Load() {
		}
		answerWith(w, ok)
	})
	b := start(t, url, Options{MaxConcurrent: most, Subscribe: HookOptions{Timeout: time.Hour}})
	var all collected
	for i := range calls {
		done := all.done()
		b.Go(t.Context(), subscribe(fmt.Sprint("user ", i%100), fmt.Sprint(i)), func(a Answer, err error) {
			answered.Add(1)
			done(a, err)
		})
	}
	all.wg.Wait()
	if n := all.count(nil); n != calls || answered.Load() != calls || peak.Load() > most {
		t.Errorf("%d of %d granted, %d answers, %d requests at the same time", n, calls, answered.Load(), peak.Load())
	}
	if s := b.Stats(Subscribe); s.Granted != calls || s.Waiting+s.WaitingBytes+s.Queued != 0 || len(b.endpoints[Subscribe].shares) != 0 {
		t.Errorf("%+v", s)
	}
}

// Owners take turns: one that asks for much does not delay the others.
func TestOwnersTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		b := start(t, "http://x", Options{MaxConcurrent: 1, Transport: transport(g.serve)})
		var order []string
		call := func(r *Request) {
			b.Go(t.Context(), r, func(Answer, error) { order = append(order, r.Topic) })
		}
		for i := range 5 {
			call(subscribe("greedy", fmt.Sprint("g", i)))
		}
		call(subscribe("ann", "a0"))
		call(&Request{Hook: Subscribe, Address: netip.MustParseAddr("2001:db8::1"), Topic: "net0"})
		call(&Request{Hook: Subscribe, Address: netip.MustParseAddr("2001:db8::2"), Topic: "net1"})
		for range 8 {
			g.leave <- struct{}{}
			synctest.Wait()
		}
		if got := fmt.Sprint(order); got != "[g0 g1 a0 net0 g2 net1 g3 g4]" {
			t.Errorf("the order is %s", got)
		}
	})
}

// A full queue makes room for an owner with less, at the cost of the owner with most.
func TestFullQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		b := start(t, "http://x", Options{MaxConcurrent: 1, MaxWaiting: 8, Transport: transport(g.serve)})
		var greedy, ann collected
		for i := range 20 {
			b.Go(t.Context(), subscribe("greedy", fmt.Sprint(i)), greedy.done())
		}
		if n := greedy.count(ErrBusy); n != 14 {
			t.Errorf("%d calls of one owner are refused; want 14, as it may use three quarters", n)
		}
		for i := range 6 {
			b.Go(t.Context(), subscribe("ann", fmt.Sprint(i)), ann.done())
		}
		if g, a := greedy.count(ErrBusy), ann.count(ErrBusy); g != 15 || a != 3 {
			t.Errorf("%d and %d calls are refused, want 15 and 3", g, a)
		}
		var busy *Error
		if errors.As(ann.errs[0], &busy); busy.Retry != time.Second || busy.Hook != Subscribe {
			t.Errorf("%+v", busy)
		}
		for range 8 {
			g.leave <- struct{}{}
		}
		synctest.Wait()
		if g, a := greedy.count(nil), ann.count(nil); g != 5 || a != 3 {
			t.Errorf("%d and %d calls are granted", g, a)
		}
	})
}

func TestWaitingBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		b := start(t, "http://x", Options{MaxConcurrent: 1, MaxWaitingBytes: 4000, Transport: transport(g.serve)})
		var all collected
		for _, user := range []string{"ann", "ann", "ann", "bob", "bob", "joe"} {
			b.Go(t.Context(), &Request{Hook: Publish, User: user, Message: Message{Text, make([]byte, 200)}}, all.done()) // 1,200 bytes as \u0000
		}
		if n := all.count(ErrBusy); n != 3 {
			t.Errorf("%d calls are refused, want 3: ann's third, bob's second, joe's first", n)
		}
		if s := b.Stats(Publish); s.WaitingBytes < 3600 || s.WaitingBytes > 4000 || s.Waiting != 3 {
			t.Errorf("%+v", s)
		}
	})
}

// Equal calls share a request and, later, a kept answer.
func TestSharedAndKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		b := start(t, "http://x", Options{Transport: transport(g.serve), Subscribe: HookOptions{Cache: time.Minute, Omit: []string{"client"}}})
		var all collected
		call := func(topic string) {
			b.Go(t.Context(), &Request{Hook: Subscribe, Client: topic + fmt.Sprint(len(all.errs)), User: "ann", Topic: topic}, all.done())
			synctest.Wait()
		}
		for range 5 {
			call("same")
		}
		call("other")
		if len(g.arrived) != 2 {
			t.Errorf("%d requests, want 2", len(g.arrived))
		}
		g.leave <- struct{}{}
		g.leave <- struct{}{}
		synctest.Wait()
		call("same")
		time.Sleep(time.Minute - 1)
		call("same")
		if n := all.count(nil); n != 8 || len(g.arrived) != 2 {
			t.Errorf("%d calls are granted by %d requests", n, len(g.arrived))
		}
		time.Sleep(time.Nanosecond)
		call("same")
		if len(g.arrived) != 3 {
			t.Error("an answer is used after its time")
		}
		g.leave <- struct{}{}
		synctest.Wait()
		if s := b.Stats(Subscribe); s.Joined != 4 || s.Cached != 2 || s.Requests != 3 || s.Granted != 9 || s.CachedAnswers != 2 {
			t.Errorf("%+v", s)
		}
	})
}

// What the answer says about keeping it overrides the options, within limits.
func TestCacheTime(t *testing.T) {
	for _, c := range []struct {
		answer        string
		status        int
		option, limit time.Duration
		want          time.Duration
	}{
		{ok, 200, 0, 0, 0},
		{ok, 200, time.Second, 0, time.Second},
		{`{"ok":{},"cache":0}`, 200, time.Second, 0, 0},
		{`{"ok":{},"cache":5}`, 200, 0, 0, 5 * time.Second},
		{`{"ok":{},"cache":50}`, 200, 0, 5 * time.Second, 5 * time.Second},
		{`{"ok":{"expires":946684803},"cache":50}`, 200, 0, 0, 3 * time.Second}, // a bubble begins at 946684800
		{`{"ok":{"expires":946684799},"cache":50}`, 200, 0, 0, 0},
		{`{"error":{},"cache":5}`, 403, 0, 0, 5 * time.Second},
		{`{"error":{}}`, 200, time.Second, 0, time.Second},
		{``, 403, time.Second, 0, time.Second},
		{``, 500, time.Second, 0, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			requests := 0
			b := start(t, "http://x", Options{
				Transport: transport(func(*http.Request) (int, string, error) { requests++; return c.status, c.answer, nil }),
				Subscribe: HookOptions{Cache: c.option, MaxCache: c.limit},
			})
			_, first := b.Do(t.Context(), subscribe("ann", "a"))
			if c.want > 0 {
				time.Sleep(c.want - 1)
				_, second := b.Do(t.Context(), subscribe("ann", "a"))
				if requests != 1 || fmt.Sprint(first) != fmt.Sprint(second) {
					t.Errorf("%+v: %d requests, %v, %v", c, requests, first, second)
				}
				time.Sleep(time.Nanosecond)
			}
			if _, _ = b.Do(t.Context(), subscribe("ann", "a")); requests != 2 {
				t.Errorf("%+v: the answer is kept for too long", c)
			}
		})
	}
}

// A client that goes takes its call along; the request goes with the last call.
func TestClientsGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		b := start(t, "http://x", Options{MaxConcurrent: 1, Transport: transport(g.serve), Subscribe: HookOptions{Cache: time.Minute}})
		gone := errors.New("gone")
		var all collected
		call := func(topic string) (leave func()) {
			ctx, cancel := context.WithCancelCause(t.Context())
			b.Go(ctx, subscribe("ann", topic), all.done())
			synctest.Wait()
			return func() { cancel(gone); synctest.Wait() }
		}
		first, second, queued, last := call("a"), call("a"), call("b"), call("c")
		first()
		if all.count(gone) != 1 || b.Stats(Subscribe).Running != 1 {
			t.Error("the call that shares the request is given up, too")
		}
		queued()
		second() // now the request for c may begin
		if s := b.Stats(Subscribe); all.count(gone) != 3 || s.Running != 1 || s.Queued != 0 || s.Requests != 0 || len(g.arrived) != 2 {
			t.Errorf("%d calls have ended, %d requests, %+v", all.count(gone), len(g.arrived), s)
		}
		g.leave <- struct{}{}
		synctest.Wait()
		last() // has been answered
		if s := b.Stats(Subscribe); all.count(nil) != 1 || s.Cancelled != 3 || s.Granted != 1 || s.Waiting+s.WaitingBytes != 0 || s.Breaker != "closed" {
			t.Errorf("%+v", s)
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := b.Do(ended, subscribe("ann", "z")); !errors.Is(err, context.Canceled) {
			t.Errorf("a call whose context has ended: %v", err)
		}
	})
}

// Of many calls that share a request, any may go.
func TestSomeClientsGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		b := start(t, "http://x", Options{Transport: transport(g.serve), Subscribe: HookOptions{Cache: time.Minute}})
		var all collected
		var leave []func()
		for range 100 {
			ctx, cancel := context.WithCancel(t.Context())
			leave = append(leave, cancel)
			b.Go(ctx, subscribe("ann", "a"), all.done())
		}
		rand.Shuffle(len(leave), func(i, j int) { leave[i], leave[j] = leave[j], leave[i] })
		for i, cancel := range leave {
			if i == 60 {
				g.leave <- struct{}{}
			}
			synctest.Wait()
			cancel()
			synctest.Wait()
		}
		synctest.Wait()
		if gone, granted := all.count(context.Canceled), all.count(nil); gone != 60 || granted != 40 || len(g.arrived) != 1 {
			t.Errorf("%d have gone, %d are granted by %d requests", gone, granted, len(g.arrived))
		}
	})
}

// The deadline includes the time in the queue.
func TestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, "http://x", Options{MaxConcurrent: 1, Transport: transport(hang), Subscribe: HookOptions{Timeout: 10 * time.Second}})
		began := time.Now()
		var all collected
		for i := range 3 {
			b.Go(t.Context(), subscribe("ann", fmt.Sprint(i)), all.done())
			time.Sleep(time.Second)
		}
		all.wg.Wait()
		if d := time.Since(began); d != 12*time.Second || all.count(ErrDown) != 1 || all.count(ErrBusy) != 2 {
			t.Errorf("after %v: %v", d, all.errs)
		}
		// The second and third were sent with a second left: that tells nothing about the backend.
		if s := b.Stats(Subscribe); s.Failures[timedOut] != 1 || s.Requests != 1 || s.Failed != 1 || s.Busy != 2 {
			t.Errorf("%+v", s)
		}
	})
}

func TestExpiresInTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, "http://x", Options{MaxConcurrent: 1, Transport: transport(func(*http.Request) (int, string, error) {
			time.Sleep(time.Hour) // and does not even notice that the client gives up
			return 200, ok, nil
		}), Connect: HookOptions{Timeout: 10 * time.Second}})
		var all collected
		b.Go(t.Context(), &Request{Hook: Connect}, all.done())
		b.Go(t.Context(), &Request{Hook: Connect}, all.done())
		time.Sleep(10*time.Second + 1)
		if s := b.Stats(Connect); all.count(ErrBusy) != 1 || s.Queued != 0 {
			t.Errorf("%+v", s)
		}
		time.Sleep(time.Hour)
	})
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		b := start(t, "http://x", Options{MaxConcurrent: 1, Transport: transport(g.serve), Subscribe: HookOptions{Timeout: time.Hour}})
		var all collected
		for i := range 4 {
			b.Go(t.Context(), subscribe("ann", fmt.Sprint(i)), all.done())
		}
		g.leave <- struct{}{}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		b.Close(ctx)
		if all.count(nil) != 1 || all.count(ErrClosed) != 3 || b.Stats(Subscribe).Cancelled != 3 {
			t.Errorf("%v", all.errs)
		}
		if _, err := b.Do(t.Context(), subscribe("ann", "a")); err != ErrClosed {
			t.Errorf("after Close: %v", err)
		}
	})
}

// Close lets calls end that are under way.
func TestCloseWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		b := start(t, "http://x", Options{Transport: transport(g.serve)})
		var all collected
		b.Go(t.Context(), &Request{Hook: Connect}, all.done())
		go func() {
			time.Sleep(time.Second)
			g.leave <- struct{}{}
		}()
		b.Close(t.Context())
		if all.count(nil) != 1 {
			t.Errorf("%v", all.errs)
		}
	})
}

// Calls, cancellations, failures and Close at the same time: each call ends once.
func TestRaces(t *testing.T) {
	var n atomic.Int64
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if n.Add(1)%50 == 0 {
			w.WriteHeader(500)
			return
		}
		answerWith(w, `{"ok":{},"cache":0.001}`)
	})
	b := start(t, url, Options{
		MaxConcurrent: 4, MaxWaiting: 50, CacheBytes: 1000, Breaker: Breaker{Pause: time.Microsecond},
		Subscribe: HookOptions{Cache: time.Millisecond}, Publish: HookOptions{Timeout: time.Millisecond, Fallback: Fallback{Allow: true}},
	})
	var answers atomic.Int64
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 300 {
				ctx, cancel := context.WithCancel(context.Background())
				b.Go(ctx, &Request{Hook: Hook(i % hooks), User: fmt.Sprint(g % 3), Topic: fmt.Sprint(i % 7)}, func(Answer, error) { answers.Add(1) })
				if i%3 == 0 {
					cancel()
				}
				defer cancel()
			}
		})
	}
	wg.Wait()
	b.Close(t.Context())
	if answers.Load() != 2400 {
		t.Errorf("%d answers for 2400 calls", answers.Load())
	}
	for h := range Hook(hooks) {
		s := b.Stats(h)
		if sum := s.Granted + s.Refused + s.FellBack + s.Failed + s.Busy + s.Cancelled; sum != 800 || s.Waiting+s.WaitingBytes+s.Queued+s.Running != 0 {
			t.Errorf("%s: %d results, %+v", h, sum, s)
		}
	}
}
