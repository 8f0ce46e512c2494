package main

import (
	"net/http"
	"net/netip"

	"github.com/fanfare-ws/fanfare/netpoll"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// ownerOf returns on whose behalf a client makes topics: that of its address.
func ownerOf(client netip.Addr) string {
	if !client.IsValid() {
		return ""
	}
	return netpoll.OwnerOf(client).String()
}

// maker returns the owner of the topics that a request makes: a part of what its address may
// make. Who has the token may make as many as there is room for.
func (a *app) maker(w http.ResponseWriter, r *http.Request) string {
	if visitOf(w).caller.trusted {
		return ""
	}
	return ownerOf(wsproto.ClientAddr(r, a.cfg.proxies)) + "/" + r.RemoteAddr
}
