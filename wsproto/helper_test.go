package wsproto

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/textproto"
	"strings"
	"testing"
	"time"
)

// patience is for what happens at once unless something is broken.
const patience = 20 * time.Second

var quiet = slog.New(slog.DiscardHandler)

// listen starts s on a free port and shuts it down when the test ends.
func listen(t testing.TB, s *Server) (addr string) {
	t.Helper()
	if s.Logger == nil {
		s.Logger = quiet
	}
	a, err := s.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shutdown(t, s) })
	return a.String()
}

func shutdown(t testing.TB, s *Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}

// echo is a handler that sends back what it gets, and fails the test if it
// cannot.
func echo(t testing.TB) *Funcs {
	return &Funcs{Message: func(c *Conn, op Opcode, p []byte) {
		if o := c.Send(op, p); !o.OK() {
			t.Errorf("echo of %d bytes: %v", len(p), o)
		}
	}}
}

// closes returns a handler like h that reports how its connections end.
func closes(h *Funcs) (*Funcs, chan *CloseError) {
	ended := make(chan *CloseError, 1000)
	copied := *h
	copied.Close = func(c *Conn, err *CloseError) {
		h.OnClose(c, err)
		ended <- err
	}
	return &copied, ended
}

// next returns what comes from ch, in time.
func next[T any](t testing.TB, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

// eventually waits until ok, for conditions that nothing signals.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	if !settles(ok) {
		t.Fatalf("in vain waited for: %s", what)
	}
}

// settles waits until ok, for as long as patience lasts, and reports whether it is.
func settles(ok func() bool) bool {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			return false
		}
	}
	return true
}

// peer is a client over raw TCP that can do everything right and wrong. It shares
// no code with what it tests.
type peer struct {
	testing.TB
	nc *net.TCPConn
	br *bufio.Reader
	w  io.Writer // nc, or TLS on it
}

// dialTCP connects, without a handshake.
func dialTCP(t testing.TB, addr string) *peer {
	t.Helper()
	nc, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(2 * patience))
	return newPeer(t, nc)
}

func newPeer(t testing.TB, nc net.Conn) *peer {
	return &peer{t, nc.(*net.TCPConn), bufio.NewReader(nc), nc}
}

// dialPeer connects and does the handshake.
func dialPeer(t testing.TB, addr string) *peer {
	t.Helper()
	p := dialTCP(t, addr)
	p.send(goodRequest("/"))
	p.response(http.StatusSwitchingProtocols)
	return p
}

// sampleKey is the example of RFC 6455, 1.3.
const sampleKey = "dGhlIHNhbXBsZSBub25jZQ=="

func goodRequest(uri string) string {
	return request("GET "+uri+" HTTP/1.1", "Host: example.test", "Upgrade: websocket", "Connection: Upgrade",
		"Sec-WebSocket-Key: "+sampleKey, "Sec-WebSocket-Version: 13")
}

func request(lines ...string) string { return strings.Join(lines, "\r\n") + "\r\n\r\n" }

func (p *peer) send(s string) {
	p.Helper()
	if _, err := io.WriteString(p.w, s); err != nil {
		p.Fatal(err)
	}
}

// sendBytes sends one byte at a time, each in a segment of its own as far as the
// kernel lets it.
func (p *peer) sendBytes(s string) {
	p.Helper()
	for i := range len(s) {
		p.send(s[i : i+1])
	}
}

// response reads the head of an HTTP answer, and its body unless it is 101.
func (p *peer) response(status int) (h http.Header, body string) {
	p.Helper()
	resp, err := http.ReadResponse(p.br, nil)
	if err != nil {
		p.Fatal(err)
	}
	if status != http.StatusSwitchingProtocols || resp.StatusCode != status {
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			p.Fatal(err)
		}
		body = string(b)
	}
	if resp.StatusCode != status {
		p.Fatalf("status %d, want %d; the body is %q", resp.StatusCode, status, body)
	}
	return resp.Header, body
}

// head reads the head of an HTTP answer as it is.
func (p *peer) head() (status string, h textproto.MIMEHeader) {
	p.Helper()
	tp := textproto.NewReader(p.br)
	status, err := tp.ReadLine()
	if err != nil {
		p.Fatal(err)
	}
	if h, err = tp.ReadMIMEHeader(); err != nil {
		p.Fatal(err)
	}
	return status, h
}

// frame reads a frame of the server.
func (p *peer) frame() (b0 byte, payload []byte) {
	p.Helper()
	b0, payload, err := readFrame(p.br)
	if err != nil {
		p.Fatalf("instead of a frame: %v", err)
	}
	return b0, payload
}

// readFrame reads an unmasked frame.
func readFrame(r io.Reader) (b0 byte, payload []byte, err error) {
	var b [8]byte
	if _, err = io.ReadFull(r, b[:2]); err != nil {
		return 0, nil, err
	}
	b0 = b[0]
	n := uint64(b[1])
	switch n {
	case 126:
		_, err = io.ReadFull(r, b[:2])
		n = uint64(binary.BigEndian.Uint16(b[:]))
	case 127:
		_, err = io.ReadFull(r, b[:8])
		n = binary.BigEndian.Uint64(b[:])
	}
	if err != nil {
		return 0, nil, err
	}
	if n >= 1<<30 {
		return 0, nil, fmt.Errorf("length %d; a masked frame?", n)
	}
	payload = make([]byte, n)
	_, err = io.ReadFull(r, payload)
	return b0, payload, err
}

// expect reads a whole message or control frame.
func (p *peer) expect(op Opcode, payload string) {
	p.Helper()
	b0, got := p.frame()
	if b0 != 0x80|byte(op) || string(got) != payload {
		p.Fatalf("got frame %#x %.60q, %d bytes, want %v %.60q, %d bytes", b0, got, len(got), op, payload, len(payload))
	}
}

// expectAmong reads a message and so many pongs, in any order: a handler that answers
// before it has read all does not wait for the pings that come with the rest.
func (p *peer) expectAmong(pongs int, pong string, op Opcode, payload string) {
	p.Helper()
	for messages := 1; pongs+messages > 0; {
		switch b0, got := p.frame(); {
		case b0 == 0x80|byte(Pong) && string(got) == pong && pongs > 0:
			pongs--
		case b0 == 0x80|byte(op) && string(got) == payload && messages > 0:
			messages--
		default:
			p.Fatalf("got frame %#x %.60q, %d bytes, want %d pongs and %d messages of %v %.60q, %d bytes",
				b0, got, len(got), pongs, messages, op, payload, len(payload))
		}
	}
}

// expectClose reads a close frame; its reason counts only if one is given.
func (p *peer) expectClose(code Code, reason ...string) {
	p.Helper()
	b0, got := p.frame()
	if b0 != 0x88 {
		p.Fatalf("got frame %#x %.60q, want a close frame", b0, got)
	}
	want := string(binary.BigEndian.AppendUint16(nil, uint16(code)))
	if code == NoStatusReceived {
		want = ""
	}
	if !strings.HasPrefix(string(got), want) || code == NoStatusReceived && len(got) > 0 {
		p.Fatalf("got close frame %q, want code %d", got, code)
	}
	if len(reason) > 0 && string(got) != want+reason[0] {
		p.Fatalf("got close frame %q, want reason %q", got, reason[0])
	}
}

// expectEOF reads the end, in order: a reset fails the test.
func (p *peer) expectEOF() {
	p.Helper()
	if b, err := io.ReadAll(p.br); err != nil || len(b) > 0 {
		p.Fatalf("got %.80q, %v; want the end", b, err)
	}
}

// expectEcho sends a message and reads it back.
func (p *peer) expectEcho(s string) {
	p.Helper()
	p.send(text(s))
	p.expect(Text, s)
}

// reset ends the connection with RST.
func (p *peer) reset() {
	_ = p.nc.SetLinger(0)
	p.nc.Close()
}

// masked returns a frame as clients send it.
func masked(b0 byte, payload string) string {
	return rawFrame(b0, payload, &[4]byte{byte(rand.Uint32()), byte(rand.Uint32()), byte(rand.Uint32()), byte(rand.Uint32())})
}

func rawFrame(b0 byte, payload string, mask *[4]byte) string {
	var bit byte
	if mask != nil {
		bit = 0x80
	}
	b := []byte{b0}
	switch n := len(payload); {
	case n <= 125:
		b = append(b, bit|byte(n))
	case n <= 65535:
		b = binary.BigEndian.AppendUint16(append(b, bit|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, bit|127), uint64(n))
	}
	if mask == nil {
		return string(b) + payload
	}
	b = append(b, mask[:]...)
	at := len(b)
	b = append(b, payload...)
	for i := range len(payload) {
		b[at+i] ^= mask[i%4]
	}
	return string(b)
}

// Whole frames of a client; b0 is 0x80 for the last of a message and the opcode.
func text(s string) string   { return masked(0x81, s) }
func binmsg(s string) string { return masked(0x82, s) }
func ping(s string) string   { return masked(0x89, s) }
func pong(s string) string   { return masked(0x8a, s) }
func closing(code Code, reason string) string {
	return masked(0x88, string(binary.BigEndian.AppendUint16(nil, uint16(code)))+reason)
}

// letters returns n bytes of ASCII that repeat at no power of two.
func letters(n int) string {
	return string(bytes.Repeat([]byte("The quick brown fox, 0123456789.\n"), n/33+1)[:n])
}

// noise returns n bytes that cannot be compressed, the same each time.
func noise(n int) string {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{7}).Read(b)
	return string(b)
}
