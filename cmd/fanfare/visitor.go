package main

import (
	"net/netip"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/policy"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// visitor is who has connected, as far as the connection needs it afterwards. Connections share one if nothing
// distinguishes them.
type visitor struct {
	app     *app
	rights  *policy.Rights
	rate    *wsproto.Rate // of each connection; nil for no limit
	user    string
	address netip.Addr // if the backend may be asked
	asks    bool       // the backend decides beside the rights
}

// visitor returns the visitor with an identity.
func (a *app) visitor(r *wsproto.Request, id policy.Identity) *visitor {
	return a.visitorAt(r.ClientAddr(), id)
}

func (a *app) visitorAt(address netip.Addr, id policy.Identity) *visitor {
	v := &visitor{app: a, rights: id.Rights, user: id.User, rate: a.rates.of(id.Rights)}
	if a.hooks.ask.Load() != nil && id.Kind != policy.Key {
		v.asks, v.address = true, address
	}
	if v.asks || v.user != "" || id.Kind != policy.Anonymous && id.Kind != policy.Key {
		return v
	}
	shared, _ := a.visitors.LoadOrStore(*v, v) // there are as many as keys
	return shared.(*visitor)
}
