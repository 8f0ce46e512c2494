package peers_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/hub/session"
	"github.com/fanfare-ws/fanfare/hub/session/sessiontest"
	"github.com/fanfare-ws/fanfare/hub/wire"
	"github.com/fanfare-ws/fanfare/wsproto"
	"github.com/fanfare-ws/fanfare/wsproto/wstest"
)

// token returns a name for a token, and has the server take it.
func (b *bench) token(user string, ttl time.Duration) string {
	name := fmt.Sprintf("token%d", serial.Add(1))
	b.server.Tokens.Issue(name, user, ttl)
	return name
}

// wantsAsked waits until the client's Source has been asked for these reasons.
func (c *client) wantsAsked(whys ...string) {
	c.Helper()
	var got []string
	sessiontest.Eventually(c, "a request for a token", func() bool {
		c.eval(c.name+".source.asked", &got)
		return len(got) >= len(whys)
	})
	if !slices.Equal(got, whys) {
		c.Fatalf("tokens were asked for because of %q, want %q", got, whys)
	}
}

// dialWith makes a client whose tokens come from a Source.
func (b *bench) dialWith(t *testing.T, addr string, tokens ...string) *client {
	t.Helper()
	source := "new Source('" + strings.Join(tokens, "', '") + "')"
	c := b.dial(t, addr, "", "{token: (globalThis.source = "+source+").get}")
	c.eval(c.name+".source = source; null", nil)
	return c
}

// tokens renews a token on the same connection, replaces one that was revoked, and uses the last one
// again after a cut.
func (b *bench) tokens(t *testing.T) {
	p := wstest.Forward(t, b.server.Addr, nil)
	short, long, last := b.token("ada", 20*time.Millisecond), b.token("ada", time.Hour), b.token("ada", 0)
	c := b.dialWith(t, p.Addr, short, "!not now", long, "!not now", last, "!logged out")
	c.expect("open", object{"user": "ada"})
	c.call(nil, "subscribe", "tokens", object{})
	c.next("live")
	c.wantsAsked("first", "expiring", "expiring")
	sessiontest.Eventually(t, "the renewal", func() bool { return b.server.Tokens.Uses(long) == 1 })
	b.server.Number(t, "tokens", 1)
	c.expect("got", object{"message": object{"n": 1}})
	if n := b.server.Tokens.Uses(short); n != 1 {
		t.Errorf("the first token was used %d times: the client has reconnected", n)
	}
	b.server.Tokens.End(long, session.TokenExpired)
	c.expect("close", object{"code": 4401, "reason": "the token has expired"})
	b.server.Number(t, "tokens", 2)
	c.expect("live", object{"again": true})
	c.expect("got", object{"message": object{"n": 2}})
	c.wantsAsked("first", "expiring", "expiring", "refused", "refused")
	p.Cut()
	c.next("close")
	b.server.Number(t, "tokens", 3)
	c.expect("got", object{"message": object{"n": 3}})
	c.wantsAsked("first", "expiring", "expiring", "refused", "refused")
	if n := b.server.Tokens.Uses(last); n != 2 {
		t.Errorf("the last token was used %d times", n)
	}
	b.server.Tokens.End(last, session.TokenRevoked)
	c.expect("close", object{"code": 4401, "reason": "the token was revoked"})
	c.expect("error", object{"code": "unauthorized", "message": "the connection was closed with 1006: there is no valid token: logged out"})
	c.expect("close", object{"retry": nil, "reason": "there is no valid token: logged out"})
	compare(t, c.attempt("publish", "tokens", 1), object{"code": "closed"})
}

// tokenCuts ends tokens and cuts connections at random under load. The client receives each message
// once, in order.
func (b *bench) tokenCuts(t *testing.T) {
	const messages, ahead = 1000, 100
	var steady atomic.Bool
	p := wstest.Forward(t, b.server.Addr, func() int64 {
		if steady.Load() {
			return 0
		}
		return 1000 + rand.Int64N(12_000)
	})
	all := make([]string, 1000)
	for i := range all {
		all[i] = b.token("ada", 30*time.Millisecond)
	}
	c := b.dialWith(t, p.Addr, all...)
	topic := fmt.Sprintf("load%d", serial.Add(1))
	c.call(nil, "numbers", topic)
	var n struct {
		Last, Gaps, Began int
		Wrong             []any
	}
	look := func() int {
		c.eval(c.name+".counted", &n)
		return n.Last
	}
	sessiontest.Eventually(t, "the subscription", func() bool { look(); return n.Began > 0 })
	for i := 1; i <= messages; i++ {
		b.server.Number(t, topic, i)
		if i%ahead != 0 {
			continue
		}
		var open []string
		sessiontest.Eventually(t, "a connection", func() bool { open = b.server.Tokens.Open(); return len(open) > 0 })
		for _, token := range open {
			b.server.Tokens.End(token, session.TokenExpired)
		}
		sessiontest.Eventually(t, "progress of the client", func() bool { return i-look() < ahead/2 })
	}
	steady.Store(true)
	sessiontest.Eventually(t, "all messages", func() bool { return look() == messages })
	var asked []string
	if c.eval(c.name+".source.asked", &asked); len(n.Wrong) > 0 || n.Gaps > 0 || !slices.Contains(asked, "refused") {
		t.Errorf("messages were missing, repeated or out of order: %v; %d gaps; tokens were asked for because of %q", n.Wrong, n.Gaps, asked)
	}
	t.Logf("%d cuts; %d subscriptions; %d tokens", p.Cuts(), n.Began, len(asked))
}

// hungToken has the token function not answer. Each attempt calls it once; when the calls fail together, no
// attempt that is over goes on.
func (b *bench) hungToken(t *testing.T) {
	c := &client{T: t, engine: b.engine, name: fmt.Sprintf("clients.c%d", serial.Add(1))}
	c.eval("globalThis.hung = new Hung('"+b.token("ada", 0)+"'); null", nil)
	c.eval(c.name+" = new Client(() => hung.url('ws://"+b.server.Addr+"/hub'), {token: hung.get, timeout: 300}); null", nil)
	c.eval(c.name+".f.on('close', () => hung.did.push('close')); null", nil)
	t.Cleanup(func() { c.call(nil, "close") })
	var did []string
	sessiontest.Eventually(t, "four attempts", func() bool {
		c.eval("hung.did", &did)
		return len(did) >= 8
	})
	c.eval("hung.release(); null", nil)
	c.next("open")
	c.eval("hung.did", &did)
	did = did[:slices.Index(did, "url")]
	for i, what := range did {
		if want := []string{"token", "close"}[i%2]; what != want {
			t.Fatalf("the client did %q; want token and close by turns", did)
		}
	}
}

// otherUser has the second token belong to another user: the client reconnects with it, and resumes.
func (b *bench) otherUser(t *testing.T) {
	ada, bob := b.token("ada", 200*time.Millisecond), b.token("bob", time.Hour)
	c := b.dialWith(t, b.server.Addr, ada, bob)
	c.expect("open", object{"user": "ada"})
	c.call(nil, "subscribe", "switch", object{})
	c.next("live")
	b.server.Number(t, "switch", 1) // keeps the topic in existence while it has no subscriber
	c.next("got")
	e := c.expect("close", object{"reason": "the token belongs to another user: reconnect with it"})
	if e["retry"] == nil {
		t.Error("the client does not reconnect")
	}
	c.expect("open", object{"user": "bob"})
	c.expect("live", object{"again": true})
	b.server.Number(t, "switch", 2)
	c.expect("got", object{"message": object{"n": 2}})
	c.wantsAsked("first", "expiring")
}

// noTokens has a server take no tokens: the client asks for no further ones, and the connection stays in use.
func (b *bench) noTokens(t *testing.T) {
	c := b.dialWith(t, sessiontest.Odd(t)+"/tokenless", "one", "two", "three")
	c.next("open")
	c.wantsAsked("first", "expiring")
	for range 20 { // of the renewals that there would be
		var asked []string
		c.eval("new Promise(done => setTimeout(done, 2)).then(() => "+c.name+".source.asked)", &asked)
		if len(asked) != 2 {
			t.Fatalf("tokens were asked for because of %q", asked)
		}
	}
	var state string
	if c.eval(c.name+".f.state", &state); state != "open" {
		t.Errorf("the client is %s", state)
	}
}

// aboutToExpire has the server say each time that the token expires at once: after one renewal the client waits. With
// times that are infinite it sends nothing else meanwhile.
func (b *bench) aboutToExpire(t *testing.T) {
	eval(t, b.engine, "globalThis.late = new Source(...Array(1000).fill('"+b.token("ada", time.Millisecond)+"')); null", nil)
	eval(t, b.engine, "globalThis.sent = []; globalThis.Recorded = class extends (globalThis.options?.WebSocket ?? WebSocket) { send(text) { sent.push(JSON.parse(text).do); super.send(text) } }; null", nil)
	c := b.dial(t, b.server.Addr, "", "{WebSocket: Recorded, token: late.get, minDelay: 1e6, maxDelay: 1e6, pingInterval: Infinity, timeout: Infinity}")
	c.eval(c.name+".source = late; null", nil)
	c.wantsAsked("first", "expiring")
	for range 20 { // of the renewals that there would be
		c.eval("new Promise(done => setTimeout(done, 2)).then(() => null)", nil)
	}
	c.wantsAsked("first", "expiring")
	if got := c.attempt("history", "late", object{}); got["code"] != nil {
		t.Errorf("%v", got)
	}
	var sent []string
	if eval(t, b.engine, "sent", &sent); !slices.Equal(sent, []string{"auth", "auth", "history"}) {
		t.Errorf("the client sent %q", sent)
	}
}

func (b *bench) staticToken(t *testing.T) {
	key := b.token("bob", 0)
	c := b.dial(t, b.server.Addr, "?x=1", "{token: '"+key+"'}")
	c.expect("open", object{"user": "bob"})
	b.server.Tokens.End(key, session.TokenRevoked)
	c.expect("close", object{"code": 4401})
	c.expect("close", object{"retry": nil, "reason": "there is no valid token: the token was revoked"})
}

// limited has requests refused because there are too many.
func (b *bench) limited(t *testing.T) {
	c := b.dial(t, b.server.Addr, "", "{}")
	compare(t, c.attempt("publish", "never", 1), object{"code": "rate-limited", "retry": 20})
	c.call(nil, "subscribe", "soon", object{})
	c.expect("live", object{"again": false})
}

// refused has the server refuse handshakes: the client says why, and does what the status says.
func (b *bench) refused(t *testing.T) {
	c := b.dial(t, b.server.Addr, "?user=nobody", "{}")
	c.expect("close", object{"code": 1006, "status": 401, "reason": "the server answered 401: nobody is not welcome", "retry": nil})
	compare(t, c.attempt("publish", "a", 1), object{"code": "closed"})
	b.server.Full(1)
	c = b.dial(t, b.server.Addr, "", "{}")
	e := c.expect("close", object{"status": 503, "reason": "the server answered 503: the server is full"})
	if retry, _ := e["retry"].(float64); retry < 1000 || retry > 2000 {
		t.Errorf("the client tries again in %v ms, want 1000 and a little", e["retry"])
	}
	b.server.Full(-1)
	c.next("open")
	e = b.dial(t, b.server.Addr, "/../nowhere", "{}").next("close")
	if reason, _ := e["reason"].(string); e["status"] != 404.0 || !strings.Contains(reason, "is the path of the URL right?") || e["retry"] == nil {
		t.Errorf("%v", e)
	}
}

// fullForAWhile has the server refuse two handshakes with 503 and Retry-After. The client waits each time, and
// what was asked for meanwhile is done in the end.
func (b *bench) fullForAWhile(t *testing.T) {
	b.server.Full(2)
	t.Cleanup(func() { b.server.Full(-1) })
	c := b.dial(t, b.server.Addr, "", "{}")
	c.eval(c.name+".later = "+c.name+".attempt('publish', 'full', 1); null", nil)
	for range 2 {
		e := c.expect("close", object{"code": 1006, "status": 503})
		if retry, _ := e["retry"].(float64); retry < 1000 {
			t.Errorf("the client tries again in %v ms, want 1000 or more", e["retry"])
		}
		var state string
		if c.eval(c.name+".f.state", &state); state != "connecting" {
			t.Errorf("the state is %q, want connecting", state)
		}
	}
	c.next("open")
	var receipt object
	c.eval(c.name+".later", &receipt)
	compare(t, receipt, object{"topic": "full"})
}

// decidedElsewhere has the server refuse handshakes with 403 for a while, but answer 426 to a plain request, because
// it cannot say what a handshake would get. The client does not give up.
func (b *bench) decidedElsewhere(t *testing.T) {
	var handshakes atomic.Int32
	s := &wsproto.Server{
		Subprotocols: []string{wire.Protocol}, CheckOrigin: func(*wsproto.Request) bool { return true },
		Accept: func(*wsproto.Request) error {
			if handshakes.Add(1) <= 5 {
				return wsproto.Refuse(http.StatusForbidden, "not now")
			}
			return nil
		},
		Handler: &wsproto.Funcs{Open: func(c *wsproto.Conn, r *wsproto.Request) {
			c.SendText(`{"hello":{"protocol":"fanfare.v1","client":"1"}}`)
		}},
		HTTP: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Access-Control-Allow-Origin", "*")
			w.WriteHeader(http.StatusUpgradeRequired)
		}),
	}
	c := b.dial(t, wstest.Start(t, s).Addr, "", "{}")
	for range 5 {
		if e := c.expect("close", object{"status": 426}); e["retry"] == nil {
			t.Fatalf("the client is closed: %v", e)
		}
	}
	c.next("open")
}

// console checks that a program without listeners is told at once, and once, that its URL is wrong.
func (b *bench) console(t *testing.T) {
	eval(t, b.engine, "globalThis.said = []; globalThis.consoleError = console.error; console.error = (...a) => said.push(a.join(' ')); null", nil)
	eval(t, b.engine, "globalThis.wrong = new fanfare.Fanfare('ws://"+b.server.Addr+"/nowhere?secret', {minDelay: 1, maxDelay: 1, timeout: 300, ...globalThis.options}); null", nil)
	var said []string
	sessiontest.Eventually(t, "a message on the console", func() bool {
		eval(t, b.engine, "said.filter(s => s.startsWith('fanfare'))", &said)
		return len(said) > 0
	})
	eval(t, b.engine, "wrong.publish('a', 1).catch(e => e.code)", nil)
	eval(t, b.engine, "wrong.close(); console.error = consoleError; said.filter(s => s.startsWith('fanfare'))", &said)
	if len(said) != 1 || !strings.Contains(said[0], "/nowhere: the server answered 404") || strings.Contains(said[0], "secret") {
		t.Errorf("the console says %q", said)
	}
}
