package chat

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/account"
	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store"
	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store/sqlstore"
	"github.com/fanfare-ws/fanfare/hub/wire"
	"github.com/fanfare-ws/fanfare/netpoll/netpolltest"
)

func TestMain(m *testing.M) { netpolltest.Main(m, http.DefaultClient.CloseIdleConnections) }

func settles(cond func() bool) bool { return netpolltest.Settles(10*time.Second, cond) }

// clock is a clock that tests set.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// server is a chat that listens.
type server struct {
	testing.TB
	clock clock
	store store.Store
	chat  *Chat
	addr  string
	stop  func()
}

func serve(t testing.TB, change ...func(*Options)) *server {
	return serveStore(t, filepath.Join(t.TempDir(), "chat.db"), func(s store.Store) store.Store { return s }, change...)
}

// serveStore starts a chat on a database file. wrap may wrap the store, and change may change the options.
func serveStore(t testing.TB, file string, wrap func(store.Store) store.Store, change ...func(*Options)) *server {
	t.Helper()
	kept, err := sqlstore.Open(context.Background(), file)
	if err != nil {
		t.Fatal(err)
	}
	s := &server{TB: t, store: wrap(kept), clock: clock{at: time.UnixMilli(1_800_000_000_000)}}
	accounts, err := account.New(account.Options{Store: s.store, Now: s.clock.now, Cost: account.Cost{Memory: 64, Passes: 1, Threads: 1}})
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Store: s.store, Accounts: accounts, Logger: slog.New(slog.DiscardHandler), Now: s.clock.now}
	for _, f := range change {
		f(&o)
	}
	if s.chat, err = New(o); err != nil {
		t.Fatal(err)
	}
	addr, err := s.chat.Server().Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = addr.String()
	s.stop = sync.OnceFunc(func() {
		http.DefaultClient.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		_ = s.chat.Server().Shutdown(ctx) // clients of tests do not answer
		s.chat.Close()
		if err := kept.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(s.stop)
	return s
}

// person is a user with a cookie.
type person struct {
	*server
	id     int64
	name   string
	cookie string
}

const password = "correct horse"

// signUp creates an account.
func (s *server) signUp(name string) *person {
	s.Helper()
	return s.enter("/api/signup", name, http.StatusCreated)
}

// logIn adds another login.
func (s *server) logIn(name string) *person {
	s.Helper()
	return s.enter("/api/login", name, http.StatusOK)
}

func (s *server) enter(path, name string, want int) *person {
	s.Helper()
	p := &person{server: s, name: name}
	resp, body := p.request("POST", path, fmt.Sprintf(`{"name":%q,"password":%q}`, name, password), nil)
	if resp.StatusCode != want || len(resp.Cookies()) != 1 {
		s.Fatalf("%s: %d %s", path, resp.StatusCode, body)
	}
	var got struct{ User userJSON }
	if err := json.Unmarshal(body, &got); err != nil {
		s.Fatal(err)
	}
	c := resp.Cookies()[0]
	p.id, p.cookie = got.User.ID, c.Name+"="+c.Value
	return p
}

// request sends a request to the API; body is JSON or empty.
func (p *person) request(method, path, body string, header http.Header) (*http.Response, []byte) {
	p.Helper()
	r, err := http.NewRequest(method, "http://"+p.addr+path, bytes.NewReader([]byte(body)))
	if err != nil {
		p.Fatal(err)
	}
	if method == "POST" {
		r.Header.Set("Content-Type", "application/json")
	}
	if p.cookie != "" {
		r.Header.Set("Cookie", p.cookie)
	}
	for name, v := range header {
		r.Header[name] = v
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		p.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		p.Fatal(err)
	}
	return resp, b
}

// asks sends a request to the API, checks the status of the response, and decodes it into v unless v is
// nil.
func (p *person) asks(method, path, body string, status int, v any) {
	p.Helper()
	resp, b := p.request(method, path, body, nil)
	if resp.StatusCode != status {
		p.Fatalf("%s %s %s: %d %s, want %d", method, path, body, resp.StatusCode, b, status)
	}
	if v != nil {
		if err := json.Unmarshal(b, v); err != nil {
			p.Fatalf("%s: %v", b, err)
		}
	}
}

// makes creates a room and returns its ID.
func (p *person) makes(name string, private bool) int64 {
	p.Helper()
	var r roomJSON
	p.asks("POST", "/api/rooms", fmt.Sprintf(`{"name":%q,"private":%v}`, name, private), http.StatusCreated, &r)
	return r.ID
}

func (p *person) joins(room int64) {
	p.Helper()
	p.asks("POST", fmt.Sprintf("/api/rooms/%d/join", room), "", http.StatusOK, nil)
}

func (s *server) ctx() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	s.Cleanup(cancel)
	return ctx
}

// dial connects a WebSocket.
func (p *person) dial(path string, header http.Header, protocols ...string) (*websocket.Conn, *http.Response, error) {
	p.Helper()
	h := http.Header{"Cookie": {p.cookie}}
	for name, v := range header {
		h[name] = v
	}
	c, resp, err := websocket.Dial(p.ctx(), "ws://"+p.addr+path, &websocket.DialOptions{Subprotocols: protocols, HTTPHeader: h})
	if err == nil {
		p.Cleanup(func() { _ = c.CloseNow() })
	}
	return c, resp, err
}

// page is a connection of fanfare.v1.
type page struct {
	*person
	*websocket.Conn
	id     uint64
	events []wire.Event // that came before a reply
}

func (p *person) opens() *page {
	p.Helper()
	c, _, err := p.dial(hubPath, nil, wire.Protocol)
	if err != nil {
		p.Fatal(err)
	}
	g := &page{person: p, Conn: c}
	if e := g.event(); e.Hello == nil || e.Hello.User != userName(p.id) {
		p.Fatalf("%+v is not a hello", e)
	}
	return g
}

// event returns the next event.
func (g *page) event() wire.Event {
	g.Helper()
	if len(g.events) > 0 {
		e := g.events[0]
		g.events = g.events[1:]
		return e
	}
	return g.read()
}

func (g *page) read() wire.Event {
	g.Helper()
	_, b, err := g.Conn.Read(g.ctx())
	if err != nil {
		g.Fatalf("%s: %v", g.name, err)
	}
	e, err := wire.ParseEvent(b)
	if err != nil {
		g.Fatalf("%s: %v", b, err)
	}
	return e
}

// ask sends a request, without its id, and returns the reply.
func (g *page) ask(request string) *wire.Reply {
	g.Helper()
	g.id++
	if err := g.Conn.Write(g.ctx(), websocket.MessageText, fmt.Appendf(nil, `{"id":%d,%s}`, g.id, request)); err != nil {
		g.Fatal(err)
	}
	for {
		e := g.read()
		if e.Reply != nil && e.Reply.ID == g.id {
			return e.Reply
		}
		g.events = append(g.events, e)
	}
}

func (g *page) gets(request string) *wire.Result {
	g.Helper()
	r := g.ask(request)
	if r.OK == nil {
		g.Fatalf("%s: %v", request, r.Error)
	}
	return r.OK
}

func (g *page) fails(request, code string) {
	g.Helper()
	if r := g.ask(request); r.Error == nil || r.Error.Code != code {
		g.Fatalf("%s: %+v %+v, want %s", request, r.OK, r.Error, code)
	}
}

func (g *page) subscribes(topic string) *wire.Result {
	g.Helper()
	return g.gets(fmt.Sprintf(`"do":"subscribe","topic":%q`, topic))
}

// publishes publishes data and returns the reply.
func (g *page) publishes(topic, data string) *wire.Reply {
	g.Helper()
	return g.ask(fmt.Sprintf(`"do":"publish","topic":%q,"data":%s,"echo":true`, topic, data))
}

func (g *page) says(topic, id, text string) {
	g.Helper()
	if r := g.publishes(topic, fmt.Sprintf(`{"id":%q,"text":%q}`, id, text)); r.OK == nil {
		g.Fatalf("%q: %v", text, r.Error)
	}
}

// hears returns the next event, which must be a message.
func (g *page) hears(topic string) messageJSON {
	g.Helper()
	var got struct{ Message *messageJSON }
	g.told(topic, &got)
	if got.Message == nil {
		g.Fatal("that is no message of the room")
	}
	return *got.Message
}

// told decodes the next event, which must be a message of fanfare.v1.
func (g *page) told(topic string, v any) {
	g.Helper()
	e := g.event()
	if e.Message == nil || e.Message.Topic != topic || e.Message.Kind != wire.JSON {
		g.Fatalf("%+v is nothing of %s", e, topic)
	}
	if err := json.Unmarshal(e.Message.Payload, v); err != nil {
		g.Fatalf("%s: %v", e.Message.Payload, err)
	}
}

// notices waits for {"rooms":true}.
func (g *page) notices() {
	g.Helper()
	var got struct{ Rooms bool }
	if g.told("@"+userName(g.person.id), &got); !got.Rooms {
		g.Fatal("that is not about rooms")
	}
}

// closed reads until the server closes the connection, and returns the close error.
func closed(t testing.TB, c *websocket.Conn) websocket.CloseError {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for {
		if _, _, err := c.Read(ctx); err != nil {
			var e websocket.CloseError
			if !errors.As(err, &e) {
				t.Fatal(err)
			}
			return e
		}
	}
}
