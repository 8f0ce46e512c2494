package chat

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"

	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store"
	"github.com/fanfare-ws/fanfare/hub/wire"
)

// two returns Ada and Bob in a room of Ada's, both with a page that is subscribed to it.
func two(s *server) (room int64, topic string, ada, bob *page) {
	s.Helper()
	a, b := s.signUp("Ada"), s.signUp("Bob")
	room = a.makes("general", false)
	b.joins(room)
	ada, bob, topic = a.opens(), b.opens(), roomTopic(room)
	ada.subscribes(topic)
	bob.subscribes(topic)
	return room, topic, ada, bob
}

func TestTalk(t *testing.T) {
	room, topic, ada, bob := two(serve(t))
	ada.says(topic, "a1", "  hello <Bob>\n")
	for _, g := range []*page{ada, bob} {
		m := g.hears(topic)
		want := messageJSON{Number: 1, Rev: 1, ID: "a1", By: personJSON{ID: ada.person.id, Name: "Ada"}, Text: "hello <Bob>", Sent: ada.clock.now().UnixMilli()}
		if !reflect.DeepEqual(m, want) {
			t.Fatalf("%s gets %+v, want %+v", g.name, m, want)
		}
	}
	ada.says(topic, "a1", "hello <Bob>") // again: it was not known whether it came
	bob.says(topic, "a1", "that is another's name for it")
	if m := ada.hears(topic); m.Number != 2 || m.By.Name != "Bob" {
		t.Fatalf("%+v was sent twice", m)
	}
	bob.hears(topic)
	if r := ada.publishes(topic, `{"edit":1,"text":"hello Bob"}`); r.OK == nil || r.OK.Position == nil {
		t.Fatalf("%+v", r)
	}
	ada.hears(topic)
	if m := bob.hears(topic); m.Number != 1 || m.Rev != 3 || m.Text != "hello Bob" || m.Edited == 0 {
		t.Errorf("edited: %+v", m)
	}
	if r := bob.publishes(topic, `{"delete":1}`); r.Error == nil || r.Error.Code != wire.Forbidden {
		t.Errorf("another's message is deleted: %+v", r)
	}
	if r := bob.publishes(topic, `{"delete":2}`); r.OK == nil {
		t.Fatal(r.Error)
	}
	bob.hears(topic)
	if m := ada.hears(topic); m.Number != 2 || !m.Deleted || m.Text != "" {
		t.Errorf("deleted: %+v", m)
	}
	if r := bob.publishes(topic, `{"edit":2,"text":"back"}`); r.Error == nil {
		t.Error("a deleted message can be edited")
	}
	var got struct {
		Messages []messageJSON
		More     bool
	}
	bob.asks("GET", fmt.Sprintf("/api/rooms/%d/changes?after=1", room), "", http.StatusOK, &got)
	if len(got.Messages) != 2 || got.Messages[0].Rev != 3 || got.Messages[1].Rev != 4 {
		t.Errorf("changes: %+v", got)
	}
}

func TestWhatCannotBeSaid(t *testing.T) {
	_, topic, ada, _ := two(serve(t))
	for data, code := range map[string]string{
		`{"id":"1","text":"  "}`:                                     wire.BadRequest,
		`{"id":"2","text":"` + strings.Repeat("x", MaxText+1) + `"}`: wire.TooLarge,
		`{"id":"3","text":"a\u0000b"}`:                               wire.BadRequest,
		`{"id":"","text":"x"}`:                                       wire.BadRequest,
		`{"text":"x"}`:                                               wire.BadRequest,
		`{"id":"4","text":"x","delete":1}`:                           wire.BadRequest,
		`{"id":"5","text":"x","color":"red"}`:                        wire.BadRequest,
		`{"typing":true}`:                                            wire.BadRequest,
		`"text"`:                                                     wire.BadRequest,
		`{"edit":99,"text":"x"}`:                                     wire.Forbidden,
	} {
		if r := ada.publishes(topic, data); r.Error == nil || r.Error.Code != code {
			t.Errorf("%.40s: %+v, want %s", data, r, code)
		}
	}
	long := strings.Repeat("x", MaxText)
	ada.says(topic, "6", long)
	if m := ada.hears(topic); m.Number != 1 || m.Text != long {
		t.Errorf("%+v", m)
	}
}

func TestOnlyMembers(t *testing.T) {
	s := serve(t)
	_, topic, ada, _ := two(s)
	eve := s.signUp("Eve").opens()
	room, _ := roomOf(topic)
	for _, name := range []string{topic, hereTopic(room), "room.99", "room.0", "room.01", "news", "room.*", ">"} {
		eve.fails(fmt.Sprintf(`"do":"subscribe","topic":%q`, name), wire.Forbidden)
		eve.fails(fmt.Sprintf(`"do":"history","topic":%q`, name), wire.Forbidden)
		eve.fails(fmt.Sprintf(`"do":"publish","topic":%q,"data":{"id":"1","text":"x"}`, name), map[bool]string{true: wire.BadRequest, false: wire.Forbidden}[name == hereTopic(room)])
	}
	eve.fails(`"do":"publish","topic":"`+hereTopic(room)+`","data":{"typing":true}`, wire.Forbidden)
	eve.fails(`"do":"publish","topic":"@`+userName(ada.person.id)+`","data":{"rooms":true}`, wire.Forbidden)
	eve.fails(`"do":"subscribe","topic":"@`+userName(ada.person.id)+`"`, wire.Forbidden)
	if _, resp, err := eve.dial(fmt.Sprintf("/rooms/%d", room), nil); err == nil || resp.StatusCode != http.StatusForbidden {
		t.Errorf("a bot in it: %v %v", resp, err)
	}
	nobody := &person{server: s}
	for _, path := range []string{hubPath, fmt.Sprintf("/rooms/%d", room)} {
		if _, resp, err := nobody.dial(path, nil); err == nil || resp.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s without a cookie: %v %v", path, resp, err)
		}
	}
	if _, resp, err := ada.dial(hubPath, http.Header{"Origin": {"https://evil.example"}}, wire.Protocol); err == nil || resp.StatusCode != http.StatusForbidden {
		t.Errorf("a page of another host: %v %v", resp, err)
	}
}

func TestHere(t *testing.T) {
	room, _, ada, bob := two(serve(t))
	here := hereTopic(room)
	ask := fmt.Sprintf(`"do":"subscribe","topic":%q,"presence":true`, here)
	ada.gets(ask)
	if e := ada.event(); e.Change == nil || len(e.Change.Joined) != 1 || string(e.Change.Joined[0].Data) != `{"name":"Ada"}` {
		t.Fatalf("%+v", e)
	}
	bob.gets(ask)
	if e := ada.event(); e.Change == nil || len(e.Change.Joined) != 1 || e.Change.Joined[0].ID != userName(bob.person.id) {
		t.Fatalf("%+v", e)
	}
	if r := bob.publishes(here, `{"typing":true}`); r.OK == nil {
		t.Fatal(r.Error)
	}
	var got struct {
		Typing struct {
			ID   int64
			Name string
			On   bool
		}
	}
	if ada.told(here, &got); got.Typing.ID != bob.person.id || got.Typing.Name != "Bob" || !got.Typing.On {
		t.Errorf("%+v", got)
	}
	bob.gets(`"do":"ping"`)
	for _, e := range bob.events {
		if e.Message != nil {
			t.Errorf("the typing user gets their own notice: %+v", e)
		}
	}
}

// A user who leaves a room gets no further messages, neither on a page nor on a connection to the room.
func TestLeave(t *testing.T) {
	room, topic, ada, bob := two(serve(t))
	bot, _, err := bob.dial(fmt.Sprintf("/rooms/%d", room), nil)
	if err != nil {
		t.Fatal(err)
	}
	ada.gets(fmt.Sprintf(`"do":"subscribe","topic":%q`, hereTopic(room)))
	bob.gets(fmt.Sprintf(`"do":"subscribe","topic":%q`, hereTopic(room)))
	bob.asks("POST", fmt.Sprintf("/api/rooms/%d/leave", room), "", http.StatusNoContent, nil)
	for _, name := range []string{topic, hereTopic(room)} {
		if e := bob.event(); e.End == nil || e.End.Topic != name || e.End.Code != removed.Code {
			t.Fatalf("%+v", e)
		}
	}
	bob.notices()
	if e := closed(t, bot); e.Code != websocket.StatusCode(removed.Code) {
		t.Errorf("the bot is closed with %v", e)
	}
	ada.says(topic, "1", "is he gone?")
	ada.hears(topic)
	bob.gets(`"do":"ping"`)
	if len(bob.events) > 0 {
		t.Errorf("a former member gets %+v", bob.events)
	}
	bob.fails(fmt.Sprintf(`"do":"subscribe","topic":%q`, topic), wire.Forbidden)
	if r := bob.publishes(topic, `{"id":"1","text":"x"}`); r.Error == nil || r.Error.Code != wire.Forbidden {
		t.Errorf("a former member can send: %+v", r)
	}
}

// A subscription ends if its user leaves the room between the check of the membership and the
// subscription.
func TestLeaveWhileSubscribing(t *testing.T) {
	var pause *gate
	s := serveStore(t, filepath.Join(t.TempDir(), "chat.db"), func(st store.Store) store.Store {
		pause = &gate{Store: st}
		return pause
	})
	a, b := s.signUp("Ada"), s.signUp("Bob")
	room := a.makes("general", false)
	b.joins(room)
	bob := b.opens()
	pause.once(func() {
		if err := s.chat.leave(context.Background(), room, b.id); err != nil {
			t.Error(err)
		}
	})
	bob.fails(fmt.Sprintf(`"do":"subscribe","topic":%q`, roomTopic(room)), wire.Forbidden)
	if st, _ := s.chat.hub.Topic(roomTopic(room)); st.Subscribers != 0 {
		t.Errorf("%d subscribers", st.Subscribers)
	}
}

// gate is a store that calls a function during the next Membership, before that returns.
type gate struct {
	store.Store
	mu   sync.Mutex
	then func()
}

func (g *gate) once(f func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.then = f
}

func (g *gate) Membership(ctx context.Context, room, user int64) (store.Membership, error) {
	p, err := g.Store.Membership(ctx, room, user)
	g.mu.Lock()
	f := g.then
	g.then = nil
	g.mu.Unlock()
	if f != nil {
		done := make(chan struct{})
		go func() { defer close(done); f() }()
		<-done
	}
	return p, err
}

func TestLogOutEverywhere(t *testing.T) {
	s := serve(t)
	room, topic, ada, bob := two(s)
	again := s.logIn("Ada").opens() // another session of hers stays
	again.subscribes(topic)
	path := fmt.Sprintf("/rooms/%d", room)
	bot, _, err := ada.dial(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	other, _, err := again.dial(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	second, third := ada.person.opens(), ada.person.opens()
	ada.asks("POST", "/api/logout", "", http.StatusNoContent, nil)
	for i, c := range []*websocket.Conn{ada.Conn, second.Conn, third.Conn, bot} {
		if e := closed(t, c); e.Code != 3000 || e.Reason != "the login has ended" {
			t.Errorf("connection %d is closed with %v", i, e)
		}
	}
	ada.asks("GET", "/api/me", "", http.StatusUnauthorized, nil)
	if _, resp, err := ada.dial(hubPath, nil, wire.Protocol); err == nil || resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("after log-out: %v %v", resp, err)
	}
	bob.says(topic, "1", "still there?")
	if m := again.hears(topic); m.Text != "still there?" {
		t.Errorf("%+v", m)
	}
	if _, b, err := other.Read(s.ctx()); err != nil || !strings.Contains(string(b), "still there?") {
		t.Errorf("%s %v", b, err)
	}
}

func TestExpiry(t *testing.T) {
	s := serve(t)
	room, _, ada, bob := two(s)
	bot, _, err := ada.dial(fmt.Sprintf("/rooms/%d", room), nil)
	if err != nil {
		t.Fatal(err)
	}
	s.clock.advance(31 * 24 * 3600e9)
	late := s.logIn("Bob").opens()
	s.chat.sweep(context.Background())
	for _, c := range []*websocket.Conn{ada.Conn, bob.Conn, bot} {
		if e := closed(t, c); e.Code != 3000 {
			t.Errorf("closed with %v", e)
		}
	}
	late.gets(`"do":"ping"`)
}

func TestSeat(t *testing.T) {
	s := serve(t)
	room, topic, ada, bob := two(s)
	bot, _, err := bob.dial(fmt.Sprintf("/rooms/%d", room), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := bot.Write(s.ctx(), websocket.MessageText, []byte("from a bot")); err != nil {
		t.Fatal(err)
	}
	m := ada.hears(topic)
	if m.Text != "from a bot" || m.By.Name != "Bob" || m.ID == "" {
		t.Errorf("%+v", m)
	}
	want, _ := encode(map[string]messageJSON{"message": m})
	if typ, b, err := bot.Read(s.ctx()); err != nil || typ != websocket.MessageText || string(b) != string(want) {
		t.Errorf("%v %s %v, want %s", typ, b, err, want)
	}
	if err := bot.Write(s.ctx(), websocket.MessageBinary, []byte("x")); err != nil {
		t.Fatal(err)
	}
	if e := closed(t, bot); e.Code != websocket.StatusUnsupportedData {
		t.Errorf("%v", e)
	}
}
