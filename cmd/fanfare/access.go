package main

import (
	"fmt"
	"net/http"
	"net/netip"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/policy"
	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/netpoll"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// access says who callers are and what they may do. Every entrance asks it, and nothing else: handshakes, messages and
// requests of the API. wsproto.Server decides, for all of them, which hosts it answers for and which pages may connect.
type access struct {
	*policy.Policy
	userHeader string
	proxies    wsproto.Proxies
}

// handshake returns who sends a WebSocket handshake. wsproto.Server has admitted its page. Only for pages that the operator has
// named does the browser speak in the user's name: cookies, and the user whom a proxy names, do not count for others.
func (a *access) handshake(r *wsproto.Request) (policy.Identity, *policy.Refusal) {
	user, refusal := a.user(r.Header.Values, r.Trusted())
	if refusal != nil {
		return policy.Identity{}, refusal
	}
	sent := policy.Handshake(r)
	if sent.Admitted = r.NamesOrigin(); sent.Admitted {
		sent.User = user
	}
	id, refusal := a.Identify(a.Credentials(sent))
	id.Proxied = sent.User
	return id, refusal
}

// message returns who sends a token over a connection whose handshake came with the name of a user from a trusted proxy, or none.
func (a *access) message(token, proxied string) (policy.Identity, *policy.Refusal) {
	sent := policy.Message(token)
	sent.User = proxied
	id, refusal := a.Identify(sent)
	id.Proxied = proxied
	return id, refusal
}

// request returns who sends an HTTP request.
func (a *access) request(r *http.Request, named bool) (policy.Identity, *policy.Refusal) {
	user, refusal := a.user(r.Header.Values, wsproto.Trusted(r, a.proxies))
	if refusal != nil {
		return policy.Identity{}, refusal
	}
	sent := policy.Request(r, named)
	if named {
		sent.User = user
	}
	return a.Identify(a.Credentials(sent))
}

// user returns the user whom a trusted proxy names. From others the field is ignored, because the client itself could
// name any user.
func (a *access) user(field func(string) []string, trusted bool) (string, *policy.Refusal) {
	if a.userHeader == "" || !trusted {
		return "", nil
	}
	switch names := field(a.userHeader); len(names) {
	case 0:
		return "", nil
	case 1:
		if err := hub.CheckUser(names[0]); err != nil && names[0] != "" {
			return "", &policy.Refusal{Status: http.StatusBadRequest, Code: policy.CodeBadUser, Reason: a.userHeader + ": " + plain(err)}
		}
		return names[0], nil
	default: // the client may have sent one of them
		return "", &policy.Refusal{
			Status: http.StatusBadRequest, Code: policy.CodeBadUser,
			Reason: fmt.Sprintf("the request has %d fields %s; the proxy must replace the field that the client sends", len(names), a.userHeader),
		}
	}
}

// caller is the sender of a request to the API.
type caller struct {
	origin   string // of the page that sends the request; empty if no page does
	admitted bool   // pages of that origin may connect
	client   netip.Addr
	local    bool            // it is on this machine: see wsproto.Server.IsLocal
	id       policy.Identity // unless it was refused
	refusal  *policy.Refusal
}

// callerOf returns the sender of an HTTP request.
func (a *app) callerOf(r *http.Request) caller {
	c := caller{origin: r.Header.Get("Origin"), client: wsproto.ClientAddr(r, a.access.proxies)}
	c.local = a.server.IsLocal(c.client)
	if site := r.Header.Get("Sec-Fetch-Site"); c.origin == "" && (site == "cross-site" || site == "same-site") {
		c.origin = "null" // the sender is a page, but the browser does not name it
	} else {
		c.admitted = a.server.AllowsOrigin(r)
	}
	c.id, c.refusal = a.access.request(r, c.admitted && a.server.NamesOrigin(r))
	a.refusals.ignored(&c.id, fromClient(c.client))
	return c
}

// ownerOf returns the owner of the topics that a client creates: its address or network.
func ownerOf(client netip.Addr) string {
	if !client.IsValid() {
		return ""
	}
	return netpoll.OwnerOf(client).String()
}

// maker returns the owner of the topics that a request creates, which count as part of what its address may create. A
// caller with a key may create as many as there is room for.
func (a *app) maker(w http.ResponseWriter, r *http.Request) string {
	if visitOf(w).caller.id.Kind == policy.Key {
		return ""
	}
	return ownerOf(wsproto.ClientAddr(r, a.access.proxies)) + "/" + r.RemoteAddr
}
