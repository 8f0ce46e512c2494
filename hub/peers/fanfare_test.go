package peers_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/session/sessiontest"
	"github.com/fanfare-ws/fanfare/hub/wshub"
	"github.com/fanfare-ws/fanfare/wsproto"
	"github.com/fanfare-ws/fanfare/wsproto/script"
	"github.com/fanfare-ws/fanfare/wsproto/wstest"
)

const (
	held   = 50     // messages in the history of a topic
	volume = 20_000 // the same for topics whose names begin with load
)

// begin starts an engine and loads fanfare.js and testdata/client.js into it.
type begin func(t *testing.T, s *sessiontest.Server) script.Engine

// every runs all tests in one engine.
func every(t *testing.T, start begin) {
	few := &hub.TopicOptions{History: hub.History{Messages: held}, Presence: true, PresenceGrace: -1}
	many := &hub.TopicOptions{History: hub.History{Messages: volume}}
	s := sessiontest.Serve(t, func(name string) *hub.TopicOptions {
		if strings.HasPrefix(name, "load") {
			return many
		}
		return few
	})
	b := &bench{server: s, engine: start(t, s)}
	for _, step := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"messages", b.messages}, {"calls", b.calls}, {"presence", b.presence}, {"user", b.user},
		{"cuts", b.cuts}, {"publishing", b.publishing}, {"gap", b.gap}, {"own messages", b.own}, {"pattern", b.pattern}, {"final", b.final},
		{"offline", b.offline}, {"online", b.online}, {"silence", b.silence}, {"odd server", b.odd},
		{"tokens", b.tokens}, {"cuts with tokens", b.tokenCuts}, {"hung token", b.hungToken}, {"token of another user", b.otherUser}, {"no tokens", b.noTokens}, {"token about to expire", b.aboutToExpire}, {"static token", b.staticToken}, {"limited", b.limited}, {"refused handshakes", b.refused}, {"full for a while", b.fullForAWhile}, {"decided elsewhere", b.decidedElsewhere}, {"console", b.console},
	} {
		t.Run(step.name, step.run)
	}
	var unhandled []string
	eval(t, b.engine, "unhandled", &unhandled)
	if len(unhandled) > 0 {
		t.Errorf("unhandled rejections: %q", unhandled)
	}
}

// bench is a server and an engine with clients.
type bench struct {
	server *sessiontest.Server
	engine script.Engine
}

// client refers to a Client of testdata/client.js.
type client struct {
	*testing.T
	engine script.Engine
	name   string
	seen   int // entries of its log
}

var serial atomic.Int64

// dial makes a client, which is closed at the end of the test.
func (b *bench) dial(t *testing.T, addr, query, options string) *client {
	t.Helper()
	c := &client{T: t, engine: b.engine, name: fmt.Sprintf("clients.c%d", serial.Add(1))}
	c.eval(fmt.Sprintf("%s = new Client('ws://%s/hub%s', %s); null", c.name, addr, query, options), nil)
	t.Cleanup(func() { c.call(nil, "close") })
	return c
}

func eval(t testing.TB, e script.Engine, code string, result any) {
	t.Helper()
	value, err := e.Eval(code)
	if err == nil && result != nil {
		err = json.Unmarshal(value, result)
	}
	if err != nil {
		t.Fatalf("%.80s: %v", code, err)
	}
}

func (c *client) eval(code string, result any) {
	c.Helper()
	eval(c, c.engine, code, result)
}

// call calls a method of the Client and decodes its result, unless result is nil.
func (c *client) call(result any, method string, args ...any) {
	c.Helper()
	var in []string
	for _, a := range args {
		b, err := json.Marshal(a)
		if err != nil {
			c.Fatal(err)
		}
		in = append(in, string(b))
	}
	c.eval(c.name+"."+method+"("+strings.Join(in, ", ")+")", result)
}

type object = map[string]any

// next waits for the next event of the wanted kind and returns it. It skips open, close and live events of another
// kind, and fails the test at any other.
func (c *client) next(want string) (event object) {
	c.Helper()
	sessiontest.Eventually(c, "event "+want, func() bool {
		var log [][2]json.RawMessage
		c.eval(fmt.Sprintf("%s.log.slice(%d)", c.name, c.seen), &log)
		for _, entry := range log {
			c.seen++
			var name string
			if err := json.Unmarshal(entry[0], &name); err != nil {
				c.Fatal(err)
			}
			if name != want && (name == "open" || name == "close" || name == "live") {
				continue
			}
			if name != want {
				c.Fatalf("the event is %s %s; want %s", name, entry[1], want)
			}
			if err := json.Unmarshal(entry[1], &event); err != nil {
				c.Fatal(err)
			}
			return true
		}
		return false
	})
	return event
}

// expect waits for an event and compares those members of it that want has.
func (c *client) expect(name string, want object) object {
	c.Helper()
	got := c.next(name)
	compare(c, got, want)
	return got
}

func compare(t testing.TB, got, want object) {
	t.Helper()
	for k, v := range want {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		var same any
		if err := json.Unmarshal(b, &same); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got[k], same) {
			t.Fatalf("%s is %v; want %v, in %v", k, got[k], v, got)
		}
	}
}

// attempt calls a method of Fanfare, and returns its result or its error.
func (c *client) attempt(method string, args ...any) (result object) {
	c.Helper()
	c.call(&result, "attempt", append([]any{method}, args...)...)
	return result
}

func (b *bench) messages(t *testing.T) {
	c, other := b.dial(t, b.server.Addr, "", "{}"), b.dial(t, b.server.Addr, "", "{}")
	for n := 1; n <= 3; n++ {
		b.server.Number(t, "news", n)
	}
	c.call(nil, "subscribe", "news", object{"last": 2})
	position := c.expect("live", object{"again": false})["position"].(string)
	epoch := strings.TrimSuffix(position, ":1")
	for n := 2; n <= 3; n++ {
		c.expect("got", object{"topic": "news", "message": object{"n": n}})
	}
	receipt := other.attempt("publish", "news", object{"text": "κόσμε 🎺"}, object{"key": "k"})
	compare(t, receipt, object{"receivers": 1, "topic": "news", "position": epoch + ":4"})
	got := c.expect("got", object{"message": object{"text": "κόσμε 🎺"}})
	compare(t, got["meta"].(object), object{"topic": "news", "offset": 4, "position": epoch + ":4", "key": "k"})
	c.attempt("publish", "news", 1) // without echo
	c.attempt("publish", "news", nil, object{"echo": true})
	c.expect("got", object{"message": nil})
	for payload, want := range map[string]any{"just text": "just text", "\xff\x00": object{"bytes": []int{255, 0}}} {
		op := wsproto.Binary
		if payload == "just text" {
			op = wsproto.Text
		}
		if _, err := b.server.Publish("news", hub.Message{Kind: wshub.Kind(op), Data: []byte(payload)}); err != nil {
			t.Fatal(err)
		}
		c.expect("got", object{"message": want})
	}
	c.eval(c.name+".subs.news.unsubscribe()", nil)
	b.server.Number(t, "news", 9)
	c.call(nil, "subscribe", "news", object{})
	c.next("live")
	b.server.Number(t, "news", 10)
	c.expect("got", object{"message": object{"n": 10}})
}

func (b *bench) calls(t *testing.T) {
	c := b.dial(t, b.server.Addr, "", "{maxCalls: 3}")
	for n := 1; n <= 5; n++ {
		b.server.Number(t, "past", n)
	}
	h := c.attempt("history", "past", object{"last": 3, "limit": 2})
	compare(t, h, object{"more": true})
	if m := h["messages"].([]any); len(m) != 2 {
		t.Fatal(h)
	} else {
		compare(t, m[1].(object), object{"data": object{"n": 4}})
		compare(t, m[1].(object)["meta"].(object), object{"position": h["position"], "topic": "past"})
	}
	compare(t, c.attempt("history", "past", object{"after": h["position"]}), object{"more": false})
	compare(t, c.attempt("history", "past", object{"after": "1:1"}), object{"code": "too-old", "latest": strings.Replace(h["position"].(string), ":4", ":5", 1)})
	compare(t, c.attempt("publish", "a..b", 1), object{"code": "bad-topic", "name": "FanfareError"})
	compare(t, c.attempt("publish", "@ada", 1), object{"code": "forbidden"})
	compare(t, c.attempt("subscribe", "past"), object{"message": "the message handler is missing: subscribe(topic, options, (message, meta) => ...)"})
	c.call(nil, "subscribe", "a..b", object{})
	c.expect("error", object{"code": "bad-topic"})
	var codes []string
	c.call(&codes, "burst", "calls", 5, object{})
	if got := strings.Join(codes, " "); got != "   busy busy" {
		t.Errorf("five calls at a time: %q, want the last two to be busy", got)
	}
	c.call(nil, "close")
	compare(t, c.attempt("publish", "past", 1), object{"code": "closed", "sent": false})
}

func (b *bench) presence(t *testing.T) {
	ada, bob := b.dial(t, b.server.Addr, "?user=ada", "{}"), b.dial(t, b.server.Addr, "?user=bob", "{}")
	people := func() (ids []string) {
		ada.eval("[..."+ada.name+".subs.room.present.keys()].sort()", &ids)
		return ids
	}
	ada.expect("open", object{"user": "ada"})
	ada.call(nil, "subscribe", "room", object{"presence": true})
	ada.expect("presence", object{"joined": []any{object{"id": "ada"}}, "left": []any{}})
	bob.call(nil, "subscribe", "room", object{})
	ada.expect("presence", object{"joined": []any{object{"id": "bob"}}})
	if got := people(); !reflect.DeepEqual(got, []string{"ada", "bob"}) {
		t.Errorf("present are %q", got)
	}
	var all []object
	bob.call(&all, "attempt", "presence", "room")
	if len(all) != 2 {
		t.Errorf("present are %v", all)
	}
	bob.call(nil, "close")
	ada.expect("presence", object{"left": []any{object{"id": "bob"}}, "joined": []any{}})
	if got := people(); !reflect.DeepEqual(got, []string{"ada"}) {
		t.Errorf("present are %q", got)
	}
}

func (b *bench) user(t *testing.T) {
	c := b.dial(t, b.server.Addr, "?user=ada", "{}")
	c.next("open")
	b.server.Number(t, hub.UserTopic("ada"), 7)
	c.expect("message", object{"message": object{"n": 7}})
}

// cuts cuts the connection at random under load. The client receives each message once, in order.
func (b *bench) cuts(t *testing.T) {
	const messages, ahead = 3000, 400
	var steady atomic.Bool
	p := wstest.Forward(t, b.server.Addr, func() int64 {
		if steady.Load() {
			return 0
		}
		return 100 + rand.Int64N(12_000)
	})
	c := b.dial(t, p.Addr, "", "{}")
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
		if i%ahead == 0 {
			sessiontest.Eventually(t, "progress of the client", func() bool { return i-look() < ahead/2 })
		}
	}
	steady.Store(true)
	sessiontest.Eventually(t, "all messages", func() bool { return look() == messages })
	if len(n.Wrong) > 0 || n.Gaps > 0 {
		t.Errorf("messages were missing, repeated or out of order: %v; %d gaps", n.Wrong, n.Gaps)
	}
	if p.Cuts() < 5 || n.Began < 5 {
		t.Errorf("there were only %d cuts and %d subscriptions, want 5 of each", p.Cuts(), n.Began)
	}
	t.Logf("%d cuts; %d subscriptions", p.Cuts(), n.Began)
}

// publishing cuts the connection of a publisher. With retry the topic has each message exactly
// once. Without it, the topic has a message exactly once if publish succeeds, and at most once
// if it fails with lost.
func (b *bench) publishing(t *testing.T) {
	const rounds, each = 30, 20
	p := wstest.Forward(t, b.server.Addr, func() int64 { return 250 + rand.Int64N(3000) })
	c := b.dial(t, p.Addr, "", "{}")
	lost := 0
	for round := range rounds {
		retry := round%2 == 1
		topic := fmt.Sprintf("load.%d.%d", serial.Add(1), round)
		var codes []string
		c.call(&codes, "burst", topic, each, object{"retry": retry})
		records, _, err := b.server.History(topic, hub.Start{Last: volume}, volume)
		if err != nil {
			t.Fatal(err)
		}
		times := make([]int, each)
		for _, r := range records {
			var v struct{ N int }
			if err := json.Unmarshal(r.Data, &v); err != nil {
				t.Fatal(err)
			}
			times[v.N]++
		}
		for n, code := range codes {
			if code == "lost" && !retry {
				lost++
			} else if code != "" {
				t.Errorf("retry %v: %s", retry, code)
			}
			if code == "" && times[n] == 0 || times[n] > 1 {
				t.Errorf("retry %v, message %d: error code %q, published %d times", retry, n, code, times[n])
			}
		}
	}
	t.Logf("%d lost, %d cuts", lost, p.Cuts())
	if p.Cuts() < 10 {
		t.Errorf("there were only %d cuts", p.Cuts())
	}
}

func (b *bench) gap(t *testing.T) {
	p := wstest.Forward(t, b.server.Addr, nil)
	c := b.dial(t, p.Addr, "", "{}")
	c.call(nil, "subscribe", "gap", object{})
	epoch := strings.TrimSuffix(c.next("live")["position"].(string), ":0")
	b.server.Number(t, "gap", 1)
	c.expect("got", object{"message": object{"n": 1}})
	p.Shut(true)
	for n := 2; n <= 2*held; n++ {
		b.server.Number(t, "gap", n)
	}
	p.Shut(false)
	c.expect("gap", object{"after": epoch + ":1", "oldest": fmt.Sprintf("%s:%d", epoch, held), "latest": fmt.Sprintf("%s:%d", epoch, 2*held)})
	b.server.Number(t, "gap", 2*held+1)
	for n := held + 1; n <= 2*held+1; n++ {
		c.expect("got", object{"message": object{"n": n}})
	}
	// Another client can start from a position that this one has kept.
	other := b.dial(t, b.server.Addr, "", "{}")
	other.call(nil, "subscribe", "gap", object{"after": fmt.Sprintf("%s:%d", epoch, 2*held)})
	other.expect("got", object{"message": object{"n": 2*held + 1}})
}

// own checks that the client does not receive its own messages, not even when it resumes.
func (b *bench) own(t *testing.T) {
	p := wstest.Forward(t, b.server.Addr, nil)
	c := b.dial(t, p.Addr, "", "{}")
	c.call(nil, "subscribe", "own", object{})
	epoch := strings.TrimSuffix(c.next("live")["position"].(string), ":0")
	b.server.Number(t, "own", 1)
	c.expect("got", object{"message": object{"n": 1}})
	c.attempt("publish", "own", "mine")
	c.attempt("publish", "own", "mine")
	b.server.Number(t, "own", 4)
	c.expect("got", object{"message": object{"n": 4}})
	c.attempt("publish", "own", "mine")
	var position string
	c.eval(c.name+".subs.own.position", &position)
	if position != epoch+":5" {
		t.Errorf("position %s; want %s:5", position, epoch)
	}
	p.Cut()
	c.next("close")
	b.server.Number(t, "own", 6)
	c.expect("got", object{"message": object{"n": 6}})
}

func (b *bench) pattern(t *testing.T) {
	p := wstest.Forward(t, b.server.Addr, nil)
	c := b.dial(t, p.Addr, "", "{}")
	c.call(nil, "subscribe", "prices.*", object{})
	c.expect("live", object{"position": nil})
	first := b.server.Number(t, "prices.eur", 1).Position.Offset
	got := c.expect("got", object{"message": object{"n": 1}})
	compare(t, got["meta"].(object), object{"topic": "prices.eur", "offset": first, "position": nil})
	p.Cut()
	c.expect("gap", object{"after": nil, "oldest": nil})
	b.server.Number(t, "prices.eur", 2)
	c.expect("got", object{"message": object{"n": 2}})
	for _, topic := range []string{"prices.*", "prices.eur", "prices.>", ">", "*.*"} {
		compare(t, c.attempt("subscribe", topic, object{}), object{"message": "the message handler is missing: subscribe(topic, options, (message, meta) => ...)"})
		var code string
		c.eval(fmt.Sprintf("(() => { try { %s.subscribe('%s', {}) } catch (e) { return e.code } })()", c.name, topic), &code)
		if code != "subscribed" {
			t.Errorf("%s: %q", topic, code)
		}
	}
}

// final has the server close with a code after which the client reconnects, and with one after
// which it does not.
func (b *bench) final(t *testing.T) {
	c := b.dial(t, b.server.Addr, "?user=zoe", "{}")
	c.call(nil, "subscribe", "final", object{})
	c.next("live")
	b.server.Number(t, "final", 1) // keeps the topic in existence while it has no subscriber
	c.next("got")
	b.server.Disconnect(hub.UserTopic("zoe"), hub.CloseReason{Code: 1012, Text: "see you"})
	if e := c.expect("close", object{"code": 1012, "reason": "see you"}); e["retry"] == nil {
		t.Error("the client does not reconnect after 1012")
	}
	c.expect("live", object{"again": true})
	b.server.Disconnect(hub.UserTopic("zoe"), hub.CloseReason{Code: 1008, Text: "go away"})
	c.expect("error", object{"topic": "final", "code": "closed", "message": "the connection was closed with 1008: go away"})
	c.expect("close", object{"code": 1008, "reason": "go away", "retry": nil})
	var state string
	c.eval(c.name+".f.state", &state)
	if state != "closed" {
		t.Errorf("the state is %q, want closed", state)
	}
}

// offline checks that calls wait for a connection, and fail after the timeout.
func (b *bench) offline(t *testing.T) {
	p := wstest.Forward(t, b.server.Addr, nil)
	c := b.dial(t, p.Addr, "", "{timeout: 300}")
	c.next("open")
	p.Shut(true)
	c.next("close")
	compare(t, c.attempt("publish", "offline", 1), object{"code": "timeout", "sent": false})
	c.eval(fmt.Sprintf("%s.later = %s.attempt('presence', 'offline'); null", c.name, c.name), nil)
	p.Shut(false)
	var people []any
	c.eval(c.name+".later", &people)
}

// online has the browser report that the network is back.
func (b *bench) online(t *testing.T) {
	var browser bool
	eval(t, b.engine, "typeof dispatchEvent === 'function'", &browser)
	if !browser {
		t.Skip("the engine is not a browser")
	}
	p := wstest.Forward(t, b.server.Addr, nil)
	c := b.dial(t, p.Addr, "", "{minDelay: 1e9, maxDelay: 1e9}")
	c.call(nil, "subscribe", "online", object{})
	c.next("live")
	p.Cut()
	c.next("close")
	c.eval("dispatchEvent(new Event('online'))", nil)
	c.next("gap")
	c.expect("live", object{"again": true})
}

// silence freezes the connection: it stays open, and no bytes arrive.
func (b *bench) silence(t *testing.T) {
	p := wstest.Forward(t, b.server.Addr, nil)
	c := b.dial(t, p.Addr, "", "{pingInterval: 50, timeout: 300}")
	c.call(nil, "subscribe", "silence", object{})
	c.next("live")
	p.Freeze()
	b.server.Number(t, "silence", 1)
	c.expect("close", object{"code": 1006, "reason": "the server did not answer a ping"})
	c.expect("live", object{"again": true})
	c.expect("got", object{"message": object{"n": 1}})
}

// odd covers rare events of a server: see sessiontest.Odd.
func (b *bench) odd(t *testing.T) {
	addr := sessiontest.Odd(t)
	c := b.dial(t, addr, "", "{}")
	for range 2 { // after the end, subscribing again is possible
		c.call(nil, "subscribe", "odd", object{})
		c.expect("live", object{"position": "e:5"})
		c.expect("got", object{"message": object{"n": 6}})
		c.expect("dropped", object{"messages": 7})
		c.expect("end", object{"code": 1001, "reason": "moved"})
	}
	c.call(nil, "subscribe", "elusive", object{"after": "e:2"})
	c.expect("gap", object{"oldest": "e:5"})
	c.expect("live", object{"position": "e:5"})
	c.call(nil, "subscribe", "ancient", object{"after": "e:2"})
	c.expect("error", object{"topic": "ancient", "code": "too-old"})
	var unreadable int
	if c.eval(c.name+".f.unreadable", &unreadable); unreadable != 6 {
		t.Errorf("%d messages were unreadable, want 6", unreadable)
	}
	compare(t, c.attempt("publish", "odd", 1, object{"retry": true}), object{"code": "lost", "message": "the connection was closed with 1009: too large"})
	c.call(nil, "close")
	c.eval(fmt.Sprintf("%s = new Client('ws://%s/silent', {timeout: 50}); null", c.name, addr), nil)
	c.seen = 0
	if e := c.expect("close", object{"reason": "the attempt to connect timed out"}); e["retry"] == nil {
		t.Error("the client does not try again")
	}
	c.call(nil, "close")
	c.eval(fmt.Sprintf("%s = new Client('ws://%s/chat', {}); null", c.name, addr), nil)
	c.seen = 0
	c.expect("close", object{"reason": "the server does not speak fanfare.v1"})
}
