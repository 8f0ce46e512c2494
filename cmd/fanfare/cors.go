package main

import (
	"net/http"
	"slices"
)

// The response fields for pages of other origins that may connect (WHATWG Fetch, "CORS protocol"). Without them a page can
// send only what every HTML form can, which the server refuses, and it can read no response.
const (
	sharedMethods = "GET, HEAD, POST, DELETE"
	sharedFields  = "Authorization, Content-Type" // of requests
	exposedFields = "Allow, Link, Retry-After, WWW-Authenticate"
	sharedFor     = "600" // seconds
)

// share allows the page to read the response, even if that is an error. Only pages that the operator has named may send
// cookies, which only a proxy in front can have a use for; with * no page may.
func (a *app) share(h http.Header, c caller) {
	switch {
	case slices.Contains(a.server.Limits().Origins, "*"):
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

// isPreflight reports whether r is a CORS preflight request.
func isPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Origin") != "" && r.Header.Get("Access-Control-Request-Method") != ""
}

// preflight answers a preflight request of a page that is admitted.
func preflight(w http.ResponseWriter) {
	h := w.Header()
	h.Del("Access-Control-Expose-Headers")
	h.Set("Access-Control-Allow-Methods", sharedMethods)
	h.Set("Access-Control-Allow-Headers", sharedFields)
	h.Set("Access-Control-Max-Age", sharedFor)
	w.WriteHeader(http.StatusNoContent)
}
