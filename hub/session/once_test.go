package session

import (
	"errors"
	"strings"
	"testing"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/wire"
)

// A publish request with an idempotency key is carried out once, also if it comes on another connection and while the first
// one is under way.
func TestIdempotencyKey(t *testing.T) {
	noErrors(t)
	type question struct {
		data string
		done func(hub.Receipt, error)
	}
	asked := make(chan question, 10)
	s := serve(t, hub.Options{}, Options{
		Identify: named,
		PublishAsync: func(m *hub.Member, r *wire.Request, done func(hub.Receipt, error)) {
			asked <- question{string(r.Data), done}
		},
	})
	first, second := s.dial("?user=ada"), s.dial("?user=ada")
	request := wire.Request{ID: 1, Do: wire.Publish, Topic: "a", Data: []byte("1"), IdempotencyKey: "k"}
	first.says(request)
	q := <-asked
	second.says(request)
	other := request
	other.ID, other.Data = 2, []byte("2")
	second.says(other)
	first.CloseNow()
	q.done(hub.Receipt{}, errors.New("the connection has gone"))
	q = <-asked // of the second connection
	q.done(hub.Receipt{Position: hub.Position{Epoch: 1, Offset: 7}, Receivers: 3}, nil)
	if e := second.event(); e.Reply == nil || e.Reply.OK == nil || e.Reply.OK.Position.Offset != 7 || q.data != "1" {
		t.Fatalf("%+v, asked about %s", e.Reply, q.data)
	}
	if e := second.event(); e.Reply == nil || e.Reply.Error == nil || e.Reply.Error.Code != wire.KeyReused {
		t.Fatalf("another message with the same key: %+v", e.Reply)
	}
	third := s.dial("?user=ada")
	third.says(request)
	if e := third.event(); e.Reply == nil || e.Reply.OK == nil || e.Reply.OK.Position.Offset != 7 || *e.Reply.OK.Receivers != 3 {
		t.Fatalf("later: %+v", e.Reply)
	}
	bob := s.dial("?user=bob")
	bob.says(request)
	(<-asked).done(hub.Receipt{Position: hub.Position{Epoch: 1, Offset: 8}}, nil)
	if e := bob.event(); e.Reply == nil || e.Reply.OK == nil || e.Reply.OK.Position.Offset != 8 {
		t.Fatalf("the key of another user: %+v", e.Reply)
	}
	if len(asked) > 0 {
		t.Error("the program was asked again")
	}
	nobody := s.dial("")
	nobody.says(request)
	if e := nobody.event(); e.Reply == nil || e.Reply.Error == nil || e.Reply.Error.Code != wire.BadRequest || !strings.Contains(e.Reply.Error.Message, "16 bytes") {
		t.Fatalf("a short key of a client without a user: %+v", e.Reply)
	}
}
