package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"testing"
)

// site is an HTTP server that goes down and comes up, at an address that stays the same.
type site struct {
	t      *testing.T
	addr   string
	serve  http.HandlerFunc
	server *http.Server
}

// sitePorts counts the ports that sites have had. They are below those that the kernel gives to others, so that nobody takes one
// while its site is down.
var sitePorts atomic.Int32

// newSite returns a site that is not up yet.
func newSite(t *testing.T, serve http.HandlerFunc) *site {
	t.Helper()
	const first, ports = 20_000, 10_000
	begin := int32(os.Getpid() * 31 % ports) // another process may run the same tests
	for range ports {
		addr := fmt.Sprint("127.0.0.9:", first+(begin+sitePorts.Add(1))%ports)
		if l, err := net.Listen("tcp", addr); err == nil {
			l.Close()
			s := &site{t: t, addr: addr, serve: serve}
			t.Cleanup(s.down)
			return s
		}
	}
	t.Fatal("no port is free")
	return nil
}

func (s *site) up() {
	s.t.Helper()
	var l net.Listener
	var err error
	if !settles(func() bool { // a process that another test starts has the old socket, too, until its program runs
		l, err = net.Listen("tcp", s.addr)
		return err == nil
	}) {
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
