package natsbroker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fanfare-ws/fanfare/hub"
)

// linkTimeout bounds an attempt to link, and a check.
const linkTimeout = 10 * time.Second

// serve links the node, and links it again when messages may be missing, until the session ends.
func (b *Broker) serve(s *session) {
	b.begin(s)
	defer func() {
		s.nc.Close()
		<-s.read
		b.end(s)
	}()
	tick := time.NewTicker(b.opts.CheckEvery)
	defer tick.Stop()
	var delay backoff
	for {
		err := b.maintain(s)
		switch {
		case b.ctx.Err() != nil:
			return
		case err != nil:
			b.report(err)
			delay.wait(b.ctx, s.ended)
		default:
			delay = backoff{}
			select {
			case <-tick.C:
				b.mu.Lock()
				b.checkSoonLocked()
				b.mu.Unlock()
			case <-b.kick:
			case <-s.ended:
			case <-b.ctx.Done():
			}
		}
		select {
		case <-s.read:
			return
		case <-s.ended:
			<-s.read
			return
		default:
		}
	}
}

// maintain does what has to be done for the session now.
func (b *Broker) maintain(s *session) error {
	b.mu.Lock()
	up, doubt, check := b.up, s.doubt, b.check
	b.check = false
	b.mu.Unlock()
	ctx, cancel := context.WithTimeout(b.ctx, linkTimeout)
	defer cancel()
	switch {
	case !up || doubt:
		return b.link(ctx, s)
	case check:
		return b.compare(ctx, s)
	}
	return nil
}

// checkSoonLocked has the link compare the node's state with the stream's.
func (b *Broker) checkSoonLocked() {
	b.check = true
	b.wake()
}

// link makes sure that the stream is there, finds out its epoch, and has everything delivered that
// is stored from then on.
func (b *Broker) link(ctx context.Context, s *session) error {
	b.mu.Lock()
	s.ready, s.doubt = false, false
	b.mu.Unlock()
	if !b.out.hasRoom() {
		return nil // deliver wakes the link
	}
	record := b.sameEpoch(ctx, s)
	if record == nil {
		var err error
		if record, err = b.findEpoch(ctx, s); err != nil {
			return err
		}
	}
	b.mu.Lock()
	if b.epoch != record.Epoch {
		b.setEpochLocked(record.Epoch, record.seq)
	}
	b.record = *record
	var back bool
	var at uint64
	w := newWaiter(func(seq uint64) { at, back = seq, b.linkedLocked(s, record, seq) })
	b.doLocked(s, op{waiter: w})
	b.mu.Unlock()
	if err := b.await(ctx, s, w); err != nil {
		return fmt.Errorf("natsbroker: waiting for a copy from the stream %s: %w", b.opts.Stream, err)
	}
	if back {
		b.wake()
		return b.writeEpoch(ctx, s, record)
	}
	b.findPeers(ctx, s, at)
	return nil
}

// linkedLocked is called when the probe has come back. It returns true if the sequence has gone
// back, so that another epoch must begin.
func (b *Broker) linkedLocked(s *session, r *epochRecord, seq uint64) (back bool) {
	switch {
	case s.doubt, b.epoch != r.Epoch: // try again
		b.wake()
		return false
	case seq <= b.base, seq < b.seen, seq < r.seq:
		return true
	}
	l := &linked{at: hub.Position{Epoch: b.epoch, Offset: seq}, base: b.base, top: max(b.base, b.top)}
	b.base, b.top, b.seen = seq, seq, seq
	b.compared = [2]uint64{seq, seq}
	b.tracker.begin(seq)
	b.up, s.ready, s.linked = true, true, true
	s.rouse()
	b.out.push(call{linked: l})
	b.peers.linked(time.Now())
	return false
}

// errMisconfigured says that the stream cannot serve.
var errMisconfigured = errors.New("natsbroker: the stream is not configured as it must be")
