package main

import (
	"bytes"
	"context"
	"crypto/tls"
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
		if s.Echo == nil {
			continue
		}
		t.Run(s.Name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			p, err := built.startServer(ctx, s.Name, servers.EchoMode)
			if err != nil {
				t.Fatal(err)
			}
			defer p.stop()
			urls := p.urls(&s, "echo")
			d := &websocket.Dialer{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, WriteBufferSize: 1 << 20} // so that it sends no fragments
			c, _, err := d.DialContext(ctx, urls[len(urls)-1], http.Header{})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
			echoes(t, c, websocket.TextMessage, []byte("Grüße"))
			echoes(t, c, websocket.BinaryMessage, []byte{0, 0xff, 0x80, 13, 10})
			for _, size := range []int{500, 64 << 10, 100_000} {
				p := make([]byte, size)
				for i := range p {
					p[i] = byte(i * i / 7)
				}
				echoes(t, c, websocket.BinaryMessage, p)
			}
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
		t.Fatalf("sent %d, %d bytes %.60q, got %d, %d bytes %.60q, %v", op, len(p), p, gotOp, len(got), got, err)
	}
}

// TestEpollLoop checks that the hand-written loop assembles incomplete input.
func TestEpollLoop(t *testing.T) {
	p, err := built.startServer(t.Context(), "epoll", servers.EchoMode)
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
	p, err := built.startServer(t.Context(), "fanfare", servers.EchoMode)
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
	for name, says := range map[string]string{"nobody": `unknown server "nobody"`, "floor": `floor has no mode "broadcast"`} {
		_, err := built.startServer(t.Context(), name, servers.BroadcastMode)
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want %s", err, says)
		}
	}
}
