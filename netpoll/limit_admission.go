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
	open     atomic.Int64 // those of them that the engine has, TLS handshakes included
	detached atomic.Int64 // those of them that have left it

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

// accept returns a lease for a connection that comes from peer; ok is false if it may not
// be opened.
func (a *admission) accept(peer netip.Addr) (l lease, ok bool) {
	if a.atMost() {
		a.refusedFull.Add(1)
		return lease{}, false
	}
	l.in = a
	if a.perAddr > 0 {
		if l.owner = a.own(OwnerOf(peer)); l.owner == nil {
			a.refusedByAddr.Add(1)
			return lease{}, false
		}
	}
	a.taken.Add(1)
	return l, true
}

// atLimit reports whether as many connections are open as MaxConns allows.
func (a *admission) atLimit() bool { return a.limit > 0 && a.taken.Load() >= a.limit }

// atMost reports whether no other is opened, since the reserve is used up too.
func (a *admission) atMost() bool { return a.limit > 0 && a.taken.Load() >= a.most }

// own counts a connection more of key. It returns nil if that has as many as it may.
func (a *admission) own(key netip.Addr) *owner {
	a.mu.Lock()
	defer a.mu.Unlock()
	o := a.owners[key]
	if o == nil {
		o = &owner{key: key}
		a.owners[key] = o
	}
	if o.conns >= a.perAddr {
		return nil
	}
	o.conns++
	return o
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

// lease is what a connection takes of the limits, while it is in no engine. Its zero
// value takes nothing.
type lease struct {
	in    *admission
	owner *owner
	count *atomic.Int64 // in.open or in.detached; nil for neither
}

// admit has the connection fd count in the engine that it enters with l. Then comes done,
// or withdraw.
func (a *admission) admit(fd int, l *lease) {
	a.open.Add(1)
	if l.in == a {
		a.set(fd, l.owner)
	} else {
		a.taken.Add(1)
	}
}

// done ends what l has taken and the connection does not take any more.
func (a *admission) done(l *lease) {
	if l.in == a {
		l.countAs(nil)
	} else {
		l.end()
	}
	*l = lease{}
}

// withdraw undoes admit, of a connection that has left again.
func (a *admission) withdraw(l *lease) {
	a.open.Add(-1)
	if l.in != a {
		a.taken.Add(-1)
	}
}

// release returns the lease of the connection fd, which leaves the engine but still counts
// as open in it. Nobody else has the number of the descriptor yet.
func (a *admission) release(fd int) lease {
	return lease{in: a, owner: a.set(fd, nil), count: &a.open}
}

func (l *lease) countAs(count *atomic.Int64) {
	if count != nil {
		count.Add(1)
	}
	if l.count != nil {
		l.count.Add(-1)
	}
	l.count = count
}

// detach has the connection count as one that has left its engine.
func (l *lease) detach() { l.countAs(&l.in.detached) }

// end counts the connection, which is closed, no longer.
func (l *lease) end() {
	if l.in == nil {
		return
	}
	l.in.taken.Add(-1)
	l.in.forget(l.owner)
	l.countAs(nil)
}

func (a *admission) forget(o *owner) {
	if o == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if o.conns--; o.conns == 0 {
		delete(a.owners, o.key)
	}
}

// Full reports whether more connections are open, detached ones included, than
// Options.MaxConns: those of Options.Reserve. A protocol then answers what is short,
// refuses what would stay, and lets no connection idle.
func (e *Engine) Full() bool {
	a := &e.admission
	return a.limit > 0 && a.taken.Load() > a.limit
}

// ownerBits is how much of an IPv6 address names its owner: one customer usually has
// a network of this size, or a larger one, and may use every address in it.
const ownerBits = 64

// OwnerOf returns the key under which what the peer at addr takes is counted: an IPv4
// address as it is, also if it is mapped to IPv6, and of an IPv6 address its /64. The
// zero Addr is its own key.
func OwnerOf(addr netip.Addr) netip.Addr {
	addr = addr.Unmap()
	if !addr.Is6() {
		return addr
	}
	network, err := addr.WithZone("").Prefix(ownerBits)
	if err != nil {
		return addr
	}
	return network.Addr()
}
