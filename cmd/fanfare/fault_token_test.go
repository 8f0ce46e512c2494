package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	fan "github.com/fanfare-ws/fanfare/hub/client"
	"github.com/fanfare-ws/fanfare/wsproto"
	"github.com/fanfare-ws/fanfare/wsproto/wstest"
)

// issuer gives tokens of a user to a client, and counts.
type issuer struct {
	t    *testing.T
	life atomic.Int64 // of the tokens, in seconds

	mu      sync.Mutex
	user    string
	expires time.Time // of the last token
	reasons []fan.TokenReason
}

func newIssuer(t *testing.T, user string, life int64) *issuer {
	i := &issuer{t: t, user: user}
	i.life.Store(life)
	return i
}

func (i *issuer) token(_ context.Context, why fan.TokenReason) (string, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	now := time.Now()
	i.expires = time.Unix(now.Unix()+i.life.Load(), 0)
	i.reasons = append(i.reasons, why)
	return hmacToken(i.t, map[string]any{"sub": i.user, "iat": now.Unix(), "exp": i.expires.Unix(), "read": []string{"news"}}), nil
}

// asked returns how often a token was asked for, and why the last time.
func (i *issuer) asked() (int, fan.TokenReason) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return len(i.reasons), i.reasons[len(i.reasons)-1]
}

// witness is a client that must get all numbers from 1 on, in order.
type witness struct {
	*fan.Client
	heard, wrong, gaps atomic.Int64
	ends               atomic.Int64 // connections closed with 4401
}

// watch subscribes a client with tokens to news.
func (p *program) watch(addr string, tokens *issuer) *witness {
	p.t.Helper()
	w := new(witness)
	w.Client = p.connect(addr, fan.Options{
		Token: tokens.token, Engine: engine(p.t), MinDelay: 10 * time.Millisecond, MaxDelay: 200 * time.Millisecond, Timeout: 30 * time.Second,
		OnClose: func(err error, _ time.Duration) {
			if wsproto.IsCloseError(err, 4401) {
				w.ends.Add(1)
			}
		},
	})
	_, err := w.Subscribe(p.long(), "news", &fan.SubscribeOptions{OnGap: func(fan.Gap) { w.gaps.Add(1) }}, func(m fan.Message) {
		if n := w.heard.Add(1); string(m.Payload) != fmt.Sprint(n) {
			w.wrong.Add(1)
		}
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return w
}

// got waits until the witness has so many messages.
func (p *program) got(w *witness, n int) {
	p.t.Helper()
	p.eventually(fmt.Sprint(n, " messages have arrived"), func() bool { return w.heard.Load() == int64(n) })
	if w.wrong.Load() > 0 || w.gaps.Load() > 0 {
		p.t.Fatalf("%d messages are wrong, there are %d gaps", w.wrong.Load(), w.gaps.Load())
	}
}

// numbers publishes the numbers from the first to the last, with the key "secret".
func (p *program) numbers(first, last int) {
	p.t.Helper()
	for n := first; n <= last; n++ {
		if r, body := p.request("POST", "/topics/news?token=secret", "application/json", strings.NewReader(fmt.Sprint(n))); r.StatusCode != 200 {
			p.t.Fatalf("%d %s", r.StatusCode, body)
		}
	}
}

func startWithTokens(t *testing.T) *child {
	t.Helper()
	return startChild(t, "-admin", "127.0.0.1:0", "-token-file", tokenFile(t), "-jwt-secret-files", tempFile(t, hmacSecret), "-jwt-leeway", "0s", "-topic", "> history=100000")
}

// A client's token expires while the client has no connection. It comes back with a new one and misses nothing.
func TestTokenExpiresWhileDisconnected(t *testing.T) {
	t.Parallel()
	c := startWithTokens(t)
	r, tokens := wstest.Forward(t, c.addr, nil), newIssuer(t, "ada", 2)
	w := c.watch(r.Addr, tokens)
	c.numbers(1, 10)
	c.got(w, 10)
	r.Shut(true)
	tokens.life.Store(3600)
	c.numbers(11, 20)
	c.eventually("the last short token has expired, or the client has another one", tokens.expiredOrLong)
	c.eventually("the client asks for another token", func() bool { _, why := tokens.asked(); return why == fan.TokenExpiring })
	r.Shut(false)
	c.numbers(21, 30)
	c.got(w, 30)
}

// expiredOrLong reports whether no short token is in use.
func (i *issuer) expiredOrLong() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return time.Now().After(i.expires) || time.Until(i.expires) > time.Minute
}

// Tokens that live two seconds are renewed again and again, on the same connections.
func TestShortTokens(t *testing.T) {
	t.Parallel()
	c := startWithTokens(t)
	var all []*issuer
	var watching []*witness
	for n := range 5 {
		all = append(all, newIssuer(t, fmt.Sprint("user", n), 2))
		watching = append(watching, c.watch(c.addr, all[n]))
	}
	published := 0
	c.eventually("all clients have had four tokens", func() bool {
		published++
		c.numbers(published, published)
		return !slices.ContainsFunc(all, func(i *issuer) bool { n, _ := i.asked(); return n < 4 })
	})
	for _, w := range watching {
		c.got(w, published)
	}
}

// A revocation ends the connections of a user with 4401, wherever they are. A client that gets another token comes back and
// misses nothing, also if its token is revoked while it has no connection.
func TestRevocation(t *testing.T) {
	t.Parallel()
	c := startWithTokens(t)
	r, ada, bob := wstest.Forward(t, c.addr, nil), newIssuer(t, "ada", 3600), newIssuer(t, "bob", 3600)
	w, other := c.watch(r.Addr, ada), c.watch(c.addr, bob)
	text, _ := newIssuer(t, "ada", 3600).token(t.Context(), fan.TokenFirst)
	echo, plain := c.dial("/echo?token="+text), c.dial("/topics/news?token="+text)
	c.send(echo, "x")
	c.wants(echo, websocket.MessageText, "x")
	c.eventually("all are subscribed", func() bool {
		_, body := c.request("GET", "/topics/news?token=secret", "", nil)
		return strings.Contains(body, `"subscribers":3,`)
	})
	c.numbers(1, 5)
	c.got(w, 5)

	c.revokes("ada", 3)
	if _, _, err := echo.Read(c.long()); websocket.CloseStatus(err) != 4401 {
		t.Errorf("/echo: %v", err)
	}
	if err := reads(c.program, plain, []string{"1", "2", "3", "4", "5"}, 4401); err != nil {
		t.Errorf("/topics: %v", err)
	}
	if status, body := c.refused("/echo?token=" + text); status != 401 {
		t.Errorf("the revoked token gets %d %s", status, body)
	}
	c.numbers(6, 10)
	c.got(w, 10)
	if n, why := ada.asked(); n < 2 || why != fan.TokenRefused || w.ends.Load() == 0 {
		t.Errorf("%d tokens, the last one because of %q; %d times 4401", n, why, w.ends.Load())
	}

	before, _ := ada.asked()
	r.Shut(true)
	c.eventually("the connection is gone", func() bool { return c.health().Connections == 1 })
	c.revokes("ada", 0)
	r.Shut(false)
	c.numbers(11, 15)
	c.got(w, 15)
	if n, why := ada.asked(); n == before || why != fan.TokenRefused {
		t.Errorf("%d tokens before, then %d, the last one because of %q", before, n, why)
	}
	c.got(other, 15)
	if n, _ := bob.asked(); n != 1 || other.ends.Load() > 0 {
		t.Errorf("another user needed %d tokens", n)
	}
}

// revokes revokes the tokens of a user.
func (c *child) revokes(user string, conns int) {
	c.t.Helper()
	r, body := c.request("POST", "/revocations?token=secret", "application/json", strings.NewReader(fmt.Sprintf(`{"user":%q}`, user)))
	if r.StatusCode != 200 || !strings.Contains(body, fmt.Sprintf(`"closed":%d`, conns)) {
		c.t.Errorf("the revocation gets %d %s; the user has %d connections", r.StatusCode, body, conns)
	}
}
