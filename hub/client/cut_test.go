package client_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/client"
	"github.com/fanfare-ws/fanfare/hub/session/sessiontest"
	"github.com/fanfare-ws/fanfare/netpoll"
	"github.com/fanfare-ws/fanfare/wsproto"
	"github.com/fanfare-ws/fanfare/wsproto/wstest"
)

// numbers checks that a handler receives 1, 2, 3 and so on.
type numbers struct {
	t    *testing.T
	last atomic.Int64
}

func (n *numbers) handle(m client.Message) {
	var v struct{ N int64 }
	if err := m.Decode(&v); err != nil || v.N != n.last.Load()+1 || m.Position.Offset != uint64(v.N) {
		n.t.Errorf("%s at %v after %d, %v", m.Payload, m.Position, n.last.Load(), err)
	}
	n.last.Store(v.N)
}

// Connections are cut at random while a topic is under load. Each subscriber receives every message
// once, in order.
func TestCutsLoseNothing(t *testing.T) {
	const subscribers, messages, ahead = 8, 5000, 300
	s := sessiontest.Serve(t, kept(hub.History{Messages: messages}))
	var steady atomic.Bool
	p := wstest.Forward(t, s.Addr, func() int64 {
		if steady.Load() {
			return 0
		}
		return 100 + rand.Int64N(20_000)
	})
	all := make([]*numbers, subscribers)
	for i := range all {
		all[i] = &numbers{t: t}
		_, err := insist(t, p.Addr, quick()).Subscribe(t.Context(), "load", &client.SubscribeOptions{
			OnGap: func(g client.Gap) { t.Errorf("a gap: %v", g) },
		}, all[i].handle)
		if err != nil {
			t.Fatal(err)
		}
	}
	slowest := func() int64 {
		low := int64(messages)
		for _, n := range all {
			low = min(low, n.last.Load())
		}
		return low
	}
	for n := 1; n <= messages; n++ {
		s.Number(t, "load", n)
		if int64(n)-slowest() > ahead {
			sessiontest.Eventually(t, "progress of the slowest", func() bool { return int64(n)-slowest() < ahead/2 })
		}
	}
	steady.Store(true)
	sessiontest.Eventually(t, "all messages", func() bool { return slowest() == messages })
	if p.Cuts() < 10*subscribers {
		t.Errorf("there were only %d cuts", p.Cuts())
	}
}

// The connection of a publisher is cut at random. With Retry the topic has each message exactly
// once and in order. Without it, the topic has a message exactly once if Publish succeeds, and at
// most once if it fails with ErrLost.
func TestCutsWhilePublishing(t *testing.T) {
	const messages = 300
	s := sessiontest.Serve(t, kept(hub.History{Messages: 10 * messages}))
	p := wstest.Forward(t, s.Addr, func() int64 { return 150 + rand.Int64N(2000) })
	c := insist(t, p.Addr, quick())
	for _, retry := range []bool{false, true} {
		topic := map[bool]string{false: "once", true: "again"}[retry]
		acknowledged := make([]bool, messages)
		lost := 0
		for n := range acknowledged {
			_, err := c.Publish(t.Context(), topic, map[string]int{"n": n}, &client.PublishOptions{Retry: retry})
			if acknowledged[n] = err == nil; errors.Is(err, client.ErrLost) && !retry {
				lost++
			} else if err != nil {
				t.Fatal(err)
			}
		}
		times := make([]int, messages)
		records, _, err := s.History(topic, hub.Start{Last: 10 * messages}, 10*messages)
		if err != nil {
			t.Fatal(err)
		}
		last := 0
		for _, r := range records {
			var v struct{ N int }
			decode(t, r.Data, &v)
			if times[v.N]++; v.N < last {
				t.Fatalf("%d after %d", v.N, last)
			}
			last = v.N
		}
		for n := range times {
			if acknowledged[n] && times[n] == 0 || times[n] > 1 {
				t.Errorf("retry %v, message %d: acknowledged: %v, published %d times", retry, n, acknowledged[n], times[n])
			}
		}
		t.Logf("retry %v: %d records of %d messages, %d lost, %d cuts", retry, len(records), messages, lost, p.Cuts())
	}
	if p.Cuts() < 10 {
		t.Errorf("there were only %d cuts", p.Cuts())
	}
}

// A publisher whose connection is cut at random, and that is subscribed to its topic, gets none of its own messages: not when
// it resumes either, as the messages that are sent again come before its subscription.
func TestOwnMessagesAfterCuts(t *testing.T) {
	const messages = 400
	s := sessiontest.Serve(t, kept(hub.History{Messages: 10 * messages}))
	p := wstest.Forward(t, s.Addr, func() int64 { return 600 + rand.Int64N(3000) })
	c := insist(t, p.Addr, quick())
	got := make(chan uint64, 2*messages)
	if _, err := c.Subscribe(t.Context(), "news", nil, func(m client.Message) { got <- m.Offset }); err != nil {
		t.Fatal(err)
	}
	for n := range messages {
		if _, err := c.Publish(t.Context(), "news", n, &client.PublishOptions{Retry: true}); err != nil {
			t.Fatal(err)
		}
	}
	s.Number(t, "news", 1) // of another publisher
	if at := next(t, got); at != messages+1 {
		t.Errorf("the client got message %d; the first of another publisher is %d", at, messages+1)
	}
	if p.Cuts() < 5 {
		t.Errorf("there were only %d cuts", p.Cuts())
	}
}

// A subscriber learns of messages that the server no longer holds, and receives the others.
func TestGap(t *testing.T) {
	s := sessiontest.Serve(t, kept(hub.History{Messages: 10}))
	p := wstest.Forward(t, s.Addr, nil)
	c := dial(t, p.Addr, quick())
	gaps, got := make(chan client.Gap, 1), make(chan uint64, 1000)
	sub, err := c.Subscribe(t.Context(), "news", &client.SubscribeOptions{OnGap: func(g client.Gap) { gaps <- g }},
		func(m client.Message) { got <- m.Offset })
	if err != nil {
		t.Fatal(err)
	}
	s.Number(t, "news", 1)
	if at := next(t, got); at != 1 || sub.Position().Offset != 1 {
		t.Fatal(at, sub.Position())
	}
	p.Shut(true)
	for n := 2; n <= 100; n++ {
		s.Number(t, "news", n)
	}
	p.Shut(false)
	g := next(t, gaps)
	epoch := sub.Position().Epoch
	want := client.Gap{After: hub.Position{Epoch: epoch, Offset: 1}, Oldest: hub.Position{Epoch: epoch, Offset: 90}, Latest: hub.Position{Epoch: epoch, Offset: 100}}
	if g != want {
		t.Errorf("gap %v, want %v", g, want)
	}
	s.Number(t, "news", 101)
	for n := uint64(91); n <= 101; n++ {
		if at := next(t, got); at != n {
			t.Fatalf("got %d, want %d", at, n)
		}
	}
}

// A subscription to a pattern starts anew and reports a gap. A subscription can start from a
// position that an earlier run of the program has kept.
func TestPatternAndAfter(t *testing.T) {
	s := sessiontest.Serve(t, kept(hub.History{Messages: 10}))
	p := wstest.Forward(t, s.Addr, nil)
	c := dial(t, p.Addr, quick())
	gaps, got := make(chan client.Gap, 1), make(chan client.Message, 10)
	if _, err := c.Subscribe(t.Context(), "prices.*", &client.SubscribeOptions{OnGap: func(g client.Gap) { gaps <- g }},
		func(m client.Message) { got <- m }); err != nil {
		t.Fatal(err)
	}
	first := s.Number(t, "prices.eur", 1)
	if m := next(t, got); m.Topic != "prices.eur" || m.Offset != 1 || m.Position != (hub.Position{}) {
		t.Errorf("got %+v", m)
	}
	p.Cut()
	if g := next(t, gaps); g != (client.Gap{}) {
		t.Errorf("gap %v, want a zero one", g)
	}
	s.Number(t, "prices.eur", 2)
	if m := next(t, got); m.Offset != 2 {
		t.Errorf("got %+v", m)
	}
	for _, topic := range []string{"prices.*", "prices.eur", "prices.>", ">", "*.*"} {
		if _, err := c.Subscribe(t.Context(), topic, nil, nil); !errors.Is(err, client.ErrOverlap) {
			t.Errorf("%s: %v", topic, err)
		}
	}
	other := dial(t, s.Addr, nil)
	if _, err := other.Subscribe(t.Context(), "prices.eur", &client.SubscribeOptions{After: &first.Position}, func(m client.Message) { got <- m }); err != nil {
		t.Fatal(err)
	}
	if m := next(t, got); m.Offset != 2 || m.Position.Offset != 2 {
		t.Errorf("got %+v", m)
	}
}

// The client abandons a silent connection, and receives the messages that it has missed.
func TestSilence(t *testing.T) {
	s := sessiontest.Serve(t, kept(hub.History{Messages: 10}))
	p := wstest.Forward(t, s.Addr, nil)
	engine, err := netpoll.New(netpoll.Options{Loops: 1, Sweep: 10 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = engine.Shutdown(context.Background()) })
	o, closed := quick(), make(chan error, 10)
	o.Engine, o.PingInterval, o.Timeout = engine, 50*time.Millisecond, 500*time.Millisecond
	o.OnClose = func(err error, _ time.Duration) { closed <- err }
	n := &numbers{t: t}
	if _, err := dial(t, p.Addr, o).Subscribe(t.Context(), "news", nil, n.handle); err != nil {
		t.Fatal(err)
	}
	p.Freeze()
	s.Number(t, "news", 1)
	if err := next(t, closed); !errors.Is(err, wsproto.ErrPongTimeout) {
		t.Errorf("closed with %v", err)
	}
	sessiontest.Eventually(t, "the message", func() bool { return n.last.Load() == 1 })
}

// A client does not receive its own messages when it resumes, either.
func TestOwnMessages(t *testing.T) {
	s := sessiontest.Serve(t, kept(hub.History{Messages: 10}))
	p := wstest.Forward(t, s.Addr, nil)
	closed := make(chan error, 10)
	o := quick()
	o.OnClose = func(err error, _ time.Duration) { closed <- err }
	c, got := dial(t, p.Addr, o), make(chan uint64, 10)
	sub, err := c.Subscribe(t.Context(), "news", nil, func(m client.Message) { got <- m.Offset })
	if err != nil {
		t.Fatal(err)
	}
	publish := func() {
		if _, err := c.Publish(t.Context(), "news", "mine", nil); err != nil {
			t.Fatal(err)
		}
	}
	s.Number(t, "news", 1)
	publish()
	publish()
	s.Number(t, "news", 4)
	publish()
	for _, want := range []uint64{1, 4} {
		if at := next(t, got); at != want {
			t.Fatalf("got %d, want %d", at, want)
		}
	}
	sessiontest.Eventually(t, "the position to include the client's own messages", func() bool { return sub.Position().Offset == 5 })
	p.Cut()
	next(t, closed)
	s.Number(t, "news", 6)
	if at := next(t, got); at != 6 {
		t.Errorf("got %d, want 6", at)
	}
}

// kept returns topic options with that history, and with presence.
func kept(h hub.History) func(string) *hub.TopicOptions {
	o := &hub.TopicOptions{History: h, Presence: true, PresenceGrace: -1}
	return func(string) *hub.TopicOptions { return o }
}

// quick returns options to reconnect almost at once.
func quick() *client.Options {
	return &client.Options{MinDelay: time.Millisecond, MaxDelay: 10 * time.Millisecond}
}

func dial(t *testing.T, addr string, o *client.Options) *client.Client {
	t.Helper()
	c, err := tryDial(t, addr, o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// insist dials until a connection lives long enough to receive the hello.
func insist(t *testing.T, addr string, o *client.Options) (c *client.Client) {
	t.Helper()
	sessiontest.Eventually(t, "a connection that opens", func() bool {
		var err error
		c, err = tryDial(t, addr, o)
		return err == nil
	})
	return c
}

func tryDial(t *testing.T, addr string, o *client.Options) (*client.Client, error) {
	ctx, cancel := context.WithTimeout(t.Context(), sessiontest.Timeout)
	defer cancel()
	c, err := client.Dial(ctx, "ws://"+addr+"/hub", o)
	if err == nil {
		t.Cleanup(c.Close)
	}
	return c, err
}

// next receives from ch, and fails the test after sessiontest.Timeout.
func next[T any](t testing.TB, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(sessiontest.Timeout):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}
