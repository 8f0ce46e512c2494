package wsproto

import (
	"errors"
	"net"
	"sync"
)

// connListener is a net.Listener whose connections come from put.
type connListener struct {
	mu     sync.Mutex
	queue  []net.Conn
	some   chan struct{} // has a token while queue is not empty
	closed chan struct{}
}

func newConnListener() *connListener {
	return &connListener{some: make(chan struct{}, 1), closed: make(chan struct{})}
}

func (h *connListener) put(nc net.Conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	select {
	case <-h.closed:
		nc.Close()
		return
	default:
	}
	h.queue = append(h.queue, nc)
	h.signalLocked()
}

func (h *connListener) signalLocked() {
	if len(h.queue) > 0 {
		select {
		case h.some <- struct{}{}:
		default:
		}
	}
}

// Accept returns the next connection.
func (h *connListener) Accept() (net.Conn, error) {
	select {
	case <-h.closed:
		return nil, net.ErrClosed
	case <-h.some:
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.queue) == 0 { // closed meanwhile
		return nil, net.ErrClosed
	}
	nc := h.queue[0]
	h.queue[0] = nil
	h.queue = h.queue[1:]
	h.signalLocked()
	return nc, nil
}

// Close closes the connections that have not been accepted.
func (h *connListener) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	select {
	case <-h.closed:
		return nil
	default:
		close(h.closed)
	}
	var errs []error
	for _, nc := range h.queue {
		errs = append(errs, nc.Close())
	}
	h.queue = nil
	return errors.Join(errs...)
}

// Addr returns an empty address: the connections come from other listeners.
func (h *connListener) Addr() net.Addr { return &net.TCPAddr{} }
