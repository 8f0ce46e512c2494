package hub

import (
	"errors"
	"testing"
)

// A subscriber that is disconnected gets what was published before, also if it is slow, and is
// closed then. Later messages do not count it.
func TestSubscriptionDisconnect(t *testing.T) {
	var run manual
	h := New(Options{Workers: run.on(1)})
	quick, slow := new(fake).join(t, h, "a"), new(fake).join(t, h, "a")
	m := newMember(t, h, new(fake), "")
	subscribe(t, m, "a", SubscribeOptions{Encoding: raw})
	subscribe(t, m, "b", SubscribeOptions{Encoding: raw})
	slow.stall(true)
	publish(t, h, "a", 1)
	run.runAll()
	publish(t, h, "a", 2)
	publish(t, h, "b", 3)
	why := CloseReason{Code: 1012, Text: "restart"}
	if !quick.sub.Disconnect(why) || !slow.sub.Disconnect(why) {
		t.Error("a subscription that has begun was not ended")
	}
	m.Disconnect(why)
	m.Disconnect(CloseReason{Code: 4000})
	for _, name := range []string{"a", "b"} {
		if rc := publish(t, h, name, 4); rc.Receivers != 0 {
			t.Errorf("%s: %d receivers after the end", name, rc.Receivers)
		}
	}
	for name, s := range map[string]*Subscription{"quick": &quick.sub, "slow": &slow.sub} {
		if _, err := s.Publish(Message{}); !errors.Is(err, ErrNotSubscribed) {
			t.Errorf("the %s one publishes after its end: %v", name, err)
		}
	}
	run.runAll()
	wantGot(t, "the quick one", quick, 1, 2)
	wantGot(t, "the member", m.to.(*fake), 1, 2, 3)
	if quick.closed != 1012 || m.to.(*fake).closed != 1012 || slow.closed != 0 {
		t.Errorf("closed with %d, %d and, before it has read, %d", quick.closed, m.to.(*fake).closed, slow.closed)
	}
	slow.drain()
	run.runAll()
	wantGot(t, "the slow one", slow, 1, 2)
	if slow.closed != 1012 {
		t.Errorf("the slow one: closed with %d", slow.closed)
	}
	if new(Subscription).Disconnect(why) {
		t.Error("a subscription that has not begun was ended")
	}
}
