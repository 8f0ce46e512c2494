package peers_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lxzan/gws"

	"github.com/fanfare-ws/fanfare/wsproto"
)

// TestGWS uses clients of github.com/lxzan/gws.
func TestGWS(t *testing.T) { every(t, dialGWS) }

// gwsPeer receives gws's events, which come on a goroutine of the connection.
type gwsPeer struct {
	gws.BuiltinEventHandler
	conn  *gws.Conn
	head  http.Header
	came  chan gwsMessage
	pongs chan string
	ended chan error
}

type gwsMessage struct {
	op      gws.Opcode
	payload string
}

func dialGWS(t *testing.T, addr string) peer {
	p := &gwsPeer{came: make(chan gwsMessage, 10), pongs: make(chan string, 10), ended: make(chan error, 1)}
	c, resp, err := gws.NewClient(p, &gws.ClientOption{
		Addr:                "ws://" + addr + "/",
		CheckUtf8Enabled:    true,
		ReadMaxPayloadSize:  maxMessage,
		WriteMaxPayloadSize: maxMessage,
		HandshakeTimeout:    patience,
		PermessageDeflate:   gws.PermessageDeflate{Enabled: true, ServerContextTakeover: true, ClientContextTakeover: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	p.conn, p.head = c, resp.Header
	go c.ReadLoop()
	return p
}

func (p *gwsPeer) OnMessage(_ *gws.Conn, m *gws.Message) {
	defer m.Close()
	p.came <- gwsMessage{m.Opcode, string(m.Bytes())}
}

func (p *gwsPeer) OnPing(c *gws.Conn, payload []byte) { _ = c.WritePong(payload) }

func (p *gwsPeer) OnPong(_ *gws.Conn, payload []byte) { p.pongs <- string(payload) }

func (p *gwsPeer) OnClose(_ *gws.Conn, err error) { p.ended <- err }

func (p *gwsPeer) extensions() string { return p.head.Get("Sec-WebSocket-Extensions") }

func (p *gwsPeer) roundTrip(send, want message) error {
	if err := p.conn.WriteMessage(gws.Opcode(send.op), []byte(send.payload())); err != nil {
		return err
	}
	return p.expect(want)
}

// fragments uses a writer that sends a frame for each read, unless it compresses.
func (p *gwsPeer) fragments(parts []message) error {
	var readers []io.Reader
	for _, m := range parts {
		readers = append(readers, strings.NewReader(m.payload()))
	}
	if err := p.conn.WriteFile(gws.Opcode(parts[0].op), io.MultiReader(readers...)); err != nil {
		return err
	}
	return p.expect(message{parts[0].op, join(parts), 1})
}

func (p *gwsPeer) expect(want message) error {
	select {
	case m := <-p.came:
		return want.check(wsproto.Opcode(m.op), m.payload)
	case err := <-p.ended:
		return fmt.Errorf("the connection ended: %w", err)
	case <-time.After(patience):
		return context.DeadlineExceeded
	}
}

func (p *gwsPeer) ping(payload string) error {
	if err := p.conn.WritePing([]byte(payload)); err != nil {
		return err
	}
	select {
	case got := <-p.pongs:
		return message{wsproto.Pong, payload, 1}.check(wsproto.Pong, got)
	case <-time.After(patience):
		return context.DeadlineExceeded
	}
}

// close does not wait: gws closes the socket after its close frame.
func (p *gwsPeer) close(code wsproto.Code, reason string) (wsproto.Code, error) {
	return 0, p.conn.WriteClose(uint16(code), []byte(reason))
}

func (p *gwsPeer) closed(send message) (wsproto.Code, string, error) {
	if err := p.conn.WriteMessage(gws.Opcode(send.op), []byte(send.payload())); err != nil {
		return 0, "", err
	}
	select {
	case err := <-p.ended:
		var ce *gws.CloseError
		if !errors.As(err, &ce) {
			return 0, "", err
		}
		return wsproto.Code(ce.Code), string(ce.Reason), nil
	case <-time.After(patience):
		return 0, "", context.DeadlineExceeded
	}
}

func (p *gwsPeer) hangUp() { _ = p.conn.NetConn().Close() }
