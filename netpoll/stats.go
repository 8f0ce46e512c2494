//go:build linux

package netpoll

import (
	"time"

	"github.com/fanfare-ws/fanfare/netpoll/histogram"
)

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
	// TLSHandshakes is the number of listeners' TLS handshakes under way, and
	// TLSHandshakesWaiting the number that wait for a place. TLSHandshakesDone counts those that have
	// succeeded, TLSHandshakesFailed those that ended in an error. Of these, TLSHandshakesShed had to
	// give way, and TLSHandshakesTimedOut exceeded Options.TLSTimeout: TLSHandshakesFailed without the two never falls, either.
	TLSHandshakes         int64 `json:"tls_handshakes"`
	TLSHandshakesWaiting  int64 `json:"tls_handshakes_waiting"`
	TLSHandshakesDone     int64 `json:"tls_handshakes_done"`
	TLSHandshakesFailed   int64 `json:"tls_handshakes_failed"`
	TLSHandshakesShed     int64 `json:"tls_handshakes_shed"`
	TLSHandshakesTimedOut int64 `json:"tls_handshakes_timed_out"`

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
	// ReadyWait is how long connections and tasks have waited for a drainer: one of each 32, and
	// the first.
	ReadyWait histogram.Snapshot `json:"ready_wait"`
	// LoopLag is the time after which a loop has looked at an event of the engine's own, which is
	// raised up to 10 times a second while there is work.
	LoopLag histogram.Snapshot `json:"loop_lag"`

	// Workers is the largest number of workers, WorkersBusy the number that run turns or tasks now,
	// and WorkersBlocked the number of these that have been in one turn or task for longer
	// than Options.BlockedAfter. Blocked counts such turns and tasks since the start.
	Workers        int   `json:"workers"`
	WorkersBusy    int   `json:"workers_busy"`
	WorkersBlocked int   `json:"workers_blocked"`
	Blocked        int64 `json:"blocked"`
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
	s.Workers, s.WorkersBusy = e.opts.Workers, e.workers.count()
	s.WorkersBlocked, s.Blocked = int(e.watchdog.now.Load()), e.watchdog.ever.Load()
	now := uint32(e.clock.Read())
	for _, l := range e.loops {
		s.BytesIn += l.bytesIn.Load()
		s.BytesOut += l.bytesOut.Load()
		s.MessagesIn += l.messagesIn.Load()
		s.MessagesOut += l.messagesOut.Load()
		s.Queued += l.queued.Load()
		l.ready.Waits.AddTo(&s.ReadyWait)
		l.lag.times.AddTo(&s.LoopLag)
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
	s.TLSHandshakes, s.TLSHandshakesWaiting = int64(len(k.running)), int64(k.waiting)
	s.TLSHandshakesDone = k.done.Load()
	s.TLSHandshakesShed, s.TLSHandshakesTimedOut = k.shed.Load(), k.timedOut.Load()
	s.TLSHandshakesFailed = s.TLSHandshakesShed + s.TLSHandshakesTimedOut + k.broken.Load()
}

func (b *background) countInto(s *Stats) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s.Background, s.BackgroundWaiting = int64(b.running), int64(b.waiting)
}
