package session

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/wire"
)

// says sends requests without waiting for replies.
func (c *client) says(requests ...wire.Request) {
	c.Helper()
	for _, r := range requests {
		p, err := r.Append(nil)
		if err != nil {
			c.Fatal(err)
		}
		if err := c.Write(c.ctx(), websocket.MessageText, p); err != nil {
			c.Fatal(err)
		}
	}
}

// replies returns the ids of the next n replies, with the codes of errors.
func (c *client) replies(n int) (all []string) {
	c.Helper()
	for range n {
		e := c.event()
		if e.Reply == nil {
			c.Fatalf("%+v, want a reply", e)
		}
		s := fmt.Sprint(e.Reply.ID)
		if e.Reply.Error != nil {
			s += " " + e.Reply.Error.Code
		}
		all = append(all, s)
	}
	return all
}

func publishes(topic string, ids ...int) (all []wire.Request) {
	for _, id := range ids {
		all = append(all, wire.Request{ID: uint64(id), Do: wire.Publish, Topic: topic, Data: fmt.Append(nil, id)})
	}
	return all
}

// under has the requests that a hook was called for and that are not done.
type under struct {
	mu   sync.Mutex
	all  []string
	done []func(error)
}

func (u *under) add(what string, done func(error)) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.all = append(u.all, what)
	u.done = append(u.done, done)
}

func (u *under) get() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.all)
}

// wants waits until the hook has been called for exactly these requests.
func (u *under) wants(t testing.TB, all ...string) {
	t.Helper()
	settles(func() bool { return len(u.get()) >= len(all) })
	if got := u.get(); !slices.Equal(got, all) {
		t.Fatalf("%q, want %q", got, all)
	}
}

func (u *under) end(i int, err error) {
	u.mu.Lock()
	f := u.done[i]
	u.mu.Unlock()
	f(err)
}

func (u *under) publish(_ *hub.Member, r *wire.Request, done func(hub.Receipt, error)) {
	u.add(string(r.Data), func(err error) { done(hub.Receipt{}, err) })
}

// All publish requests are passed to the program at once, in order. The replies have the order of
// the requests, no matter which is done first. Any other request waits until they are answered.
func TestPublishAsync(t *testing.T) {
	var u under
	c := serve(t, hub.Options{}, Options{PublishAsync: u.publish}).dial("")
	c.says(publishes("a", 1, 2, 3)...)
	c.says(wire.Request{ID: 4, Do: wire.Subscribe, Topic: "a"}, wire.Request{ID: 5, Do: "dance"})
	c.says(publishes("a", 6)...)
	u.wants(t, "1", "2", "3")
	u.end(2, nil)
	u.end(2, errors.New("it has been done")) // a second answer is ignored
	u.end(1, errors.New("not that one"))
	if st, ok := c.hub.Topic("a"); ok {
		t.Errorf("%+v: the subscription did not wait", st)
	}
	u.end(0, nil)
	if got, want := c.replies(5), []string{"1", "2 forbidden", "3", "4", "5 unknown"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	u.wants(t, "1", "2", "3", "6")
	u.end(3, nil)
	if got := c.replies(1); got[0] != "6" {
		t.Error(got)
	}
	c.gets(wire.Request{Do: wire.Ping})
}

// A connection with too many requests under way is not read, and even requests that arrived with
// them wait. It is read again when half of them have been answered.
func TestHeldByRequests(t *testing.T) {
	var u under
	s := serve(t, hub.Options{}, Options{PublishAsync: u.publish, MaxRequests: 4})
	e := s.endpoint
	c := s.dial("")
	var want []string
	for i := range 10 {
		c.says(publishes("a", i+1)...)
		want = append(want, fmt.Sprint(i+1))
	}
	if !settles(func() bool { return e.Stats().Held == 1 }) {
		t.Fatal("it is not held")
	}
	u.wants(t, want[:4]...)
	if n := e.Stats().Waiting; n < 4*256 || n > 4*300 {
		t.Errorf("%d bytes wait", n)
	}
	for i := range 10 {
		settles(func() bool { return len(u.get()) > i })
		u.end(i, nil)
	}
	if got := c.replies(10); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	u.wants(t, want...)
	if st := e.Stats(); st.Waiting != 0 {
		t.Errorf("%+v", st)
	}
}

// One large request stops the reading of the connection as many small ones do.
func TestHeldByBytes(t *testing.T) {
	var u under
	s := serve(t, hub.Options{}, Options{PublishAsync: func(m *hub.Member, r *wire.Request, done func(hub.Receipt, error)) {
		u.add(fmt.Sprint(len(r.Data)), func(err error) { done(hub.Receipt{}, err) })
	}})
	c := s.dial("")
	large := wire.Request{ID: 1, Do: wire.Publish, Topic: "a", Data: []byte(`"` + strings.Repeat("x", maxWeight-2) + `"`)}
	c.says(large, wire.Request{ID: 2, Do: wire.Publish, Topic: "a", Data: []byte("1")})
	if !settles(func() bool { return s.endpoint.Stats().Held == 1 }) {
		t.Fatal("it is not held")
	}
	u.wants(t, fmt.Sprint(maxWeight))
	u.end(0, nil)
	settles(func() bool { return len(u.get()) == 2 })
	u.end(1, nil)
	if got := c.replies(2); !slices.Equal(got, []string{"1", "2"}) {
		t.Error(got)
	}
}

// When too many requests wait, connections whose requests wait already get the error busy, and a
// new connection is served.
func TestBusy(t *testing.T) {
	var u under
	s := serve(t, hub.Options{}, Options{PublishAsync: u.publish, MaxWaiting: 1})
	c, other := s.dial(""), s.dial("")
	c.says(publishes("a", 1)...)
	u.wants(t, "1")
	if !settles(func() bool { return s.endpoint.Stats().Waiting > 0 }) {
		t.Fatal("nothing waits")
	}
	c.says(publishes("a", 2)...)
	if !settles(func() bool { return s.endpoint.Stats().Busy == 1 }) {
		t.Fatal("it is not busy")
	}
	other.says(publishes("b", 3)...)
	u.wants(t, "1", "3")
	u.end(1, nil)
	u.end(0, nil)
	if got := c.replies(2); !slices.Equal(got, []string{"1", "2 busy"}) {
		t.Error(got)
	}
	other.replies(1)
}

// The hooks before and after a subscription may take long. Nothing is delivered before the reply,
// and a subscription that has ended by then is not reported as begun.
func TestSubscribeAsync(t *testing.T) {
	var before, after under
	s := serve(t, hub.Options{}, Options{
		AuthorizeAsync:  func(_ *hub.Member, do, topic string, done func(error)) { before.add(do+" "+topic, done) },
		SubscribedAsync: func(_ *hub.Member, topic string, done func(error)) { after.add(topic, done) },
	})
	c := s.dial("")
	subscribe := func(id int, topic string) {
		c.says(wire.Request{ID: uint64(id), Do: wire.Subscribe, Topic: topic})
		i := len(after.get())
		settles(func() bool { return len(before.get()) == i+1 })
		before.end(i, nil)
		settles(func() bool { return len(after.get()) == i+1 })
		if _, err := s.hub.Publish(topic, text(1)); err != nil {
			t.Fatal(err)
		}
	}
	subscribe(1, "good")
	after.end(0, nil)
	if got := c.replies(1); got[0] != "1" {
		t.Error(got)
	}
	if e := c.event(); e.Message == nil || e.Message.Offset != 1 {
		t.Errorf("%+v, want the message", e)
	}
	subscribe(2, "bad")
	after.end(1, errors.New("not any more"))
	subscribe(3, "ended")
	if n, _ := s.hub.Disconnect("ended", hub.CloseReason{Code: 1001}); n != 1 {
		t.Errorf("%d were there", n)
	}
	after.end(2, nil)
	if got, want := c.replies(2), []string{"2 forbidden", "3 unavailable"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	c.says(wire.Request{ID: 4, Do: wire.History, Topic: "good"})
	before.wants(t, "subscribe good", "subscribe bad", "subscribe ended", "history good")
	before.end(3, wire.Errorf(wire.Unavailable, "later"))
	if got := c.replies(1); got[0] != "4 unavailable" {
		t.Error(got)
	}
}

// A function that waits delays its own connection, and keeps no worker.
func TestBackground(t *testing.T) {
	release := make(chan struct{})
	called := make(chan struct{}, 10)
	s := serve(t, hub.Options{}, Options{Background: 2, Publish: func(m *hub.Member, r *wire.Request) (hub.Receipt, error) {
		switch called <- struct{}{}; r.Topic {
		case "slow":
			<-release
		case "bad":
			panic("a test")
		}
		return hub.Receipt{}, nil
	}})
	slow, quick, bad := s.dial(""), s.dial(""), s.dial("")
	slow.says(publishes("slow", 1, 2)...)
	<-called
	quick.says(publishes("a", 1, 2, 3)...)
	if got := quick.replies(3); !slices.Equal(got, []string{"1", "2", "3"}) {
		t.Error(got)
	}
	bad.says(publishes("bad", 1)...)
	if _, _, err := bad.Read(bad.ctx()); websocket.CloseStatus(err) != websocket.StatusInternalError {
		t.Errorf("after a panic: %v", err)
	}
	close(release)
	slow.replies(2)
}

func TestDelay(t *testing.T) {
	var mu sync.Mutex
	var asked []uint64
	c := serve(t, hub.Options{}, Options{Delay: func(m *hub.Member, r *wire.Request) time.Duration {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, r.ID)
		return time.Duration(r.ID%2) * 10 * time.Millisecond
	}}).dial("")
	c.says(publishes("a", 1, 2, 3)...)
	if got := c.replies(3); !slices.Equal(got, []string{"1", "2", "3"}) {
		t.Error(got)
	}
	mu.Lock()
	defer mu.Unlock()
	if !slices.Equal(asked, []uint64{1, 2, 3}) {
		t.Errorf("asked for %d", asked)
	}
}

func TestOneOfTwoHooks(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("both are taken")
		}
	}()
	New(hub.New(hub.Options{}), Options{PublishAsync: new(under).publish, Publish: func(*hub.Member, *wire.Request) (hub.Receipt, error) { return hub.Receipt{}, nil }})
}
