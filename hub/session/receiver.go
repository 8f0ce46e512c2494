package session

import (
	"sync"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/wire"
	"github.com/fanfare-ws/fanfare/hub/wshub"
	"github.com/fanfare-ws/fanfare/netpoll"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// receiver is the connection as the hub sees it: a hub.Subscriber, which also says
// what was dropped.
type receiver struct {
	conn *wsproto.Conn

	replying sync.Mutex // first of all: guards the queue; held as replies and events are sent, not during a step
	mu       sync.Mutex
	waiting  interface{ Schedule() } // of the hub, for the connection to drain
	drops    *drops                  // nil if there never were any
	closed   bool                    // nobody is there any more
	data     uint32                  // bytes of the member's data
}

// The methods of a hub.ConnSubscriber are those of the connection, but for WhenDrained.

func (r *receiver) Loop() int { return r.conn.Loop() }

func (r *receiver) Send(e hub.Encoded) netpoll.Outcome { return wshub.Subscriber(r.conn).Send(e) }

func (r *receiver) Write(e hub.Encoded) (*netpoll.Conn, *netpoll.Buffer) {
	return wshub.Subscriber(r.conn).Write(e)
}

func (r *receiver) Close(why hub.CloseReason) { wshub.Subscriber(r.conn).Close(why) }

// WhenDrained shares what the connection has once with sendDrops.
func (r *receiver) WhenDrained(t interface{ Schedule() }) {
	r.mu.Lock()
	r.waiting = t
	r.mu.Unlock()
	r.conn.WhenDrained(r)
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

// sendOrClose sends what has to come, or ends the connection.
func (r *receiver) sendOrClose(p []byte, err error) {
	if err != nil {
		r.conn.Close(wsproto.InternalError, wire.Plain(err))
	} else if r.conn.Send(wsproto.Text, p) == wsproto.Full {
		r.conn.Close(wsproto.TryAgainLater, "too slow: the replies are not read")
	}
}
