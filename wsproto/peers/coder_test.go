package peers_test

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/coder/websocket"

	"github.com/fanfare-ws/fanfare/wsproto"
)

// TestCoder uses clients of github.com/coder/websocket.
func TestCoder(t *testing.T) { every(t, dialCoder) }

type coder struct {
	conn *websocket.Conn
	head http.Header
}

func dialCoder(t *testing.T, addr string) peer {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, resp, err := websocket.Dial(ctx, "ws://"+addr+"/", &websocket.DialOptions{CompressionMode: websocket.CompressionContextTakeover})
	if err != nil {
		t.Fatal(err)
	}
	c.SetReadLimit(-1)
	return &coder{c, resp.Header}
}

func (p *coder) extensions() string { return p.head.Get("Sec-WebSocket-Extensions") }

func bounded() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), patience)
}

func (p *coder) roundTrip(send, want message) error {
	return p.exchange([]message{send}, want)
}

func (p *coder) fragments(parts []message) error {
	return p.exchange(parts, message{parts[0].op, join(parts), 1})
}

// exchange sends a frame for each part, unless it compresses.
func (p *coder) exchange(parts []message, want message) error {
	ctx, cancel := bounded()
	defer cancel()
	sent := make(chan error, 1)
	go func() { sent <- p.send(ctx, parts) }()
	typ, got, err := p.conn.Read(ctx)
	if err := errors.Join(err, <-sent); err != nil {
		return err
	}
	return want.check(wsproto.Opcode(typ), string(got))
}

func (p *coder) send(ctx context.Context, parts []message) error {
	typ := websocket.MessageType(parts[0].op)
	if len(parts) == 1 {
		return p.conn.Write(ctx, typ, []byte(parts[0].payload()))
	}
	w, err := p.conn.Writer(ctx, typ)
	if err != nil {
		return err
	}
	for _, m := range parts {
		if _, err := w.Write([]byte(m.payload())); err != nil {
			return err
		}
	}
	return w.Close()
}

// ping chooses the payload itself.
func (p *coder) ping(string) error {
	ctx, cancel := bounded()
	defer cancel()
	p.conn.CloseRead(ctx)
	return p.conn.Ping(ctx)
}

func (p *coder) close(code wsproto.Code, reason string) (wsproto.Code, error) {
	// Close compares the server's code with the code that it sent.
	return code, p.conn.Close(websocket.StatusCode(code), reason)
}

func (p *coder) closed(send message) (wsproto.Code, string, error) {
	ctx, cancel := bounded()
	defer cancel()
	if err := p.send(ctx, []message{send}); err != nil {
		return 0, "", err
	}
	_, _, err := p.conn.Read(ctx)
	var ce websocket.CloseError
	if !errors.As(err, &ce) {
		return 0, "", err
	}
	return wsproto.Code(ce.Code), ce.Reason, nil
}

func (p *coder) hangUp() { _ = p.conn.CloseNow() }
