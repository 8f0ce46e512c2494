package main

import (
	_ "embed"
	"net/http"
)

//go:embed index.html
var index []byte

// pages serves what comes over ordinary HTTP.
func (a *app) pages() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", home)
	mux.HandleFunc("GET /healthz", a.health)
	mux.HandleFunc("GET /topics", a.listTopics)
	mux.HandleFunc("POST /topics/{name}", a.publish)
	mux.HandleFunc("GET /topics/{name}", socketOnly)
	mux.HandleFunc("GET /echo", socketOnly)
	mux.HandleFunc("POST /topics/{$}", noName)
	mux.HandleFunc("GET /topics/{$}", noName)
	return a.guard(mux)
}

// guard refuses what pages of other hosts post: a browser says where it comes from.
func (a *app) guard(h http.Handler) http.Handler {
	if a.cfg.allows("*") {
		return h
	}
	p := http.NewCrossOriginProtection()
	for _, host := range a.cfg.hosts() {
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
	scheme := "ws://"
	if r.TLS != nil {
		scheme = "wss://"
	}
	fail(w, http.StatusUpgradeRequired, "this is a WebSocket: connect to "+scheme+r.Host+r.URL.Path)
}

func noName(w http.ResponseWriter, _ *http.Request) {
	fail(w, http.StatusBadRequest, "the name of the topic is empty: use /topics/NAME")
}
