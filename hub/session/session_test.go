package session

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/coder/websocket"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/wire"
	"github.com/fanfare-ws/fanfare/wsproto"
)

func TestIdentify(t *testing.T) {
	s := serve(t, hub.Options{}, Options{Identify: func(r *wsproto.Request) (hub.Identity, error) {
		switch user := r.Query().Get("user"); user {
		case "mallory":
			return hub.Identity{}, errors.New("mallory stays outside")
		case "":
			return hub.Identity{}, wsproto.Refuse(401, "who is it?")
		default:
			return hub.Identity{User: user}, nil
		}
	}})
	if c := s.dial("?user=ada"); c.hello.User != "ada" || c.hello.Protocol != wire.Protocol {
		t.Errorf("%+v", c.hello)
	}
	for query, want := range map[string]string{
		"?user=mallory": "403 mallory stays outside", "": "401 who is it?", "?user=a*b": "403 ",
	} {
		_, resp, err := websocket.Dial(s.ctx(), "ws://"+s.addr+"/"+query, nil)
		if err == nil || resp == nil {
			t.Fatalf("%q: %v", query, err)
		}
		body, _ := io.ReadAll(resp.Body)
		if got := fmt.Sprint(resp.StatusCode, " ", string(body)); !strings.HasPrefix(got, want) {
			t.Errorf("%q: %s, want %s", query, got, want)
		}
	}
}

func TestAuthorize(t *testing.T) {
	s := serve(t, hub.Options{Topic: func(string) *hub.TopicOptions { return &hub.TopicOptions{Presence: true} }}, Options{
		Authorize: func(m *hub.Member, do, topic string) error {
			if topic == "open" || topic == "only."+do || topic == "own."+m.ID() || topic == hub.UserTopic(m.User()) {
				return nil
			}
			return fmt.Errorf("%s may not %s %s", m.ID(), do, topic)
		},
		Identify: func(*wsproto.Request) (hub.Identity, error) { return hub.Identity{User: "ada"}, nil },
	})
	c := s.dial("")
	for _, do := range []string{wire.Subscribe, wire.Publish, wire.History, wire.Presence} {
		r := wire.Request{Do: do, Data: []byte("1")}
		for topic, code := range map[string]string{
			"open": "", "only." + do: "", "own." + c.hello.Client: "", "own.x": wire.Forbidden, "only.x": wire.Forbidden, "@bob": wire.Forbidden,
		} {
			r.Topic = topic
			if e := c.wantsCode(r, code); e != nil && topic == "own.x" && e.Message != c.hello.Client+" may not "+do+" own.x" {
				t.Errorf("%s: %s", do, e.Message)
			}
		}
	}
	c.wantsCode(wire.Request{Do: wire.History, Topic: "@ada"}, "")
	c.wantsCode(wire.Request{Do: wire.Publish, Topic: "@ada", Data: []byte("1")}, "")
	c.wantsCode(wire.Request{Do: wire.Subscribe, Topic: "@ada"}, wire.Forbidden) // it has it already
}

// If a right is revoked while a member subscribes, the subscription ends, and nothing has been
// delivered.
func TestSubscribed(t *testing.T) {
	var h atomic.Pointer[hub.Hub] // the hook runs on a worker
	s := serve(t, hub.Options{}, Options{Subscribed: func(m *hub.Member, topic string) error {
		if m.Subscription(topic) == nil {
			t.Errorf("%s: it is asked before", topic)
		}
		if topic == "open" {
			return nil
		}
		if _, err := h.Load().Publish(topic, text(1)); err != nil {
			t.Error(err)
		}
		return errors.New("not any more")
	}})
	h.Store(s.hub)
	c := s.dial("")
	if e := c.wantsCode(wire.Request{Do: wire.Subscribe, Topic: "shut"}, wire.Forbidden); e.Message != "not any more" {
		t.Error(e.Message)
	}
	c.wantsCode(wire.Request{Do: wire.Unsubscribe, Topic: "shut"}, wire.NotSubscribed)
	c.wantsCode(wire.Request{Do: wire.Subscribe, Topic: "open"}, "")
	if st, _ := s.hub.Topic("shut"); st.Subscribers != 0 {
		t.Errorf("%d are subscribed", st.Subscribers)
	}
}

// held returns a client and its session, for the test to manipulate.
func held(t *testing.T) (c *client, s *session) {
	t.Helper()
	all := make(chan *session, 1)
	c = serve(t, hub.Options{}, Options{Authorize: func(m *hub.Member, _, _ string) error {
		all <- m.To().(*session)
		return nil
	}}).dial("")
	c.gets(wire.Request{Do: wire.Subscribe, Topic: "a"})
	return c, <-all
}

// Drops are not reported while a request is being handled, since it may be an unsubscribe request.
func TestDropsWaitForTheRequest(t *testing.T) {
	c, s := held(t)
	s.replying.Lock()
	s.OnDrop("a", 7)
	told := make(chan struct{})
	go func() {
		defer close(told)
		s.sendDrops()
	}()
	select {
	case <-told:
		t.Error("it was told")
	case <-time.After(20 * time.Millisecond):
	}
	s.forget("a")
	s.replying.Unlock()
	<-told
	c.gets(wire.Request{Do: wire.Ping}) // the reply comes next
}

// A client that has subscribed again, before it could be told that the server had ended its first
// subscription, is not told that the second has ended.
func TestEndIsNotThatOfTheNext(t *testing.T) {
	c, s := held(t)
	s.replying.Lock()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.end.hub.Disconnect("a", hub.CloseReason{Code: 1001})
	}()
	if !settles(func() bool { return s.member.Subscription("a") == nil }) {
		t.Fatal("it does not end")
	}
	if _, _, err := s.member.Subscribe("a", hub.SubscribeOptions{Encoding: Encoding}); err != nil {
		t.Fatal(err)
	}
	s.replying.Unlock()
	<-ended
	c.gets(wire.Request{Do: wire.Ping}) // the reply comes next
	if n, _ := s.end.hub.Disconnect("a", hub.CloseReason{Code: 1001}); n != 1 {
		t.Errorf("%d were there", n)
	}
	if e := c.event(); e.End == nil || e.End.Topic != "a" {
		t.Errorf("%+v, want the end", e)
	}
}

// An error quotes the wrong part of the request, but not at full length: that may be longer than
// what can be pending.
func TestErrorsAreShort(t *testing.T) {
	c := serve(t, hub.Options{}, Options{}).dial("")
	long := strings.Repeat("\x7f", 300<<10)
	for _, e := range []*wire.Error{
		c.wantsCode(wire.Request{Do: wire.Unsubscribe, Topic: long}, wire.NotSubscribed),
		c.wantsCode(wire.Request{Do: wire.Subscribe, Topic: "@" + long}, wire.Forbidden),
		c.wantsCode(wire.Request{Do: long}, wire.Unknown),
	} {
		if len(e.Message) > 1000 {
			t.Errorf("%d bytes: %.100s", len(e.Message), e.Message)
		}
	}
	for _, wrong := range []string{`"after":"` + long + `"`, `"last":` + strings.Repeat("1", 300<<10)} {
		if err := c.Write(c.ctx(), websocket.MessageText, []byte(`{"do":"subscribe",`+wrong+`}`)); err != nil {
			t.Fatal(err)
		}
		if e := c.event(); e.Reply == nil || e.Reply.Error.Code != wire.BadRequest || len(e.Reply.Error.Message) > 1000 {
			t.Errorf("%.20s: %.500v", wrong, e)
		}
	}
}

// Presence data is bounded for each connection and in total. Connections that have left do not
// count.
func TestPresenceDataIsBounded(t *testing.T) {
	s := serve(t, hub.Options{}, Options{MaxData: 100, MaxDataTotal: 150, Identify: func(r *wsproto.Request) (hub.Identity, error) {
		n, _ := strconv.Atoi(r.Query().Get("n"))
		if n == 0 {
			return hub.Identity{}, nil
		}
		return hub.Identity{Data: []byte(strings.Repeat("1", n))}, nil
	}})
	refused := func(query string) int {
		c, resp, err := websocket.Dial(s.ctx(), "ws://"+s.addr+"/"+query, nil)
		if err == nil {
			_ = c.CloseNow()
			return 101
		}
		return resp.StatusCode
	}
	c := s.dial("?n=100")
	for query, want := range map[string]int{"?n=101": 413, "?n=51": 503, "": 101} {
		if got := refused(query); got != want {
			t.Errorf("%q: %d, want %d", query, got, want)
		}
	}
	_ = c.CloseNow()
	if !settles(func() bool { return s.endpoint.Stats().Data == 0 }) {
		t.Errorf("%+v", s.endpoint.Stats())
	}
	s.dial("?n=51")
	deep := serve(t, hub.Options{}, Options{Identify: func(*wsproto.Request) (hub.Identity, error) {
		return hub.Identity{Data: []byte(strings.Repeat("[", wire.MaxDepth+1) + strings.Repeat("]", wire.MaxDepth+1))}, nil
	}})
	if _, resp, err := websocket.Dial(deep.ctx(), "ws://"+deep.addr+"/", nil); err == nil || resp.StatusCode != 400 {
		t.Errorf("deep data: %v", err)
	}
}

func TestTooManySubscriptions(t *testing.T) {
	s := serve(t, hub.Options{MaxSubscriptions: 2}, Options{})
	c := s.dial("")
	c.gets(wire.Request{Do: wire.Subscribe, Topic: "a"})
	c.gets(wire.Request{Do: wire.Subscribe, Topic: "b"})
	c.wantsCode(wire.Request{Do: wire.Subscribe, Topic: "c"}, wire.TooLarge)
	c.gets(wire.Request{Do: wire.Unsubscribe, Topic: "a"})
	c.gets(wire.Request{Do: wire.Subscribe, Topic: "c"})
}

func text(size int) hub.Message {
	return hub.Message{Data: []byte(strings.Repeat("x", size))}
}

// stall publishes until c, which does not read, lags behind, and returns how many
// messages that took.
func (c *client) stall(topic string) (published int64) {
	c.Helper()
	if !settles(func() bool {
		if _, err := c.hub.Publish(topic, text(10_000)); err != nil {
			c.Fatal(err)
		}
		published++
		stats, _ := c.hub.Topic(topic)
		return stats.Lagging > 0
	}) {
		c.Fatal("it does not fall behind")
	}
	return published
}

// The reply to unsubscribe arrives after all messages published before, also for a slow client,
// and no message arrives after it.
func TestUnsubscribeKeepsItsPlace(t *testing.T) {
	s := serve(t, hub.Options{}, Options{})
	c := s.dial("")
	c.gets(wire.Request{Do: wire.Subscribe, Topic: "x"})
	published := c.stall("x")
	c.says(wire.Request{ID: 7, Do: wire.Unsubscribe, Topic: "x"}, wire.Request{ID: 8, Do: wire.Ping})
	go func() {
		for settles(func() bool { st, _ := s.hub.Topic("x"); return st.Subscribers == 0 }) {
			_, _ = s.hub.Publish("x", text(1))
			return
		}
	}()
	for n := int64(1); n <= published; n++ {
		if e := c.event(); e.Message == nil || e.Message.Offset != uint64(n) {
			t.Fatalf("%+v, want message %d of %d", e, n, published)
		}
	}
	if got := c.replies(2); !slices.Equal(got, []string{"7", "8"}) {
		t.Error(got)
	}
}

// A slow client is told exactly how many messages it did not get, with each policy, and never
// before the messages that it did get.
func TestDropsAreTold(t *testing.T) {
	for _, slow := range []hub.SlowPolicy{hub.DropNewest, hub.DropOldest, hub.Conflate} {
		t.Run(slow.String(), func(t *testing.T) {
			s := serve(t, hub.Options{Topic: func(name string) *hub.TopicOptions {
				return &hub.TopicOptions{Slow: slow, Limit: hub.Limit{Bytes: 100 << 10}}
			}}, Options{})
			c := s.dial("")
			c.gets(wire.Request{Do: wire.Subscribe, Topic: "x"})
			published := c.stall("x")
			for i := range 1000 {
				m := text(1000)
				m.Key = fmt.Sprint(i % 3)
				if _, err := s.hub.Publish("x", m); err != nil {
					t.Fatal(err)
				}
				published++
			}
			var got, dropped int64
			var last uint64
			for got+dropped < published {
				switch e := c.event(); {
				case e.Message != nil && e.Message.Offset > last:
					last = e.Message.Offset
					got++
				case e.Dropped != nil && e.Dropped.Topic == "x" && e.Dropped.Messages > 0:
					dropped += e.Dropped.Messages
				default:
					t.Fatalf("%+v after %d", e, last)
				}
			}
			if dropped == 0 || got+dropped > published {
				t.Errorf("%d came and %d did not, of %d", got, dropped, published)
			}
			if r := c.ask(wire.Request{Do: wire.Ping}); r.OK == nil {
				t.Error(r.Error)
			}
		})
	}
}

// A client that does not read events that must not be lost is closed, and not waited for.
func TestUnreadRepliesCloseTheConnection(t *testing.T) {
	s := serve(t, hub.Options{Topic: func(name string) *hub.TopicOptions {
		return &hub.TopicOptions{Slow: hub.DropNewest, Limit: hub.Limit{Bytes: 100 << 10}}
	}}, Options{})
	c := s.dial("")
	c.gets(wire.Request{Do: wire.Subscribe, Topic: "x"})
	const topics = 5000
	for i := range topics {
		c.gets(wire.Request{Do: wire.Subscribe, Topic: fmt.Sprint("t.", i)})
	}
	for range 2500 { // more than the kernel's buffers ever hold
		c.stall("x")
	}
	for i := range topics {
		s.hub.Disconnect(fmt.Sprint("t.", i), hub.CloseReason{Code: 4000, Text: strings.Repeat("x", 123)})
	}
	ended := 0
	for {
		_, b, err := c.Read(c.ctx())
		if err != nil {
			if websocket.CloseStatus(err) != websocket.StatusTryAgainLater {
				t.Errorf("%v, want 1013", err)
			}
			break
		}
		if e, err := wire.ParseEvent(b); err != nil {
			t.Fatal(err)
		} else if e.End != nil {
			ended++
		}
	}
	if ended == 0 || ended == topics {
		t.Errorf("%d of %d ends were told before", ended, topics)
	}
	if !settles(func() bool { return len(s.hub.Topics()) == 0 }) {
		t.Errorf("%d topics are left", len(s.hub.Topics()))
	}
}

// A subscription does not begin if there is no room for its reply.
func TestNoReplyNoSubscription(t *testing.T) {
	s := serve(t, hub.Options{Topic: func(string) *hub.TopicOptions { return &hub.TopicOptions{Presence: true, PresenceGrace: -1} }}, Options{
		MaxData: 1 << 20,
		Identify: func(*wsproto.Request) (hub.Identity, error) {
			return hub.Identity{Data: []byte(`"` + strings.Repeat("x", 100<<10) + `"`)}, nil
		},
	})
	watcher := s.dial("") // before the list is too long for its reply
	there := len(*watcher.gets(wire.Request{Do: wire.Subscribe, Topic: "x", Presence: true}).Present)
	for range 6 { // more than maxPending
		s.dial("").gets(wire.Request{Do: wire.Subscribe, Topic: "x"})
	}
	for there < 7 {
		there += len(watcher.event().Change.Joined)
	}
	c := s.dial("")
	c.wantsCode(wire.Request{Do: wire.Subscribe, Topic: "x", Presence: true}, wire.Unavailable)
	c.wantsCode(wire.Request{Do: wire.Unsubscribe, Topic: "x"}, wire.NotSubscribed)
	if stats, _ := s.hub.Topic("x"); stats.Subscribers != 7 {
		t.Errorf("%d subscribers, want 7", stats.Subscribers)
	}
}

// The memory of a connection in addition to the hub's Member and its subscriptions.
func TestSize(t *testing.T) {
	if n := unsafe.Sizeof(session{}); n > 80 {
		t.Errorf("a session takes %d bytes", n)
	}
}

// TestPublishHook: the program publishes in place of the endpoint, or refuses.
func TestPublishHook(t *testing.T) {
	var s *server
	s = serve(t, hub.Options{}, Options{
		Identify: func(*wsproto.Request) (hub.Identity, error) { return hub.Identity{User: "ada", Value: 7}, nil },
		Publish: func(m *hub.Member, r *wire.Request) (hub.Receipt, error) {
			switch string(r.Data) {
			case `"no"`:
				return hub.Receipt{}, wire.Errorf(wire.TooLarge, "not that")
			case `"never"`:
				return hub.Receipt{}, errors.New("for no reason")
			case `"quietly"`:
				return hub.Receipt{}, nil
			}
			data := fmt.Sprintf(`{"by":%q,"value":%d,"is":%s}`, m.User(), m.Value(), r.Data)
			return s.hub.Publish(r.Topic, hub.Message{Data: []byte(data), Kind: hub.JSON})
		},
	})
	c := s.dial("")
	c.gets(wire.Request{Do: wire.Subscribe, Topic: "a"})
	c.wantsCode(wire.Request{Do: wire.Publish, Topic: "a", Data: []byte(`"no"`)}, wire.TooLarge)
	c.wantsCode(wire.Request{Do: wire.Publish, Topic: "a", Data: []byte(`"never"`)}, wire.Forbidden)
	if r := c.gets(wire.Request{Do: wire.Publish, Topic: "a", Data: []byte(`"quietly"`)}); r.Position != nil {
		t.Errorf("a position %v of nothing", r.Position)
	}
	p, err := (&wire.Request{ID: 1, Do: wire.Publish, Topic: "a", Data: []byte(`[1, 2]`)}).Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Write(c.ctx(), websocket.MessageText, p); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the sender gets the message too, before the reply or after it
		switch e := c.event(); {
		case e.Reply != nil:
			if ok := e.Reply.OK; ok == nil || ok.Position == nil || ok.Position.Offset != 1 {
				t.Errorf("reply %+v", e.Reply)
			}
		case e.Message == nil || string(e.Message.Payload) != `{"by":"ada","value":7,"is":[1,2]}`:
			t.Errorf("%+v", e)
		}
	}
}
