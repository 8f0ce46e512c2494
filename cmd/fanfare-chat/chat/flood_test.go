package chat

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store"
	"github.com/fanfare-ws/fanfare/hub/wire"
)

// stuck is a store that delays changes and lookups of memberships until it is freed.
type stuck struct {
	store.Store
	free  chan struct{}
	asked atomic.Pointer[chan struct{}] // nil: memberships are not delayed
}

func (s *stuck) Apply(ctx context.Context, changes []store.Change) ([]store.Outcome, error) {
	<-s.free
	return s.Store.Apply(ctx, changes)
}

func (s *stuck) Membership(ctx context.Context, room, user int64) (store.Membership, error) {
	if asked := s.asked.Load(); asked != nil && user == 1 {
		*asked <- struct{}{}
		<-s.free
	}
	return s.Store.Membership(ctx, room, user)
}

// serveStuck starts a chat on a store that can be stuck.
func serveStuck(t *testing.T, change ...func(*Options)) (*server, *stuck) {
	var st *stuck
	s := serveStore(t, filepath.Join(t.TempDir(), "chat.db"), func(kept store.Store) store.Store {
		st = &stuck{Store: kept, free: make(chan struct{})}
		return st
	}, change...)
	return s, st
}

// users returns the number of users with pending changes.
func (s *commitLog) users() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pending.Owners()
}

// While more connections than workers wait for their messages to be stored, others are served, and the
// number of pending messages is bounded.
func TestStoreHoldsNoWorker(t *testing.T) {
	s, st := serveStuck(t)
	free := sync.OnceFunc(func() { close(st.free) })
	t.Cleanup(free)
	ada, bob := s.signUp("Ada"), s.signUp("Bob")
	room := ada.makes("General", false)
	bob.joins(room)
	var flood []*page
	for i := range workers + 10 {
		g := ada.opens()
		say := fmt.Sprintf(`{"id":1,"do":"publish","topic":%q,"data":{"id":"m%d","text":"x"}}`, roomTopic(room), i)
		if err := g.Write(g.ctx(), websocket.MessageText, []byte(say)); err != nil {
			t.Fatal(err)
		}
		flood = append(flood, g)
	}
	if !settles(func() bool { return s.chat.commits.waiting() == s.chat.limits.Uncommitted }) {
		t.Fatalf("%d changes are pending", s.chat.commits.waiting())
	}
	page := bob.opens()
	page.gets(`"do":"ping"`)
	page.subscribes(roomTopic(room))
	bob.asks("GET", fmt.Sprintf("/api/rooms/%d/messages", room), "", http.StatusOK, nil)
	bot, _, err := bob.dial(fmt.Sprint(roomsPath, room), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := bot.Write(page.ctx(), websocket.MessageText, []byte("from a bot")); err != nil {
		t.Fatal(err)
	}
	if !settles(func() bool { return s.chat.commits.users() == 2 }) { // Bob's, beside Ada's
		t.Error("the message of another user is not pending beside them")
	}
	free()
	said, busy := 0, 0
	for _, g := range flood {
		switch e := g.event(); {
		case e.Reply == nil:
			t.Errorf("%+v", e)
		case e.Reply.OK != nil:
			said++
		case e.Reply.Error.Code == wire.Busy:
			busy++
		}
	}
	if said < s.chat.limits.Uncommitted || busy < 1 || said+busy != len(flood) {
		t.Errorf("%d messages were stored, %d refused", said, busy)
	}
}

// While the subscriptions of one user keep all checkers waiting for the store, the workers are free.
func TestSubscribingHoldsNoWorker(t *testing.T) {
	s, st := serveStuck(t)
	free := sync.OnceFunc(func() { close(st.free) })
	t.Cleanup(free)
	ada, bob := s.signUp("Ada"), s.signUp("Bob")
	room := ada.makes("General", false)
	var pages []*page
	for range workers + 10 {
		pages = append(pages, ada.opens())
	}
	asked := make(chan struct{}, len(pages)*3)
	st.asked.Store(&asked)
	for _, g := range pages {
		if err := g.Write(g.ctx(), websocket.MessageText, fmt.Appendf(nil, `{"id":1,"do":"subscribe","topic":%q}`, roomTopic(room))); err != nil {
			t.Fatal(err)
		}
	}
	for range checkers {
		<-asked
	}
	g := bob.opens()
	g.gets(`"do":"ping"`)
	g.gets(fmt.Sprintf(`"do":"history","topic":%q`, "@"+userName(bob.id)))
	free()
	for _, g := range pages {
		if e := g.event(); e.Reply == nil || e.Reply.OK == nil {
			t.Errorf("%+v", e)
		}
	}
}

// While the store delays as many handshakes as may use it, per address and in total, established
// connections are served.
func TestEnteringHoldsNoWorker(t *testing.T) {
	s, st := serveStuck(t, behindProxy)
	free := sync.OnceFunc(func() { close(st.free) })
	t.Cleanup(free)
	ada := s.signUp("Ada")
	path := fmt.Sprint(roomsPath, ada.makes("General", false))
	echo, _, err := ada.dial(echoPath, nil)
	if err != nil {
		t.Fatal(err)
	}
	asked := make(chan struct{}, 10*workers)
	st.asked.Store(&asked)
	var all sync.WaitGroup
	var entered, refused atomic.Int64
	for i := range 2 * workers {
		all.Go(func() {
			from := http.Header{"X-Forwarded-For": {fmt.Sprint("192.0.2.", i%2)}}
			switch _, resp, err := ada.dial(path, from); {
			case err == nil:
				entered.Add(1)
			case resp != nil && resp.StatusCode == 503 && resp.Header.Get("Retry-After") == "1":
				refused.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	for range maxHandshakes {
		<-asked
	}
	if !settles(func() bool { return refused.Load() == 2*workers-maxHandshakes }) {
		t.Errorf("%d handshakes were refused", refused.Load())
	}
	for range 100 {
		if err := echo.Write(ada.ctx(), websocket.MessageText, []byte("x")); err != nil {
			t.Fatal(err)
		}
		if _, _, err := echo.Read(ada.ctx()); err != nil {
			t.Fatal(err)
		}
	}
	free()
	all.Wait()
	if entered.Load() != maxHandshakes || s.chat.counters.refused.Load() < refused.Load() {
		t.Errorf("%d handshakes were admitted, %d are counted as refused", entered.Load(), s.chat.counters.refused.Load())
	}
}

// A user's rate is shared by all their connections. Other users are not affected.
func TestRateOfMessages(t *testing.T) {
	s := serve(t)
	ada, bob := s.signUp("Ada"), s.signUp("Bob")
	room := ada.makes("General", false)
	bob.joins(room)
	pages := []*page{ada.opens(), ada.opens()}
	for i := range s.chat.limits.Messages * messageBurst {
		pages[i%2].says(roomTopic(room), fmt.Sprint(i), "x")
	}
	// The messages of the next second are only delayed.
	for range s.chat.limits.Messages {
		if _, ok := s.chat.rates.messages.Take(ada.id, s.clock.now(), maxDelay); !ok {
			t.Fatal("the messages of the next second are refused instead of delayed")
		}
	}
	r := pages[0].publishes(roomTopic(room), `{"id":"more","text":"x"}`)
	if r.Error == nil || r.Error.Code != wire.Busy || !strings.Contains(r.Error.Message, "20 per second") || !strings.Contains(r.Error.Message, "try again in 1 s") {
		t.Errorf("%+v", r)
	}
	bob.opens().says(roomTopic(room), "1", "x")
	if s.chat.counters.refused.Load() != 1 {
		t.Errorf("%d are counted as refused, want 1", s.chat.counters.refused.Load())
	}
	s.clock.advance(1200 * time.Millisecond)
	pages[1].says(roomTopic(room), "later", "x")
	s.clock.advance(-200 * time.Millisecond) // so that there are none
	bot, _, err := ada.dial(fmt.Sprint(roomsPath, room), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := bot.Write(ada.ctx(), websocket.MessageText, []byte("slowly")); err != nil {
		t.Fatal(err)
	}
	for { // it is said later
		if _, b, err := bot.Read(ada.ctx()); err != nil {
			t.Fatal(err)
		} else if strings.Contains(string(b), "slowly") {
			break
		}
	}
}

func TestRateOfRequests(t *testing.T) {
	s := serve(t)
	ada, bob := s.signUp("Ada"), s.signUp("Bob")
	for s.chat.countRequest(ada.id) == nil {
	}
	resp, b := ada.request("GET", "/api/me", "", nil)
	if resp.StatusCode != 429 || resp.Header.Get("Retry-After") != "1" || !strings.Contains(string(b), "try again in 1 s") {
		t.Errorf("%d %s %v", resp.StatusCode, b, resp.Header)
	}
	ada.opens().gets(`"do":"ping"`) // slowly
	bob.asks("GET", "/api/me", "", 200, nil)
}

// The requests of one user that wait for the store are bounded, and do not delay other users.
func TestCallsAreFair(t *testing.T) {
	s, st := serveStuck(t)
	free := sync.OnceFunc(func() { close(st.free) })
	t.Cleanup(free)
	ada, bob := s.signUp("Ada"), s.signUp("Bob")
	room := ada.makes("General", false)
	bob.joins(room)
	path := fmt.Sprintf("/api/rooms/%d/messages", room)
	asked := make(chan struct{}, 2*maxWaitingCallsPerUser)
	st.asked.Store(&asked)
	var all sync.WaitGroup
	refused := make(chan bool, maxCallsPerUser+maxWaitingCallsPerUser+1)
	for range cap(refused) {
		all.Go(func() {
			resp, b := ada.request("GET", path, "", nil)
			if resp.StatusCode != 200 && resp.StatusCode != 429 {
				t.Errorf("%d %s", resp.StatusCode, b)
			}
			refused <- resp.StatusCode == 429
		})
	}
	for range maxCallsPerUser {
		<-asked
	}
	if !settles(func() bool { return s.chat.calls.Waiting() == maxWaitingCallsPerUser && len(refused) == 1 }) {
		t.Errorf("%d requests are waiting, %d are answered", s.chat.calls.Waiting(), len(refused))
	}
	bob.asks("GET", path, "", http.StatusOK, nil)
	free()
	all.Wait()
	if n := len(asked); n > maxWaitingCallsPerUser {
		t.Errorf("%d waiting requests reached the store", n)
	}
}

func TestLimitsOfRooms(t *testing.T) {
	s := serve(t)
	s.chat.limits.Rooms, s.chat.limits.Members = 2, 3
	ada, bob, cid, dan := s.signUp("Ada"), s.signUp("Bob"), s.signUp("Cid"), s.signUp("Dan")
	one, two := ada.makes("One", false), ada.makes("Two", true)
	ada.asks("POST", "/api/rooms", `{"name":"Three"}`, 409, nil)
	bob.joins(one)
	cid.joins(one)
	dan.asks("POST", fmt.Sprintf("/api/rooms/%d/join", one), `{}`, 409, nil)
	ada.asks("POST", fmt.Sprintf("/api/rooms/%d/invite", one), `{"name":"dan"}`, 409, nil)
	ada.asks("POST", fmt.Sprintf("/api/rooms/%d/invite", two), `{"name":"dan"}`, 204, nil)
	ada.asks("POST", "/api/direct", `{"name":"dan"}`, 201, nil)
	ada.asks("POST", "/api/direct", `{"name":"bob"}`, 201, nil)
	ada.asks("POST", "/api/direct", `{"name":"cid"}`, 409, nil)
	ada.asks("POST", fmt.Sprintf("/api/rooms/%d/leave", one), `{}`, 204, nil)
	s.signUp("Eve").joins(one)
}

// Invitations and direct rooms are limited too. At the limit, existing rooms remain accessible.
func TestLimitsOfRoomsOfTwo(t *testing.T) {
	s := serve(t)
	s.chat.limits.Rooms = 2
	ada := s.signUp("Ada")
	room := ada.makes("General", false)
	ada.asks("POST", "/api/direct", `{"name":"ada"}`, 201, nil)
	var others []*person
	for _, name := range []string{"Bob", "Cid"} {
		p := s.signUp(name)
		p.asks("POST", "/api/direct", `{"name":"ada"}`, 201, nil)
		p.joins(room)
		others = append(others, p)
	}
	dan := s.signUp("Dan")
	dan.asks("POST", "/api/direct", `{"name":"ada"}`, 409, nil)
	dan.asks("POST", "/api/direct", `{"name":"bob"}`, 201, nil)
	ada.asks("POST", "/api/direct", `{"name":"dan"}`, 409, nil)
	for _, name := range []string{"ada", "bob", "cid"} {
		ada.asks("POST", "/api/direct", fmt.Sprintf(`{"name":%q}`, name), 200, nil)
	}
	others[0].asks("POST", "/api/direct", `{"name":"ada"}`, 200, nil)
	ada.joins(room)
	others[0].joins(room)
	others[1].asks("POST", fmt.Sprintf("/api/rooms/%d/invite", room), `{"name":"ada"}`, 204, nil)
}

// The jobs of one user do not delay those of others, are bounded, and are all done at the end.
func TestJobs(t *testing.T) {
	j := newJobs(1, 3, 10)
	var mu sync.Mutex
	var order, refused string
	add := func(user int64, f func()) {
		j.add(user, func() {
			f()
			mu.Lock()
			defer mu.Unlock()
			order += fmt.Sprint(user)
		}, func(error) { refused += fmt.Sprint(user) })
	}
	begun, free := make(chan struct{}), make(chan struct{})
	add(1, func() { close(begun); <-free })
	<-begun
	for range 4 {
		add(1, func() {})
	}
	add(2, func() {})
	add(3, func() {})
	close(free)
	j.close()
	add(4, func() {})
	if order != "112311" || refused != "14" {
		t.Errorf("order %s, refused %s", order, refused)
	}
}
