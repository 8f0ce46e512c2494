package natsbroker

import "errors"

// Stats are figures of a [Broker] at one moment.
type Stats struct {
	Connected    bool   // to a server of NATS
	Linked       bool   // everything that is published arrives
	Epoch        uint64 // 0 before the first link
	Pending      int    // published messages without an answer
	PendingBytes int    // of them, with 256 bytes for each
	QueueBytes   int    // of messages that wait for the hub, counted in the same way
}

// Stats returns the figures of this moment.
func (b *Broker) Stats() Stats {
	b.mu.Lock()
	s := Stats{Connected: b.session != nil, Linked: b.up, Epoch: b.epoch, Pending: len(b.pubs.all), PendingBytes: b.pubs.size}
	b.mu.Unlock()
	b.out.mu.Lock()
	s.QueueBytes = b.out.size
	b.out.mu.Unlock()
	return s
}

// LossCauses are the results of [LossCause].
var LossCauses = []string{"connection", "epoch", "gap", "lame_duck", "leader", "slow"}

// LossCause returns a word for the cause with which [hub.Node.Lost] is called.
func LossCause(cause error) string {
	for _, c := range []struct {
		is   error
		word string
	}{{errLameDuck, "lame_duck"}, {errGap, "gap"}, {errTooSlow, "slow"}, {errElection, "leader"}, {errEpoch, "epoch"}} {
		if errors.Is(cause, c.is) {
			return c.word
		}
	}
	return "connection"
}
