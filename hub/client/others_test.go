package client_test

import (
	"sync/atomic"
	"testing"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/client"
	"github.com/fanfare-ws/fanfare/hub/session/sessiontest"
	"github.com/fanfare-ws/fanfare/wsproto/wstest"
)

// A client whose node breaks off goes on at the other node, with every message once.
func TestAnotherNode(t *testing.T) {
	const messages = 300
	cluster := hub.NewMemoryBroker(hub.MemoryBrokerOptions{History: messages})
	history := kept(hub.History{Messages: messages})
	first, second := sessiontest.ServeNode(t, cluster.Node(), history), sessiontest.ServeNode(t, cluster.Node(), history)
	cut := wstest.Forward(t, first.Addr, func() int64 { return 5000 })
	o := quick()
	o.Others = []string{"ws://" + second.Addr + "/hub"}
	var last atomic.Int64
	c := dial(t, cut.Addr, o)
	_, err := c.Subscribe(t.Context(), "load", &client.SubscribeOptions{OnGap: func(g client.Gap) { t.Errorf("a gap: %v", g) }}, func(m client.Message) {
		var v struct{ N int64 }
		if err := m.Decode(&v); err != nil || v.N != last.Load()+1 {
			t.Errorf("%s after %d, %v", m.Payload, last.Load(), err)
		}
		last.Store(v.N)
	})
	if err != nil {
		t.Fatal(err)
	}
	for n := 1; n <= messages; n++ {
		first.Number(t, "load", n)
	}
	sessiontest.Eventually(t, "all messages", func() bool { return last.Load() == messages })
	if n := second.Stats().Subscriptions; n != 1 || cut.Cuts() != 1 {
		t.Errorf("%d subscriptions at the second node, %d connections were cut", n, cut.Cuts())
	}
}
