package main

import (
	_ "embed"
	"net/http"

	"github.com/fanfare-ws/fanfare/hub/session"
)

//go:embed index.html
var index []byte

// pages serves what comes over ordinary HTTP.
func (a *app) pages() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", home)
	mux.HandleFunc("GET /healthz", a.health)
	mux.HandleFunc("GET /echo", socketOnly)
	mux.HandleFunc("GET "+hubPath, socketOnly)
	mux.HandleFunc("GET /fanfare.js", session.Script)
	a.api(mux)
	return a.guard(a.authorize(mux))
}

// guard refuses what pages of other hosts post: a browser says where it comes from.
func (a *app) guard(h http.Handler) http.Handler {
	if a.cfg.allows("*") {
		return h
	}
	p := http.NewCrossOriginProtection()
	for _, host := range a.cfg.pages() {
		// An entry that is no host cannot be an origin either.
		_ = p.AddTrustedOrigin("http://" + host)
		_ = p.AddTrustedOrigin("https://" + host)
	}
	return p.Handler(h)
}

func home(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'")
	_, _ = w.Write(index)
}

func (a *app) health(w http.ResponseWriter, _ *http.Request) {
	s, h := a.server.Stats(), a.hub.Stats()
	answer(w, http.StatusOK, map[string]any{"status": "ok", "connections": s.Open, "topics": h.Topics})
}

func socketOnly(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Upgrade", "websocket")
	w.Header().Set("Connection", "Upgrade")
	fail(w, http.StatusUpgradeRequired, "this is a WebSocket: connect to "+socketURL(r))
}

// socketURL is the request's URL for a WebSocket.
func socketURL(r *http.Request) string {
	if r.TLS != nil {
		return "wss://" + r.Host + r.URL.EscapedPath()
	}
	return "ws://" + r.Host + r.URL.EscapedPath()
}
