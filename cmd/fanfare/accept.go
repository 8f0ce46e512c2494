package main

import (
	"fmt"
	"net/http"
	"strings"

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
				err = a.acceptEcho(r, id)
			}
			done(err)
		})
	case topic:
		a.identify(r, func(id policy.Identity, err error) {
			if err == nil {
				err = a.acceptMember(r, name, id)
			}
			done(err)
		})
	default:
		done(wsproto.Refuse(http.StatusNotFound, fmt.Sprintf("%.100q is not a WebSocket endpoint: connect to %s, %s or %sNAME", path, echoPath, hubPath, topicsPath)))
	}
}

// identify calls done with the identity of a client, or with a refusal.
func (a *app) identify(r *wsproto.Request, done func(policy.Identity, error)) {
	id, refusal := a.access.handshake(r)
	switch {
	case refusal != nil && session.TokenFollows(r) && r.Path() == hubPath:
		done(id, nil)
	case refusal != nil:
		done(id, refusal.Handshake())
	default:
		done(id, nil)
	}
}

// visitor is who has connected. Connections of anonymous clients share one for their rights.
type visitor struct {
	app    *app
	rights *policy.Rights
	user   string
}

// visitor returns the visitor with an identity.
func (a *app) visitor(id policy.Identity) *visitor {
	return &visitor{app: a, rights: id.Rights, user: id.User}
}
