package natstest

import (
	"io"
	"net"
	"sync"
	"testing"
)

// Proxy is a way to a server that can be interrupted.
type Proxy struct {
	URL string

	l  net.Listener
	to string
	mu sync.Mutex
	on bool
	is map[net.Conn]struct{}
	wg sync.WaitGroup
}

// NewProxy returns a proxy for the server, which ends with the test.
func NewProxy(t testing.TB, s *Server) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return NewProxyOn(t, s, l)
}

// NewProxyOn is NewProxy with a listener, which the proxy closes.
func NewProxyOn(t testing.TB, s *Server, l net.Listener) *Proxy {
	t.Helper()
	p := &Proxy{l: l, URL: "nats://" + l.Addr().String(), to: address(s.URL), on: true, is: make(map[net.Conn]struct{})}
	p.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.wg.Go(func() { p.serve(c) })
		}
	})
	t.Cleanup(p.Close)
	return p
}

// Close ends the proxy.
func (p *Proxy) Close() {
	p.l.Close()
	p.Cut()
	p.wg.Wait()
}

// serve joins a connection with one to the server.
func (p *Proxy) serve(c net.Conn) {
	defer c.Close()
	d, err := net.Dial("tcp", p.to)
	if err != nil {
		return
	}
	defer d.Close()
	p.mu.Lock()
	on := p.on
	if on {
		p.is[c], p.is[d] = struct{}{}, struct{}{}
	}
	p.mu.Unlock()
	if !on {
		return
	}
	var wg sync.WaitGroup
	for _, way := range [][2]net.Conn{{c, d}, {d, c}} {
		wg.Go(func() {
			_, _ = io.Copy(way[0], way[1]) // it ends with either of them
			c.Close()
			d.Close()
		})
	}
	wg.Wait()
	p.mu.Lock()
	delete(p.is, c)
	delete(p.is, d)
	p.mu.Unlock()
}

// Cut ends all connections, and refuses new ones until Restore.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.on = false
	for c := range p.is {
		c.Close()
	}
}

// Restore accepts connections again.
func (p *Proxy) Restore() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.on = true
}
