package webhook

import "time"

// Stats are counters since New, and what is held now.
type Stats struct {
	Events    [kinds]uint64 // queued for the endpoints, by Types
	Coalesced uint64        // not sent, because one cancelled the other out
	Held      int           // that wait for their opposites
	Endpoints []EndpointStats
}

// EndpointStats are the figures of an endpoint. Events are counted in Sent, DeadLetters or Dropped when they leave its queue.
type EndpointStats struct {
	URL string // scheme and host

	Sent        uint64 // taken by the endpoint
	DeadLetters uint64 // given up after Options.GiveUpAfter
	Dropped     uint64 // because the queue was full, or Close had no more time

	// Requests, those included that were repetitions or failed, and the time that they took together.
	Requests    uint64
	RequestTime time.Duration
	Retries     uint64
	Failures    [failureKinds]uint64 // by FailureNames
	Failing     bool                 // the last request has failed, and there are events to send

	Queued      int           // events, those of the request under way included
	QueuedBytes int           // the memory for these
	Fullness    float64       // the part of its queue that is used, from 0 to 1: beyond, events are dropped
	Oldest      time.Duration // age of the first of these
}

// Stats returns the figures.
func (w *Webhooks) Stats() Stats {
	w.mu.Lock()
	s := w.stats
	s.Held = len(w.holding.byKey)
	w.mu.Unlock()
	for _, e := range w.endpoints {
		s.Endpoints = append(s.Endpoints, e.figures())
	}
	return s
}

func (e *endpoint) figures() EndpointStats {
	e.mu.Lock()
	defer e.mu.Unlock()
	s, o := e.stats, e.webhooks.options.Load()
	s.URL, s.Queued, s.QueuedBytes = e.shown, e.queue.len(), e.queue.bytes
	s.Failing = e.failing && s.Queued > 0
	s.Fullness = max(float64(s.Queued)/float64(o.MaxQueue), float64(s.QueuedBytes)/float64(o.MaxQueueBytes))
	if oldest := e.queue.oldest(); oldest != nil {
		s.Oldest = time.Since(oldest.queued)
	}
	return s
}
