package wsproto

import "net/http"

// ServeHTTP serves a request on a connection that net/http has. A handshake that is a later
// request on such a connection goes back to the engine.
func (p *httpServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if isUpgrade(r) && p.server.takesHandshakes() {
		p.server.ServeHTTP(w, r)
		return
	}
	c := r.Context().Value(ownKey{}).(servedConn).served()
	if !c.mayStay(r) {
		w.Header().Set("Connection", "close")
	}
	if r.ContentLength == 0 {
		p.serve(w, r)
		return
	}
	b := newBody(c, r)
	a := &reply{ResponseWriter: w, body: b}
	r.Body = b
	p.serve(a, r)
	a.end()
}

func (p *httpServer) serve(w http.ResponseWriter, r *http.Request) {
	p.server.checkForwarded(p.server.Proxies.of(r), peerOf(r), r.Header.Values)
	if refusal := p.server.refuseHTTP(r); refusal != nil {
		p.server.counters.refuse(refusal.Status)
		refusal.ServeHTTP(w, r)
	} else if h := p.server.HTTP; h != nil {
		h.ServeHTTP(w, r)
	} else {
		_ = p.server.requireUpgrade(w, r)
	}
}

// refuseHTTP returns why a request that is not a handshake is refused, or nil.
func (s *Server) refuseHTTP(r *http.Request) *Refusal {
	if len(r.Header["Origin"]) > 1 {
		return errRepeated("Origin")
	}
	return s.CheckHost(r)
}
