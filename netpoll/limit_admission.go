//go:build linux

package netpoll

import (
	"net/netip"
	"sync"
	"sync/atomic"
)

// admission counts the connections that are open, in all and by address, against
// Options.MaxConns and MaxConnsPerAddr. A connection that is detached goes on to count
// until it is closed: its descriptor and its memory are as much the server's as before.
type admission struct {
	limit    int64       // Options.MaxConns; no bound if 0
	most     int64       // with Options.Reserve
	makeRoom func() bool // see Engine.MakeRoom
	perAddr  int         // Options.MaxConnsPerAddr; no bound if 0
	taken    atomic.Int64
	detached atomic.Int64 // of those that are taken

	refused       atomic.Int64 // for whatever reason
	refusedFull   atomic.Int64
	refusedByAddr atomic.Int64

	// Only with perAddr. A connection has no room for its owner, which the kernel does
	// not tell any more once the peer has reset it; so descriptors have one.
	mu     sync.Mutex
	owners map[netip.Addr]*owner
	byFD   []*owner
}

// owner is an address that has connections; see OwnerOf.
type owner struct {
	key   netip.Addr
	conns int
}

func (a *admission) init(o Options) {
	if o.MaxConns > 0 {
		a.limit, a.most = int64(o.MaxConns), int64(o.MaxConns)+int64(o.Reserve)
	}
	if a.perAddr = o.MaxConnsPerAddr; a.perAddr > 0 {
		a.owners = make(map[netip.Addr]*owner)
	}
}

// accept reports whether the connection fd, which comes from peer, may be opened. Then
// it counts until leave.
func (a *admission) accept(fd int, peer netip.Addr) bool {
	if a.atMost() {
		a.refusedFull.Add(1)
		return false
	}
	if a.perAddr > 0 && !a.own(fd, OwnerOf(peer)) {
		a.refusedByAddr.Add(1)
		return false
	}
	a.taken.Add(1)
	return true
}

// atLimit reports whether as many connections are open as MaxConns allows.
func (a *admission) atLimit() bool { return a.limit > 0 && a.taken.Load() >= a.limit }

// atMost reports whether no other is opened, since the reserve is used up too.
func (a *admission) atMost() bool { return a.limit > 0 && a.taken.Load() >= a.most }

func (a *admission) own(fd int, key netip.Addr) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	o := a.owners[key]
	if o == nil {
		o = &owner{key: key}
		a.owners[key] = o
	}
	if o.conns >= a.perAddr {
		return false
	}
	o.conns++
	a.setLocked(fd, o)
	return true
}

// ownsAll reports whether peer has as many connections as one address may.
func (a *admission) ownsAll(peer netip.Addr) bool {
	if a.perAddr == 0 {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	o := a.owners[OwnerOf(peer)]
	return o != nil && o.conns >= a.perAddr
}

// setLocked notes o, or nil, as the owner of fd.
func (a *admission) setLocked(fd int, o *owner) {
	if fd >= len(a.byFD) && o != nil {
		grown := make([]*owner, max(fd+1, 2*len(a.byFD)))
		copy(grown, a.byFD)
		a.byFD = grown
	}
	if fd < len(a.byFD) {
		a.byFD[fd] = o
	}
}

// set is setLocked, and returns the owner before.
func (a *admission) set(fd int, o *owner) (was *owner) {
	if a.perAddr == 0 {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if fd < len(a.byFD) {
		was = a.byFD[fd]
	}
	a.setLocked(fd, o)
	return was
}

// leave counts fd no longer, which is still open: its number is nobody else's yet.
func (a *admission) leave(fd int) { a.forget(a.set(fd, nil)) }

func (a *admission) forget(o *owner) {
	a.taken.Add(-1)
	if o == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if o.conns--; o.conns == 0 {
		delete(a.owners, o.key)
	}
}

// place is what a detached connection takes of the limits.
type place struct {
	in    *admission
	owner *owner
	left  atomic.Bool
}

// detach has the connection fd count outside the engine.
func (a *admission) detach(fd int) *place {
	a.detached.Add(1)
	return &place{in: a, owner: a.set(fd, nil)}
}

// leave counts p no longer; a second call does nothing.
func (p *place) leave() {
	if p.claim() {
		p.in.forget(p.owner)
	}
}

// claim reports whether the caller is the first that ends p.
func (p *place) claim() bool {
	first := !p.left.Swap(true)
	if first {
		p.in.detached.Add(-1)
	}
	return first
}

// disclaim undoes claim.
func (p *place) disclaim() {
	p.in.detached.Add(1)
	p.left.Store(false)
}

// adopt has the connection fd count in the engine; p is its place until then, nil if it
// has had none. It reports false if p is closed.
func (a *admission) adopt(fd int, p *place) bool {
	switch {
	case p == nil:
		a.taken.Add(1)
	case !p.claim():
		return false
	case p.in == a:
		a.set(fd, p.owner)
	default: // from another engine
		p.in.forget(p.owner)
		p.in, p.owner = a, nil
		a.taken.Add(1)
	}
	return true
}

// disown undoes adopt.
func (a *admission) disown(fd int, p *place) {
	if p == nil {
		a.leave(fd)
		return
	}
	a.set(fd, nil)
	p.disclaim()
}

// Full reports whether more connections are open, detached ones included, than
// Options.MaxConns: those of Options.Reserve. A protocol then answers what is short,
// refuses what would stay, and lets no connection idle.
func (e *Engine) Full() bool {
	a := &e.admission
	return a.limit > 0 && a.taken.Load() > a.limit
}
