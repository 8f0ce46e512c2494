package wsproto

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/fanfare-ws/fanfare/netpoll"
)

// clients counts the connections, of type C, of each client's address (see netpoll.OwnerOf). A
// connection has no room for its client, so there is a table for those that are counted. It costs
// others nothing.
type clients[C comparable] struct {
	counted atomic.Int64
	seed    maphash.Seed
	byAddr  [clientShards]addrShard
	byConn  [clientShards]connShard[C]
}

type addrShard struct {
	mu      sync.Mutex
	clients map[netip.Addr]*clientConns
}

type connShard[C comparable] struct {
	mu    sync.Mutex
	conns map[C]*clientConns
}

// clientConns is an address that has connections.
type clientConns struct {
	addr  netip.Addr
	conns int // guarded by the addrShard's mu
}

func newClients[C comparable]() *clients[C] { return &clients[C]{seed: maphash.MakeSeed()} }

func (k *clients[C]) addrShard(addr netip.Addr) *addrShard {
	return &k.byAddr[maphash.Comparable(k.seed, addr)%clientShards]
}

func (k *clients[C]) connShard(c C) *connShard[C] {
	return &k.byConn[maphash.Comparable(k.seed, c)%clientShards]
}

// add counts c as a connection of addr, unless that has most of them; there is no bound if most
// is 0. It reports whether c is counted.
func (k *clients[C]) add(c C, addr netip.Addr, most int) bool {
	owner := k.grow(netpoll.OwnerOf(addr), most)
	if owner == nil {
		return false
	}
	s := k.connShard(c)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns == nil {
		s.conns = make(map[C]*clientConns)
	}
	s.conns[c] = owner
	k.counted.Add(1)
	return true
}

// of returns the address that c is counted for; the zero Addr if it is not counted.
func (k *clients[C]) of(c C) netip.Addr {
	if k.counted.Load() == 0 {
		return netip.Addr{}
	}
	s := k.connShard(c)
	s.mu.Lock()
	defer s.mu.Unlock()
	if owner := s.conns[c]; owner != nil {
		return owner.addr
	}
	return netip.Addr{}
}

func (k *clients[C]) grow(key netip.Addr, most int) *clientConns {
	s := k.addrShard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.clients[key]
	switch {
	case c == nil:
		c = &clientConns{addr: key}
		if s.clients == nil {
			s.clients = make(map[netip.Addr]*clientConns)
		}
		s.clients[key] = c
	case most > 0 && c.conns >= most:
		return nil
	}
	c.conns++
	return c
}

// remove stops counting c, and returns its address; not a valid one if c was not counted.
func (k *clients[C]) remove(c C) (addr netip.Addr) {
	if k.counted.Load() == 0 {
		return addr
	}
	s := k.connShard(c)
	s.mu.Lock()
	owner := s.conns[c]
	delete(s.conns, c)
	s.mu.Unlock()
	if owner == nil {
		return addr
	}
	k.counted.Add(-1)
	k.shrink(owner)
	return owner.addr
}

func (k *clients[C]) shrink(c *clientConns) {
	s := k.addrShard(c.addr)
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.conns--; c.conns == 0 {
		delete(s.clients, c.addr)
	}
}

const clientShards = 64
