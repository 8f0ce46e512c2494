package natsbroker

import (
	"errors"
	"time"
)

const (
	noteEvery   = 10 * time.Millisecond // changes wait for so long after a note, and come in one then
	maxNote     = 256 << 10             // bytes of changes in a note, unless the server allows less
	maxTurn     = 8                     // parts that are sent before other things have their turn
	goodbyeTime = time.Second           // how long Close waits for the server
)

// sharer is the goroutine that tells the peers what they must know: it renews the lease, announces
// changes, asks for parts of states and sends them. It may wait for the connection, for writeTimeout
// at most; only it does.
type sharer struct {
	*Broker
	s       *session  // the present one, if the node has been linked in it
	renewal time.Time // when the lease is to be renewed
	note    time.Time // when the next note may be sent
}

// share runs the sharer until Close.
func (b *Broker) share() {
	defer close(b.peers.said)
	defer b.state.end()
	sh := &sharer{Broker: b}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-b.peers.kick:
		case <-timer.C:
		case <-b.peers.bye:
			sh.sayGoodbye()
			return
		}
		timer.Reset(sh.turn(time.Now()))
	}
}

// turn does what there is to do, and returns how long nothing will be.
func (sh *sharer) turn(now time.Time) time.Duration {
	sh.state.apply()
	every := sh.opts.Lease / renewals
	s := sh.linkedSession()
	if s != sh.s || s == nil { // the record will say what has changed without a note
		sh.s, sh.renewal, sh.state.sent = s, now, sh.state.number
	}
	if s == nil {
		return every
	}
	if !now.Before(sh.note) {
		sh.sendNotes(now)
	}
	if !now.Before(sh.renewal) {
		sh.writeLease(s, false)
		sh.renewal = now.Add(every)
	}
	sh.sendRequests(now)
	sh.sendRefusals()
	if more := sh.sendParts(now); more {
		return 0
	}
	wait := time.Until(sh.renewal)
	if sh.state.sent < sh.state.number {
		wait = min(wait, time.Until(sh.note))
	}
	if sh.peers.isAsking() {
		wait = min(wait, askAgain/2)
	}
	return max(wait, 0)
}

// linkedSession returns the present session, if the node has been linked in it: only then peers can
// reach it.
func (b *Broker) linkedSession() *session {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.session == nil || !b.session.linked {
		return nil
	}
	return b.session
}

// sendNotes announces what has changed.
func (sh *sharer) sendNotes(now time.Time) {
	for sh.state.sent < sh.state.number {
		c, omitted := sh.state.note(sh.limit())
		sh.tell(sh.subjects.peer+nodeName(sh.peers.self), c.encode())
		sh.reportOmitted(omitted)
		sh.note = now.Add(noteEvery)
	}
}

// sendRequests asks peers for parts of their states.
func (sh *sharer) sendRequests(now time.Time) {
	for _, r := range sh.peers.next(now) {
		sh.tell(sh.to(r.peer), encodeNumber(noteRequest, r.from, nil))
	}
}

// sendParts sends peers what they have asked for, and reports whether there is more to send.
func (sh *sharer) sendParts(now time.Time) (more bool) {
	all := sh.peers.takeRequests(maxTurn)
	if len(all) > 0 {
		sh.sendNotes(now) // a part has nothing that was not announced, so a snapshot would lack it
	}
	for _, r := range all {
		c, omitted := sh.state.part(r.from, sh.limit())
		sh.tell(sh.to(r.peer), c.encode())
		sh.reportOmitted(omitted)
	}
	return len(all) == maxTurn
}

// sendRefusals tells peers that their questions get no answer.
func (sh *sharer) sendRefusals() {
	for _, r := range sh.peers.takeRefusals() {
		sh.tell(sh.to(r.peer), encodeNumber(noteRefusal, r.question, nil))
	}
}

// limit returns how many bytes of changes a note may have.
func (sh *sharer) limit() int { return min(maxNote, int(sh.s.nc.MaxPayload())-64) }

// tell sends a note. If that fails, the session ends, or the peers notice.
func (sh *sharer) tell(subject string, note []byte) {
	if err := sh.s.nc.Publish(subject, note); err != nil && sh.s.nc.IsConnected() {
		sh.report(err)
	}
}

var errOmitted = errors.New("natsbroker: an entry of the state is larger than the server's max_payload, and left out")

func (sh *sharer) reportOmitted(n int) {
	if n > 0 {
		sh.report(errOmitted)
	}
}

// sayGoodbye tells the peers that the node has ended.
func (sh *sharer) sayGoodbye() {
	if s := sh.linkedSession(); s != nil {
		sh.writeLease(s, true)
		_ = s.nc.FlushTimeout(goodbyeTime) // otherwise the lease ends
	}
}

// to returns the subject of notes from this node to another one.
func (b *Broker) to(peer uint64) string {
	return b.subjects.to + nodeName(peer) + "." + nodeName(b.peers.self)
}
