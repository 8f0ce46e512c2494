//go:build linux

package netpoll

import (
	"context"
	"io"
	"net"
	"testing"
	"time"
)

type echoHandler struct {
	c      Conn
	closed chan error
}

func (h *echoHandler) Conn() *Conn { return &h.c }
func (h *echoHandler) OnOpen()     {}
func (h *echoHandler) OnData(p []byte) int {
	h.c.Write(nil, p)
	return len(p)
}
func (h *echoHandler) OnDeadline()       {}
func (h *echoHandler) OnPanic(any)       {}
func (h *echoHandler) OnClose(err error) { h.closed <- err }

func TestSmoke(t *testing.T) {
	e, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	h := &echoHandler{closed: make(chan error, 1)}
	l, err := e.Listen("127.0.0.1:0", func() Handler { return h })
	if err != nil {
		t.Fatal(err)
	}
	nc, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < 100; i++ {
		nc.Write([]byte("hello"))
		var b [5]byte
		if _, err := io.ReadFull(nc, b[:]); err != nil || string(b[:]) != "hello" {
			t.Fatal(err, string(b[:]))
		}
	}
	nc.Close()
	if err := <-h.closed; err != io.EOF {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := e.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
}
