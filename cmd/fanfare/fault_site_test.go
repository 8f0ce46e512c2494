package main

import (
	"net"
	"net/http"
	"testing"
)

// site is an HTTP server that goes down and comes up, at an address that stays the same.
type site struct {
	t      *testing.T
	addr   string
	serve  http.HandlerFunc
	server *http.Server
}

// newSite returns a site that is not up yet. Its address is one from which no client connects, so none takes its port.
func newSite(t *testing.T, serve http.HandlerFunc) *site {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.9:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := &site{t: t, addr: l.Addr().String(), serve: serve}
	t.Cleanup(s.down)
	return s
}

func (s *site) up() {
	s.t.Helper()
	l, err := net.Listen("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.server = &http.Server{Handler: s.serve}
	go func(server *http.Server) { _ = server.Serve(l) }(s.server)
}

// down stops the server, with its connections.
func (s *site) down() {
	if s.server != nil {
		s.server.Close()
		s.server = nil
	}
}
