package main

import (
	"crypto/subtle"
	"net/http"
	"net/url"
	"strings"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// policy decides what a caller may do. Every endpoint consults it and nothing else: handshakes at /hub and /topics, and the
// GET, POST and DELETE requests of the API. wsproto.Server decides, for all of them, which hosts it answers for and which
// pages may connect.
type policy struct {
	server *wsproto.Server
	token  string // needed to publish and to disconnect others; if it is empty, everybody may
}

// action is what a caller wants to do with a topic.
type action uint8

const (
	read action = iota // and to subscribe
	publish
	disconnect // to end the subscriptions of others
)

// caller is what is known about the sender of a request.
type caller struct {
	origin   string // of the page that sends the request; empty if no page does
	admitted bool   // pages of that origin may connect
	trusted  bool   // the caller has the token
}

// handshake returns the caller of a WebSocket handshake. wsproto.Server has admitted its page.
func (p *policy) handshake(r *wsproto.Request) caller {
	c := caller{origin: r.Header.Get("Origin"), admitted: true}
	if p.token != "" {
		c.trusted = p.trusts(r.Header.Values("Authorization"), r.Query())
	}
	return c
}

// request returns the caller of a plain HTTP request.
func (p *policy) request(r *http.Request) caller {
	c := caller{origin: r.Header.Get("Origin")}
	if site := r.Header.Get("Sec-Fetch-Site"); c.origin == "" && (site == "cross-site" || site == "same-site") {
		c.origin = "null" // the sender is a page, but the browser does not name it
	} else {
		c.admitted = p.server.AllowsOrigin(r)
	}
	if p.token != "" {
		c.trusted = p.trusts(r.Header.Values("Authorization"), r.URL.Query())
	}
	return c
}

// trusts reports whether one of the credentials is the token. Other credentials may be for a proxy. The token comes as
// Authorization: Bearer TOKEN or, because browsers cannot send that field with a WebSocket handshake, as ?token=TOKEN.
func (p *policy) trusts(authorization []string, query url.Values) bool {
	for _, credentials := range authorization {
		scheme, token, _ := strings.Cut(strings.TrimSpace(credentials), " ")
		if strings.EqualFold(scheme, "Bearer") && p.isToken(strings.TrimSpace(token)) {
			return true
		}
	}
	return p.isToken(query.Get("token"))
}

func (p *policy) isToken(s string) bool {
	return p.token != "" && subtle.ConstantTimeCompare([]byte(s), []byte(p.token)) == 1
}

// may returns nil if c may do that with the topic, and otherwise the refusal.
func (p *policy) may(c caller, do action, topic string) *wsproto.Refusal {
	switch users := hub.IsUserTopic(topic); {
	case c.trusted, do == read && !users, do != read && p.token == "":
		return nil
	case p.token == "":
		return wsproto.Refuse(http.StatusForbidden, "reading user messages needs the API token, and the server was started without one (-token-file FILE)")
	}
	r := wsproto.Refuse(http.StatusUnauthorized, needsToken)
	r.Header = http.Header{"Www-Authenticate": {"Bearer"}}
	return r
}

const needsToken = "this request needs the API token, as Authorization: Bearer TOKEN or ?token=TOKEN"
