// Package wstest is to package wsproto what httptest is to net/http: it starts servers, opens
// connections and pairs of connections from which a test reads, and has a proxy that cuts
// connections. Everything ends with the test.
package wstest

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// Proxy forwards TCP connections, and cuts them.
type Proxy struct {
	// Addr is where it listens.
	Addr string

	target   string
	listener net.Listener
	budget   func() int64
	running  sync.WaitGroup

	mu     sync.Mutex
	conns  map[net.Conn]*gate // of clients
	closed bool               // to new connections
	cuts   int
}

// Forward starts a proxy to target, which ends with the test. budget, if not nil, returns for
// each connection the number of bytes from the server after which it is cut; 0 for never.
func Forward(t testing.TB, target string, budget func() int64) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{Addr: l.Addr().String(), target: target, listener: l, budget: budget, conns: make(map[net.Conn]*gate)}
	p.running.Go(p.accept)
	t.Cleanup(func() {
		l.Close()
		p.Shut(true)
		p.running.Wait()
	})
	return p
}

// Cut cuts all connections, and returns their number.
func (p *Proxy) Cut() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cutLocked()
}

// Shut(true) cuts all connections, and later ones at once; Shut(false) forwards connections
// again.
func (p *Proxy) Shut(closed bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed = closed; closed {
		p.cutLocked()
	}
}

// Freeze makes the existing connections silent in the direction of the client, as if a cable
// had been pulled.
func (p *Proxy) Freeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, g := range p.conns {
		g.frozen.Store(true)
	}
}

// gate passes the server's bytes on, until it is frozen.
type gate struct {
	io.Reader
	frozen atomic.Bool
}

func (g *gate) Read(b []byte) (n int, err error) {
	for {
		n, err = g.Reader.Read(b)
		if err != nil || !g.frozen.Load() {
			return n, err
		}
	}
}

// Cuts returns how many connections were cut.
func (p *Proxy) Cuts() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cuts
}

// cutLocked ends connections with RST, so bytes under way are lost.
func (p *Proxy) cutLocked() int {
	for c := range p.conns {
		p.endLocked(c)
	}
	n := len(p.conns)
	clear(p.conns)
	p.cuts += n
	return n
}

func (p *Proxy) endLocked(c net.Conn) {
	_ = c.(*net.TCPConn).SetLinger(0)
	c.Close()
}

func (p *Proxy) accept() {
	for {
		c, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		if p.closed {
			p.endLocked(c)
		} else {
			g := new(gate)
			p.conns[c] = g
			p.running.Go(func() { p.forward(c, g) })
		}
		p.mu.Unlock()
	}
}

func (p *Proxy) forward(c net.Conn, g *gate) {
	defer p.end(c)
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	defer server.Close()
	p.running.Go(func() {
		copyAll(server, c)
		server.Close()
	})
	g.Reader = server
	if p.budget != nil {
		if n := p.budget(); n > 0 {
			g.Reader = io.LimitReader(server, n)
		}
	}
	copyAll(c, g)
}

// copyAll is io.Copy without the kernel's pipes, which Go keeps for a while: they would
// look like leaks.
func copyAll(to io.Writer, from io.Reader) {
	_, _ = io.Copy(struct{ io.Writer }{to}, struct{ io.Reader }{from})
}

func (p *Proxy) end(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conns[c] != nil {
		p.cuts++
	}
	delete(p.conns, c)
	p.endLocked(c)
}
