package session

import (
	"testing"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/wire"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// What clients have recovered is counted by outcome, and a request that fails for another reason is not.
func TestRecoveries(t *testing.T) {
	s := serve(t, hub.Options{Topic: func(string) *hub.TopicOptions {
		return &hub.TopicOptions{History: hub.History{Messages: 2}}
	}}, Options{})
	for range 5 {
		if _, err := s.hub.Publish("x", hub.Message{Data: []byte("1"), Kind: hub.JSON}); err != nil {
			t.Fatal(err)
		}
	}
	topic, _ := s.hub.Topic("x")
	at := func(offset uint64) *hub.Position { return &hub.Position{Epoch: topic.Position.Epoch, Offset: offset} }
	c := s.dial("")
	subscribe := func(after *hub.Position, code string) {
		t.Helper()
		c.wantsCode(wire.Request{Do: wire.Subscribe, Topic: "x", After: after}, code)
	}
	subscribe(at(5), "")
	subscribe(at(5), wire.Subscribed)
	c.gets(wire.Request{Do: wire.Unsubscribe, Topic: "x"})
	subscribe(at(2), wire.TooOld)
	subscribe(at(9), wire.TooOld) // ahead: the server has lost some
	subscribe(&hub.Position{Epoch: topic.Position.Epoch + 1, Offset: 1}, wire.TooOld)
	c.wantsCode(wire.Request{Do: wire.Subscribe, Topic: ".bad.", After: at(1)}, wire.BadTopic)
	subscribe(nil, "")
	if n, want := s.endpoint.Stats().Recoveries, (RecoveryStats{None: 1, Resumed: 1, Lost: 2, NewEpoch: 1}); n != want {
		t.Errorf("%+v, want %+v", n, want)
	}
}

// A connection leads to its member for as long as it is open.
func TestMemberOf(t *testing.T) {
	members := make(chan *hub.Member, 1)
	s := serve(t, hub.Options{}, Options{Authorize: func(m *hub.Member, _, _ string) error {
		members <- m
		return nil
	}})
	c := s.dial("")
	c.gets(wire.Request{Do: wire.Subscribe, Topic: "x"})
	m := <-members
	conn := m.To().(*session).WebSocket()
	if MemberOf(conn) != m {
		t.Error("it leads to another member")
	}
	if MemberOf(new(wsproto.Conn)) != nil {
		t.Error("a connection that has never begun has a member")
	}
	_ = c.CloseNow()
	if !settles(func() bool { return MemberOf(conn) == nil }) {
		t.Error("a connection that has ended has a member")
	}
}
