package sessiontest

import (
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"

	"github.com/fanfare-ws/fanfare/hub/wire"
	"github.com/fanfare-ws/fanfare/wsproto"
	"github.com/fanfare-ws/fanfare/wsproto/wstest"
)

// Odd starts a server that does what others do seldom, and returns its address. The
// first request to subscribe is unavailable. The next begins at e:5; it gets an event
// that nobody knows, three messages that nobody can read, message 4 of a subscription before it, message 6 with {"n":6}, a
// drop of 7 messages, and is then ended with 1001 "moved". A message that is published
// is too large: it closes the connection with 1009. In the topic elusive every position is too
// old, but a request for its last messages begins at e:5; in ancient that is too old, too. At /silent nothing is said, at /chat
// something else; at /tokenless a token is said to expire in 20 ms, and yet no token is taken.
func Odd(t testing.TB) (addr string) {
	t.Helper()
	var subscribes atomic.Int64
	s := &wsproto.Server{Subprotocols: []string{wire.Protocol}, Logger: slog.New(slog.DiscardHandler), CheckOrigin: func(*wsproto.Request) bool { return true }}
	s.Handler = &wsproto.Funcs{
		Open: func(c *wsproto.Conn, r *wsproto.Request) {
			switch r.Path() {
			case "/silent":
			case "/chat":
				c.SendText("welcome to the chat")
			case "/tokenless/hub":
				c.SendText(`{"hello":{"protocol":"fanfare.v1","client":"1","expires":20}}`)
			default:
				c.SendText(`{"hello":{"protocol":"fanfare.v1","client":"1"}}`)
			}
		},
		Message: func(c *wsproto.Conn, _ wsproto.Opcode, payload []byte) {
			r, err := wire.ParseRequest(payload)
			switch {
			case err != nil:
				t.Errorf("%s: %v", payload, err)
			case r.Do == wire.Auth:
				c.SendText(fmt.Sprintf(`{"id":%d,"error":{"code":"bad-request","message":"this server takes no tokens"}}`, r.ID))
			case r.Do == wire.Publish:
				c.Close(wsproto.MessageTooBig, "too large")
			case r.Do == wire.Subscribe && r.Topic == "ancient":
				c.SendText(fmt.Sprintf(`{"id":%d,"error":{"code":"too-old","message":"gone","oldest":"e:9","latest":"e:90"}}`, r.ID))
			case r.Do == wire.Subscribe && r.Topic == "elusive":
				c.SendText(elusive(&r))
			case r.Do == wire.Subscribe && subscribes.Add(1) == 1:
				c.SendText(fmt.Sprintf(`{"id":%d,"error":{"code":"unavailable","message":"not yet"}}`, r.ID))
			case r.Do == wire.Subscribe:
				c.SendText(fmt.Sprintf(`{"id":%d,"ok":{"topic":%q,"position":"e:5"}}`, r.ID, r.Topic))
				c.SendText(`{"weather":"fine"}`)
				c.SendText(`{"topic":`)
				c.SendText("null")
				c.SendBinary([]byte("{}"))
				for n := 4; n <= 6; n += 2 {
					c.SendText(fmt.Sprintf(`{"topic":%q,"offset":%d,"time":1,"data":{"n":%[2]d}}`, r.Topic, n))
				}
				c.SendText(fmt.Sprintf(`{"dropped":%q,"messages":7}`, r.Topic))
				c.SendText(fmt.Sprintf(`{"end":%q,"code":1001,"reason":"moved"}`, r.Topic))
			}
		},
	}
	return wstest.Start(t, s).Addr
}

func elusive(r *wire.Request) string {
	if r.Last == 0 {
		return fmt.Sprintf(`{"id":%d,"error":{"code":"too-old","message":"gone","oldest":"e:%[1]d","latest":"e:90"}}`, r.ID)
	}
	return fmt.Sprintf(`{"id":%d,"ok":{"topic":"elusive","position":"e:5"}}`, r.ID)
}
