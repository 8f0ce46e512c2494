package wsproto

import (
	"net/http"
	"net/netip"
	"time"

	"github.com/gobwas/ws"
)

// refuseNow returns why no handshake can succeed now, or nil.
func (s *Server) refuseNow() *Refusal {
	if s.closing() {
		return s.refuseClosing()
	}
	return s.refuseFull()
}

// upgrade has ws.Upgrader check the handshake, negotiates, and writes the response to out.
func (x *upgradeBuffers) upgrade() (refusal *Refusal) {
	r := &x.request
	var size int
	x.core, size = r.appendCore(x.core[:0])
	x.in = x.core
	u := ws.Upgrader{
		ReadBufferSize: max(ws.DefaultServerReadBufferSize, size),
		OnBeforeUpgrade: func() (ws.HandshakeHeader, error) { // after all other checks
			if refusal = x.admit(); refusal != nil {
				return nil, refusal
			}
			return nil, nil
		},
	}
	_, err := u.Upgrade(x)
	if refusal == nil && err != nil {
		refusal = translate(err)
	}
	return refusal
}

// admit returns why this client's handshakes are refused; if they are not, it negotiates.
func (x *upgradeBuffers) admit() *Refusal {
	r := &x.request
	if s := r.server; len(s.Proxies) > 0 || s.limitsInForce().countsClients() {
		r.noteSource(&x.source)
	}
	if refusal := r.server.refuseClient(r); refusal != nil {
		return refusal
	}
	return r.negotiate(r.conn.endpoint.compression)
}

// enter counts the handshake against the limits, or returns its refusal.
func (x *upgradeBuffers) enter() *Refusal {
	s := x.request.server
	l := s.limitsInForce()
	var client netip.Addr
	if l.HandshakeRate > 0 {
		client = x.request.client()
	}
	if refusal := s.gate.enter(l, s.isLocal(client), client, thisMoment(), &s.counters.limited); refusal != nil {
		s.busyGate.Warn(s.logger(), "refused a handshake", "reason", refusal.Reason, "limit", l.MaxHandshakes, "rate", l.HandshakeRate,
			"allow", "raise -max-handshakes or -handshake-rate, or Server.MaxHandshakes or Server.HandshakeRate")
		refusal.logged = true
		return refusal
	}
	x.counted = true
	return s.refuseCrowd(&x.request, l.MaxConnsPerClient)
}

// checkForwarded logs that the fields of a proxy contradict each other.
func (s *Server) checkForwarded(p Proxies, peer netip.Addr, values func(name string) []string) {
	if len(p) > 0 && p.forwarded(peer, values).torn {
		s.tornForwards.Warn(s.logger(), "X-Forwarded-For, Forwarded and X-Real-IP of a proxy name different clients; all are ignored", "proxy", peer,
			"allow", "have the proxy set or remove each of them, or do not trust it (-trusted-proxies, or Server.Proxies)")
	}
}

// refuseClient returns why this client's handshakes are refused, or nil.
func (s *Server) refuseClient(r *Request) *Refusal {
	if p := r.proxies(); len(p) > 0 {
		s.checkForwarded(p, r.peer(), r.Header.Values)
	}
	if refusal := s.refuseOrigin(r); refusal != nil {
		return refusal
	}
	return s.refuseHost(r)
}

// refuseCrowd counts the connection of r for its client, or returns the refusal of one too many.
func (s *Server) refuseCrowd(r *Request, most int) *Refusal {
	if most <= 0 {
		return nil
	}
	addr := r.client()
	if !s.counts(plainAddr(r.peer()), addr) || s.clients.add(r.conn, addr, most) {
		return nil
	}
	s.counters.limited.perClient.Add(1)
	s.crowds.Warn(s.logger(), "a client has too many connections, and further ones are refused", "client", addr, "connections", most,
		"allow", "if this is a proxy, name it in -trusted-proxies, or Server.Proxies; else raise -max-conns-per-addr, or Server.MaxConnsPerClient")
	refusal := retryAfterTime(http.StatusTooManyRequests, "your address has too many connections", crowdRetry)
	refusal.logged = true
	return refusal
}

const crowdRetry = 10 * time.Second

// counts reports whether connections of addr that come from peer are counted here. The engine
// counts those of peers, if Engine.MaxConnsPerAddr says so.
func (s *Server) counts(peer, addr netip.Addr) bool {
	if s.engine.Limits().MaxConnsPerAddr > 0 && addr == peer {
		return false
	}
	return s.CountLocal || !s.isLocal(addr)
}

// IsLocal reports whether a client's address, as [Request.ClientAddr] and [ClientAddr] return it, is that of this machine or of
// one of Proxies, which then has told no client. Limits of addresses and rates spare them by default: all clients of a proxy
// share its address, and load tests and health checks of the machine itself are no threat.
func (s *Server) IsLocal(addr netip.Addr) bool {
	return !addr.IsValid() || s.isLocal(addr)
}

// isLocal is IsLocal for an address as Proxies knows it. One that is not known any more, because the client has reset the
// connection, is not local.
func (s *Server) isLocal(addr netip.Addr) bool {
	return addr.IsUnspecified() || addr.IsLoopback() || s.Proxies.Trust(addr)
}
