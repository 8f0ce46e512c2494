package session

import (
	"time"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// dropEvery is the shortest time between two reports of drops to a client.
const dropEvery = time.Second

// drops are the dropped messages that have not been reported.
type drops struct {
	pending map[string]int64 // messages, by topic
	timer   *time.Timer      // if pending is not empty, it runs, or has fired
	told    time.Time        // time of the last report
	due     bool             // report as soon as the connection has drained
}

// OnDrop counts dropped messages, and schedules their report. It makes receiver a
// hub.DropHandler.
func (r *receiver) OnDrop(topic string, messages int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	if r.drops == nil {
		r.drops = new(drops)
	}
	d := r.drops
	if d.pending == nil {
		d.pending = make(map[string]int64)
		wait := dropEvery - time.Since(d.told)
		if d.timer == nil {
			d.timer = time.AfterFunc(wait, r.dropsDue)
		} else {
			d.timer.Reset(wait)
		}
	}
	d.pending[topic] += messages
}

// dropsDue has the drops reported as soon as the connection has drained.
func (r *receiver) dropsDue() {
	r.mu.Lock()
	r.drops.due = !r.closed
	r.mu.Unlock()
	r.Conn.WhenDrained(r)
}

// sendDrops adds little to what is pending, and seldom. It holds replying, so that no report
// follows the reply to an unsubscribe request: see forget.
func (r *receiver) sendDrops() {
	r.replying.Lock()
	defer r.replying.Unlock()
	r.mu.Lock()
	d := r.drops
	pending := d.pending
	d.pending, d.told = nil, time.Now()
	r.mu.Unlock()
	for topic, messages := range pending {
		p, err := event(&hub.Event{Kind: hub.DropEvent, Topic: topic, Messages: messages})
		if err == nil && r.WebSocket().Send(wsproto.Text, p) == wsproto.Full {
			r.OnDrop(topic, messages)
		}
	}
}

// forget discards the drops of a topic that have not been reported.
func (r *receiver) forget(topic string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.drops != nil {
		delete(r.drops.pending, topic)
	}
}

// stop ends the reports.
func (r *receiver) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	if d := r.drops; d != nil {
		d.pending = nil
		d.timer.Stop()
	}
}
