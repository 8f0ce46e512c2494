package session

import (
	"sync"

	"github.com/fanfare-ws/fanfare/hub/wire"
	"github.com/fanfare-ws/fanfare/hub/wshub"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// receiver is the connection as a hub.Subscriber, which also reports drops.
type receiver struct {
	*wshub.Conn

	replying sync.Mutex // before all other locks: guards the queue; held while replies and events are sent, not during a step
	mu       sync.Mutex
	waiting  interface{ Schedule() } // of the hub, until the connection has drained
	drops    *drops                  // nil if nothing was ever dropped
	closed   bool                    // the connection has closed
	naming   bool                    // Options.Identified is being called; under replying
	gone     wsproto.Code            // the close code, once the connection has closed; 0 before; under replying
	data     uint32                  // length of the member's data
}

// WhenDrained waits for the connection on behalf of the hub. The connection remembers one waiter
// only, so receiver shares that place with sendDrops.
func (r *receiver) WhenDrained(t interface{ Schedule() }) {
	r.mu.Lock()
	r.waiting = t
	r.mu.Unlock()
	r.Conn.WhenDrained(r)
}

// Schedule is called, under locks, when the connection has drained.
func (r *receiver) Schedule() {
	r.mu.Lock()
	t, due := r.waiting, r.drops != nil && r.drops.due
	r.waiting = nil
	if due {
		r.drops.due = false
	}
	r.mu.Unlock()
	if t != nil {
		t.Schedule()
	}
	if due {
		go r.sendDrops()
	}
}

// sendOrClose sends p, and closes the connection if that is not possible.
func (r *receiver) sendOrClose(p []byte, err error) {
	if err != nil {
		r.WebSocket().Close(wsproto.InternalError, wire.Plain(err))
	} else if r.WebSocket().Send(wsproto.Text, p) == wsproto.Full {
		r.WebSocket().Close(wsproto.TryAgainLater, "too slow: the replies are not read")
	}
}
