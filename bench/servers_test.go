package main

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/fanfare-ws/fanfare/bench/servers"
)

// TestServersEcho starts each server as a process and talks to it.
func TestServersEcho(t *testing.T) {
	for _, s := range servers.All {
		t.Run(s.Name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			p, err := startServer(ctx, built.serve, s.Name)
			if err != nil {
				t.Fatal(err)
			}
			defer p.stop()
			c, _, err := websocket.DefaultDialer.DialContext(ctx, "ws://"+p.addr+"/", http.Header{})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
			echoes(t, c, websocket.TextMessage, []byte("Grüße"))
			echoes(t, c, websocket.BinaryMessage, []byte{0, 0xff, 0x80, 13, 10})
			echoes(t, c, websocket.BinaryMessage, bytes.Repeat([]byte{7}, 500))
		})
	}
}

func echoes(t *testing.T, c *websocket.Conn, op int, p []byte) {
	t.Helper()
	if err := c.WriteMessage(op, p); err != nil {
		t.Fatal(err)
	}
	gotOp, got, err := c.ReadMessage()
	if err != nil || gotOp != op || !bytes.Equal(got, p) {
		t.Fatalf("sent %d %q, got %d %q, %v", op, p, gotOp, got, err)
	}
}

// TestEpollLoop is about what the hand-written loop has to put together.
func TestEpollLoop(t *testing.T) {
	p, err := startServer(t.Context(), built.serve, "epoll")
	if err != nil {
		t.Fatal(err)
	}
	defer p.stop()
	whole := &websocket.Dialer{WriteBufferSize: 1 << 20} // so that it sends no fragments
	c, _, err := whole.Dial("ws://"+p.addr+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
	big := bytes.Repeat([]byte("0123456789"), 50_000) // many reads, more than the socket takes
	for range 3 {
		echoes(t, c, websocket.BinaryMessage, big)
	}
	for range 20 { // many frames to a read
		if err := c.WriteMessage(websocket.TextMessage, []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	for range 20 {
		if _, got, err := c.ReadMessage(); err != nil || string(got) != "x" {
			t.Fatalf("%q, %v", got, err)
		}
	}
}

func TestStopEndsTheProcess(t *testing.T) {
	p, err := startServer(t.Context(), built.serve, "fanfare")
	if err != nil {
		t.Fatal(err)
	}
	pid := p.cmd.Process.Pid
	p.stop()
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("process %d is still there: %v", pid, err)
	}
}

func TestServerDoesNotStart(t *testing.T) {
	_, err := startServer(t.Context(), built.serve, "nobody")
	if err == nil || !strings.Contains(err.Error(), `there is no server "nobody"`) {
		t.Error(err)
	}
}
