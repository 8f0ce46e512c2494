package main

import (
	"net/http"
	"net/netip"

	"github.com/fanfare-ws/fanfare/netpoll"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// ownerOf returns the owner of the topics that a client creates: its address or network.
func ownerOf(client netip.Addr) string {
	if !client.IsValid() {
		return ""
	}
	return netpoll.OwnerOf(client).String()
}

// maker returns the owner of the topics that a request creates, which count as part of what its address may create. A
// caller with the token may create as many as there is room for.
func (a *app) maker(w http.ResponseWriter, r *http.Request) string {
	if visitOf(w).caller.trusted {
		return ""
	}
	return ownerOf(wsproto.ClientAddr(r, a.cfg.proxies)) + "/" + r.RemoteAddr
}
