package main

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/backend"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/policy"
	"github.com/fanfare-ws/fanfare/hub/session"
	"github.com/fanfare-ws/fanfare/wsproto"
)

const (
	echoPath = "/echo"
	// hubPath is the endpoint of fanfare.v1.
	hubPath = "/hub"
)

// accept decides about a handshake, and sets the handler for its path.
func (a *app) accept(r *wsproto.Request, done func(error)) {
	path := r.Path()
	name, topic := strings.CutPrefix(path, topicsPath)
	switch {
	case path == hubPath:
		a.sessions.AcceptAsync(r, done)
	case path == echoPath:
		a.identify(r, func(id policy.Identity, err error) {
			if err == nil {
				a.acceptEcho(r, id)
			}
			done(err)
		})
	case topic:
		a.identify(r, func(id policy.Identity, err error) {
			if err != nil {
				done(err)
				return
			}
			a.acceptMember(r, name, a.visitor(r.ClientAddr(), id), done)
		})
	default:
		done(wsproto.Refuse(http.StatusNotFound, fmt.Sprintf("%.100q is not a WebSocket endpoint: connect to %s, %s or %sNAME", path, echoPath, hubPath, topicsPath)))
	}
}

// identify calls done with the identity of a client, or with a refusal. Clients with a key or a token, also one that follows in
// a message, are not asked about: when many reconnect at once, they cost the backend nothing.
func (a *app) identify(r *wsproto.Request, done func(policy.Identity, error)) {
	id, refusal := a.access.handshake(r)
	follows := r.Path() == hubPath && session.TokenFollows(r)
	switch {
	case follows && (refusal != nil || id.Kind == policy.Anonymous):
		done(policy.Identity{Proxied: id.Proxied}, nil)
	case refusal != nil:
		done(id, a.refusals.policy(refusal, fromClient(r.ClientAddr())).Handshake())
	case !follows && a.asksToConnect(&id):
		a.hooks.connect(r, id, func(id policy.Identity, err error) {
			if err == nil {
				err = a.admit(&id, r.ClientAddr())
			}
			done(id, err)
		})
	default:
		a.refusals.ignored(&id, fromClient(r.ClientAddr()))
		done(id, a.admit(&id, r.ClientAddr()))
	}
}

// asksToConnect reports whether the backend decides if a client may connect.
func (a *app) asksToConnect(id *policy.Identity) bool {
	return a.hooks.has(backend.Connect) && (id.Kind == policy.Anonymous || id.Kind == policy.Proxy)
}

// admit refuses handshakes of users who have too many connections, and of clients that may do nothing.
func (a *app) admit(id *policy.Identity, client netip.Addr) error {
	refusal := a.access.Admit(id)
	if refusal == nil && id.Kind == policy.Anonymous && !a.hooks.has(backend.Subscribe) && !anyRight(id.Rights) {
		refusal = a.access.Authorize(id.Rights, policy.Read, "")
	}
	if refusal == nil {
		return nil
	}
	return a.refusals.policy(refusal, fromClient(client)).Handshake()
}

func anyRight(r *policy.Rights) bool {
	return r.Any(policy.Read) || r.Any(policy.Write) || r.Any(policy.List) || r.Any(policy.Manage)
}
