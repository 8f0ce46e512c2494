package wsproto

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestClientRefused has servers that do not become peers.
func TestClientRefused(t *testing.T) {
	reply := func(s string) func(*peer, string) {
		return func(p *peer, _ string) {
			p.send(s)
			_ = p.nc.CloseWrite()
			_, _ = io.Copy(io.Discard, p.br)
		}
	}
	with := func(more ...string) func(*peer, string) {
		return func(p *peer, key string) {
			p.send(answer(key, more...))
			_, _ = io.Copy(io.Discard, p.br)
		}
	}
	for _, tt := range []struct {
		name   string
		serve  func(p *peer, key string)
		status int
		reason string
		err    error
	}{
		{"status with body", reply("HTTP/1.1 429 Too Many Requests\r\nContent-Length: 8\r\n\r\nnot now\n"), 429, "not now", nil},
		{"status without body", reply("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"), 404, "", nil},
		{"page", reply("HTTP/1.1 200 OK\r\n\r\n" + letters(1000)), 200, letters(200), nil},
		{"no HTTP", reply("220 mail.example.test ESMTP\r\n"), 0, "not HTTP", nil},
		{"half HTTP", reply("HTTP/1.1 what\r\n\r\n"), 0, "not HTTP", nil},
		{"closed at once", reply(""), 0, "closed the connection", nil},
		{"closed in the header", reply("HTTP/1.1 101 Switching Protocols\r\nUpgra"), 0, "closed the connection", nil},
		{"endless header", reply("HTTP/1.1 101 Switching Protocols\r\nX: " + letters(20_000)), 0, "too large", nil},
		{"wrong proof", func(p *peer, _ string) { with()(p, sampleKey) }, 0, "Sec-WebSocket-Accept", nil},
		{"no upgrade", func(p *peer, key string) {
			p.send(strings.Replace(answer(key), "Upgrade: WebSocket", "X: y", 1))
			_, _ = io.Copy(io.Discard, p.br)
		}, 0, "does not upgrade", nil},
		{"extension", with("Sec-WebSocket-Extensions: permessage-deflate"), 0, "extension", nil},
		{"subprotocol", with("Sec-WebSocket-Protocol: other"), 0, "subprotocol", nil},
		{"silence", func(p *peer, _ string) { _, _ = io.Copy(io.Discard, p.br) }, 0, "", ErrHandshakeTimeout},
		{"reset", func(p *peer, _ string) { p.reset() }, 0, "the connection failed", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := newClient(t)
			k.HandshakeTimeout = patience
			if tt.err == ErrHandshakeTimeout {
				k.HandshakeTimeout = 30 * time.Millisecond
			}
			l := start(t, k, rawServer(t, tt.serve))
			err := next(t, l.failed)
			var he *HandshakeError
			if !errors.As(err, &he) || he.Status != tt.status || !strings.Contains(he.Reason, tt.reason) || tt.err != nil && !errors.Is(err, tt.err) {
				t.Errorf("%+v", err)
			}
			if tt.reason != "" && !strings.Contains(err.Error(), tt.reason) {
				t.Errorf("%v", err)
			}
			if len(l.conn) > 0 || len(l.ended) > 0 || len(l.failed) > 0 {
				t.Error("more was called")
			}
		})
	}
}

// TestClientNobody connects to a port that no socket listens on.
func TestClientNobody(t *testing.T) {
	nl, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "ws://" + nl.Addr().String()
	nl.Close()
	l := start(t, newClient(t), url)
	if err := next(t, l.failed); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Error(err)
	}
}

// TestClientUnreachable connects to a listener whose queue is full, so that no
// answer comes at all.
func TestClientUnreachable(t *testing.T) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := errors.Join(unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), unix.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	sa, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		filler, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(filler)
		_ = unix.Connect(filler, sa)
	}
	k := newClient(t)
	k.HandshakeTimeout = 50 * time.Millisecond
	l := start(t, k, fmt.Sprintf("ws://127.0.0.1:%d/", sa.(*unix.SockaddrInet4).Port))
	var he *HandshakeError
	if err := next(t, l.failed); !errors.As(err, &he) || !errors.Is(err, unix.ETIMEDOUT) {
		t.Error(err)
	}
}

func TestHandshakeErrorText(t *testing.T) {
	for want, e := range map[string]*HandshakeError{
		"the server answered 404 Not Found":                       {Status: 404},
		"the server answered 429 Too Many Requests: not now":      {Status: 429, Reason: "not now"},
		"wsproto: handshake failed: the connection failed: EOF":   {Reason: "the connection failed", Err: io.EOF},
		"wsproto: handshake failed: the server's answer is wrong": {Reason: "the server's answer is wrong"},
	} {
		if got := fmt.Sprint(e); !strings.HasSuffix(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
