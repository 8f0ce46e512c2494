package session

import (
	"testing"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/wire"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// A Publish hook that blocks delays only its own connection's requests. Callers that end that
// connection's subscriptions, publish, or look at its member do not wait.
func TestSlowHookDelaysNobodyElse(t *testing.T) {
	entered, release := make(chan *hub.Member, 1), make(chan struct{})
	s := serve(t, hub.Options{}, Options{Publish: func(m *hub.Member, r *wire.Request) (hub.Receipt, error) {
		if r.Topic == "slow" {
			entered <- m
			<-release
		}
		return hub.Receipt{}, nil
	}})
	c := s.dial("")
	c.gets(wire.Request{Do: wire.Subscribe, Topic: "a"})
	c.gets(wire.Request{Do: wire.Subscribe, Topic: "b"})
	c.says(wire.Request{ID: 3, Do: wire.Publish, Topic: "slow", Data: []byte("1")})
	m := <-entered
	// None of these would return if it waited for the hook.
	if n, _ := s.hub.Disconnect("a", hub.CloseReason{Code: 4000, Text: "over"}); n != 1 {
		t.Errorf("%d subscriptions ended", n)
	}
	if _, err := s.hub.Publish("b", hub.Message{Data: []byte("2"), Kind: hub.JSON}); err != nil {
		t.Error(err)
	}
	if m.Subscription("a") != nil || m.Subscription("b") == nil || len(m.Topics()) != 1 {
		t.Errorf("it is in %q", m.Topics())
	}
	if e := c.event(); e.End == nil || e.End.Topic != "a" || e.End.Code != 4000 {
		t.Errorf("%+v, want the end of a", e)
	}
	if e := c.event(); e.Message == nil || e.Message.Topic != "b" {
		t.Errorf("%+v, want a message of b", e)
	}
	close(release)
	if e := c.event(); e.Reply == nil || e.Reply.ID != 3 {
		t.Errorf("%+v, want the reply", e)
	}
}

// A client that subscribes again while the server ends the first subscription learns from the
// reply that it has none: there is no end event then.
func TestSubscribedReplyAfterTheEnd(t *testing.T) {
	sessions := make(chan *session, 1)
	s := serve(t, hub.Options{}, Options{Authorize: func(m *hub.Member, _, _ string) error {
		select {
		case sessions <- m.To().(*session):
		default:
		}
		return nil
	}})
	c := s.dial("")
	c.gets(wire.Request{Do: wire.Subscribe, Topic: "there"})
	session := <-sessions
	for topic, want := range map[string]string{"there": wire.Subscribed, "gone": wire.Unavailable} {
		a := &request{Request: wire.Request{ID: 9, Do: wire.Subscribe, Topic: topic}, done: true, err: wire.Errorf(wire.Subscribed, "already subscribed")}
		session.replying.Lock()
		session.replyLocked(a)
		session.replying.Unlock()
		if e := c.event(); e.Reply == nil || e.Reply.Error == nil || e.Reply.Error.Code != want {
			t.Errorf("%s: %+v, want %s", topic, e, want)
		}
	}
}

// A user whose connections the server ends while one of them opens: it is closed, as the others.
func TestUserEndsWhileOpening(t *testing.T) {
	sessions := make(chan *session, 1)
	s := serve(t, hub.Options{}, Options{
		Identify: func(*wsproto.Request) (hub.Identity, error) { return hub.Identity{User: "ada"}, nil },
		Authorize: func(m *hub.Member, _, _ string) error {
			sessions <- m.To().(*session)
			return nil
		},
	})
	c := s.dial("")
	c.gets(wire.Request{Do: wire.Subscribe, Topic: "a"})
	of := <-sessions
	if n, _ := s.hub.Disconnect(hub.UserTopic("ada"), hub.CloseReason{Code: 4000, Text: "over"}); n != 1 {
		t.Errorf("%d were disconnected", n)
	}
	of.resumeUser() // as OnOpen would, a moment later; it must not panic
}

// A member that has left gets no request answered, while its connection still gets the rest of its messages.
func TestLeftMemberIsRefused(t *testing.T) {
	members := make(chan *hub.Member, 1)
	s := serve(t, hub.Options{}, Options{
		Identified: func(m *hub.Member, _ hub.Identity) { members <- m },
		PublishAsync: func(*hub.Member, *wire.Request, func(hub.Receipt, error)) {
			t.Error("the program was asked to publish")
		},
	})
	c := s.dial("")
	c.gets(wire.Request{Do: wire.Ping})
	(<-members).Leave()
	for _, do := range []string{wire.Publish, wire.Subscribe, wire.History, wire.Presence} {
		c.says(wire.Request{ID: 9, Do: do, Topic: "a", Data: []byte("1")})
		if e := c.event(); e.Reply == nil || e.Reply.Error == nil || e.Reply.Error.Code != wire.Unavailable {
			t.Errorf("%s: %+v, want %s", do, e, wire.Unavailable)
		}
	}
}
