package natsbroker

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/fanfare-ws/fanfare/hub"
)

// Reasons for a loss.
var (
	errGap      = fmt.Errorf("%w: NATS has not delivered all messages", hub.ErrLinkDown)
	errTooSlow  = fmt.Errorf("%w: too many messages wait for the hub", hub.ErrLinkDown)
	errElection = fmt.Errorf("%w: the stream has got another leader", hub.ErrLinkDown)
	errEpoch    = fmt.Errorf("%w: the stream has begun another sequence", hub.ErrLinkDown)
)

// read looks at everything that arrives in a session, in order, and does not wait for the hub.
func (b *Broker) read(s *session) {
	defer close(s.read)
	for {
		select {
		case m := <-s.arrived:
			b.readMessage(s, m)
			continue
		default:
		}
		select {
		case m := <-s.arrived:
			b.readMessage(s, m)
		case <-s.ended:
			for len(s.arrived) > 0 {
				b.readMessage(s, <-s.arrived)
			}
			return
		}
	}
}

func (b *Broker) readMessage(s *session, m *nats.Msg) {
	if len(s.arrived) >= cap(s.arrived)-1 { // nats.go may have dropped what came after these
		b.mu.Lock()
		b.loseLocked(errTooSlow)
		b.mu.Unlock()
	}
	if id, ok := strings.CutPrefix(m.Subject, s.inbox); ok {
		b.readAnswer(s, id, m)
		return
	}
	if b.readPeer(s, m) {
		return
	}
	if !strings.HasPrefix(m.Subject, b.opts.Prefix) {
		b.mu.Lock()
		b.loseLocked(errElection)
		b.mu.Unlock()
		return
	}
	name, isTopic := strings.CutPrefix(m.Subject, b.subjects.outTopic)
	if isTopic && m.Header.Get(headerSeq) == "" {
		b.readUnstored(unescape(name), m)
		return
	}
	at, err := storedOf(m.Header)
	if err != nil {
		b.report(err)
		return
	}
	switch {
	case isTopic:
		b.readCopy(unescape(name), m, &at)
	case m.Subject == b.subjects.outEpoch:
		b.readEpoch(m, &at)
	case m.Subject == b.subjects.outClock:
		b.mu.Lock()
		b.clock = time.Now()
		b.mu.Unlock()
	case strings.HasPrefix(m.Subject, b.subjects.outNode):
		b.readLease(m, &at)
	default:
		b.readProbe(s, m, &at)
	}
}

// readCopy takes a copy of a message to a topic. One that cannot be decoded, since another program
// has published it with a wrong header, is left out, but counts as delivered: otherwise the next
// message would show a gap.
func (b *Broker) readCopy(topic string, m *nats.Msg, at *stored) {
	e, err := at.envelope(m, topic)
	if err != nil {
		b.report(badMessage(topic, at.seq, err))
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.up {
		return // the hub fetches it
	}
	switch b.judgeLocked(topic, at) {
	case known:
		return
	case gap:
		b.loseLocked(fmt.Errorf("%w: to topic %q, before %d", errGap, topic, at.seq))
		return
	}
	e.Position.Epoch = b.epoch
	if err == nil && !b.out.push(call{message: e}) {
		b.out.dropMessages()
		b.loseLocked(errTooSlow)
		return
	}
	b.deliveredLocked(topic, at.seq)
	b.seen = max(b.seen, at.seq)
}

// badMessage says that a message cannot be delivered.
func badMessage(topic string, seq uint64, err error) error {
	return fmt.Errorf("natsbroker: message %d to topic %q is left out: %w", seq, topic, err)
}

// readProbe takes a copy of a probe: everything that was stored before it has arrived.
func (b *Broker) readProbe(s *session, m *nats.Msg, at *stored) {
	number, err := strconv.ParseUint(string(m.Data), 10, 64)
	if err != nil {
		b.report(fmt.Errorf("natsbroker: a probe has no number: %w", err))
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for n, all := range s.probes {
		if n > number {
			continue
		}
		delete(s.probes, n)
		for _, w := range all {
			w.ok(at.seq)
		}
	}
	b.seen = max(b.seen, at.seq)
}

// readEpoch takes a copy of an epoch's record.
func (b *Broker) readEpoch(m *nats.Msg, at *stored) {
	r, err := parseEpoch(m.Data)
	if err != nil {
		b.report(err)
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.epoch == 0 || r.Epoch == b.epoch {
		return // the link reads it when it begins
	}
	b.setEpochLocked(r.Epoch, at.seq)
	b.loseLocked(errEpoch)
}

// setEpochLocked begins another epoch: its record is at seq.
func (b *Broker) setEpochLocked(epoch, seq uint64) {
	b.before, b.epoch, b.epochSeq = b.epoch, epoch, seq
	b.base, b.top, b.seen = 0, 0, 0
	b.tracker.reset()
	for _, all := range []map[string]*joined{b.topics, b.patterns} {
		for _, j := range all {
			j.last, j.silent = 0, 0
		}
	}
}

// pubAck is the answer to a published message.
type pubAck struct {
	Seq       uint64 `json:"seq"`
	Duplicate bool   `json:"duplicate"`
	Error     *struct {
		Code        int    `json:"err_code"`
		Description string `json:"description"`
	} `json:"error"`
}

// errNotStored says that the stream did not take a message.
var errNotStored = fmt.Errorf("%w: the stream has not stored the message", hub.ErrLinkDown)

func parseAck(m *nats.Msg) (a pubAck, err error) {
	if status := m.Header.Get(headerStatus); status == "503" {
		return a, fmt.Errorf("%w: it is not there, or has no leader", errNotStored)
	}
	if err := json.Unmarshal(m.Data, &a); err != nil {
		return a, fmt.Errorf("%w: the answer to a published message: %w", hub.ErrUnacknowledged, err)
	}
	if a.Error != nil {
		return a, fmt.Errorf("%w: %s", errNotStored, a.Error.Description)
	}
	if a.Seq == 0 {
		return a, fmt.Errorf("%w: the answer to a published message has no sequence number", hub.ErrUnacknowledged)
	}
	return a, nil
}

// readAnswer takes the answer to a published message, or to a probe.
func (b *Broker) readAnswer(s *session, id string, m *nats.Msg) {
	ack, err := parseAck(m)
	if id == "p" {
		if err != nil {
			b.probesFailed(s, err)
		}
		return
	}
	number, idErr := strconv.ParseUint(id, 10, 64)
	if idErr != nil {
		return
	}
	var at hub.Position
	if err == nil {
		at, err = b.position(&ack)
	} else if errors.Is(err, errNotStored) {
		b.mu.Lock()
		b.checkSoonLocked()
		b.mu.Unlock()
	}
	b.finish(number, at, err)
}

// probesFailed tells all that wait for probes that the stream does not take them.
func (b *Broker) probesFailed(s *session, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for n, all := range s.probes {
		delete(s.probes, n)
		for _, w := range all {
			w.fail(err)
		}
	}
	b.checkSoonLocked()
}

// position returns the position of a message that has been stored.
func (b *Broker) position(a *pubAck) (hub.Position, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case a.Seq < b.epochSeq && b.before != 0:
		return hub.Position{Epoch: b.before, Offset: a.Seq}, nil
	case a.Seq <= b.base && !a.Duplicate:
		b.loseLocked(errEpoch)
		return hub.Position{}, fmt.Errorf("%w: the sequence has gone back to %d", hub.ErrUnacknowledged, a.Seq)
	}
	b.seen = max(b.seen, a.Seq)
	return hub.Position{Epoch: b.epoch, Offset: a.Seq}, nil
}
