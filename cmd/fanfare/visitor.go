package main

import (
	"cmp"
	"net/netip"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/policy"
	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/wire"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// terms are what connections have in common. Most have those of the program.
type terms struct {
	app  *app
	rate *wsproto.Rate // of each connection; nil for that of the program
}

// admits pays for a message of n bytes that a connection sends.
func (t *terms) admits(c *wsproto.Conn, n int) excess {
	limit := t.rate
	if limit == nil {
		limit = t.app.rates.conns.Load()
	}
	return t.app.rates.conn(c, limit, n)
}

// termsOf returns the terms of a connection with those rights. What they do not limit is limited as for others.
func (a *app) termsOf(may *policy.Rights) *terms {
	l := may.Limits()
	if l.Messages == 0 && l.Bytes == 0 {
		return &a.terms
	}
	r := wsproto.Rate{Messages: l.Messages, Bytes: l.Bytes}
	if all := a.rates.conns.Load(); all != nil {
		r.Messages, r.Bytes, r.Burst = cmp.Or(r.Messages, all.Messages), cmp.Or(r.Bytes, all.Bytes), all.Burst
	}
	return &terms{a, &r}
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
	return place{opening: &id}
}

// open takes the place, unless the identity has ended meanwhile, or its user has too many connections.
func (p *place) open(a *app, t policy.Target) *policy.Refusal {
	if p.opening == nil {
		return nil
	}
	handle, refusal := a.access.Open(t, p.opening)
	p.handle, p.opening = handle, nil
	return a.refusals.policy(refusal)
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
	proxied string      // the user whom a proxy has named, for a token that comes later
	address *netip.Addr // if there is a backend
	order   *inOrder    // of the messages that it has been asked about; nil if it does not decide beside the rights
}

// visitor returns the visitor with an identity.
func (a *app) visitor(address netip.Addr, id policy.Identity) *visitor {
	v := &visitor{terms: a.termsOf(id.Rights), place: placeOf(id), rights: id.Rights, user: id.User, proxied: id.Proxied}
	if a.hooks.current.Load() != nil {
		v.address = &address // also with a key: a token may come later
	}
	if v.address != nil && id.Kind != policy.Key {
		v.order = new(inOrder)
	}
	if v.address != nil || v.opening != nil {
		return v
	}
	if old := a.anonymous.Load(); old != nil && *old == *v {
		return old
	}
	a.anonymous.Store(v)
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
