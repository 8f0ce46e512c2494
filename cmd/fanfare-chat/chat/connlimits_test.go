package chat

import (
	"fmt"
	"strings"
	"testing"

	"github.com/coder/websocket"
)

// wantsTryLater checks that a connection is closed with 1013 and a reason that contains says.
func wantsTryLater(t *testing.T, c *websocket.Conn, says string) {
	t.Helper()
	if e := closed(t, c); e.Code != websocket.StatusTryAgainLater || !strings.Contains(e.Reason, says) {
		t.Errorf("closed with %v, want 1013 and %q", e, says)
	}
}

// idle waits until no connection is counted.
func (s *server) idle() bool {
	return settles(func() bool {
		l := &s.chat.conns
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.users) == 0 && len(l.addrs) == 0
	})
}

// The connections of a user are limited, on all paths together. Others are not affected, and a connection
// that closes makes room for another.
func TestConnectionsOfUser(t *testing.T) {
	s := serve(t, func(o *Options) { o.Limits.UserConns = 2 })
	ada, bob := s.signUp("Ada"), s.signUp("Bob")
	room := ada.makes("talk", false)
	page := ada.opens()
	bot, _, err := ada.dial(fmt.Sprint(roomsPath, room), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{hubPath, fmt.Sprint(roomsPath, room)} {
		c, _, err := ada.dial(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		wantsTryLater(t, c, "at most 2 are allowed")
	}
	if n := s.chat.counters.refused.Load(); n != 2 {
		t.Errorf("%d connections were refused, want 2", n)
	}
	bob.opens()
	bot.CloseNow()
	if !settles(func() bool {
		s.chat.conns.mu.Lock()
		defer s.chat.conns.mu.Unlock()
		return s.chat.conns.users[ada.id] == 1
	}) {
		t.Fatal("the closed connection is still counted")
	}
	ada.opens()
	page.CloseNow()
}

// The connections from an address are limited, whoever they belong to, and none stays counted.
func TestConnectionsFromAddress(t *testing.T) {
	s := serve(t, func(o *Options) { o.Limits.AddrConns = 3 })
	ada, bob := s.signUp("Ada"), s.signUp("Bob")
	conns := []*websocket.Conn{ada.opens().Conn, bob.opens().Conn}
	echo, _, err := ada.dial(echoPath, nil)
	if err != nil {
		t.Fatal(err)
	}
	c, _, err := bob.dial(hubPath, nil)
	if err != nil {
		t.Fatal(err)
	}
	wantsTryLater(t, c, "from this address: at most 3")
	for _, c := range append(conns, echo) {
		c.CloseNow()
	}
	if !s.idle() {
		t.Errorf("still counted: %v, %v", s.chat.conns.users, s.chat.conns.addrs)
	}
}

// A handshake that is refused is not counted.
func TestRefusedHandshakeIsNotCounted(t *testing.T) {
	s := serve(t)
	ada := s.signUp("Ada")
	for _, path := range []string{hubPath, roomsPath + "7", "/nowhere"} {
		for _, p := range []*person{ada, {server: s}} {
			if path == hubPath && p == ada {
				continue
			}
			if c, _, err := p.dial(path, nil); err == nil {
				c.CloseNow()
				t.Errorf("%s is accepted", path)
			}
		}
	}
	if !s.idle() {
		t.Errorf("still counted: %v, %v", s.chat.conns.users, s.chat.conns.addrs)
	}
}
