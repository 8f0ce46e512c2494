package natsbroker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/fanfare-ws/fanfare/hub"
)

// asking is a question to the peers. peers.mu guards it.
type asking struct {
	all     int                 // how many peers were asked
	silent  map[uint64]struct{} // those that have not answered
	missing int                 // answers that will not come
	answers []answer            // that wait for Ask
	size    int                 // of these
	lost    error               // why no more answers come
	ready   chan struct{}       // wakes Ask
}

type answer struct {
	peer uint64
	data []byte
}

// refusal is an answer that says that there is none.
type refusal struct{ peer, question uint64 }

func (a *asking) rouse() {
	select {
	case a.ready <- struct{}{}:
	default:
	}
}

// fail ends the waiting.
func (a *asking) fail(cause error) {
	if a.lost == nil {
		a.lost = cause
	}
	a.rouse()
}

// forget takes a peer that has ended out of those that must answer.
func (a *asking) forget(peer uint64) {
	delete(a.silent, peer)
	a.rouse()
}

// Ask makes Broker a [hub.Peers].
func (b *Broker) Ask(ctx context.Context, question []byte, each func(peer uint64, answer []byte)) error {
	if len(question) > maxQuestion {
		return fmt.Errorf("natsbroker: a question has %d bytes; at most %d are allowed", len(question), maxQuestion)
	}
	id, a, err := b.beginAsking(ctx)
	if err != nil {
		return fmt.Errorf("natsbroker: asking the other nodes: %w", err)
	}
	defer b.peers.endAsking(id)
	b.mu.Lock()
	s, err := b.session, b.errLocked()
	b.mu.Unlock()
	if err == nil && a.all > 0 {
		err = s.nc.Publish(b.subjects.ask+nodeName(b.peers.self), encodeNumber(noteQuestion, id, question))
	}
	if err != nil {
		return fmt.Errorf("%w: asking the other nodes: %w", hub.ErrLinkDown, err)
	}
	for {
		answers, done, err := b.peers.takeAnswers(a)
		for _, r := range answers {
			each(r.peer, r.data)
		}
		if done {
			return err
		}
		select {
		case <-a.ready:
		case <-ctx.Done():
			return b.peers.stopAsking(a, each, context.Cause(ctx))
		case <-b.ctx.Done():
			return b.peers.stopAsking(a, each, errClosed)
		}
	}
}

// beginAsking begins a question to all peers, when these are known.
func (b *Broker) beginAsking(ctx context.Context) (id uint64, a *asking, err error) {
	p := &b.peers
	for {
		b.mu.Lock()
		up, err := b.up, b.cause
		if b.closed {
			up, err = false, errClosed
		}
		b.mu.Unlock()
		if !up {
			return 0, nil, err
		}
		p.mu.Lock()
		found := p.found
		if p.up && found == nil {
			break
		}
		p.mu.Unlock()
		select {
		case <-found:
		case <-time.After(minDelay): // it has been lost just now
		case <-ctx.Done():
			return 0, nil, fmt.Errorf("%w: %w", hub.ErrLinkDown, context.Cause(ctx))
		case <-b.ctx.Done():
			return 0, nil, errClosed
		}
	}
	defer p.mu.Unlock()
	a = &asking{all: len(p.all), silent: make(map[uint64]struct{}, len(p.all)), ready: make(chan struct{}, 1)}
	for node := range p.all {
		a.silent[node] = struct{}{}
	}
	p.asked++
	p.questions[p.asked] = a
	return p.asked, a, nil
}

func (p *peers) endAsking(id uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.questions, id)
}

// takeAnswers returns the answers that have come, and whether no more will.
func (p *peers) takeAnswers(a *asking) (answers []answer, done bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	answers = a.answers
	a.answers, a.size = nil, 0
	missing := a.missing + len(a.silent)
	switch {
	case len(a.silent) > 0 && a.lost == nil:
		return answers, false, nil
	case missing > 0 && a.lost != nil:
		err = fmt.Errorf("natsbroker: %d of %d answers are missing: %v", missing, a.all, a.lost)
	case missing > 0:
		err = fmt.Errorf("natsbroker: %d of %d answers are missing: %w", missing, a.all, errRefusals)
	}
	return answers, true, err
}

var errRefusals = errors.New("the other nodes had too much to do, or the answers were too large")

// stopAsking takes the last answers, and counts those that are missing.
func (p *peers) stopAsking(a *asking, each func(uint64, []byte), cause error) error {
	answers, _, _ := p.takeAnswers(a)
	for _, r := range answers {
		each(r.peer, r.data)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	missing := a.missing + len(a.silent)
	if missing == 0 {
		return nil
	}
	return fmt.Errorf("natsbroker: %d of %d answers are missing: %w", missing, a.all, cause)
}

// answered takes an answer of a peer, or its refusal.
func (p *peers) answered(node, question uint64, data []byte, refused bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	a := p.questions[question]
	if a == nil || !p.up {
		return
	}
	if _, ok := a.silent[node]; !ok {
		return // it was not asked, or has answered
	}
	delete(a.silent, node)
	if refused || a.size > p.max { // Ask is behind
		a.missing++
	} else {
		a.answers = append(a.answers, answer{node, data})
		a.size += len(data)
	}
	a.rouse()
}

// mayAnswer reports whether one more question may be answered; otherwise the peer is told.
func (p *peers) mayAnswer(node, question uint64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.answering < maxAnswering {
		p.answering++
		return true
	}
	if len(p.refusals) < maxRequests {
		p.refusals = append(p.refusals, refusal{node, question})
		p.rouse()
	}
	return false
}

func (p *peers) takeRefusals() []refusal {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := p.refusals
	p.refusals = nil
	return all
}

// answer has the hub answer a question of a peer.
func (b *Broker) answer(s *session, node, question uint64, data []byte) {
	defer func() {
		b.peers.mu.Lock()
		b.peers.answering--
		b.peers.mu.Unlock()
	}()
	if b.ctx.Err() != nil {
		return
	}
	answer := b.peerNode.Answer(data)
	note := encodeNumber(noteAnswer, question, answer)
	if len(answer) > maxQuestion || int64(len(note)) > s.nc.MaxPayload() {
		b.report(fmt.Errorf("natsbroker: an answer to another node has %d bytes, which are too many", len(answer)))
		note = encodeNumber(noteRefusal, question, nil)
	}
	_ = s.nc.Publish(b.to(node), note) // if it fails, the session ends
}

// readPeer takes what other nodes send without the stream, and reports whether it was that.
func (b *Broker) readPeer(s *session, m *nats.Msg) bool {
	sub := b.subjects.peerSubject(m.Subject)
	if sub == notPeer {
		return false
	}
	node, err := nodeOf(m.Subject)
	if err == nil && node != b.peers.self {
		err = b.readNote(s, sub, node, m.Data)
	}
	if err != nil {
		b.report(err)
	}
	return true
}

// readNote takes a note of a peer.
func (b *Broker) readNote(s *session, sub peerSubject, node uint64, note []byte) error {
	if len(note) > 0 && (note[0] == noteChanges || note[0] == noteSnapshot) && sub != toAsk {
		if !b.peers.knows(node) {
			return nil
		}
		c, err := decodeChanges(note)
		if err != nil {
			return err
		}
		return b.peers.changed(node, &c, sub == toOne, time.Now())
	}
	kind, number, data, err := decodeNumber(note)
	switch {
	case err != nil:
		return err
	case sub == toAsk && kind == noteQuestion:
		if b.peers.mayAnswer(node, number) {
			b.done.Go(func() { b.answer(s, node, number, data) })
		}
	case sub == toOne && kind == noteRequest:
		b.peers.requested(partRequest{node, number})
	case sub == toOne && (kind == noteAnswer || kind == noteRefusal):
		b.peers.answered(node, number, data, kind == noteRefusal)
	default:
		return fmt.Errorf("%w: its kind is unknown", errNote)
	}
	return nil
}
