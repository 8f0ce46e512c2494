package main

import (
	"io"
	"net"
	"sync"
	"testing"
)

// relay stands between clients and a server, and can be cut.
type relay struct {
	net.Listener
	to string

	mu    sync.Mutex
	isCut bool
	conns []net.Conn
	wg    sync.WaitGroup
}

func newRelay(t *testing.T, to string) *relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{Listener: l, to: to}
	r.wg.Go(r.run)
	t.Cleanup(func() {
		l.Close()
		r.cut()
		r.wg.Wait()
	})
	return r
}

func (r *relay) addr() string { return r.Addr().String() }

func (r *relay) run() {
	for {
		nc, err := r.Accept()
		if err != nil {
			return
		}
		if there, err := net.Dial("tcp", r.to); err != nil || !r.add(nc, there) {
			nc.Close()
			if err == nil {
				there.Close()
			}
		}
	}
}

// add begins to copy between two connections, unless the relay is cut.
func (r *relay) add(a, b net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.isCut {
		return false
	}
	r.conns = append(r.conns, a, b)
	for _, way := range [][2]net.Conn{{a, b}, {b, a}} {
		r.wg.Go(func() {
			_, _ = io.Copy(way[0], way[1])
			a.Close()
			b.Close()
		})
	}
	return true
}

// cut closes all connections, and those that come until mend is called.
func (r *relay) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.isCut = true
	for _, nc := range r.conns {
		nc.Close()
	}
	r.conns = nil
}

func (r *relay) mend() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.isCut = false
}
