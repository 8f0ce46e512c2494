package wsproto

import (
	"hash/maphash"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

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

const clientShards = 64

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

// refuseCrowd counts the connection of r for its client, or returns the refusal of one too many.
func (s *Server) refuseCrowd(r *Request, most int) *Refusal {
	if most <= 0 {
		return nil
	}
	peer := r.peer()
	addr := s.Proxies.ClientAddr(peer, r.Header.Values)
	if !s.counts(plainAddr(peer), addr) || s.clients.add(r.conn, addr, most) {
		return nil
	}
	s.counters.limited.perClient.Add(1)
	s.crowds.warn(s.logger(), "a client has too many connections, and further ones are refused", "client", addr, "connections", most,
		"allow", "if this is a proxy, name it in -trusted-proxies, or Server.Proxies; else raise -max-conns-per-addr, or Server.MaxConnsPerClient")
	refusal := retryAfterTime(http.StatusTooManyRequests, "your address has too many connections", crowdRetry)
	refusal.logged = true
	return refusal
}

const crowdRetry = 10 * time.Second

// counts reports whether connections of addr that come from peer are counted here. The engine
// counts those of peers, if Engine.MaxConnsPerAddr says so.
func (s *Server) counts(peer, addr netip.Addr) bool {
	if s.Engine.MaxConnsPerAddr > 0 && addr == peer {
		return false
	}
	return s.CountLocal || !addr.IsUnspecified() && !addr.IsLoopback() && !s.Proxies.Trust(addr)
}
