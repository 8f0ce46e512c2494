package natsbroker

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/fanfare-ws/fanfare/hub"
)

const (
	maxPeers     = 1000            // others are not known
	maxParts     = 16              // parts of states that are asked for at a time
	maxRequests  = 1024            // parts that peers wait for
	askAgain     = 2 * time.Second // how long a part may take
	changeCost   = 64              // what a change counts for besides its bytes
	maxAnswering = 16              // questions that are being answered
)

// peer is another node that lives.
type peer struct {
	number uint64
	length time.Duration // of its lease
	heard  time.Time     // when it was heard of last, or the later time when this node was linked
	missed int           // how often this node has renewed its own lease since then

	stale bool            // there may be changes that no record or note has told of: it must be asked
	told  uint64          // its latest change, as far as is known
	have  uint64          // everything up to this change is known
	had   uint64          // the same when its lease was renewed last
	doubt bool            // it has not come so far: a snapshot must be asked for
	known map[string]held // the entries that the hub has
	size  int             // of these
	asked time.Time       // when a part of its state was asked for that has not come; zero if none
	waits bool            // it is in peers.wanting

	snapshot bool   // a snapshot is coming
	round    uint32 // counts the snapshots
}

// held is an entry of a peer's state that the hub has.
type held struct {
	size  int
	round uint32 // the snapshot that it was last seen in
}

// partRequest asks a peer for the changes of its state after from; or a peer has asked for that.
type partRequest struct{ peer, from uint64 }

// peers are the other nodes. What they send comes from the session's reader; findPeers and Ask look
// in from other goroutines.
type peers struct {
	self uint64 // the number of this node
	max  int    // Options.MaxPeerState
	out  *queue
	kick chan struct{} // wakes the goroutine that shares the state
	bye  chan struct{} // closed when the node is about to end
	said chan struct{} // closed when it has told the peers

	mu        sync.Mutex // after Broker.mu, before queue.mu
	up        bool       // Broker.up; nothing that arrives counts otherwise
	all       map[uint64]*peer
	found     chan struct{}     // not nil while they are looked for; closed then
	ended     map[uint64]uint64 // meanwhile, where the peers that have said goodbye did so
	wanting   []uint64          // peers of which a part must be asked for
	asking    int               // parts that have been asked for
	requests  []partRequest     // of peers
	refusals  []refusal
	answering int
	questions map[uint64]*asking // by number
	asked     uint64             // the number of the latest question
}

func (p *peers) init(self uint64, most int, out *queue) {
	p.self, p.max, p.out = self, most, out
	p.kick, p.bye, p.said = make(chan struct{}, 1), make(chan struct{}), make(chan struct{})
	p.all, p.questions = make(map[uint64]*peer), make(map[uint64]*asking)
}

// rouse wakes the goroutine that shares the state.
func (p *peers) rouse() {
	select {
	case p.kick <- struct{}{}:
	default:
	}
}

// linked says that the node is linked. The peers' leases count from now on, and the peers must be
// looked for.
func (p *peers) linked(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.up = true
	for _, o := range p.all {
		o.heard, o.missed, o.stale = now, 0, true
	}
	if p.found == nil {
		p.found = make(chan struct{})
	}
	p.ended = make(map[uint64]uint64)
	p.rouse()
}

// allFound says that the peers have been looked for.
func (p *peers) allFound() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.found != nil && p.up {
		close(p.found)
		p.found, p.ended = nil, nil
	}
}

// lost says that the node is not linked. What is missed is noticed when it is linked again.
func (p *peers) lost(cause error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.up {
		return
	}
	p.up = false
	if p.found != nil {
		close(p.found)
		p.found, p.ended = nil, nil
	}
	for _, o := range p.all {
		o.asked, o.waits = time.Time{}, false
	}
	p.wanting, p.asking = nil, 0
	for _, a := range p.questions {
		a.fail(cause)
	}
}

var errTooManyPeers = fmt.Errorf("natsbroker: there are more than %d other nodes, of which the rest are ignored", maxPeers)

// renewed takes a record of a node, which is at seq in the stream.
func (p *peers) renewed(node uint64, l *lease, seq uint64, now time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch o := p.all[node]; {
	case !p.up:
	case node == p.self:
		p.expireLocked(now)
	case l.Bye:
		if p.ended != nil && len(p.ended) < maxPeers {
			p.ended[node] = seq
		}
		p.goneLocked(o)
	case seq < p.ended[node]: // it was looked for, and has said goodbye meanwhile
	case o == nil && len(p.all) >= maxPeers:
		return errTooManyPeers
	default:
		if o == nil {
			o = &peer{number: node, stale: true, known: make(map[string]held)}
			p.all[node] = o
		}
		o.length = time.Duration(l.Length) * time.Millisecond
		o.heard, o.missed = now, 0
		o.told = max(o.told, l.State)
		o.doubt = o.doubt || l.State < o.had // somebody else has sent notes in its name
		o.had = o.have
		p.wantLocked(o)
	}
	return nil
}

// expireLocked is called when this node's own record has come back. A peer whose lease has ended is
// gone if its record did not come meanwhile, while this node's own did: when the stream takes no
// records, nobody is gone.
func (p *peers) expireLocked(now time.Time) {
	for _, o := range p.all {
		o.missed++
		if o.missed >= renewals && now.Sub(o.heard) >= o.length {
			p.goneLocked(o)
		}
	}
}

func (p *peers) goneLocked(o *peer) {
	if o == nil {
		return
	}
	delete(p.all, o.number)
	if !o.asked.IsZero() {
		p.asking--
	}
	p.out.push(call{peer: &peerCall{peer: o.number, gone: true}})
	for _, a := range p.questions {
		a.forget(o.number)
	}
	p.rouse()
}

// wantLocked has a part of a peer's state asked for, if something is missing and no part is coming.
func (p *peers) wantLocked(o *peer) {
	if (o.have < o.told || o.stale || o.doubt) && !o.waits && o.asked.IsZero() {
		o.waits = true
		p.wanting = append(p.wanting, o.number)
		p.rouse()
	}
}

// next returns what peers must be asked for. A peer that does not answer waits for its turn again, so
// that it does not delay others.
func (p *peers) next(now time.Time) (all []partRequest) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.asking > 0 {
		for _, o := range p.all {
			if !o.asked.IsZero() && now.Sub(o.asked) >= askAgain {
				o.asked = time.Time{}
				p.asking--
				p.wantLocked(o)
			}
		}
	}
	for p.asking < maxParts && len(p.wanting) > 0 && p.out.hasStateRoom() {
		o := p.all[p.wanting[0]]
		p.wanting = p.wanting[1:]
		if o == nil || !o.waits {
			continue
		}
		o.waits, o.asked = false, now
		p.asking++
		if o.doubt {
			o.have = 0
		}
		all = append(all, partRequest{o.number, o.have})
	}
	return all
}

// isAsking reports whether parts are coming, which must be asked for again if they do not.
func (p *peers) isAsking() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asking > 0
}

// knows reports whether notes of a node count.
func (p *peers) knows(node uint64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.up && p.all[node] != nil
}

var errPeerState = errors.New("natsbroker: the state of another node is larger than Options.MaxPeerState; entries are left out")

// changed takes changes of a peer's state: from a note to all, or from a part that was asked for.
func (p *peers) changed(node uint64, c *changes, part bool, now time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	o := p.all[node]
	if !p.up || o == nil || part && o.asked.IsZero() || !part && c.snapshot {
		return nil
	}
	o.heard, o.missed = now, 0
	o.told = max(o.told, c.last)
	if part { // it knows best, whatever other notes said
		o.asked, o.stale = time.Time{}, false
		p.asking--
		o.told = c.last
		p.rouse()
	}
	defer p.wantLocked(o)
	if !part && !o.asked.IsZero() { // the part that has been asked for will have it
		return nil
	}
	if c.snapshot {
		o.have, o.snapshot, o.doubt = 0, true, false
		o.round++
	}
	if c.from > o.have || c.upTo < o.have || !p.out.hasStateRoom() {
		return nil
	}
	err := p.applyLocked(o, c.all)
	o.have = c.upTo
	if part && o.snapshot && o.have >= c.last {
		o.snapshot = false
		p.sweepLocked(o)
	}
	return err
}

// applyLocked passes changes on to the hub.
func (p *peers) applyLocked(o *peer, all []change) (err error) {
	told := make([]change, 0, len(all))
	for _, c := range all {
		old, ok := o.known[c.key]
		n := len(c.key) + len(c.value) + changeCost
		if c.value != nil && o.size-old.size+n > p.max {
			c.value, err = nil, errPeerState
		}
		if c.value == nil {
			if !ok {
				continue
			}
			delete(o.known, c.key)
			n = 0
		} else {
			o.known[c.key] = held{n, o.round}
		}
		o.size += n - old.size
		told = append(told, c)
	}
	p.tellLocked(o, told)
	return err
}

// sweepLocked removes the entries that were not in a snapshot.
func (p *peers) sweepLocked(o *peer) {
	var told []change
	for key, h := range o.known {
		if h.round != o.round {
			delete(o.known, key)
			o.size -= h.size
			told = append(told, change{key: key})
		}
	}
	p.tellLocked(o, told)
}

func (p *peers) tellLocked(o *peer, all []change) {
	if len(all) == 0 {
		return
	}
	size := 0
	for i := range all {
		size += len(all[i].key) + len(all[i].value) + changeCost
	}
	p.out.push(call{peer: &peerCall{peer: o.number, changes: all, size: size}})
}

// requested notes that a peer waits for a part of this node's state.
func (p *peers) requested(r partRequest) {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.IndexFunc(p.requests, func(old partRequest) bool { return old.peer == r.peer })
	switch {
	case i >= 0:
		p.requests[i] = r
	case len(p.requests) < maxRequests:
		p.requests = append(p.requests, r)
	}
	p.rouse()
}

// takeRequests returns the first requests, at most n.
func (p *peers) takeRequests(n int) []partRequest {
	p.mu.Lock()
	defer p.mu.Unlock()
	n = min(n, len(p.requests))
	all := slices.Clone(p.requests[:n])
	p.requests = slices.Delete(p.requests, 0, n)
	return all
}

// sayGoodbye has the peers told that this node ends.
func (p *peers) sayGoodbye() {
	close(p.bye)
	t := time.NewTimer(goodbyeTime)
	defer t.Stop()
	select {
	case <-p.said:
	case <-t.C:
	}
}

// peerCall is a call of a method of hub.PeerNode, or several.
type peerCall struct {
	peer    uint64
	gone    bool
	changes []change
	size    int
}

// callPeer calls the hub.
func (b *Broker) callPeer(c *peerCall) {
	if c.gone {
		b.peerNode.PeerGone(c.peer)
	}
	for _, e := range c.changes {
		if b.ctx.Err() != nil {
			return
		}
		b.peerNode.PeerChanged(c.peer, e.key, e.value)
	}
	if b.out.stateDelivered(c.size) {
		b.peers.rouse() // parts may wait for room
	}
}

var _ hub.Peers = (*Broker)(nil)
