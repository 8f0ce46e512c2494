package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/client"
	"github.com/fanfare-ws/fanfare/hub/session/sessiontest"
	"github.com/fanfare-ws/fanfare/hub/wire"
	"github.com/fanfare-ws/fanfare/netpoll"
	"github.com/fanfare-ws/fanfare/wsproto"
	"github.com/fanfare-ws/fanfare/wsproto/wstest"
)

func decode(t *testing.T, b []byte, v any) {
	t.Helper()
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatalf("%s: %v", b, err)
	}
}

func TestPublishAndSubscribe(t *testing.T) {
	s := sessiontest.Serve(t, kept(hub.History{Messages: 100}))
	a, b := dial(t, s.Addr, nil), dial(t, s.Addr, nil)
	got := make(chan client.Message, 10)
	for n := 1; n <= 3; n++ {
		s.Number(t, "news", n)
	}
	sub, err := a.Subscribe(t.Context(), "news", &client.SubscribeOptions{Last: 2}, func(m client.Message) { got <- m })
	if err != nil {
		t.Fatal(err)
	}
	for n := 2; n <= 3; n++ {
		if m := next(t, got); m.Offset != uint64(n) || string(m.Payload) != fmt.Sprintf(`{"n":%d}`, n) {
			t.Errorf("got %+v", m)
		}
	}
	before := time.Now().Add(-time.Millisecond)
	rc, err := b.Publish(t.Context(), "news", "κόσμε <🎺>", &client.PublishOptions{Key: "k"})
	if err != nil || rc.Position.Offset != 4 || rc.Receivers != 1 {
		t.Fatal(rc, err)
	}
	m := next(t, got)
	var text string
	if err := m.Decode(&text); err != nil || text != "κόσμε <🎺>" || m.Key != "k" || m.Kind != wire.JSON || m.Position != rc.Position || m.Published().Before(before) {
		t.Errorf("got %+v %q", m, text)
	}
	for _, echo := range []bool{false, true} { // the client receives its own message only with Echo
		if _, err := a.Publish(t.Context(), "news", echo, &client.PublishOptions{Echo: echo}); err != nil {
			t.Fatal(err)
		}
	}
	if m := next(t, got); string(m.Payload) != "true" || m.Offset != 6 {
		t.Errorf("got %+v", m)
	}
	if _, err := s.Publish("news", hub.Message{Kind: hub.Binary, Data: []byte{0xff, 0}}); err != nil {
		t.Fatal(err)
	}
	if m := next(t, got); m.Kind != wire.Binary || string(m.Payload) != "\xff\x00" {
		t.Errorf("got %+v", m)
	}
	sub.Unsubscribe()
	if _, err := a.Subscribe(t.Context(), "news", nil, func(m client.Message) { got <- m }); err != nil {
		t.Fatal(err)
	}
	s.Number(t, "news", 8)
	if m := next(t, got); m.Offset != 8 {
		t.Errorf("got %+v", m)
	}
}

func TestHistory(t *testing.T) {
	s := sessiontest.Serve(t, kept(hub.History{Messages: 100}))
	c := dial(t, s.Addr, nil)
	if h, err := c.History(t.Context(), "news", nil); err != nil || len(h.Messages) > 0 || h.More {
		t.Errorf("of nothing: %+v, %v", h, err)
	}
	for n := 1; n <= 7; n++ {
		s.Number(t, "news", n)
	}
	var offsets []uint64
	for at, more := hub.Position(hub.Position{}), true; more; {
		o := &client.HistoryOptions{Last: 5, Limit: 2}
		if at.Epoch != 0 {
			o = &client.HistoryOptions{After: &at, Limit: 2}
		}
		h, err := c.History(t.Context(), "news", o)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range h.Messages {
			offsets = append(offsets, m.Position.Offset)
		}
		at, more = h.Position, h.More
	}
	if !slices.Equal(offsets, []uint64{3, 4, 5, 6, 7}) {
		t.Errorf("got %v", offsets)
	}
	_, err := c.History(t.Context(), "news", &client.HistoryOptions{After: &hub.Position{Epoch: 1, Offset: 1}})
	var e *wire.Error
	if !errors.As(err, &e) || e.Code != wire.TooOld || e.Latest == nil || e.Latest.Offset != 7 {
		t.Errorf("of another epoch: %v", err)
	}
}

func TestPresence(t *testing.T) {
	s := sessiontest.Serve(t, kept(hub.History{}))
	p := wstest.Forward(t, s.Addr, nil)
	type change struct{ joined, left string }
	changes := make(chan change, 10)
	ids := func(all []wire.Person) string {
		var names []string
		for _, p := range all {
			names = append(names, p.ID)
		}
		slices.Sort(names)
		return strings.Join(names, " ")
	}
	ada := dial(t, s.Addr, &client.Options{})
	sub, err := ada.Subscribe(t.Context(), "room", &client.SubscribeOptions{Presence: true,
		OnPresence: func(joined, left []wire.Person) { changes <- change{ids(joined), ids(left)} }}, func(client.Message) {})
	if err != nil {
		t.Fatal(err)
	}
	me := next(t, changes).joined
	bob, err := client.Dial(t.Context(), "ws://"+p.Addr+"/hub?user=bob", quick())
	if err != nil {
		t.Fatal(err)
	}
	defer bob.Close()
	if _, err := bob.Subscribe(t.Context(), "room", nil, func(client.Message) {}); err != nil {
		t.Fatal(err)
	}
	if c := next(t, changes); c != (change{"bob", ""}) || ids(sub.Present()) != ids([]wire.Person{{ID: me}, {ID: "bob"}}) {
		t.Errorf("%v; %v", c, ids(sub.Present()))
	}
	if all, err := bob.Presence(t.Context(), "room"); err != nil || len(all) != 2 {
		t.Errorf("%v, %v", all, err)
	}
	bob.Close()
	if c := next(t, changes); c != (change{"", "bob"}) || ids(sub.Present()) != me {
		t.Errorf("%v; %v", c, ids(sub.Present()))
	}
}

// A message to a user needs no subscription.
func TestUser(t *testing.T) {
	s := sessiontest.Serve(t, nil)
	got, hello := make(chan client.Message, 1), make(chan wire.Hello, 1)
	c, err := client.Dial(t.Context(), "ws://"+s.Addr+"/hub?user=ada", &client.Options{
		OnOpen: func(h wire.Hello) { hello <- h }, OnMessage: func(m client.Message) { got <- m },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if h := next(t, hello); h.User != "ada" || h.Client == "" {
		t.Errorf("hello %+v", h)
	}
	s.Number(t, hub.UserTopic("ada"), 7)
	if m := next(t, got); string(m.Payload) != `{"n":7}` {
		t.Errorf("got %+v", m)
	}
}

func TestErrorsOfTheServer(t *testing.T) {
	s := sessiontest.Serve(t, nil)
	c := dial(t, s.Addr, nil)
	var e *wire.Error
	if _, err := c.Subscribe(t.Context(), "a..b", nil, func(client.Message) {}); !errors.As(err, &e) || e.Code != wire.BadTopic {
		t.Errorf("a bad topic: %v", err)
	}
	if _, err := c.Publish(t.Context(), "@ada", 1, nil); !errors.As(err, &e) || e.Code != wire.Forbidden {
		t.Errorf("the topic of a user: %v", err)
	}
	if _, err := c.Publish(t.Context(), "news", make(chan int), nil); err == nil {
		t.Error("a channel is no JSON")
	}
	if _, err := c.Subscribe(t.Context(), "news", nil, func(client.Message) {}); err != nil {
		t.Errorf("after the errors: %v", err)
	}
}

// A handler may wait for replies, and may close its client.
func TestHandlerUsesTheClient(t *testing.T) {
	s := sessiontest.Serve(t, nil)
	c := dial(t, s.Addr, nil)
	answers := make(chan error, 1)
	if _, err := c.Subscribe(t.Context(), "questions", nil, func(client.Message) {
		_, err := c.Publish(t.Context(), "answers", 42, nil)
		c.Close()
		answers <- err
	}); err != nil {
		t.Fatal(err)
	}
	s.Number(t, "questions", 1)
	if err := next(t, answers); err != nil {
		t.Error(err)
	}
	if _, err := c.Publish(t.Context(), "answers", 42, nil); err != client.ErrClosed || c.Err() != client.ErrClosed {
		t.Errorf("after Close: %v, %v", err, c.Err())
	}
	<-c.Done()
}

// The messages that wait for a slow handler are bounded by Options.Backlog.
func TestBacklog(t *testing.T) {
	s := sessiontest.Serve(t, kept(hub.History{Messages: 1000}))
	c := dial(t, s.Addr, &client.Options{Backlog: 1000})
	n, proceed := &numbers{t: t}, make(chan struct{})
	sub, err := c.Subscribe(t.Context(), "load", nil, func(m client.Message) {
		<-proceed
		n.handle(m)
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := 1; i <= 500; i++ {
		s.Number(t, "load", i)
	}
	sessiontest.Eventually(t, "more than the backlog", func() bool { return sub.Position().Offset >= 2 })
	ctx, cancel := context.WithTimeoutCause(t.Context(), 20*time.Millisecond, errors.New("not now"))
	defer cancel()
	if _, err := c.Publish(ctx, "other", 1, nil); err == nil || !strings.Contains(err.Error(), "no reply") || !strings.Contains(err.Error(), "not now") {
		t.Errorf("the reply is queued behind messages that the handler does not take, but Publish returned %v", err)
	}
	close(proceed)
	sessiontest.Eventually(t, "all messages", func() bool { return n.last.Load() == 500 })
	if _, err := c.Publish(t.Context(), "other", 1, nil); err != nil {
		t.Error(err)
	}
}

// A handler that does not return does not keep the connection open.
func TestCloseWhileHandlerBlocks(t *testing.T) {
	s := sessiontest.Serve(t, nil)
	engine, err := netpoll.New(netpoll.Options{Loops: 1})
	if err != nil {
		t.Fatal(err)
	}
	c := dial(t, s.Addr, &client.Options{Backlog: 1000, Engine: engine})
	proceed := make(chan struct{})
	defer close(proceed)
	sub, err := c.Subscribe(t.Context(), "load", nil, func(m client.Message) { <-proceed })
	if err != nil {
		t.Fatal(err)
	}
	for i := 1; i <= 500; i++ {
		s.Number(t, "load", i)
	}
	sessiontest.Eventually(t, "more than the backlog", func() bool { return sub.Position().Offset >= 2 })
	c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := engine.Shutdown(ctx); err != nil {
		t.Errorf("the connection is not closed: %v", err)
	}
}

// The client does not reconnect to a server that has rejected it, and every waiting caller gets an
// error.
func TestFinal(t *testing.T) {
	s := sessiontest.Serve(t, kept(hub.History{Messages: 10}))
	ended, closed, opened := make(chan error, 1), make(chan time.Duration, 1), make(chan wire.Hello, 10)
	o := quick()
	o.OnOpen = func(h wire.Hello) { opened <- h }
	o.OnClose = func(_ error, retry time.Duration) { closed <- retry }
	c, err := client.Dial(t.Context(), "ws://"+s.Addr+"/hub?user=ada", o)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Subscribe(t.Context(), "news", &client.SubscribeOptions{OnEnd: func(err error) { ended <- err }}, func(client.Message) {}); err != nil {
		t.Fatal(err)
	}
	next(t, opened)
	s.Disconnect(hub.UserTopic("ada"), hub.CloseReason{Code: 1012, Text: "see you"})
	if retry := next(t, closed); retry < 0 {
		t.Error("the client does not reconnect after 1012")
	}
	next(t, opened)
	s.Disconnect(hub.UserTopic("ada"), hub.CloseReason{Code: 1008, Text: "go away"})
	if retry := next(t, closed); retry >= 0 {
		t.Errorf("after 1008 the client reconnects in %v", retry)
	}
	for _, err := range []error{next(t, ended), c.Err()} {
		if !wsproto.IsCloseError(err, wsproto.PolicyViolation) || !strings.Contains(err.Error(), "go away") {
			t.Errorf("ended with %v", err)
		}
	}
	if _, err := c.Publish(t.Context(), "news", 1, nil); !errors.Is(err, client.ErrClosed) || !wsproto.IsCloseError(err) {
		t.Errorf("Publish: %v", err)
	}
}

func TestDialErrors(t *testing.T) {
	s := sessiontest.Serve(t, nil)
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	echo := &wsproto.Server{Handler: new(wsproto.Funcs)}
	a, err := echo.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer echo.Shutdown(context.Background())
	for url, want := range map[string]string{
		"http://" + s.Addr + "/hub":            "ws://",
		"ws://" + s.Addr + "/nowhere":          "404",
		"ws://" + s.Addr + "/hub?user=nobody":  "not welcome",
		"ws://" + silent.Addr().String() + "/": "the attempt timed out",
		"ws://" + a.String() + "/":             "does not speak fanfare.v1",
		"ws://127.0.0.1:1/hub":                 "refused",
	} {
		timeout := sessiontest.Timeout
		if want == "the attempt timed out" {
			timeout = 100 * time.Millisecond
		}
		c, err := client.Dial(t.Context(), url, &client.Options{Timeout: timeout})
		if err == nil {
			c.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", url, err, want)
		}
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("changed my mind"))
	if _, err := client.Dial(ctx, "ws://"+s.Addr+"/hub", nil); err == nil || !strings.Contains(err.Error(), "changed my mind") {
		t.Errorf("with a cancelled context: %v", err)
	}
}

// A call waits for a connection until its context is done.
func TestCallsWait(t *testing.T) {
	s := sessiontest.Serve(t, nil)
	p := wstest.Forward(t, s.Addr, nil)
	lost := make(chan error, 100)
	o := quick()
	o.MaxCalls = 2
	o.OnClose = func(err error, _ time.Duration) { lost <- err }
	c := dial(t, p.Addr, o)
	p.Shut(true)
	next(t, lost)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := c.Publish(ctx, "news", 1, nil); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "no connection") {
		t.Errorf("without a connection: %v", err)
	}
	results := make(chan error, 10)
	for range 3 {
		go func() {
			_, err := c.Publish(t.Context(), "news", 1, nil)
			results <- err
		}()
	}
	if err := next(t, results); !errors.Is(err, client.ErrBusy) {
		t.Errorf("the third call: %v", err)
	}
	p.Shut(false)
	for range 2 {
		if err := next(t, results); err != nil {
			t.Error(err)
		}
	}
}

// When the server ends a subscription, the connection stays open.
func TestEnd(t *testing.T) {
	s := sessiontest.Serve(t, nil)
	c, ended := dial(t, s.Addr, nil), make(chan error, 1)
	if _, err := c.Subscribe(t.Context(), "news", &client.SubscribeOptions{OnEnd: func(err error) { ended <- err }}, func(client.Message) {}); err != nil {
		t.Fatal(err)
	}
	s.Disconnect("news", hub.CloseReason{Code: 1001, Text: "moved"})
	if err := next(t, ended); !wsproto.IsCloseError(err, wsproto.GoingAway) || c.Err() != nil {
		t.Errorf("ended with %v, the client with %v", err, c.Err())
	}
}

// TestOddServer covers rare events of a server: see sessiontest.Odd.
func TestOddServer(t *testing.T) {
	addr := sessiontest.Odd(t)
	c := dial(t, addr, quick())
	events := make(chan string, 10)
	o := &client.SubscribeOptions{
		OnDrop: func(n int64) { events <- fmt.Sprint("dropped ", n) },
		OnEnd:  func(err error) { events <- err.Error() },
		OnGap:  func(client.Gap) { events <- "gap" },
	}
	for range 2 { // after the end, subscribing again is possible
		if _, err := c.Subscribe(t.Context(), "odd", o, func(m client.Message) { events <- fmt.Sprint("message ", m.Offset) }); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"message 6", "dropped 7", `wsproto: the peer closed with 1001 "moved"`} {
			if got := next(t, events); got != want {
				t.Fatalf("got %s, want %s", got, want)
			}
		}
	}
	if n := c.Unreadable(); n != 6 {
		t.Errorf("%d messages were unreadable, want 6", n)
	}
	elusive, err := c.Subscribe(t.Context(), "elusive", &client.SubscribeOptions{After: &hub.Position{Epoch: 1, Offset: 2}, OnGap: o.OnGap}, nil)
	if err != nil || next(t, events) != "gap" || elusive.Position().Offset != 5 {
		t.Errorf("where every position is too old: %v", err)
	}
	_, err = c.Publish(t.Context(), "odd", 1, &client.PublishOptions{Retry: true})
	if !errors.Is(err, client.ErrLost) || !wsproto.IsCloseError(err, wsproto.MessageTooBig) {
		t.Errorf("a message that is too large must not be sent again: %v", err)
	}
	for path, tt := range map[string]struct {
		timeout time.Duration
		want    string
	}{"/silent": {time.Second, "read deadline"}, "/chat": {sessiontest.Timeout, "does not speak"}} {
		_, err := client.Dial(t.Context(), "ws://"+addr+path, &client.Options{Timeout: tt.timeout})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v; want %q", path, err, tt.want)
		}
	}
}
