package peers_test

import (
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/fanfare-ws/fanfare/wsproto"
)

// TestGorilla uses clients of github.com/gorilla/websocket.
func TestGorilla(t *testing.T) { every(t, dialGorilla) }

type gorilla struct {
	conn *websocket.Conn
	head http.Header
}

// dialGorilla uses small buffers, so that messages are sent in many fragments: gorilla's
// clients send one fragment for each buffer of a message.
func dialGorilla(t *testing.T, addr string) peer {
	d := websocket.Dialer{EnableCompression: true, WriteBufferSize: 1 << 10, HandshakeTimeout: patience}
	c, resp, err := d.DialContext(t.Context(), "ws://"+addr+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.SetReadDeadline(time.Now().Add(patience))
	return &gorilla{c, resp.Header}
}

func (p *gorilla) extensions() string { return p.head.Get("Sec-WebSocket-Extensions") }

func (p *gorilla) roundTrip(send, want message) error { return p.exchange([]message{send}, want) }

func (p *gorilla) fragments(parts []message) error {
	return p.exchange(parts, message{parts[0].op, join(parts), 1})
}

func (p *gorilla) exchange(parts []message, want message) error {
	_ = p.conn.SetReadDeadline(time.Now().Add(patience))
	sent := make(chan error, 1)
	go func() { sent <- p.send(parts) }()
	op, got, err := p.conn.ReadMessage()
	if err := errors.Join(err, <-sent); err != nil {
		return err
	}
	return want.check(wsproto.Opcode(op), string(got))
}

func (p *gorilla) send(parts []message) error {
	w, err := p.conn.NextWriter(int(parts[0].op))
	if err != nil {
		return err
	}
	for _, m := range parts {
		if _, err := io.WriteString(w, m.payload()); err != nil {
			return err
		}
	}
	return w.Close()
}

func (p *gorilla) ping(payload string) error {
	var got string
	p.conn.SetPongHandler(func(s string) error { got = s; return nil })
	if err := p.conn.WriteControl(websocket.PingMessage, []byte(payload), time.Now().Add(patience)); err != nil {
		return err
	}
	if err := p.roundTrip(text("behind the pong"), text("behind the pong")); err != nil {
		return err
	}
	return message{wsproto.Pong, payload, 1}.check(wsproto.Pong, got)
}

func (p *gorilla) close(code wsproto.Code, reason string) (wsproto.Code, error) {
	body := websocket.FormatCloseMessage(int(code), reason)
	if err := p.conn.WriteControl(websocket.CloseMessage, body, time.Now().Add(patience)); err != nil {
		return 0, err
	}
	answer, _, err := p.heard()
	return answer, err
}

func (p *gorilla) closed(send message) (wsproto.Code, string, error) {
	if err := p.send([]message{send}); err != nil {
		return 0, "", err
	}
	return p.heard()
}

// heard reads a close frame. gorilla answers it, and leaves the connection to the program.
func (p *gorilla) heard() (wsproto.Code, string, error) {
	_, _, err := p.conn.ReadMessage()
	p.conn.Close()
	var ce *websocket.CloseError
	if !errors.As(err, &ce) {
		return 0, "", err
	}
	return wsproto.Code(ce.Code), ce.Text, nil
}

func (p *gorilla) hangUp() { p.conn.Close() }
