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

// speaker says one thing after the other, and takes note of what was acknowledged.
type speaker struct {
	conn  *websocket.Conn
	name  string
	room  int64
	next  int
	acked []string
}

// speaks connects with the cookie that stands in a line of seed's file.
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

// say says one more, and reports whether that was acknowledged.
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

// What was acknowledged survives that the process is killed while all are speaking, and
// stands in the room once.
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
					t.Errorf("%s: only %d were acknowledged", s.name, len(s.acked))
					spoken.Done()
				}
			})
		}
		spoken.Wait()
		p.ends(os.Kill)
		saying.Wait()
		kept := stored(t, dir, room)
		if int64(len(kept)) < last {
			t.Errorf("of %d messages %d are left", last, len(kept))
		}
		for _, s := range all {
			for _, id := range s.acked {
				if kept[id] != 1 {
					t.Errorf("%s was acknowledged, and stands there %d times", id, kept[id])
				}
			}
			acked += len(s.acked)
		}
		last = int64(len(kept))
	}
	t.Logf("%d were acknowledged, and %d are stored", acked, last)
}

// stored returns how often each message is there, by the name that the client gave it.
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

// each calls f for the messages of a room that never were changed, in their order.
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
