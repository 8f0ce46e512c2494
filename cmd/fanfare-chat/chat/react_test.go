package chat

import (
	"fmt"
	"net/http"
	"reflect"
	"testing"

	"github.com/fanfare-ws/fanfare/hub/wire"
)

func TestReact(t *testing.T) {
	room, topic, ada, bob := two(serve(t))
	ada.says(topic, "1", "cake?")
	ada.hears(topic)
	bob.hears(topic)
	both := []int64{bob.person.id, ada.person.id}
	for i, c := range []struct {
		by   *page
		data string
		want []reactionJSON
	}{
		{bob, `{"react":1,"sign":"👍"}`, []reactionJSON{{"👍", both[:1]}}},
		{ada, `{"react":1,"sign":"👍"}`, []reactionJSON{{"👍", both}}},
		{bob, `{"react":1,"sign":"🎉"}`, []reactionJSON{{"👍", both}, {"🎉", both[:1]}}},
		{bob, `{"unreact":1,"sign":"👍"}`, []reactionJSON{{"👍", both[1:]}, {"🎉", both[:1]}}},
	} {
		if r := c.by.publishes(topic, c.data); r.OK == nil || r.OK.Position == nil {
			t.Fatalf("%s: %+v", c.data, r)
		}
		if r := c.by.publishes(topic, c.data); r.OK == nil || r.OK.Position != nil {
			t.Fatalf("%s again: %+v", c.data, r)
		}
		for _, g := range []*page{ada, bob} {
			if m := g.hears(topic); m.Rev != int64(i)+2 || m.Text != "cake?" || m.Edited != 0 || !reflect.DeepEqual(m.Reactions, c.want) {
				t.Errorf("after %s %s gets %+v", c.data, g.name, m)
			}
		}
	}
	var got struct {
		Messages []messageJSON
		More     bool
	}
	bob.asks("GET", fmt.Sprintf("/api/rooms/%d/messages", room), "", http.StatusOK, &got)
	if len(got.Messages) != 1 || len(got.Messages[0].Reactions) != 2 {
		t.Errorf("history: %+v", got)
	}
	for data, code := range map[string]string{
		`{"react":1,"sign":"no"}`:                               wire.BadRequest,
		`{"react":1}`:                                           wire.BadRequest,
		`{"sign":"👍"}`:                                          wire.BadRequest,
		`{"react":1,"unreact":1,"sign":"👍"}`:                    wire.BadRequest,
		`{"react":1,"sign":"👍","text":"x"}`:                     wire.BadRequest,
		`{"react":2,"sign":"👍"}`:                                wire.Forbidden,
		`{"id":"x","text":"x","sign":"👍"}`:                      wire.BadRequest,
		`{"react":1,"sign":"👍","typing":true}`:                  wire.BadRequest,
		`{"react":-9223372036854775808,"sign":"👍"}`:             wire.Forbidden,
		`{"unreact":9223372036854775807,"sign":"\u2764\ufe0f"}`: wire.Forbidden,
	} {
		if r := bob.publishes(topic, data); r.Error == nil || r.Error.Code != code {
			t.Errorf("%s: %+v, want %s", data, r, code)
		}
	}
}
