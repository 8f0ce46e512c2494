package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/fanfare-ws/fanfare/wsproto"
)

// stalledSubscriber is a subscriber that does not read. It is a plain socket with a small receive buffer, outside the engine,
// which would read. It does its own handshake and needs no goroutine.
type stalledSubscriber struct {
	conn   net.Conn
	unread []byte // bytes that arrived after the end of the handshake
}

// stall opens n stalled subscribers, one after the other.
func (r *broadcastRun) stall(ctx context.Context, n int) error {
	l := r.load
	if n == 0 {
		return nil
	}
	var opened atomic.Int64
	stop := l.progress.during("opening stalled subscribers", int64(n), opened.Load)
	defer stop()
	for range n {
		s, err := newStalledSubscriber(ctx, l)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			l.conns.failed.Add(1)
			l.faults.addError(err)
			continue
		}
		r.stalled = append(r.stalled, s)
		opened.Add(1)
	}
	l.report.Connections.Wanted += n
	l.report.Connections.Opened += int64(len(r.stalled))
	if len(r.stalled) == 0 {
		return errExplained
	}
	return nil
}

func newStalledSubscriber(ctx context.Context, l *load) (*stalledSubscriber, error) {
	d := net.Dialer{Timeout: l.opt.timeout, KeepAlive: -1, Control: func(_, _ string, c syscall.RawConn) (err error) {
		_ = c.Control(func(fd uintptr) {
			// It is set before connect, so that the first window is small.
			err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, l.opt.rcvbuf)
		})
		return err
	}}
	if from := l.conns.source(); from.IsValid() {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))
	}
	nc, err := d.DialContext(ctx, "tcp", l.target.Addr.String())
	if err != nil {
		return nil, &wsproto.HandshakeError{Reason: "the connection failed", Err: err}
	}
	s := &stalledSubscriber{conn: nc}
	if err := s.handshake(l); err != nil {
		nc.Close()
		return nil, err
	}
	return s, nil
}

// handshake does the opening handshake. It does not check Sec-WebSocket-Accept: the subscribers in the engine did.
func (s *stalledSubscriber) handshake(l *load) error {
	_ = s.conn.SetDeadline(time.Now().Add(l.opt.timeout))
	defer s.conn.SetDeadline(time.Time{})
	_, err := fmt.Fprintf(s.conn, "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Key: c3RhbGxlZCBzdWJzY3JpYg==\r\nSec-WebSocket-Version: 13\r\n", l.target.URI, l.target.Host)
	if err == nil {
		header := l.conns.nextClient().Header
		if a := l.target.Authorization; a != "" && header.Get("Authorization") == "" {
			fmt.Fprintf(s.conn, "Authorization: %s\r\n", a)
		}
		_ = header.Write(s.conn)
		_, err = io.WriteString(s.conn, "\r\n")
	}
	if err != nil {
		return &wsproto.HandshakeError{Reason: "the connection failed", Err: err}
	}
	br := bufio.NewReaderSize(s.conn, 4096)
	resp, err := http.ReadResponse(br, nil)
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return &wsproto.HandshakeError{Reason: "the server did not answer the handshake", Err: err}
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 200))
		return &wsproto.HandshakeError{Status: resp.StatusCode, Reason: string(body)}
	}
	s.unread, _ = br.Peek(br.Buffered())
	if h := l.opt.hello; len(h) > 0 { // the answer stays unread
		frame := append([]byte{0x82, 0x80 | byte(len(h)), 0, 0, 0, 0}, h...) // a mask of zeros
		_, err = s.conn.Write(frame)
	}
	return err
}

// closeStalled closes the stalled subscribers that the engine did not adopt.
func (r *broadcastRun) closeStalled() {
	for _, s := range r.stalled {
		s.conn.Close()
	}
}
