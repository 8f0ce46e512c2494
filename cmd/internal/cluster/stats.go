package cluster

import (
	"maps"

	"github.com/fanfare-ws/fanfare/hub/natsbroker"
	"github.com/fanfare-ws/fanfare/netpoll/histogram"
)

// Stats are figures of a [Link]. All but those of natsbroker.Stats only grow.
type Stats struct {
	natsbroker.Stats
	Links       int64              // how often it was linked, the first time included
	Losses      map[string]int64   // how often the link was lost, by cause: natsbroker.LossCauses
	Epochs      int64              // how often the stream has begun anew
	Unconfirmed int64              // messages that may have been published
	Refused     int64              // messages that were certainly not published
	RoundTrip   histogram.Snapshot // from the call of Publish to the answer of NATS
}

// Stats returns the figures of this moment.
func (l *Link) Stats() Stats {
	s := Stats{Stats: l.Broker.Stats(), Unconfirmed: l.uncertain.Load(), Refused: l.refused.Load(), RoundTrip: l.roundTrip.Snapshot()}
	l.mu.Lock()
	defer l.mu.Unlock()
	s.Links, s.Losses, s.Epochs = l.links, maps.Clone(l.losses), l.epochs
	return s
}
