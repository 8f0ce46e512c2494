package session

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/wire"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// named makes each connection the user that its query names.
func named(r *wsproto.Request) (hub.Identity, error) {
	return hub.Identity{User: r.Query().Get("user")}, nil
}

// A connection that cannot begin for a temporary reason is closed with 1013, since 1008 makes
// clients give up.
func TestRefusedForNow(t *testing.T) {
	node := hub.NewMemoryBroker(hub.MemoryBrokerOptions{}).Node()
	t.Cleanup(func() { _ = node.Close() }) // again, if the test ends early
	for name, s := range map[string]*server{
		"full": serve(t, hub.Options{MaxAllSubscriptions: 1}, Options{Identify: named}),
		"down": serve(t, hub.Options{Broker: node}, Options{Identify: named}),
	} {
		s.dial("?user=ada")
		if name == "down" {
			_ = node.Close()
		}
		c, _, err := websocket.Dial(s.ctx(), "ws://"+s.addr+"/?user=bob", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer c.CloseNow()
		if _, _, err := c.Read(s.ctx()); websocket.CloseStatus(err) != websocket.StatusTryAgainLater {
			t.Errorf("%s: %v, want 1013", name, err)
		}
	}
}

func TestCloseCode(t *testing.T) {
	for err, want := range map[error]wsproto.Code{
		hub.ErrTooManyTopics: wsproto.TryAgainLater, hub.ErrTooMany: wsproto.TryAgainLater, hub.ErrLinkDown: wsproto.TryAgainLater,
		hub.ErrUnacknowledged: wsproto.TryAgainLater, context.DeadlineExceeded: wsproto.TryAgainLater,
		hub.ErrClosed: wsproto.GoingAway, hub.ErrForbidden: wsproto.PolicyViolation, errors.New("other"): wsproto.PolicyViolation,
	} {
		if got := CloseCode(fmt.Errorf("more: %w", err)); got != want {
			t.Errorf("%v: %v, want %v", err, got, want)
		}
	}
}

// A token among the offers appears in no response.
func TestOffersAreShownWithoutTokens(t *testing.T) {
	if got := strings.Join(withoutTokens([]string{"chat", wire.TokenProtocol + "a.b.c"}), " "); got != "chat fanfare.token...." {
		t.Error(got)
	}
}
