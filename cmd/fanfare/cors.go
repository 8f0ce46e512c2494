package main

import (
	"net/http"
	"slices"
)

// What a browser tells a page of another host, if the page may connect (WHATWG Fetch,
// "CORS protocol"). A page without that can send what every form can, which the policy
// refuses, and reads nothing.
const (
	sharedMethods = "GET, HEAD, POST, DELETE"
	sharedFields  = "Authorization, Content-Type" // of requests
	exposedFields = "Allow, Link, Retry-After, WWW-Authenticate"
	sharedFor     = "600" // seconds
)

// share lets the page read the answer, whatever it is. Cookies, which only a proxy in
// front can have a use for, may come from pages that the operator has named, not from
// any page at all.
func (p *policy) share(h http.Header, c caller) {
	switch {
	case slices.Contains(p.server.Origins, "*"):
		h.Set("Access-Control-Allow-Origin", "*")
	case c.origin != "" && c.admitted:
		h.Set("Access-Control-Allow-Origin", c.origin)
		h.Set("Access-Control-Allow-Credentials", "true")
		fallthrough
	default:
		h.Add("Vary", "Origin")
	}
	if h.Get("Access-Control-Allow-Origin") != "" {
		h.Set("Access-Control-Expose-Headers", exposedFields)
	}
}

// isPreflight reports whether a browser asks what a page may send.
func isPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Origin") != "" && r.Header.Get("Access-Control-Request-Method") != ""
}

// preflight answers that for a page that is admitted.
func preflight(w http.ResponseWriter) {
	h := w.Header()
	h.Del("Access-Control-Expose-Headers")
	h.Set("Access-Control-Allow-Methods", sharedMethods)
	h.Set("Access-Control-Allow-Headers", sharedFields)
	h.Set("Access-Control-Max-Age", sharedFor)
	w.WriteHeader(http.StatusNoContent)
}
