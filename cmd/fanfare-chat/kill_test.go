package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"

	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store"
	"github.com/fanfare-ws/fanfare/hub/wire"
)

// speaker sends one message after the other, and records the acknowledged ones.
type speaker struct {
	conn  *websocket.Conn
	name  string
	room  int64
	next  int
	acked []string
}

// speaks connects with a cookie, a line of the file that seed has written.
func speaks(t testing.TB, p *process, room int64, name, line string) *speaker {
	t.Helper()
	_, cookie, _ := strings.Cut(line, ": ")
	c, _, err := websocket.Dial(t.Context(), "ws://"+p.addr+"/hub", &websocket.DialOptions{
		Subprotocols: []string{wire.Protocol}, HTTPHeader: http.Header{"Cookie": {cookie}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.CloseNow() })
	return &speaker{conn: c, name: name, room: room}
}

// say sends a message, and reports whether it was acknowledged.
func (s *speaker) say(ctx context.Context) bool {
	s.next++
	id := fmt.Sprintf("%s-%d", s.name, s.next)
	err := s.conn.Write(ctx, websocket.MessageText, fmt.Appendf(nil,
		`{"id":%d,"do":"publish","topic":"room.%d","data":{"id":%q,"text":"this is %s"},"echo":true}`, s.next, s.room, id, id))
	for err == nil {
		var b []byte
		if _, b, err = s.conn.Read(ctx); err != nil {
			break
		}
		e, wrong := wire.ParseEvent(b)
		if wrong == nil && e.Reply != nil && e.Reply.ID == uint64(s.next) {
			if e.Reply.OK != nil {
				s.acked = append(s.acked, id)
			}
			return e.Reply.OK != nil
		}
	}
	return false
}

// Acknowledged messages survive when the process is killed under load, and are in the room exactly once.
func TestKill(t *testing.T) {
	const speakers, enough = 8, 40
	dir := t.TempDir()
	cookies := filepath.Join(dir, "cookies")
	room := seed(t, dir, cookies, speakers)
	b, err := os.ReadFile(cookies)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	acked, last := 0, int64(0)
	for life := range 2 {
		p := itself(t, "-data", dir)
		var all []*speaker
		var spoken, saying sync.WaitGroup
		for i, line := range lines {
			s := speaks(t, p, room, fmt.Sprintf("life%d-%d", life, i), line)
			all = append(all, s)
			spoken.Add(1)
			saying.Go(func() {
				for s.say(t.Context()) {
					if len(s.acked) == enough {
						spoken.Done()
					}
				}
				if len(s.acked) < enough {
					t.Errorf("%s: only %d messages were acknowledged", s.name, len(s.acked))
					spoken.Done()
				}
			})
		}
		spoken.Wait()
		p.ends(os.Kill)
		saying.Wait()
		kept := stored(t, dir, room)
		if int64(len(kept)) < last {
			t.Errorf("the room has %d different messages, want %d", len(kept), last)
		}
		for _, s := range all {
			for _, id := range s.acked {
				if kept[id] != 1 {
					t.Errorf("%s was acknowledged, and is in the room %d times", id, kept[id])
				}
			}
			acked += len(s.acked)
		}
		last = int64(len(kept))
	}
	t.Logf("%d messages were acknowledged, %d are stored", acked, last)
}

// stored returns how often each message is stored, by the client's ID for it.
func stored(t testing.TB, dir string, room int64) map[string]int {
	t.Helper()
	s := openStore(t, dir)
	defer s.Close()
	all := make(map[string]int)
	each(t, s, room, func(m store.Message) {
		all[m.ClientID]++
		if n := int64(len(all)); m.Number != n || m.Text != "this is "+m.ClientID {
			t.Errorf("message %d: %+v", n, m)
		}
	})
	return all
}

// each calls f for the messages of a room, in their order. None of them may have been changed.
func each(t testing.TB, s store.Store, room int64, f func(store.Message)) {
	t.Helper()
	for rev, more := int64(0), true; more; {
		list, rest, err := s.MessagesChangedAfter(context.Background(), room, rev, 1000)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range list {
			f(m)
			rev = m.Rev
		}
		more = rest
	}
}
