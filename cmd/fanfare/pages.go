package main

import (
	_ "embed"
	"errors"
	"fmt"
	"net/http"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/policy"
	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/session"
	"github.com/fanfare-ws/fanfare/netpoll"
	"github.com/fanfare-ws/fanfare/wsproto"
)

//go:embed index.html
var index []byte

const (
	scriptPath = "/fanfare.js"
	healthPath = "/healthz"
	readyPath  = "/readyz"
)

// pages returns the handler of plain HTTP requests.
func (a *app) pages() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", home)
	mux.HandleFunc("GET "+healthPath, a.health)
	mux.HandleFunc("GET "+readyPath, a.ready)
	mux.HandleFunc("GET /echo", a.socketOnly)
	mux.HandleFunc("GET "+hubPath, a.socketOnly)
	mux.HandleFunc("GET "+scriptPath, session.Script)
	a.api(mux)
	h := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { a.enter(w, r, mux) }))
	if acme := a.certificates.acme; acme != nil { // the certificate authority has no rights
		h = acme.Handler(h)
	}
	return h
}

// visit is the response to a request, with the caller.
type visit struct {
	http.ResponseWriter
	caller   caller
	transfer *transfer
}

// Unwrap is what http.ResponseController calls.
func (v *visit) Unwrap() http.ResponseWriter { return v.ResponseWriter }

// visitOf returns the visit that enterAs passed to a handler.
func visitOf(w http.ResponseWriter) *visit { return w.(*visit) }

// enter handles every request.
func (a *app) enter(w http.ResponseWriter, r *http.Request, mux *http.ServeMux) {
	protect(w.Header())
	if _, pattern := mux.Handler(r); pattern == "" {
		a.enterAs(w, r, func(w http.ResponseWriter, r *http.Request) { a.noSuch(w, r, mux) })
	} else if r.URL.Path == scriptPath {
		mux.ServeHTTP(w, r) // pages of every origin may load it
	} else {
		a.enterAs(w, r, mux.ServeHTTP)
	}
}

// protect sets the fields of responses that keep browsers from running what was published.
func protect(h http.Header) {
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
}

// enterAs calls h unless the request comes from a page that may not send it.
func (a *app) enterAs(w http.ResponseWriter, r *http.Request, h http.HandlerFunc) {
	c := a.callerOf(r)
	v := &visit{w, c, a.transfers.begin(w, netpoll.OwnerOf(wsproto.ClientAddr(r, a.access.proxies)))}
	defer v.transfer.end()
	a.share(w.Header(), c)
	switch {
	case !c.admitted && (!isSafe(r) || isPreflight(r)):
		a.refuse(v, wsproto.Refuse(http.StatusForbidden, fmt.Sprintf("pages of %.100s may not send this request; the server's operator can allow it with -origins", c.origin)))
	case isPreflight(r):
		preflight(w)
	case c.refusal != nil && !isPublic(r.URL.Path):
		a.deny(v, c.refusal)
	default:
		h(v, r)
	}
}

// isSafe reports whether the request changes nothing (RFC 9110, 9.2.1).
func isSafe(r *http.Request) bool {
	return r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodOptions
}

// asked returns a handler that calls h if the caller may do that with the topic of the path: {name}, or the topic of {user}.
func (a *app) asked(do policy.Action, h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		topic := r.PathValue("name")
		err := checkTopic(topic)
		if user := r.PathValue("user"); user != "" {
			topic, err = hub.UserTopic(user), hub.CheckUser(user)
		}
		if err != nil {
			a.fail(w, http.StatusBadRequest, plain(err))
			return
		}
		if refusal := a.access.Authorize(visitOf(w).caller.id.Rights, do, topic); refusal != nil {
			a.deny(w, refusal)
			return
		}
		h(w, r)
	}
}

func home(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'self' 'unsafe-inline'; connect-src 'self'; frame-ancestors 'none'; form-action 'none'; base-uri 'none'")
	_, _ = w.Write(index)
}

// health is GET /healthz for everybody. Figures are for operators: they would tell an attacker how well an attack goes. The
// HTTP status is 200 whatever is wrong: a server that is restarted for being busy would lose its clients.
func (a *app) health(w http.ResponseWriter, _ *http.Request) {
	a.answer(w, http.StatusOK, map[string]any{"status": a.healthStatus()})
}

// healthStatus is the status that everybody may know.
func (a *app) healthStatus() string {
	if a.leaving.Load() {
		return "draining"
	}
	return "ok"
}

// ready is GET /readyz, for load balancers: whether the server takes new clients. It stops doing so before it ends, and while
// it has no link to the other nodes of its cluster.
func (a *app) ready(w http.ResponseWriter, _ *http.Request) {
	state, ready := a.isReady()
	status := http.StatusOK
	if !ready {
		w.Header().Set("Retry-After", "1")
		status = http.StatusServiceUnavailable
	}
	a.answer(w, status, map[string]any{"status": state})
}

// isPublic reports whether the endpoint answers callers whose credentials are refused, too: it tells nobody's secrets, and
// whoever asks may not know the credentials that a proxy or a browser adds.
func isPublic(path string) bool { return path == healthPath || path == readyPath || path == "/" }

// socketOnly answers a plain request to an endpoint of WebSockets. It says why a handshake would be refused, because browsers
// do not show scripts the answer to one.
func (a *app) socketOnly(w http.ResponseWriter, r *http.Request) {
	id := visitOf(w).caller.id
	var refused *wsproto.Refusal
	follows := r.URL.Path == hubPath && r.URL.Query().Get("auth") == "message"
	switch {
	case follows:
	case a.asksToConnect(&id): // what it would say is not known
		refused = a.hooks.unavailable()
	default:
		errors.As(a.admit(&id, visitOf(w).caller.client), &refused)
	}
	if refused == nil {
		refused = a.server.Busy(wsproto.ClientAddr(r, a.access.proxies))
	}
	if refused != nil {
		a.refuse(w, refused)
		return
	}
	w.Header().Set("Upgrade", "websocket")
	w.Header().Set("Connection", "Upgrade")
	a.fail(w, http.StatusUpgradeRequired, "this is a WebSocket endpoint: connect to "+a.socketURL(r))
}

// socketURL returns the URL of the request with the scheme of a WebSocket.
func (a *app) socketURL(r *http.Request) string {
	scheme := "ws://"
	if wsproto.Secure(r, a.access.proxies) {
		scheme = "wss://"
	}
	return scheme + wsproto.Host(r, a.access.proxies) + r.URL.EscapedPath()
}
