package chat

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store"
	"github.com/fanfare-ws/fanfare/hub/wire"
)

func TestPeople(t *testing.T) {
	s := serve(t)
	ada := s.signUp("Ada")
	nobody := &person{server: s}
	for _, c := range []struct {
		path, body string
		status     int
		says       string
	}{
		{"signup", `{"name":" aDA ","password":"12345678"}`, 409, "taken"},
		{"signup", `{"name":"Bob","password":"1234567"}`, 400, "too short"},
		{"signup", `{"name":"B\u0000b","password":"12345678"}`, 400, "contains"},
		{"signup", `{"name":`, 400, "JSON"},
		{"signup", `{"name":"` + strings.Repeat("x", maxBody) + `"}`, 413, "too large"},
		{"login", `{"name":"Ada","password":"12345678"}`, 401, "the name or the password is incorrect"},
		{"login", `{"name":"Eve","password":"12345678"}`, 401, "the name or the password is incorrect"},
		{"login", `{"name":"\u0000","password":"12345678"}`, 401, "the name or the password is incorrect"},
	} {
		resp, b := nobody.request("POST", "/api/"+c.path, c.body, nil)
		var got struct{ Error string }
		if err := json.Unmarshal(b, &got); err != nil || resp.StatusCode != c.status || !strings.Contains(got.Error, c.says) || len(resp.Cookies()) > 0 {
			t.Errorf("%s %.60s: %d %s, want %d with %q", c.path, c.body, resp.StatusCode, b, c.status, c.says)
		}
	}
	var me struct {
		User  userJSON
		Rooms []roomJSON
	}
	ada.asks("GET", "/api/me", "", 200, &me)
	if me.User != (userJSON{1, "Ada", true}) || me.Rooms == nil || len(me.Rooms) != 0 {
		t.Errorf("me: %+v", me)
	}
	if bob := s.signUp("Bob"); bob.id == ada.id {
		t.Error("two users have the same ID")
	}
	resp, _ := ada.request("POST", "/api/logout", "", nil)
	if c := resp.Cookies(); resp.StatusCode != 204 || len(c) != 1 || c[0].MaxAge >= 0 || !c[0].HttpOnly || c[0].SameSite != http.SameSiteLaxMode {
		t.Errorf("%d %+v", resp.StatusCode, resp.Cookies())
	}
	ada.asks("POST", "/api/logout", "", 401, nil)
}

func TestTooManyAttempts(t *testing.T) {
	s := serve(t)
	s.signUp("Ada")
	p := &person{server: s}
	wrong := `{"name":"ADA","password":"not this one"}`
	for range 10 {
		p.asks("POST", "/api/login", wrong, 401, nil)
	}
	// The next attempt waits. One that would have to wait behind it is refused.
	ctx, cancel := context.WithCancel(t.Context())
	slow := make(chan struct{})
	go func() {
		defer close(slow)
		r, _ := http.NewRequestWithContext(ctx, "POST", "http://"+s.addr+"/api/login", strings.NewReader(wrong))
		r.Header.Set("Content-Type", "application/json")
		if resp, err := http.DefaultClient.Do(r); err == nil {
			resp.Body.Close()
		}
	}()
	var resp *http.Response
	var b []byte
	if !settles(func() bool {
		resp, b = p.request("POST", "/api/login", `{"name":"ada","password":"nor this one"}`, nil)
		return resp.StatusCode == 429
	}) {
		t.Fatalf("%d %s", resp.StatusCode, b)
	}
	if resp.Header.Get("Retry-After") != "5" {
		t.Errorf("%s, Retry-After: %s", b, resp.Header.Get("Retry-After"))
	}
	cancel()
	<-slow
	p.asks("POST", "/api/login", `{"name":"Eve","password":"not this one"}`, 401, nil) // other names are not concerned
	s.clock.advance(10e9)
	s.logIn("Ada")
}

func TestRooms(t *testing.T) {
	s := serve(t)
	ada, bob := s.signUp("Ada"), s.signUp("Bob")
	page := bob.opens()
	var r roomJSON
	ada.asks("POST", "/api/rooms", `{"name":"General"}`, 201, &r)
	if r.ID == 0 || r.Kind != "open" || r.Name != "General" || r.Owner != ada.id {
		t.Errorf("%+v", r)
	}
	ada.asks("POST", "/api/rooms", `{"name":"gENERAL"}`, 409, nil)
	ada.asks("POST", "/api/rooms", `{"name":""}`, 400, nil)
	private := ada.makes("General", true)
	var open struct {
		Rooms []personJSON
		More  bool
	}
	bob.asks("GET", "/api/rooms", "", 200, &open)
	if len(open.Rooms) != 1 || open.Rooms[0].ID != r.ID || open.Rooms[0].Key == "" || open.More {
		t.Errorf("%+v", open)
	}
	bob.asks("POST", fmt.Sprintf("/api/rooms/%d/join", private), "", 404, nil)
	bob.asks("POST", fmt.Sprintf("/api/rooms/%d/invite", private), `{"name":"Bob"}`, 404, nil)
	ada.asks("POST", fmt.Sprintf("/api/rooms/%d/invite", private), `{"name":"Eve"}`, 404, nil)
	ada.asks("POST", fmt.Sprintf("/api/rooms/%d/invite", private), `{"name":"bob"}`, 204, nil)
	page.notices()
	bob.joins(r.ID)
	page.notices()
	var direct roomJSON
	ada.asks("POST", "/api/direct", `{"name":"bob"}`, 201, &direct)
	page.notices()
	if direct.Kind != "direct" || direct.With == nil || direct.With.Name != "Bob" {
		t.Errorf("%+v", direct)
	}
	var same roomJSON
	bob.asks("POST", "/api/direct", `{"name":"Ada"}`, 200, &same)
	if same.ID != direct.ID || same.With.Name != "Ada" {
		t.Errorf("%+v", same)
	}
	bob.asks("POST", fmt.Sprintf("/api/rooms/%d/leave", direct.ID), "", 403, nil)
	bob.asks("POST", "/api/rooms/99/leave", "", 404, nil)
	bob.asks("POST", "/api/rooms/x/leave", "", 404, nil)
	var members struct {
		Members []personJSON
		More    bool
	}
	bob.asks("GET", fmt.Sprintf("/api/rooms/%d/members?limit=1", r.ID), "", 200, &members)
	if len(members.Members) != 1 || members.Members[0].Name != "Ada" || !members.More {
		t.Errorf("%+v", members)
	}
	bob.asks("GET", fmt.Sprintf("/api/rooms/%d/members?after=%s", r.ID, members.Members[0].Key), "", 200, &members)
	if len(members.Members) != 1 || members.Members[0].Name != "Bob" || members.More {
		t.Errorf("%+v", members)
	}
	bob.asks("GET", "/api/rooms?limit=0", "", 400, nil)
	bob.asks("GET", "/api/rooms?limit=x", "", 400, nil)
	s.signUp("Eve").asks("GET", fmt.Sprintf("/api/rooms/%d/members", r.ID), "", 404, nil)
}

func TestHistory(t *testing.T) {
	s := serve(t)
	room, topic, ada, bob := two(s)
	for i := 1; i <= 7; i++ {
		ada.says(topic, fmt.Sprint(i), fmt.Sprintf("word%d of many", i))
	}
	path := fmt.Sprintf("/api/rooms/%d/", room)
	type list struct {
		Messages []messageJSON
		More     bool
	}
	for _, c := range []struct {
		query string
		want  []int64
		more  bool
	}{
		{"messages?limit=3", []int64{5, 6, 7}, true},
		{"messages?before=3", []int64{1, 2}, false},
		{"changes?after=5", []int64{6, 7}, false},
		{"changes?limit=2", []int64{1, 2}, true},
		{"search?q=MANY+wor&limit=2", []int64{7, 6}, true},
		{"search?q=word3", []int64{3}, false},
		{"search?q=many&below=2", []int64{1}, false},
		{"search?q=none", nil, false},
	} {
		var got list
		bob.asks("GET", path+c.query, "", 200, &got)
		var numbers []int64
		for _, m := range got.Messages {
			numbers = append(numbers, m.Number)
		}
		if fmt.Sprint(numbers) != fmt.Sprint(c.want) || got.More != c.more || got.Messages == nil {
			t.Errorf("%s: %v %v, want %v %v", c.query, numbers, got.More, c.want, c.more)
		}
	}
	bob.asks("GET", path+"search?q="+strings.Repeat("x", maxQuery+1), "", 400, nil)
	bob.asks("GET", path+"messages?before=-1", "", 400, nil)
	var me struct{ Rooms []roomJSON }
	bob.asks("GET", "/api/me", "", 200, &me)
	if r := me.Rooms[0]; r.Last != 7 || r.Read != 0 || r.Rev != 7 {
		t.Errorf("before it is read: %+v", r)
	}
	other := s.logIn("Bob").opens()
	// The event has the stored number, which may differ from that of the request.
	for _, c := range []struct{ number, want int64 }{{5, 5}, {2, 5}, {-5, 5}, {1e12, 7}} {
		bob.asks("POST", path+"read", fmt.Sprintf(`{"number":%d}`, c.number), 204, nil)
		var told struct {
			Read struct{ Room, Number int64 }
		}
		if other.told("@"+userName(bob.person.id), &told); told.Read.Room != room || told.Read.Number != c.want {
			t.Errorf("%+v", told)
		}
		if bob.asks("GET", "/api/me", "", 200, &me); me.Rooms[0].Read != c.want {
			t.Errorf("%+v", me.Rooms[0])
		}
	}
	eve := s.signUp("Eve")
	for _, what := range []string{"messages", "changes", "search?q=many"} {
		eve.asks("GET", path+what, "", 404, nil)
	}
	eve.asks("POST", path+"read", `{"number":5}`, 404, nil)
}

// Requests that a page of another origin can make a browser send are refused.
func TestOtherPages(t *testing.T) {
	s := serve(t)
	ada := s.signUp("Ada")
	for _, h := range []http.Header{
		{"Sec-Fetch-Site": {"cross-site"}},
		{"Sec-Fetch-Site": {"same-site"}},
		{"Origin": {"https://evil.example"}},
		{"Origin": {"null"}},
	} {
		for _, path := range []string{"/api/rooms", "/api/login", "/api/logout"} {
			if resp, b := ada.request("POST", path, `{"name":"mine"}`, h); resp.StatusCode != 403 {
				t.Errorf("%s with %v: %d %s", path, h, resp.StatusCode, b)
			}
		}
	}
	for _, path := range []string{"/api/rooms", "/api/login", "/api/logout"} {
		if resp, b := ada.request("POST", path, `{"name":"mine"}`, http.Header{"Content-Type": {"text/plain"}}); resp.StatusCode != 415 {
			t.Errorf("%s as text: %d %s", path, resp.StatusCode, b)
		}
	}
	ada.makes("mine", false)
	if resp, _ := ada.request("POST", "/api/rooms", `{"name":"ours"}`, http.Header{"Origin": {"http://" + s.addr}}); resp.StatusCode != 201 {
		t.Errorf("a request of the chat's own page: %d", resp.StatusCode)
	}
}

func TestOtherPaths(t *testing.T) {
	s := serve(t)
	p := &person{server: s}
	for path, status := range map[string]int{
		"/api/me": 401, "/api/rooms": 401, "/api/rooms/1/messages": 401, "/api/nothing": 404,
		"/healthz": 200, "/verify": 200, "/fanfare.js": 200, "/hub": 426, "/socket": 426, "/rooms/1": 426,
	} {
		p.asks("GET", path, "", status, nil)
	}
	if _, b := p.request("GET", "/verify", "", nil); string(b) != "Hello World" {
		t.Errorf("%s", b)
	}
	c, _, err := p.dial("/socket", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Write(s.ctx(), websocket.MessageText, []byte("echo")); err != nil {
		t.Fatal(err)
	}
	if _, b, err := c.Read(s.ctx()); err != nil || string(b) != "echo" {
		t.Errorf("%s %v", b, err)
	}
	if _, resp, err := p.dial("/nothing", nil); err == nil || resp.StatusCode != 404 {
		t.Errorf("%v %v", resp, err)
	}
}

// Acknowledged messages are there after a restart, and clients continue from them.
func TestRestart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "chat.db")
	same := func(s store.Store) store.Store { return s }
	s := serveStore(t, file, same)
	room, topic, ada, _ := two(s)
	ada.says(topic, "1", "before")
	s.stop()
	s = serveStore(t, file, same)
	again := (&person{server: s, id: ada.person.id, name: "Ada", cookie: ada.cookie}).opens()
	r := again.gets(fmt.Sprintf(`"do":"subscribe","topic":%q`, topic))
	if r.Position == nil {
		t.Fatalf("%+v", r)
	}
	again.says(topic, "1", "before") // it was not known whether it came
	again.says(topic, "2", "after")
	if m := again.hears(topic); m.Number != 2 || m.Text != "after" {
		t.Errorf("%+v", m)
	}
	var got struct{ Messages []messageJSON }
	again.asks("GET", fmt.Sprintf("/api/rooms/%d/changes?after=0", room), "", 200, &got)
	if len(got.Messages) != 2 || got.Messages[0].Text != "before" {
		t.Errorf("%+v", got)
	}
}

// broken is a store whose Apply fails.
type broken struct{ store.Store }

func (broken) Apply(context.Context, []store.Change) ([]store.Outcome, error) {
	return nil, context.DeadlineExceeded
}

// A message that could not be stored is not announced.
func TestNotStored(t *testing.T) {
	s := serveStore(t, filepath.Join(t.TempDir(), "chat.db"), func(s store.Store) store.Store { return broken{s} })
	_, topic, ada, bob := two(s)
	if r := ada.publishes(topic, `{"id":"1","text":"x"}`); r.Error == nil || r.Error.Code != wire.Unavailable {
		t.Errorf("%+v", r)
	}
	bob.gets(`"do":"ping"`)
	if len(bob.events) > 0 {
		t.Errorf("%+v", bob.events)
	}
}
