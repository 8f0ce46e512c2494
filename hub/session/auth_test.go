package session

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/wire"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// now is the time in these tests.
var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// byToken takes tokens of the form USER/RIGHT: the user may subscribe to topics that begin with
// RIGHT, for a minute.
func byToken(_ hub.Identity, token string) (hub.Identity, error) {
	user, right, ok := strings.Cut(token, "/")
	switch {
	case !ok:
		return hub.Identity{}, errors.New("the token is invalid")
	case user == "blocked":
		return hub.Identity{}, wire.Errorf(wire.Forbidden, "the user is blocked")
	case user == "later":
		return hub.Identity{}, wire.Errorf(wire.Unavailable, "the backend is down")
	}
	return hub.Identity{User: user, Value: right, Expires: now.Add(time.Minute)}, nil
}

func byRight(m *hub.Member, _, topic string) error {
	if right, _ := m.Value().(string); !strings.HasPrefix(topic, right) {
		return errors.New("the right is gone")
	}
	return nil
}

func tokens() Options {
	return Options{Authenticate: byToken, Authorize: byRight, Now: func() time.Time { return now }}
}

// raw dials without waiting for a hello.
func (s *server) raw(query string) *client {
	s.Helper()
	c, _, err := websocket.Dial(s.ctx(), "ws://"+s.addr+"/"+query, nil)
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = c.CloseNow() })
	return &client{server: s, Conn: c}
}

// enter sends a token first, and waits for the hello and the reply.
func (s *server) enter(token string) *client {
	s.Helper()
	c := s.raw("?auth=message")
	c.says(wire.Request{ID: 7, Do: wire.Auth, Token: token})
	e := c.event()
	if e.Hello == nil {
		s.Fatalf("%+v, want hello", e)
	}
	c.hello = *e.Hello
	if e := c.event(); e.Reply == nil || e.Reply.OK == nil || e.Reply.ID != 7 || e.Reply.OK.Expires != c.hello.Expires {
		s.Fatalf("%+v, want the reply", e)
	}
	return c
}

// wantsClose reads until the connection is closed.
func (c *client) wantsClose(code websocket.StatusCode, says string) {
	c.Helper()
	_, p, err := c.Read(c.ctx())
	var closed websocket.CloseError
	if !errors.As(err, &closed) || closed.Code != code || !strings.Contains(closed.Reason, says) {
		c.Errorf("%s, %v; want %d and %q", p, err, code, says)
	}
}

// A client that sends its token first gets the hello only if the token is valid.
func TestTokenFirst(t *testing.T) {
	s := serve(t, hub.Options{}, tokens())
	c := s.enter("ada/a")
	if c.hello.User != "ada" || c.hello.Expires != 60_000 {
		t.Errorf("%+v", c.hello)
	}
	c.gets(wire.Request{Do: wire.Subscribe, Topic: "a1"})
	c.wantsCode(wire.Request{Do: wire.Subscribe, Topic: "b1"}, wire.Forbidden)
	for _, tt := range []struct {
		first wire.Request
		code  websocket.StatusCode
		says  string
	}{
		{wire.Request{ID: 1, Do: wire.Auth, Token: "nonsense"}, 4401, "the token is invalid"},
		{wire.Request{ID: 1, Do: wire.Auth, Token: "blocked/"}, 4403, "blocked"},
		{wire.Request{ID: 1, Do: wire.Auth, Token: "later/"}, 1013, "backend is down"},
		{wire.Request{ID: 1, Do: wire.Auth, Token: "a b/"}, 1008, "name of a user"},
		{wire.Request{ID: 1, Do: wire.Auth}, 4401, "first message"},
		{wire.Request{ID: 1, Do: wire.Ping}, 4401, "first message"},
		{wire.Request{ID: 1, Do: "dance"}, 4401, "first message"},
	} {
		c := s.raw("?auth=message")
		c.says(tt.first)
		c.wantsClose(tt.code, tt.says)
	}
	if !settles(func() bool { return s.endpoint.Stats().Unauthenticated == 0 }) {
		t.Errorf("%+v", s.endpoint.Stats())
	}
}

// A client renews its token: the connection and the subscriptions that are still permitted go on.
func TestRenewedToken(t *testing.T) {
	s := serve(t, hub.Options{}, tokens())
	c := s.enter("ada/")
	for _, topic := range []string{"a1", "b1", "a.*"} {
		c.gets(wire.Request{Do: wire.Subscribe, Topic: topic})
	}
	for token, code := range map[string]string{"nonsense": wire.Unauthorized, "bob/": wire.Forbidden, "later/": wire.Unavailable} {
		c.wantsCode(wire.Request{Do: wire.Auth, Token: token}, code)
	}
	c.says(wire.Request{ID: 2, Do: wire.Auth, Token: "ada/a"}, wire.Request{ID: 3, Do: wire.Subscribe, Topic: "b1"})
	if e := c.event(); e.End == nil || *e.End != (wire.End{Topic: "b1", Code: 4403, Reason: "the right is gone"}) {
		t.Fatalf("%+v, want the end of b1", e)
	}
	if e := c.event(); e.Reply == nil || e.Reply.OK == nil || e.Reply.OK.Expires != 60_000 {
		t.Fatalf("%+v, want the reply", e)
	}
	if got := c.replies(1); got[0] != "3 forbidden" {
		t.Error(got)
	}
	if _, err := s.hub.Publish("a1", hub.Message{Data: []byte("1"), Kind: hub.JSON}); err != nil {
		t.Fatal(err)
	}
	if e := c.event(); e.Message == nil || e.Message.Topic != "a1" {
		t.Errorf("%+v, want a message of a1", e)
	}
}

// A client whose token follows has limited time, and a bounded number of them may wait.
func TestTokenLate(t *testing.T) {
	o := tokens()
	o.Authenticate, o.AuthTimeout, o.MaxUnauthenticated = nil, time.Millisecond, 1
	var asked under
	o.AuthenticateAsync = func(_ hub.Identity, token string, done func(hub.Identity, error)) {
		asked.add(token, func(err error) { done(hub.Identity{User: "ada"}, err) })
	}
	s := serve(t, hub.Options{}, o)
	c := s.raw("?auth=message")
	c.wantsClose(4401, "no token has come within 1ms")

	o.AuthTimeout = time.Hour
	s = serve(t, hub.Options{}, o)
	c = s.raw("?auth=message")
	if !settles(func() bool { return s.endpoint.Stats().Unauthenticated == 1 }) {
		t.Fatal("it is not counted")
	}
	_, r, err := websocket.Dial(s.ctx(), "ws://"+s.addr+"/?auth=message", nil)
	if err == nil || r.StatusCode != http.StatusServiceUnavailable || r.Header.Get("Retry-After") == "" {
		t.Errorf("a second one: %v, %v", r, err)
	}
	c.says(wire.Request{ID: 1, Do: wire.Auth, Token: "x"}, wire.Request{ID: 2, Do: wire.Ping})
	asked.wants(t, "x")
	asked.end(0, nil)
	asked.end(0, errors.New("a second answer"))
	if e := c.event(); e.Hello == nil || e.Hello.User != "ada" || e.Hello.Expires != 0 {
		t.Errorf("%+v, want hello", e)
	}
	if got := c.replies(2); !slices.Equal(got, []string{"1", "2"}) {
		t.Error(got)
	}
	if n := s.endpoint.Stats().Unauthenticated; n != 0 {
		t.Errorf("%d wait", n)
	}
}

// noErrors fails the test if a hook, or what calls it, panics: see runRecovering.
func noErrors(t *testing.T) {
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(failing{t}, &slog.HandlerOptions{Level: slog.LevelError})))
	t.Cleanup(func() { slog.SetDefault(before) })
}

type failing struct{ t *testing.T }

func (f failing) Write(p []byte) (int, error) {
	f.t.Errorf("logged: %s", p)
	return len(p), nil
}

// A connection that closes, or whose time is over, while its token is checked does not open.
func TestCloseDuringAuthentication(t *testing.T) {
	noErrors(t)
	for name, timeout := range map[string]time.Duration{"gone": time.Hour, "late": time.Second} {
		t.Run(name, func(t *testing.T) {
			var asked under
			o := Options{AuthTimeout: timeout, AuthenticateAsync: func(_ hub.Identity, token string, done func(hub.Identity, error)) {
				asked.add(token, func(err error) { done(hub.Identity{User: "ada", Data: []byte("1")}, err) })
			}}
			var opened, closed atomic.Int32
			o.Identified = func(*hub.Member, hub.Identity) { opened.Add(1) }
			o.Closed = func(*hub.Member, wsproto.Code) { closed.Add(1) }
			s := serve(t, hub.Options{}, o)
			c := s.raw("?auth=message")
			c.says(wire.Request{ID: 1, Do: wire.Auth, Token: "x"})
			asked.wants(t, "x")
			if name == "gone" {
				asked.end(0, nil)
				c.event()
				_ = c.CloseNow()
				if !settles(func() bool { return closed.Load() == 1 }) || opened.Load() != 1 {
					t.Errorf("%d opened, %d closed", opened.Load(), closed.Load())
				}
			} else {
				c.wantsClose(1013, "not checked in time")
				if !settles(func() bool { return s.endpoint.Stats().Unauthenticated == 0 }) {
					t.Error("it still counts")
				}
				asked.end(0, nil)
				s.wantsWaiting(0)
				if !settles(func() bool {
					s.endpoint.workers.mu.Lock()
					defer s.endpoint.workers.mu.Unlock()
					return s.endpoint.workers.running == 0
				}) {
					t.Error("the answer is not handled")
				}
				if opened.Load() != 0 || closed.Load() != 0 {
					t.Errorf("%d opened, %d closed", opened.Load(), closed.Load())
				}
			}
			if !settles(func() bool { return s.endpoint.Stats().Data == 0 && len(s.hub.Topics()) == 0 }) {
				t.Errorf("%+v, %+v", s.endpoint.Stats(), s.hub.Topics())
			}
		})
	}
}

// The program ends a connection whose token has expired: what was published before arrives first.
func TestTokenExpired(t *testing.T) {
	o := tokens()
	var mu sync.Mutex
	all := make(map[*hub.Member]time.Time)
	o.Identified = func(m *hub.Member, id hub.Identity) {
		mu.Lock()
		defer mu.Unlock()
		all[m] = id.Expires
	}
	o.Closed = func(m *hub.Member, _ wsproto.Code) {
		mu.Lock()
		defer mu.Unlock()
		delete(all, m)
	}
	s := serve(t, hub.Options{}, o)
	c, other := s.enter("ada/a"), s.enter("bob/a")
	c.gets(wire.Request{Do: wire.Subscribe, Topic: "a"})
	other.gets(wire.Request{Do: wire.Auth, Token: "bob/"})
	for n := range 3 {
		if _, err := s.hub.Publish("a", hub.Message{Data: fmt.Append(nil, n), Kind: hub.JSON}); err != nil {
			t.Fatal(err)
		}
	}
	mu.Lock()
	for m, expires := range all {
		if m.User() == "ada" && expires.Equal(now.Add(time.Minute)) {
			m.Disconnect(TokenExpired)
		}
	}
	mu.Unlock()
	for n := range 3 {
		if e := c.event(); e.Message == nil || string(e.Message.Payload) != fmt.Sprint(n) {
			t.Fatalf("%+v, want message %d", e, n)
		}
	}
	c.wantsClose(4401, "the token has expired")
	if !settles(func() bool { mu.Lock(); defer mu.Unlock(); return len(all) == 1 }) {
		t.Errorf("%d connections are listed", len(all))
	}
	other.gets(wire.Request{Do: wire.Ping})
}

// After a change of rights, Reauthorize ends what is no longer permitted, also a subscription that
// is under way, and keeps what cannot be checked.
func TestReauthorize(t *testing.T) {
	var rights atomic.Pointer[map[string]error]
	rights.Store(new(map[string]error))
	var member atomic.Pointer[hub.Member]
	for name, async := range map[string]bool{"sync": false, "async": true} {
		t.Run(name, func(t *testing.T) {
			o := Options{Identified: func(m *hub.Member, _ hub.Identity) { member.Store(m) }}
			if may := func(topic string) error { return (*rights.Load())[topic] }; async {
				o.AuthorizeAsync = func(_ *hub.Member, _, topic string, done func(error)) { go done(may(topic)) }
			} else {
				o.Authorize = func(_ *hub.Member, _, topic string) error { return may(topic) }
			}
			s := serve(t, hub.Options{}, o)
			c := s.dial("")
			for _, topic := range []string{"a", "b", "c", "d"} {
				c.gets(wire.Request{Do: wire.Subscribe, Topic: topic})
			}
			rights.Store(&map[string]error{"b": errors.New("no"), "c": wire.Errorf(wire.Unavailable, "down"), "d": errors.New("no")})
			for range 3 {
				s.endpoint.Reauthorize(member.Load())
			}
			for _, topic := range []string{"b", "d"} {
				if e := c.event(); e.End == nil || e.End.Topic != topic || e.End.Code != 4403 {
					t.Fatalf("%+v, want the end of %s", e, topic)
				}
			}
			c.gets(wire.Request{Do: wire.Ping})
			if got := member.Load().Topics(); !slices.Equal(got, []string{"a", "c"}) {
				t.Errorf("it is subscribed to %q", got)
			}
			rights.Store(new(map[string]error))
			_ = c.CloseNow()
			if !settles(func() bool { return len(s.hub.Topics()) == 0 }) {
				t.Errorf("%+v are left", s.hub.Topics())
			}
			s.endpoint.Reauthorize(member.Load())
		})
	}
}

// The limit of the program refuses a request, and says when it may come again.
func TestLimit(t *testing.T) {
	s := serve(t, hub.Options{}, Options{Limit: func(_ *hub.Member, r *wire.Request) time.Duration {
		if r.Do == wire.Publish {
			return 1500 * time.Millisecond
		}
		return 0
	}})
	c := s.dial("")
	e := c.wantsCode(wire.Request{Do: wire.Publish, Topic: "a", Data: []byte("1")}, wire.RateLimited)
	if e.Retry != 1500 || e.RetryAfter() != 1500*time.Millisecond || !e.Temporary() {
		t.Errorf("%+v", e)
	}
	c.gets(wire.Request{Do: wire.Ping})
}

// A program that asks a backend identifies a client without keeping a worker.
func TestIdentifyAsync(t *testing.T) {
	var asked under
	s := serve(t, hub.Options{}, Options{IdentifyAsync: func(r *wsproto.Request, done func(hub.Identity, error)) {
		user := r.Query().Get("user")
		asked.add(user, func(err error) { done(hub.Identity{User: user}, err) })
	}})
	go func() {
		asked.wants(t, "ada")
		asked.end(0, nil)
		asked.wants(t, "ada", "bob")
		asked.end(1, errors.New("not bob"))
	}()
	if c := s.dial("?user=ada"); c.hello.User != "ada" {
		t.Errorf("%+v", c.hello)
	}
	if _, r, err := websocket.Dial(s.ctx(), "ws://"+s.addr+"/?user=bob", nil); err == nil || r.StatusCode != http.StatusForbidden {
		t.Errorf("%v, %v", r, err)
	}
	if _, r, err := websocket.Dial(s.ctx(), "ws://"+s.addr+"/?auth=message", nil); err == nil || r.StatusCode != http.StatusBadRequest {
		t.Errorf("without tokens: %v, %v", r, err)
	}
}

// Closed is called after Identified has returned, also if the connection closes meanwhile.
func TestCloseDuringIdentified(t *testing.T) {
	noErrors(t)
	var calls, closed atomic.Int32
	entered, proceed := make(chan struct{}), make(chan struct{})
	s := serve(t, hub.Options{}, Options{
		Background:   1, // not in the turn, which OnClose waits for
		Authenticate: func(_ hub.Identity, token string) (hub.Identity, error) { return hub.Identity{User: token}, nil },
		Identified: func(*hub.Member, hub.Identity) {
			if calls.Add(1) == 2 {
				close(entered)
				<-proceed
				if closed.Load() != 0 {
					t.Error("Closed was called during Identified")
				}
			}
		},
		Closed: func(_ *hub.Member, code wsproto.Code) {
			if code != wsproto.AbnormalClosure {
				t.Errorf("Closed with %d", code)
			}
			closed.Add(1)
		},
	})
	c := s.enter("ada")
	c.says(wire.Request{ID: 1, Do: wire.Auth, Token: "ada"})
	<-entered
	_ = c.CloseNow()
	if !settles(func() bool { return len(s.hub.Topics()) == 0 }) {
		t.Error("the member has not left")
	}
	close(proceed)
	if !settles(func() bool { return closed.Load() == 1 }) {
		t.Errorf("Closed was called %d times", closed.Load())
	}
}
