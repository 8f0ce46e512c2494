package client_test

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/client"
	"github.com/fanfare-ws/fanfare/hub/session/sessiontest"
	"github.com/fanfare-ws/fanfare/hub/wire"
	"github.com/fanfare-ws/fanfare/wsproto"
	"github.com/fanfare-ws/fanfare/wsproto/wstest"
)

// When a new token belongs to another user, the client reconnects with it, and resumes where it was.
func TestTokenOfAnotherUser(t *testing.T) {
	s := sessiontest.Serve(t, kept(hub.History{Messages: 10}))
	k, clock := newSource(s, "ada"), client.NewFakeClock()
	o := clock.Use(&client.Options{Token: k.token, MinDelay: time.Second})
	closed, opened := make(chan error, 10), make(chan wire.Hello, 10)
	o.OnClose = func(err error, _ time.Duration) { closed <- err }
	o.OnOpen = func(h wire.Hello) { opened <- h }
	c, n := dial(t, s.Addr, o), &numbers{t: t}
	if h := next(t, opened); h.User != "ada" {
		t.Errorf("%+v", h)
	}
	if _, err := c.Subscribe(t.Context(), "news", nil, n.handle); err != nil {
		t.Fatal(err)
	}
	k.rename("bob")
	clock.Advance(clock.Waits()[0])
	var e *wire.Error
	if err := next(t, closed); !errors.As(err, &e) || e.Code != wire.Forbidden {
		t.Errorf("closed with %v", err)
	}
	s.Number(t, "news", 1)
	clock.Advance(time.Second)
	if h := next(t, opened); h.User != "bob" {
		t.Errorf("%+v", h)
	}
	sessiontest.Eventually(t, "the message", func() bool { return n.last.Load() == 1 })
	k.wants(t, first, expiring)
	if got := s.Tokens.Open(); !slices.Equal(got, []string{"bob2"}) {
		t.Errorf("connections are open with %q", got)
	}
}

// renewals starts a server whose tokens last an hour. It answers a renewal with what reply returns.
func renewals(t *testing.T, reply func() string) (addr string, sent *atomic.Int32) {
	t.Helper()
	sent = new(atomic.Int32)
	s := &wsproto.Server{Subprotocols: []string{wire.Protocol}, Handler: &wsproto.Funcs{
		Message: func(c *wsproto.Conn, _ wsproto.Opcode, p []byte) {
			r, err := wire.ParseRequest(p)
			switch {
			case err != nil:
				t.Error(err)
			case r.Do != wire.Auth:
				c.SendText(fmt.Sprintf(`{"id":%d,"ok":{"present":[]}}`, r.ID))
			case sent.Add(1) == 1:
				c.SendText(`{"hello":{"protocol":"fanfare.v1","client":"1","user":"ada","expires":3600000}}`)
			default:
				c.SendText(fmt.Sprintf(`{"id":%d,%s}`, r.ID, reply()))
			}
		},
	}}
	return wstest.Start(t, s).Addr, sent
}

// What the client does after a renewal depends on the answer: only a server that has refused the token
// makes it ask for another one.
func TestAnswersToRenewal(t *testing.T) {
	for _, test := range []struct {
		name, reply string
		next        client.TokenReason // why the next token is asked for
		again       bool               // there is another renewal
	}{
		{"no tokens", `"error":{"code":"bad-request","message":"this server takes no tokens"}`, "", false},
		{"unreadable", `"ok":{"present":7}`, "", true},
		{"busy", `"error":{"code":"busy","message":"later"}`, "", true},
		{"refused", `"error":{"code":"unauthorized","message":"no"}`, refused, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			addr, sent := renewals(t, func() string { return test.reply })
			k, clock := &source{tokens: sessiontest.Serve(t, nil).Tokens, name: "ada"}, client.NewFakeClock()
			o := clock.Use(&client.Options{Token: k.token, MinDelay: time.Second, MaxDelay: 8 * time.Second})
			opened := opens(o)
			c := dial(t, addr, o)
			want := []client.TokenReason{first, expiring}
			for i := range 5 {
				clock.Advance(clock.Waits()[0])
				sessiontest.Eventually(t, "the renewal", func() bool { return sent.Load() == int32(i+2) })
				if _, err := c.Presence(t.Context(), "a"); err != nil { // whose reply is behind the other
					t.Fatal(err)
				}
				if k.wants(t, want...); !test.again {
					break
				}
				if waits := clock.Waits(); len(waits) != 1 || waits[0] < time.Second/2 || waits[0] > 9*time.Second {
					t.Fatalf("the next renewal is in %v", waits)
				}
				if test.next != "" {
					want = append(want, test.next)
				}
			}
			if waits := clock.Waits(); opened.Load() != 1 || (len(waits) > 0) != test.again {
				t.Errorf("%d connections, timers %v", opened.Load(), waits)
			}
		})
	}
}

// A token that has almost expired each time that it is renewed is renewed once at once, and then with
// growing delays.
func TestTokenAboutToExpire(t *testing.T) {
	addr, sent := renewals(t, func() string { return `"ok":{"expires":1}` })
	k, clock := &source{tokens: sessiontest.Serve(t, nil).Tokens, name: "ada"}, client.NewFakeClock()
	dial(t, addr, clock.Use(&client.Options{Token: k.token, MinDelay: time.Second}))
	for i := range 6 {
		var waits []time.Duration
		sessiontest.Eventually(t, "the answer", func() bool { waits = clock.Waits(); return sent.Load() == int32(i+1) && len(waits) == 1 })
		if i > 1 && waits[0] < time.Second/2 {
			t.Errorf("renewal %d is in %v", i, waits[0])
		}
		clock.Advance(waits[0])
	}
}

// A server that says too-old whatever is asked for is not asked without end.
func TestAlwaysTooOld(t *testing.T) {
	var asked atomic.Int32
	addr := scripted(t, nil, func(c *wsproto.Conn, r wire.Request) {
		asked.Add(1)
		c.SendText(fmt.Sprintf(`{"id":%d,"error":{"code":"too-old","message":"gone","oldest":"e:1","latest":"e:9"}}`, r.ID))
	})
	_, err := dial(t, addr, nil).Subscribe(t.Context(), "a", &client.SubscribeOptions{After: new(hub.Position)}, nil)
	var e *wire.Error
	if !errors.As(err, &e) || e.Code != wire.TooOld || asked.Load() > 4 {
		t.Errorf("%v after %d requests", err, asked.Load())
	}
}
