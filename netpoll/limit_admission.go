//go:build linux

package netpoll

import (
	"net/netip"
	"sync"
	"sync/atomic"
)

// admission counts open connections, in total and by address, against
// Options.MaxConns and MaxConnsPerAddr. A detached connection still counts
// until it is closed, because it still takes a descriptor and memory.
type admission struct {
	limit    atomic.Int64          // Options.MaxConns; no bound if 0
	most     atomic.Int64          // with Options.Reserve
	perAddr  atomic.Int64          // Options.MaxConnsPerAddr; no bound if 0
	exempt   func(netip.Addr) bool // Options.ExemptAddr, or nil
	makeRoom func() bool           // see Engine.MakeRoom
	taken    atomic.Int64
	open     atomic.Int64 // taken, and in the engine or in a TLS handshake
	detached atomic.Int64 // taken, and outside the engine

	refused         atomic.Int64 // for any reason
	refusedFull     atomic.Int64
	refusedByAddr   atomic.Int64
	refusedPreamble atomic.Int64

	// Only once perAddr has been set. A Conn has no room for its owner, and the kernel does not tell the
	// peer's address any more after a reset; so owners are found by descriptor.
	counts atomic.Bool
	mu     sync.Mutex
	owners map[netip.Addr]*owner
	byFD   []*ownerPage
}

// ownerPage has the owners of some descriptors: one less than a power of two, as in a chunk of a table.
type ownerPage [ownerPageSize]*owner

const ownerPageSize = 511

// owner is an address that has connections: see OwnerOf.
type owner struct {
	key   netip.Addr
	conns int
}

func (a *admission) init(o Options) {
	a.exempt = o.ExemptAddr
	a.owners = make(map[netip.Addr]*owner)
}

// set changes the limits. The connections that are open stay; those that came while there was no bound by address are not
// counted by address.
func (a *admission) set(o Options) {
	a.most.Store(int64(o.MaxConns) + int64(o.Reserve))
	a.limit.Store(int64(o.MaxConns))
	if o.MaxConnsPerAddr > 0 {
		a.counts.Store(true)
	}
	a.perAddr.Store(int64(o.MaxConnsPerAddr))
}

// ownerKey returns the key under which the connections of peer, or if it is not valid those of Unix sockets, are counted by
// address; the zero Addr if they are not.
func (a *admission) ownerKey(peer netip.Addr) netip.Addr {
	switch {
	case a.perAddr.Load() == 0 || a.exempt != nil && a.exempt(peer.Unmap()):
		return netip.Addr{}
	case !peer.IsValid():
		return unixOwner
	}
	return OwnerOf(peer)
}

// accept returns a lease for a new connection of key; ok is false if the limits do not
// allow it.
func (a *admission) accept(key netip.Addr) (l lease, ok bool) {
	if a.atMost() {
		a.refusedFull.Add(1)
		return lease{}, false
	}
	l.in = a
	if l.owner, ok = a.own(key); ok {
		a.taken.Add(1)
	}
	return l, ok
}

// atLimit reports whether as many connections are open as MaxConns allows.
func (a *admission) atLimit() bool {
	limit := a.limit.Load()
	return limit > 0 && a.taken.Load() >= limit
}

// atMost reports whether no further connection is opened, because the reserve is used up too.
func (a *admission) atMost() bool { return a.limit.Load() > 0 && a.taken.Load() >= a.most.Load() }

// own counts another connection of key, unless key is not valid. ok is false if key has as many as it may.
func (a *admission) own(key netip.Addr) (_ *owner, ok bool) {
	if !key.IsValid() {
		return nil, true
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	o := a.owners[key]
	if o == nil {
		o = &owner{key: key}
	}
	if a.hasMost(o) {
		a.refusedByAddr.Add(1)
		return nil, false
	}
	a.owners[key] = o
	o.conns++
	return o, true
}

// ownsAll reports whether key has as many connections as one address may.
func (a *admission) ownsAll(key netip.Addr) bool {
	if !key.IsValid() {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	o := a.owners[key]
	return o != nil && a.hasMost(o)
}

// hasMost reports whether o has as many connections as it may. The limit may have ended since o was asked for.
func (a *admission) hasMost(o *owner) bool {
	most := a.perAddr.Load()
	return most > 0 && int64(o.conns) >= most
}

// swap sets the owner of fd to o, which may be nil. It returns the previous owner.
func (a *admission) swap(fd int, o *owner) (was *owner) {
	if !a.counts.Load() {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	i := fd / ownerPageSize
	if i >= len(a.byFD) || a.byFD[i] == nil {
		if o == nil {
			return nil
		}
		for i >= len(a.byFD) {
			a.byFD = append(a.byFD, nil)
		}
		a.byFD[i] = new(ownerPage)
	}
	place := &a.byFD[i][fd%ownerPageSize]
	was, *place = *place, o
	return was
}

// lease is the share of the limits of a connection that is in no engine. The zero
// value is no share.
type lease struct {
	in    *admission
	owner *owner
	count *atomic.Int64 // in.open or in.detached; nil for neither
}

// admit counts the connection fd, which enters the engine with l. The caller must call done
// or withdraw afterwards.
func (a *admission) admit(fd int, l *lease) {
	a.open.Add(1)
	if l.in == a {
		a.swap(fd, l.owner)
	} else {
		a.taken.Add(1)
	}
}

// done ends l: the connection has entered and is counted by the engine.
func (a *admission) done(l *lease) {
	if l.in == a {
		l.countAs(nil)
	} else {
		l.end()
	}
	*l = lease{}
}

// withdraw undoes admit for a connection that has left again, because it could not enter.
func (a *admission) withdraw(l *lease) {
	a.open.Add(-1)
	if l.in != a {
		a.taken.Add(-1)
	}
}

// release returns the lease of the connection fd, which leaves the engine but still counts
// as open. fd must not be closed yet, so that its number belongs to no other connection.
func (a *admission) release(fd int) lease {
	return lease{in: a, owner: a.swap(fd, nil), count: &a.open}
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

// detach counts the connection as one outside its engine.
func (l *lease) detach() { l.countAs(&l.in.detached) }

// end stops counting the connection, which is closed.
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

// ownerBits is the length of the prefix of an IPv6 address that names its owner: one customer
// usually has a network of this size, or a larger one, and may use every address in it.
const ownerBits = 64

// OwnerOf returns the key under which the limits count the peer at addr: an IPv4
// address itself, also if it is mapped to IPv6, and the /64 of an IPv6 address. The
// zero Addr is its own key.
func OwnerOf(addr netip.Addr) netip.Addr {
	addr = addr.Unmap()
	if !addr.Is6() {
		return addr
	}
	if addr == unixOwner {
		return addr
	}
	network, err := addr.WithZone("").Prefix(ownerBits)
	if err != nil {
		return addr
	}
	return network.Addr()
}

// unixOwner is the key of all peers of Unix sockets. No address has it, as keys of addresses have no zone.
var unixOwner = netip.IPv6Unspecified().WithZone("unix")

// place is the lease of a detached connection, which ends when it is closed or adopted.
type place struct {
	lease lease
	left  atomic.Bool
}

// leave counts p no longer; a second call does nothing.
func (p *place) leave() {
	if p.claim() {
		p.lease.end()
	}
}

// claim reports whether the caller is the first that ends p. disclaim undoes it.
func (p *place) claim() bool { return p == nil || !p.left.Swap(true) }

func (p *place) disclaim() {
	if p != nil {
		p.left.Store(false)
	}
}
