package client_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/client"
	"github.com/fanfare-ws/fanfare/hub/session"
	"github.com/fanfare-ws/fanfare/hub/session/sessiontest"
	"github.com/fanfare-ws/fanfare/hub/wire"
	"github.com/fanfare-ws/fanfare/wsproto"
	"github.com/fanfare-ws/fanfare/wsproto/wstest"
)

// source issues the tokens NAME1, NAME2 and so on, each for an hour.
type source struct {
	tokens *sessiontest.Tokens
	name   string
	ttl    time.Duration

	mu   sync.Mutex
	whys []client.TokenReason
	next int
	err  error
}

func newSource(s *sessiontest.Server, name string) *source {
	return &source{tokens: s.Tokens, name: name, ttl: time.Hour}
}

func (k *source) token(_ context.Context, why client.TokenReason) (string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.whys = append(k.whys, why)
	if k.err != nil {
		return "", k.err
	}
	k.next++
	token := fmt.Sprint(k.name, k.next)
	k.tokens.Issue(token, k.name, k.ttl)
	return token, nil
}

func (k *source) fail(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.err = err
}

// rename has the tokens from now on belong to another user.
func (k *source) rename(name string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.name = name
}

// current returns the last token.
func (k *source) current() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return fmt.Sprint(k.name, k.next)
}

// asked returns why tokens were asked for.
func (k *source) asked() []client.TokenReason {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.whys)
}

func (k *source) wants(t *testing.T, whys ...client.TokenReason) {
	t.Helper()
	sessiontest.Eventually(t, "a request for a token", func() bool { return len(k.asked()) >= len(whys) })
	if got := k.asked(); !slices.Equal(got, whys) {
		t.Fatalf("tokens were asked for because of %q, want %q", got, whys)
	}
}

const first, expiring, refused = client.TokenFirst, client.TokenExpiring, client.TokenRefused

// opens counts connections.
func opens(o *client.Options) *atomic.Int32 {
	n := new(atomic.Int32)
	o.OnOpen = func(wire.Hello) { n.Add(1) }
	return n
}

// A token is renewed at a moment between 50 and 80 % of its life, on the same connection. After the
// connection has broken, the client sends the last token again, and asks for none.
func TestTokenRenewed(t *testing.T) {
	s := sessiontest.Serve(t, kept(hub.History{Messages: 10}))
	p := wstest.Forward(t, s.Addr, nil)
	k, clock := newSource(s, "ada"), client.NewFakeClock()
	o := clock.Use(&client.Options{Token: k.token, MinDelay: time.Second})
	opened, closed := opens(o), make(chan error, 1)
	o.OnClose = func(err error, _ time.Duration) { closed <- err }
	c := dial(t, p.Addr, o)
	n := &numbers{t: t}
	if _, err := c.Subscribe(t.Context(), "news", nil, n.handle); err != nil {
		t.Fatal(err)
	}
	want := []client.TokenReason{first}
	for i := range 5 {
		k.wants(t, want...)
		waits := clock.Waits()
		if len(waits) != 1 || waits[0] < 29*time.Minute || waits[0] > 48*time.Minute {
			t.Fatalf("the token is renewed in %v, want once between 30 and 48 minutes", waits)
		}
		clock.Advance(waits[0])
		want = append(want, expiring)
		sessiontest.Eventually(t, "the reply", func() bool { return s.Tokens.Renewed() == i+1 && len(clock.Waits()) == 1 })
	}
	if opened.Load() != 1 || !slices.Equal(s.Tokens.Open(), []string{"ada6"}) {
		t.Errorf("%d connections, with %q", opened.Load(), s.Tokens.Open())
	}
	p.Cut()
	next(t, closed)
	s.Number(t, "news", 1)
	clock.Advance(time.Second)
	sessiontest.Eventually(t, "the message", func() bool { return n.last.Load() == 1 })
	if s.Tokens.Uses("ada6") != 2 || len(k.asked()) != len(want) {
		t.Errorf("the last token was used %d times, and %d further ones were asked for", s.Tokens.Uses("ada6"), len(k.asked())-len(want))
	}
}

// When the server ends the connection because of its token, the client asks for another one, and
// resumes where it was.
func TestTokenRefused(t *testing.T) {
	s := sessiontest.Serve(t, kept(hub.History{Messages: 10}))
	k, o := newSource(s, "ada"), quick()
	o.Token = k.token
	closed := make(chan error, 10)
	o.OnClose = func(err error, _ time.Duration) { closed <- err }
	c, n := dial(t, s.Addr, o), &numbers{t: t}
	if _, err := c.Subscribe(t.Context(), "news", nil, n.handle); err != nil {
		t.Fatal(err)
	}
	want := []client.TokenReason{first}
	for i, why := range []hub.CloseReason{session.TokenExpired, session.TokenRevoked} {
		s.Number(t, "news", 2*i+1)
		s.Tokens.End(k.current(), why)
		if err := next(t, closed); !wsproto.IsCloseError(err, wire.CloseUnauthorized) || !strings.Contains(err.Error(), why.Text) {
			t.Errorf("closed with %v", err)
		}
		s.Number(t, "news", 2*i+2)
		want = append(want, refused)
		k.wants(t, want...)
		sessiontest.Eventually(t, "the messages", func() bool { return n.last.Load() == int64(2*i+2) })
	}
	k.fail(fmt.Errorf("logged out: %w", client.ErrUnauthorized))
	s.Tokens.End(k.current(), session.TokenRevoked)
	<-c.Done()
	if err := c.Err(); !errors.Is(err, client.ErrUnauthorized) || !strings.Contains(err.Error(), "logged out") {
		t.Errorf("the client is closed with %v", err)
	}
}

// While a token is valid, neither a function that fails nor a server that cannot check tokens ends
// the connection.
func TestTokenRenewedLater(t *testing.T) {
	s := sessiontest.Serve(t, nil)
	k, clock := newSource(s, "ada"), client.NewFakeClock()
	o := clock.Use(&client.Options{Token: k.token, MinDelay: time.Second, MaxDelay: 8 * time.Second})
	opened := opens(o)
	c := dial(t, s.Addr, o)
	k.fail(errors.New("the backend is down"))
	renewal := clock.Waits()[0]
	clock.Advance(renewal)
	for i := range 6 {
		sessiontest.Eventually(t, "another attempt", func() bool { return len(k.asked()) == i+2 && len(clock.Waits()) == 1 })
		if wait := clock.Waits()[0]; wait < time.Second/2 || wait > 9*time.Second {
			t.Errorf("attempt %d is in %v", i, wait)
		}
		if i == 5 {
			k.fail(nil)
			s.Tokens.Down(true)
		}
		clock.Advance(clock.Waits()[0])
	}
	for range 3 { // the token is sent again, and no other is asked for
		sessiontest.Eventually(t, "the server's answer", func() bool { return len(clock.Waits()) == 1 })
		clock.Advance(clock.Waits()[0])
	}
	sessiontest.Eventually(t, "the server's answer", func() bool { return len(clock.Waits()) == 1 })
	s.Tokens.Down(false)
	clock.Advance(clock.Waits()[0])
	sessiontest.Eventually(t, "the renewal", func() bool { return s.Tokens.Renewed() == 1 && len(clock.Waits()) == 1 })
	if n := len(k.asked()); n != 8 || clock.Waits()[0] < 29*time.Minute {
		t.Errorf("%d tokens were asked for, want 8; the next renewal is in %v", n, clock.Waits())
	}
	k.fail(fmt.Errorf("logged out: %w", client.ErrUnauthorized))
	clock.Advance(clock.Waits()[0])
	sessiontest.Eventually(t, "the last attempt", func() bool { return len(k.asked()) == 9 })
	if _, err := c.Presence(t.Context(), "none"); c.Err() != nil || opened.Load() != 1 || len(clock.Waits()) != 0 {
		t.Errorf("%v, %v; %d connections, timers %v", err, c.Err(), opened.Load(), clock.Waits())
	}
}

// A client whose token has expired while there was no connection asks for another one first.
func TestTokenExpiredMeanwhile(t *testing.T) {
	s := sessiontest.Serve(t, nil)
	p := wstest.Forward(t, s.Addr, nil)
	k, clock := newSource(s, "ada"), client.NewFakeClock()
	o := clock.Use(&client.Options{Token: k.token, MinDelay: time.Second})
	closed, opened := make(chan error, 10), opens(o)
	o.OnClose = func(err error, _ time.Duration) { closed <- err }
	dial(t, p.Addr, o)
	p.Cut()
	next(t, closed)
	clock.Advance(time.Hour)
	k.wants(t, first, expiring)
	sessiontest.Eventually(t, "the connection", func() bool { return opened.Load() == 2 && s.Tokens.Uses("ada2") == 1 })
}

func TestStaticToken(t *testing.T) {
	s := sessiontest.Serve(t, nil)
	s.Tokens.Issue("key", "ada", 0)
	o := quick()
	o.Token = client.StaticToken("key")
	hello := make(chan wire.Hello, 10)
	o.OnOpen = func(h wire.Hello) { hello <- h }
	c, err := client.Dial(t.Context(), "ws://"+s.Addr+"/hub?x=1", o)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if h := next(t, hello); h.User != "ada" || h.Expires != 0 {
		t.Errorf("%+v", h)
	}
	s.Tokens.End("key", session.TokenRevoked)
	<-c.Done()
	if !errors.Is(c.Err(), client.ErrUnauthorized) {
		t.Error(c.Err())
	}
	for token, says := range map[string]string{"key": "the token is not valid", "": "0 bytes", strings.Repeat("x", wire.MaxToken+1): "8193 bytes"} {
		o.Token = client.StaticToken(token)
		if _, err := client.Dial(t.Context(), "ws://"+s.Addr+"/hub", o); err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "key") {
			t.Errorf("%.10q: %v, want %s", token, err, says)
		}
	}
}

// Dial asks for another token once if the server refuses the first.
func TestDialWithStaleToken(t *testing.T) {
	s := sessiontest.Serve(t, nil)
	for user, stale := range map[string]int{"ada": 1, "bob": 2} {
		k, o := newSource(s, user), quick()
		o.Token = func(ctx context.Context, why client.TokenReason) (string, error) {
			token, err := k.token(ctx, why)
			if len(k.asked()) <= stale {
				token = "stale"
			}
			return token, err
		}
		c, err := tryDial(t, s.Addr, o)
		if wantErr := stale == 2; (err != nil) != wantErr || wantErr && !wsproto.IsCloseError(err, wire.CloseUnauthorized) {
			t.Errorf("%s: %v", user, err)
		}
		k.wants(t, first, refused)
		if c != nil {
			c.Close()
		}
	}
}

// Tokens end and connections break at random while a topic is under load. Each subscriber receives
// every message once, in order.
func TestTokensEndUnderLoad(t *testing.T) {
	const subscribers, messages, ahead = 6, 3000, 300
	s := sessiontest.Serve(t, kept(hub.History{Messages: messages}))
	var steady atomic.Bool
	p := wstest.Forward(t, s.Addr, func() int64 {
		if steady.Load() {
			return 0
		}
		return 500 + rand.Int64N(20_000)
	})
	all, sources := make([]*numbers, subscribers), make([]*source, subscribers)
	for i := range all {
		all[i], sources[i] = &numbers{t: t}, newSource(s, fmt.Sprint("user", i, "-"))
		sources[i].ttl = 20 * time.Millisecond // it is renewed all the time
		o := quick()
		o.Token = sources[i].token
		_, err := insist(t, p.Addr, o).Subscribe(t.Context(), "load", &client.SubscribeOptions{
			OnGap: func(g client.Gap) { t.Errorf("a gap: %v", g) },
		}, all[i].handle)
		if err != nil {
			t.Fatal(err)
		}
	}
	slowest := func() int64 {
		low := int64(messages)
		for _, n := range all {
			low = min(low, n.last.Load())
		}
		return low
	}
	for n := 1; n <= messages; n++ {
		s.Number(t, "load", n)
		if n%50 == 0 {
			s.Tokens.End(sources[rand.IntN(subscribers)].current(), session.TokenExpired)
		}
		if int64(n)-slowest() > ahead {
			sessiontest.Eventually(t, "progress of the slowest", func() bool { return int64(n)-slowest() < ahead/2 })
		}
	}
	steady.Store(true)
	sessiontest.Eventually(t, "all messages", func() bool { return slowest() == messages })
	count := make(map[client.TokenReason]int)
	for _, k := range sources {
		for _, why := range k.asked() {
			count[why]++
		}
	}
	if t.Logf("%d cuts, %v, %d renewed", p.Cuts(), count, s.Tokens.Renewed()); count[refused] == 0 || p.Cuts() < subscribers {
		t.Errorf("%d cuts, %d tokens that ended", p.Cuts(), count[refused])
	}
}

// A request above the limit fails with the time after which it may come again; a subscription comes
// again by itself.
func TestRateLimited(t *testing.T) {
	c := dial(t, sessiontest.Serve(t, nil).Addr, quick())
	_, err := c.Publish(t.Context(), "never", 1, nil)
	var e *wire.Error
	if !errors.As(err, &e) || e.Code != wire.RateLimited || e.RetryAfter() != 20*time.Millisecond || !e.Temporary() {
		t.Errorf("%v", err)
	}
	if _, err := c.Subscribe(t.Context(), "soon", nil, nil); err != nil {
		t.Error(err)
	}
}

// After a server has restarted, clients come back within a short window; the delay that a server
// asks for is respected.
func TestDelays(t *testing.T) {
	s := sessiontest.Serve(t, nil)
	clock := client.NewFakeClock()
	o := clock.Use(&client.Options{MinDelay: time.Second})
	delays, opened := make(chan time.Duration, 10), opens(o)
	o.OnClose = func(_ error, retry time.Duration) { delays <- retry }
	c, err := client.Dial(t.Context(), "ws://"+s.Addr+"/hub?user=ada", o)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	n := int32(1)
	for code, most := range map[int]time.Duration{1012: 2, 1001: 2, 1013: 2, 4429: 2} {
		clock.Advance(time.Minute) // so that the attempts before do not count
		s.Disconnect(hub.UserTopic("ada"), hub.CloseReason{Code: code})
		retry := next(t, delays)
		if least := time.Second; retry < 0 || retry > most*time.Second || code == 1013 && retry < least || code == 4429 && retry < least {
			t.Errorf("%d: the client reconnects in %v", code, retry)
		}
		n++
		clock.Advance(retry)
		sessiontest.Eventually(t, "the connection", func() bool { return opened.Load() == n })
	}
	s.Full(1)
	s.Disconnect(hub.UserTopic("ada"), hub.CloseReason{Code: 1012})
	clock.Advance(next(t, delays))
	if retry := next(t, delays); retry < time.Second {
		t.Errorf("after Retry-After: 1 the client reconnects in %v", retry)
	}
	s.Disconnect(hub.UserTopic("ada"), hub.CloseReason{Code: 1012})
}
