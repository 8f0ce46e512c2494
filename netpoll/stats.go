//go:build linux

package netpoll

import "time"

// Stats are an engine's counters. Those named with a past participle (Accepted) only grow.
type Stats struct {
	Open     int64 `json:"open"`     // connections in the engine
	Detached int64 `json:"detached"` // connections that left it with Detach or Leave and still count against its limits
	Accepted int64 `json:"accepted"` // by listeners, since the start
	// Refused counts the connections that were accepted and closed at once, for any reason.
	// Of these, RefusedFull counts those for Options.MaxConns, RefusedByAddr for MaxConnsPerAddr.
	Refused       int64 `json:"refused"`
	RefusedFull   int64 `json:"refused_full"`
	RefusedByAddr int64 `json:"refused_by_addr"`
	// RefusedPreamble counts the connections of proxies that had no valid preamble (see Options.Preamble).
	RefusedPreamble int64 `json:"refused_preamble"`
	// Handshakes is the number of listeners' TLS handshakes under way, and
	// HandshakesWaiting the number that wait for a place. HandshakesFailed counts
	// those that ended in an error, and HandshakesShed the part of these that had to give way.
	Handshakes        int64 `json:"handshakes"`
	HandshakesWaiting int64 `json:"handshakes_waiting"`
	HandshakesFailed  int64 `json:"handshakes_failed"`
	HandshakesShed    int64 `json:"handshakes_shed"`

	// Background is the number of functions of Go and GoFor that run, BackgroundWaiting
	// the number that wait for a place.
	Background        int64 `json:"background"`
	BackgroundWaiting int64 `json:"background_waiting"`

	BytesIn     int64 `json:"bytes_in"`    // read from sockets
	BytesOut    int64 `json:"bytes_out"`   // taken by sockets
	MessagesIn  int64 `json:"messages_in"` // as the protocol counts them, with CountIn and CountOut
	MessagesOut int64 `json:"messages_out"`
	Queued      int64 `json:"queued"` // bytes pending now, over all connections
	// Held is the memory in bytes that Options.TotalPending bounds, as it is now: pending
	// output, shared buffers once, input that was left over, and what protocols Charge. Shed
	// counts the connections that were closed because it was too much.
	Held     int64 `json:"held"`
	Shed     int64 `json:"shed"`
	Slow     int64 `json:"slow"`     // connections closed for Options.MinDrain
	Drainers int   `json:"drainers"` // running or submitted now
	Ready    int   `json:"ready"`    // connections and tasks that wait for a drainer now
	// LongestWait is how long the first of them has been waiting, to a precision of about
	// two milliseconds.
	LongestWait time.Duration `json:"longest_wait_ns"`
}

// Stats returns the counters as they are now.
func (e *Engine) Stats() Stats {
	a := &e.admission
	s := Stats{Open: e.admission.open.Load(), Detached: a.detached.Load(), Accepted: e.accepted.Load(),
		Refused: a.refused.Load(), RefusedFull: a.refusedFull.Load(), RefusedByAddr: a.refusedByAddr.Load(),
		RefusedPreamble: a.refusedPreamble.Load()}
	e.serverHandshakes.count(&s)
	e.background.countInto(&s)
	s.Held, s.Shed = e.held(), e.budget.shed.Load()
	s.Slow = e.budget.slow.Load()
	now := uint32(e.clock.Read())
	for _, l := range e.loops {
		s.BytesIn += l.bytesIn.Load()
		s.BytesOut += l.bytesOut.Load()
		s.MessagesIn += l.messagesIn.Load()
		s.MessagesOut += l.messagesOut.Load()
		s.Queued += l.queued.Load()
		q := l.ready.State(now)
		s.Ready += q.Waiting
		s.Drainers += q.Drainers
		s.LongestWait = max(s.LongestWait, time.Duration(q.Longest)*time.Millisecond)
	}
	return s
}

func (k *tlsHandshakes) count(s *Stats) {
	k.mu.Lock()
	defer k.mu.Unlock()
	s.Handshakes, s.HandshakesWaiting = int64(len(k.running)), int64(k.waiting)
	s.HandshakesFailed, s.HandshakesShed = k.failed.Load(), k.shed.Load()
}

func (b *background) countInto(s *Stats) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s.Background, s.BackgroundWaiting = int64(b.running), int64(b.waiting)
}
