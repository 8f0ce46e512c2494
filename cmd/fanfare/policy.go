package main

import (
	"crypto/subtle"
	"net/http"
	"net/url"
	"strings"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// policy says who may do what. Every entrance asks it and nothing else: handshakes at
// /hub and /topics, GET, POST and DELETE. Which hosts there are, and which pages may
// connect, wsproto.Server decides, for all of them too.
type policy struct {
	server *wsproto.Server
	token  string // without which nothing can be changed; none if empty
}

// action is what somebody wants to do with a topic.
type action uint8

const (
	read action = iota // also to subscribe
	publish
	disconnect // to end the subscriptions of others
)

// caller is what a request says of whoever sends it.
type caller struct {
	origin   string // of the page that it comes from; none if empty
	admitted bool   // pages of that origin may connect
	trusted  bool   // it has the token
}

// handshake returns who asks for a WebSocket, from a page that is admitted.
func (p *policy) handshake(r *wsproto.Request) caller {
	c := caller{origin: r.Header.Get("Origin"), admitted: true}
	if p.token != "" {
		c.trusted = p.trusts(r.Header.Values("Authorization"), r.Query())
	}
	return c
}

// request returns who sends an ordinary request.
func (p *policy) request(r *http.Request) caller {
	c := caller{origin: r.Header.Get("Origin")}
	if site := r.Header.Get("Sec-Fetch-Site"); c.origin == "" && (site == "cross-site" || site == "same-site") {
		c.origin = "null" // a page, but the browser does not say which
	} else {
		c.admitted = p.server.AllowsOrigin(r)
	}
	if p.token != "" {
		c.trusted = p.trusts(r.Header.Values("Authorization"), r.URL.Query())
	}
	return c
}

// trusts reports whether the token is among the credentials, which may be for others
// too: as Authorization: Bearer TOKEN, or, for WebSockets in browsers, which cannot send
// that, as ?token=TOKEN.
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

// may returns nil if c may do that with the topic, else how it is refused.
func (p *policy) may(c caller, do action, topic string) *wsproto.Refusal {
	switch users := hub.IsUserTopic(topic); {
	case c.trusted, do == read && !users, do != read && p.token == "":
		return nil
	case p.token == "":
		return wsproto.Refuse(http.StatusForbidden, "reading what users got needs the server's token, and the server was started without one (-token-file FILE)")
	}
	r := wsproto.Refuse(http.StatusUnauthorized, needsToken)
	r.Header = http.Header{"Www-Authenticate": {"Bearer"}}
	return r
}

const needsToken = "that needs the server's token, as Authorization: Bearer TOKEN or ?token=TOKEN"
