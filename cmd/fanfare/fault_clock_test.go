package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/config"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/policy"
)

// wallClock is a wall clock that can be set.
type wallClock struct{ ahead atomic.Int64 }

func (k *wallClock) now() time.Time { return time.Now().Add(time.Duration(k.ahead.Load())) }

func (k *wallClock) set(ahead time.Duration) { k.ahead.Store(int64(ahead)) }

// startWithClock runs the program in this process, with another wall clock.
func startWithClock(t *testing.T, k *wallClock, args ...string) (*program, *app) {
	t.Helper()
	l := config.Load(append([]string{"-addr", "127.0.0.1:0"}, args...), nil)
	if l.Inspect(time.Now()); len(l.Problems) > 0 {
		t.Fatal(l.Problems)
	}
	p := &program{t: t}
	log, _ := logger(&p.stderr, l.Config)
	a, err := newApp(l.Config, log)
	if err != nil {
		t.Fatal(err)
	}
	o := l.Config.Policy()
	o.Now, o.Log = k.now, log
	clocked, errs := policy.New(o)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	a.access.Close()
	a.access.Policy, a.hooks.policy = clocked, clocked
	a.server.Engine.MaxConns = mostConns(&l.Config.Limits)
	all, err := a.listen(nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		_ = a.hub.Shutdown(ctx)
		_ = a.server.Shutdown(ctx)
		a.close()
	})
	p.addr = all[0].at.String()
	return p, a
}

// expiring returns a token that expires after that time, by the real clock.
func expiring(t *testing.T, in time.Duration, id string) string {
	return hmacToken(t, map[string]any{"sub": "ada", "jti": id, "exp": time.Now().Add(in).Unix(), "read": []string{">"}})
}

// The wall clock is set an hour forward: exactly the connections whose tokens are due end. It is set back: nothing comes back, and
// what was revoked remains so. Rates and deadlines do not notice.
func TestClockJumps(t *testing.T) {
	t.Parallel()
	k := new(wallClock)
	p, a := startWithClock(t, k, "-jwt-secret-files", tempFile(t, hmacSecret), "-token-file", tokenFile(t),
		"-conn-message-rate", "1", "-conn-burst", "3s", "-ping", "30m", "-pong-timeout", "30m", "-handshake-timeout", "5m")
	ends := make(map[time.Duration][]*websocket.Conn)
	lives := []time.Duration{time.Minute, 59 * time.Minute, 62 * time.Minute, 24 * time.Hour}
	for _, life := range lives {
		for _, path := range []string{"/echo", "/topics/news"} {
			ends[life] = append(ends[life], p.dial(path+"?token="+expiring(t, life, fmt.Sprint(life, path))))
		}
		ends[life] = append(ends[life], p.join("/hub?token="+expiring(t, life, fmt.Sprint(life)), nil).Conn)
	}
	forever := p.dial("/echo?token=secret")
	spends := func(ws *websocket.Conn) { // what the rate allows at once
		for range 3 {
			p.send(ws, "x")
			p.wants(ws, websocket.MessageText, "x")
		}
	}
	spender, revoked := p.dial("/echo?token=secret"), expiring(t, 30*time.Minute, "stolen")
	finish := p.slowHandshake()
	p.revokesID("stolen", time.Now().Add(31*time.Minute))

	spends(spender)
	k.set(time.Hour)
	for _, life := range lives[:2] {
		for i, ws := range ends[life] {
			if err := p.closesWith(ws, 4401); err != nil {
				t.Errorf("connection %d of a token of %v: %v", i, life, err)
			}
		}
	}
	if status, _ := p.refused("/echo?token=" + expiring(t, 59*time.Minute, "")); status != 401 {
		t.Errorf("an expired token gets %d", status)
	}
	remain := int64(2*3 + 3)
	p.eventually("the connections that are due are gone", func() bool { return a.server.Stats().Open == remain })
	spends(forever)

	k.set(0)
	if status, body := p.refused("/echo?token=" + revoked); status != 401 {
		t.Errorf("the revoked token gets %d %s", status, body)
	}
	p.send(ends[lives[2]][0], "x") // the tokens that remain are valid for their connections
	p.wants(ends[lives[2]][0], websocket.MessageText, "x")
	p.eventually("no other connection has ended", func() bool { return a.server.Stats().Open == remain })
	// No credit for an hour that was not, in either direction.
	for range 10 {
		_ = spender.Write(p.long(), websocket.MessageText, []byte("x"))
	}
	if err := p.closesWith(spender, 4429); err != nil {
		t.Errorf("a connection beyond its rate: %v", err)
	}
	if status := finish(); status != 101 {
		t.Errorf("a handshake that has begun before gets %d", status)
	}
}

// slowHandshake sends half of a handshake. finish sends the rest, and returns the status.
func (p *program) slowHandshake() (finish func() int) {
	p.t.Helper()
	nc, err := net.Dial("tcp", p.addr)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { nc.Close() })
	fmt.Fprintf(nc, "GET /echo?token=secret HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\n", p.addr)
	return func() int {
		fmt.Fprint(nc, "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
		_ = nc.SetReadDeadline(time.Now().Add(30 * time.Second))
		return answerOf(p.t, bufio.NewReader(nc)).StatusCode
	}
}

// revokesID revokes a token by its name.
func (p *program) revokesID(id string, keep time.Time) {
	p.t.Helper()
	body := fmt.Sprintf(`{"id":%q,"keep":%d}`, id, keep.Unix())
	if r, answer := p.request("POST", "/revocations?token=secret", "application/json", strings.NewReader(body)); r.StatusCode != 200 {
		p.t.Fatal(answer)
	}
}
