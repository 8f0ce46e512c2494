package main

import (
	"cmp"
	"log/slog"
	"net/netip"
	"sync/atomic"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/policy"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/webhook"
	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/wire"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// terms are what connections have in common. Most have those of the program.
type terms struct {
	app   *app
	rate  *wsproto.Rate // of each connection; nil for that of the program
	local bool          // the client is on this machine: see wsproto.Server.IsLocal
}

// shared is what connections without rates and an identity of their own share.
type shared struct {
	terms     terms
	limited   atomic.Pointer[terms] // that termsOf has made last
	anonymous atomic.Pointer[visitor]
}

func (s *shared) begin(a *app, local bool) {
	s.terms = terms{app: a, local: local}
}

// sharedBy returns what the clients of an address share.
func (a *app) sharedBy(client netip.Addr) *shared {
	if a.server.IsLocal(client) {
		return &a.local
	}
	return &a.remote
}

// admits pays for a message of n bytes that a connection sends.
func (t *terms) admits(c *wsproto.Conn, n int) excess {
	limit := t.rate
	if limit == nil {
		limit = t.app.rates.ofConns(t.local)
	}
	return t.app.rates.conn(c, limit, n)
}

// ping pays for a ping. The server has answered it, and nothing else bounds how many come.
func (t *terms) ping(c *wsproto.Conn, payload []byte) {
	if over := t.admits(c, len(payload)); over.wait > 0 {
		closeFor(c, over)
	}
}

// termsOf returns the terms of a connection with those rights. What they do not limit is limited as for others. Most tokens
// of an issuer have the same limits, so connections that come one after the other share their terms.
func (s *shared) termsOf(may *policy.Rights) *terms {
	t := &s.terms
	l := may.Limits()
	if l.Messages == 0 && l.Bytes == 0 {
		return t
	}
	r := wsproto.Rate{Messages: l.Messages, Bytes: l.Bytes}
	if all := t.app.rates.ofConns(t.local); all != nil {
		r.Messages, r.Bytes, r.Burst = cmp.Or(r.Messages, all.Messages), cmp.Or(r.Bytes, all.Bytes), all.Burst
	}
	last := s.limited.Load()
	if last == nil || *last.rate != r {
		last = &terms{t.app, &r, t.local}
		s.limited.Store(last)
	}
	return last
}

// place is a connection's place among those whose identity can end.
type place struct {
	opening *policy.Identity // until the connection is open; nil if its identity cannot end
	handle  policy.Handle
}

// placeOf returns the place of a connection that is about to open.
func placeOf(id policy.Identity) place {
	if id.Kind == policy.Anonymous && id.User == "" {
		return place{}
	}
	opening := new(policy.Identity) // not of id itself, which would then be allocated for anonymous clients, too
	*opening = id
	return place{opening: opening}
}

// open takes the place, unless the identity has ended meanwhile, or its user has too many connections.
func (p *place) open(a *app, t policy.Target, from slog.Attr) *policy.Refusal {
	if p.opening == nil {
		return nil
	}
	handle, refusal := a.access.Open(t, p.opening)
	p.handle, p.opening = handle, nil
	return a.refusals.policy(refusal, from)
}

func (p *place) leave(a *app) {
	if p.handle != 0 {
		a.access.Leave(p.handle)
	}
}

// closeCode returns the code for closing a connection that could not take its place.
func closeCode(r *policy.Refusal) wsproto.Code {
	switch r.Status {
	case 401:
		return wire.CloseUnauthorized
	case 403:
		return wire.CloseForbidden
	}
	return wsproto.TryAgainLater
}

// reasonOf returns the close reason for the end of an identity.
func reasonOf(why policy.Reason) hub.CloseReason {
	return hub.CloseReason{Code: why.Code(), Text: why.Text()}
}

// visitor is who has connected to topics. Anonymous clients share one.
type visitor struct {
	*terms
	place
	rights  *policy.Rights
	user    string
	proxied string          // the user whom a proxy has named, for a token that comes later
	address *netip.Addr     // if there is a backend
	client  *webhook.Client // that webhooks name; nil if they do not
	order   *inOrder        // of the messages that it has been asked about; nil if it does not decide beside the rights
}

// visitor returns the visitor with an identity.
func (a *app) visitor(address netip.Addr, id policy.Identity) *visitor {
	return a.sharedBy(address).visitor(address, id)
}

func (s *shared) visitor(address netip.Addr, id policy.Identity) *visitor {
	a := s.terms.app
	v := &visitor{terms: s.termsOf(id.Rights), place: placeOf(id), rights: id.Rights, user: id.User, proxied: id.Proxied}
	if a.hooks.current.Load() != nil {
		v.address = &address // also with a key: a token may come later
	}
	if v.address != nil && id.Kind != policy.Key {
		v.order = new(inOrder)
	}
	if a.events.Webhooks != nil && a.events.WantsClients() {
		v.client = &webhook.Client{Address: address}
	}
	if v.address != nil || v.opening != nil || v.client != nil {
		return v
	}
	if old := s.anonymous.Load(); old != nil && *old == *v {
		return old
	}
	s.anonymous.Store(v)
	return v
}

// from returns the address, if it is known.
func (v *visitor) from() netip.Addr {
	if v.address == nil {
		return netip.Addr{}
	}
	return *v.address
}

// asks reports whether the backend decides beside the rights.
func (v *visitor) asks() bool { return v.order != nil }
