package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/coder/websocket"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/wire"
	"github.com/fanfare-ws/fanfare/wsproto"
)

func (s *server) wantsWaiting(n int64) {
	s.Helper()
	if !settles(func() bool { return s.endpoint.Stats().Waiting == n }) {
		s.Errorf("%d bytes wait, want %d", s.endpoint.Stats().Waiting, n)
	}
}

// After a hook has panicked, no request of its connection counts as waiting.
func TestNothingWaitsAfterAPanic(t *testing.T) {
	for _, background := range []int{-1, 1} {
		all := make(chan struct{})
		s := serve(t, hub.Options{}, Options{Background: background, PublishAsync: func(_ *hub.Member, r *wire.Request, _ func(hub.Receipt, error)) {
			if string(r.Data) == "3" {
				<-all
				panic("a test")
			}
		}})
		c := s.dial("")
		c.says(publishes("a", 1, 2, 3, 4)...)
		n := int64(4 * 258)
		if background < 0 {
			n = 2 * 258 // the third is in the turn
		}
		s.wantsWaiting(n)
		close(all)
		if _, _, err := c.Read(c.ctx()); websocket.CloseStatus(err) != websocket.StatusInternalError {
			t.Errorf("after a panic: %v", err)
		}
		s.wantsWaiting(0)
	}
}

// A request that is never answered counts as waiting until its connection ends, and is then
// subtracted once.
func TestNothingWaitsAfterClose(t *testing.T) {
	var u under
	s := serve(t, hub.Options{}, Options{PublishAsync: u.publish})
	c, other := s.dial(""), s.dial("")
	c.says(publishes("a", 1, 2)...)
	other.says(publishes("b", 3)...)
	s.wantsWaiting(3 * 258)
	_ = c.CloseNow()
	s.wantsWaiting(258)
	for i, what := range u.get() {
		if what != "3" {
			u.end(i, nil)
		}
	}
	s.wantsWaiting(258)
}

// The waiting requests are bounded in total, also if each connection has only one. The connections
// that hold most are the first not to be read, or to be refused.
func TestMaxWaiting(t *testing.T) {
	const most = 20_000
	var u under
	s := serve(t, hub.Options{}, Options{MaxWaiting: most, PublishAsync: func(m *hub.Member, r *wire.Request, done func(hub.Receipt, error)) {
		u.add(fmt.Sprint(r.ID), func(err error) { done(hub.Receipt{}, err) })
	}})
	large := func(id uint64) wire.Request {
		return wire.Request{ID: id, Do: wire.Publish, Topic: "a", Data: []byte(`"` + strings.Repeat("x", 18_000) + `"`)}
	}
	heavy, second, light := s.dial(""), s.dial(""), s.dial("")
	heavy.says(large(1))
	u.wants(t, "1")
	second.says(large(2))
	if got := second.replies(1); got[0] != "2 busy" {
		t.Errorf("a second large request: %q", got)
	}
	light.says(publishes("a", 3, 4)...)
	u.wants(t, "1", "3", "4")
	if st := s.endpoint.Stats(); st.Held != 1 || st.Busy != 1 {
		t.Errorf("%+v: the heaviest is read", st)
	}
	for i := range 60 {
		light.says(publishes("a", 6+i)...)
	}
	if !settles(func() bool { return s.endpoint.Stats().Held == 2 }) {
		t.Error("it is read although all is full")
	}
	if n := s.endpoint.Stats().Waiting; n > most+2*5<<10 {
		t.Errorf("%d bytes wait", n)
	}
	u.end(0, nil)
	heavy.replies(1)
	heavy.says(publishes("a", 5)...)
	if !settles(func() bool { return slices.Contains(u.get(), "5") }) {
		t.Error("it is not read again")
	}
}

// A second answer to a request is not taken for the answer to the next request.
func TestAnsweredTwice(t *testing.T) {
	var before, after under
	c := serve(t, hub.Options{}, Options{
		AuthorizeAsync:  func(_ *hub.Member, do, topic string, done func(error)) { before.add(topic, done) },
		SubscribedAsync: func(_ *hub.Member, topic string, done func(error)) { after.add(topic, done) },
	}).dial("")
	c.says(wire.Request{ID: 1, Do: wire.Subscribe, Topic: "a"})
	before.wants(t, "a")
	before.end(0, nil)
	after.wants(t, "a")
	before.end(0, nil)
	after.end(0, errors.New("not any more"))
	if got := c.replies(1); got[0] != "1 forbidden" {
		t.Error(got)
	}
}

// stuck is a broker that takes long to join a topic.
type stuck struct {
	hub.Broker
	joins   chan struct{}
	release chan struct{}
}

func (b *stuck) Join(ctx context.Context, subject string) (hub.Position, error) {
	if subject == "slow" {
		b.joins <- struct{}{}
		<-b.release
	}
	return b.Broker.Join(ctx, subject)
}

// While the broker takes long for a subscription, the end of another one waits in the queue and
// blocks no caller. Neither does the end of the connection.
func TestEndsDuringASubscription(t *testing.T) {
	node := hub.NewMemoryBroker(hub.MemoryBrokerOptions{}).Node()
	t.Cleanup(func() { _ = node.Close() })
	b := &stuck{Broker: node, joins: make(chan struct{}), release: make(chan struct{})}
	all := make(chan *session, 2)
	srv := serve(t, hub.Options{Broker: b}, Options{Authorize: func(m *hub.Member, _, _ string) error {
		all <- m.To().(*session)
		return nil
	}})
	c := srv.dial("")
	c.says(wire.Request{ID: 1, Do: wire.Subscribe, Topic: "slow"})
	s := <-all
	<-b.joins
	s.OnUnsubscribe("other", hub.CloseReason{Code: 1001})
	c.says(wire.Request{ID: 2, Do: wire.Ping})
	srv.wantsWaiting(256 + 4 + 256)

	var once sync.Once
	release := func() { once.Do(func() { close(b.release) }) }
	defer release()
	var closed atomic.Bool
	go func() {
		s.replying.Lock() // nobody keeps it
		defer s.replying.Unlock()
		closed.Store(true)
	}()
	if !settles(closed.Load) {
		t.Fatal("the queue is locked")
	}
	release()
	if e := c.event(); e.End == nil || e.End.Topic != "other" {
		t.Errorf("%+v, want the end", e)
	}
	if got := c.replies(2); !slices.Equal(got, []string{"1", "2"}) {
		t.Error(got)
	}
}

// A connection that closes while the broker takes long leaves when the broker has answered, and
// keeps no worker until then.
func TestCloseDuringASubscription(t *testing.T) {
	node := hub.NewMemoryBroker(hub.MemoryBrokerOptions{}).Node()
	t.Cleanup(func() { _ = node.Close() })
	b := &stuck{Broker: node, joins: make(chan struct{}), release: make(chan struct{})}
	srv := serve(t, hub.Options{Broker: b}, Options{Identify: func(*wsproto.Request) (hub.Identity, error) {
		return hub.Identity{Data: []byte("1")}, nil
	}})
	c := srv.dial("")
	c.says(wire.Request{ID: 1, Do: wire.Subscribe, Topic: "slow"})
	<-b.joins
	_ = c.CloseNow()
	if !settles(func() bool { return srv.endpoint.Stats().Data == 0 }) {
		t.Error("its end waits for the broker")
	}
	close(b.release)
	if !settles(func() bool { return len(srv.hub.Topics()) == 0 }) {
		t.Errorf("%+v are left", srv.hub.Topics())
	}
}

// The data of many concurrent handshakes does not exceed the total.
func TestDataAtOnce(t *testing.T) {
	e := New(hub.New(hub.Options{}), Options{MaxDataTotal: 150})
	var taken atomic.Int64
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if e.takeData(100) {
				taken.Add(1)
			}
		})
	}
	wg.Wait()
	if n := e.Stats().Data; n != 100 || taken.Load() != 1 {
		t.Errorf("%d bytes, of %d", n, taken.Load())
	}
}
