package hub

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/fanfare-ws/fanfare/netpoll"
)

// The property that the package promises, no matter what publishers and subscribers do: for each
// topic and subscriber no message is out of order or delivered twice, and all missing ones are
// counted. Subscribers join, resume, stall, drain, refuse and leave at random, also from within
// deliveries, with each policy, small limits, and patterns.

func TestOrderInSteps(t *testing.T) {
	for _, slow := range []SlowPolicy{Disconnect, DropNewest, DropOldest, Conflate} {
		t.Run(slow.String(), func(t *testing.T) {
			rounds := 100
			if testing.Short() {
				rounds = 20
			}
			for seed := range rounds {
				inSteps(t, slow, uint64(seed))
			}
		})
	}
}

func inSteps(t *testing.T, slow SlowPolicy, seed uint64) {
	var m manual
	w := newWorld(slow, seed, m.on(3))
	w.steps = &m
	for range 400 {
		w.step()
	}
	w.steps = nil // nothing happens within deliveries any more
	for _, r := range w.rovers {
		r.calm()
	}
	m.runAll()
	select {
	case <-w.h.leaving.wait():
	default:
		t.Fatalf("%v, seed %d: somebody has left and still waits", slow, seed)
	}
	w.check(t, fmt.Sprintf("%v, seed %d", slow, seed))
}

func TestOrderAtOnce(t *testing.T) {
	for _, slow := range []SlowPolicy{Disconnect, DropNewest, DropOldest, Conflate} {
		t.Run(slow.String(), func(t *testing.T) {
			for seed := range 5 {
				atOnce(t, slow, uint64(seed))
			}
		})
	}
}

func atOnce(t *testing.T, slow SlowPolicy, seed uint64) {
	w := newWorld(slow, seed, Goroutines(3))
	w.atOnce = true
	var wg sync.WaitGroup
	for i := range 3 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(seed, uint64(1000+i)))
			for range 1000 {
				w.publish(rng)
			}
		})
	}
	for _, r := range w.rovers {
		wg.Go(func() {
			for range 200 {
				r.act()
				yield()
			}
		})
	}
	wg.Wait()
	for _, r := range w.rovers {
		r.calm()
	}
	waitFor(t, func() bool { return quiet(w.h) })
	w.check(t, fmt.Sprintf("%v, seed %d", slow, seed))
}

// quiet reports whether everything has been delivered.
func quiet(h *Hub) bool {
	select {
	case <-h.leaving.wait():
	default:
		return false
	}
	h.mu.RLock()
	defer h.mu.RUnlock()
	for _, t := range h.topics {
		t.mu.Lock()
		quiet := t.laggards == 0
		for _, sh := range t.shards {
			quiet = quiet && (sh.members == 0 || sh.cursor == t.log.next)
		}
		t.mu.Unlock()
		if !quiet {
			return false
		}
	}
	return true
}

// world is a hub, its subscribers, and what the test knows about both.
type world struct {
	h      *Hub
	slow   SlowPolicy
	atOnce bool    // in several goroutines
	steps  *manual // if not nil, things happen within deliveries, too
	rng    *rand.Rand
	rovers []*rover

	mu     sync.Mutex
	except map[place]Subscriber
	told   map[*Subscription]int64 // by OnDrop
}

// place is that of a message.
type place struct {
	topic string
	at    Position
}

var (
	worldTopics   = []string{"a.x", "a.y", "b.x", "lone"} // lone has no history
	worldSubjects = append(worldTopics[:len(worldTopics):len(worldTopics)], "a.*", "*.x", "*.>")
)

func newWorld(slow SlowPolicy, seed uint64, workers Workers) *world {
	w := &world{
		slow: slow, except: make(map[place]Subscriber), told: make(map[*Subscription]int64),
		rng: rand.New(rand.NewPCG(seed, 0)),
	}
	limit := Limit{Messages: 5 + w.rng.IntN(20)}
	if w.rng.IntN(2) == 0 {
		limit = Limit{Bytes: limit.Messages * (entryCost + 9)}
	}
	history := History{Messages: 10 + w.rng.IntN(40)}
	w.h = New(Options{
		Workers: workers,
		Topic: func(name string) *TopicOptions {
			if name == "lone" {
				return &TopicOptions{Slow: slow, Limit: limit}
			}
			return &TopicOptions{Slow: slow, Limit: limit, History: history}
		},
	})
	w.h.runLength = 1 + w.rng.IntN(3) // so that passes take in new messages
	for i := range 12 {
		w.rovers = append(w.rovers, &rover{w: w, loop: i % 3, rng: rand.New(rand.NewPCG(seed, uint64(i+1)))})
	}
	return w
}

// worldPlaces is an encoding that tells where a message is.
var worldPlaces = &testEncoding{record: func(r *Record) []byte {
	b := binary.BigEndian.AppendUint64(nil, r.Offset)
	return append(b, byte(slices.Index(worldTopics, r.Topic)))
}}

// step performs one random action.
func (w *world) step() {
	switch n := w.rng.IntN(10); {
	case n < 5:
		w.publish(w.rng)
	case n < 8:
		w.rovers[w.rng.IntN(len(w.rovers))].act()
	case w.steps != nil:
		w.steps.runOne()
	}
}

// runOne runs the task that has been due for longest.
func (m *manual) runOne() {
	m.mu.Lock()
	if len(m.due) == 0 {
		m.mu.Unlock()
		return
	}
	t := m.due[0]
	m.due = m.due[1:]
	t.due = false
	m.mu.Unlock()
	t.r.Run()
}

func (w *world) publish(rng *rand.Rand) {
	m := Message{Kind: Binary, Data: (make([]byte, 9)), Key: string('a' + rune(rng.IntN(6)))}
	if rng.IntN(3) == 0 {
		m.Key = ""
	}
	if rng.IntN(4) == 0 {
		r := w.rovers[rng.IntN(len(w.rovers))]
		r.mu.Lock()
		if r.now != nil {
			m.Exclude = r.now
		}
		r.mu.Unlock()
	}
	topic := worldTopics[rng.IntN(len(worldTopics))]
	rc, err := w.h.Publish(topic, m)
	if err != nil {
		panic(err)
	}
	if m.Exclude != nil {
		w.mu.Lock()
		w.except[place{topic, rc.Position}] = m.Exclude
		w.mu.Unlock()
	}
}

// rover visits one topic after the other.
type rover struct {
	w    *world
	loop int

	mu  sync.Mutex
	rng *rand.Rand
	now *stay
	all []*stay
}

// stay is the subscriber of a rover in one topic.
type stay struct {
	*rover
	sub   Subscription
	name  string
	asked *Position
	at    Position

	// Guarded by rover.mu.
	got     []place // Position.Epoch is 0
	still   bool    // it takes everything
	pending bool
	refused int // in a row
	wait    interface{ Schedule() }
	evicted bool
	left    bool
	ended   *Position // it has left, but takes what was published before, up to here
}

func (s *stay) Loop() int { return s.loop }

func (s *stay) Send(p Encoded) netpoll.Outcome {
	s.w.stepWithin()
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.left:
		return netpoll.Closed
	case s.pending, !s.still && s.refused < 4 && s.rng.IntN(10) == 0:
		s.refused++
		return netpoll.Full
	}
	s.refused = 0
	for _, b := range payloads(p) {
		s.got = append(s.got, place{worldTopics[b[8]], Position{0, binary.BigEndian.Uint64(b)}})
	}
	if s.pending = !s.still && s.rng.IntN(4) == 0; s.pending {
		return netpoll.Queued
	}
	return netpoll.Sent
}

func (s *stay) OnDrop(_ string, messages int64) {
	s.w.mu.Lock()
	s.w.told[&s.sub] += messages
	s.w.mu.Unlock()
}

// stepWithin may perform an action within a delivery. No publisher publishes so much that it
// would have to help with the pass that it is part of.
func (w *world) stepWithin() {
	if m := w.steps; m != nil && w.rng.IntN(10) == 0 {
		w.steps = nil
		w.step()
		w.steps = m
	}
}

func (s *stay) WhenDrained(t interface{ Schedule() }) {
	s.mu.Lock()
	waits := s.pending && !s.left
	if waits {
		s.wait = t
	}
	s.mu.Unlock()
	if !waits {
		t.Schedule()
	}
}

func (s *stay) Close(CloseReason) {
	s.mu.Lock()
	s.evicted = true
	s.mu.Unlock()
	s.leave()
}

func (s *stay) leave() {
	s.mu.Lock()
	s.left = true
	if s.rover.now == s {
		s.rover.now = nil
	}
	s.mu.Unlock()
	s.sub.Unsubscribe()
	s.drain(false)
}

// end unsubscribes while the connection stays open.
func (s *stay) end() {
	s.mu.Lock()
	s.rover.now = nil
	s.mu.Unlock()
	at := s.at
	if ts, ok := s.w.h.Topic(s.name); ok {
		at = ts.Position
	}
	s.sub.Unsubscribe()
	s.mu.Lock()
	s.ended = &at
	s.mu.Unlock()
}

// drain lets the pending write leave, and all further writes at once if still is true.
func (s *stay) drain(still bool) {
	s.mu.Lock()
	t := s.wait
	s.pending, s.wait, s.still = false, nil, still
	s.mu.Unlock()
	if t != nil {
		t.Schedule()
	}
}

// act subscribes, leaves or drains.
func (r *rover) act() {
	r.mu.Lock()
	s, leave, end := r.now, r.rng.IntN(8) == 0, r.rng.IntN(16) == 0
	r.mu.Unlock()
	switch {
	case s == nil:
		r.come()
	case end:
		s.end()
	case leave:
		s.leave()
	default:
		s.drain(false)
	}
}

func (r *rover) come() {
	r.mu.Lock()
	s := &stay{rover: r, name: worldSubjects[r.rng.IntN(len(worldSubjects))]}
	o := SubscribeOptions{Encoding: worldPlaces}
	if n := len(r.all); n > 0 && !IsPattern(r.all[n-1].name) && r.rng.IntN(2) == 0 {
		last := r.all[n-1]
		p := last.at
		if k := len(last.got); k > 0 {
			p.Offset = last.got[k-1].at.Offset
		}
		s.name, s.asked, o.After = last.name, &p, &p
	} else if r.rng.IntN(3) == 0 {
		o.Last = r.rng.IntN(40)
	}
	r.mu.Unlock()
	at, err := r.w.h.Subscribe(s.name, &s.sub, s, o)
	if err != nil {
		if s.asked == nil || !errors.As(err, new(*TooOldError)) {
			panic(err)
		}
		return
	}
	s.at = at
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, s)
	if !s.left {
		r.now = s
	}
}

func (r *rover) calm() {
	r.mu.Lock()
	all := slices.Clone(r.all)
	r.mu.Unlock()
	for _, s := range all {
		if s == r.now || s.ended != nil {
			s.drain(true)
		}
	}
}

// check verifies everything that was received. It is called when nothing happens any more.
func (w *world) check(t *testing.T, what string) {
	t.Helper()
	w.h.mu.Lock()
	if w.h.sweeper != nil {
		w.h.sweeper.Stop() // it would keep all this in memory for as long as history lasts
	}
	w.h.mu.Unlock()
	stays := 0
	for i, r := range w.rovers {
		for _, s := range r.all {
			stays++
			if err := w.checkStay(s); err != nil {
				t.Fatalf("%s: rover %d in %s from %v (asked %v), left %v, evicted %v, dropped %d: %v",
					what, i, s.name, s.at, s.asked, s.left, s.evicted, s.sub.Dropped(), err)
			}
		}
	}
	if stays == 0 {
		t.Fatal("nobody subscribed to anything")
	}
	for _, ts := range w.h.Topics() {
		if ts.Lagging != 0 {
			t.Fatalf("%s: %d still lag behind in %s", what, ts.Lagging, ts.Name)
		}
	}
}

func (w *world) checkStay(s *stay) error {
	dropped := s.sub.Dropped()
	if told := w.told[&s.sub]; told != dropped {
		return fmt.Errorf("OnDrop was told of %d", told)
	}
	if w.slow == Disconnect && dropped > 0 {
		return errors.New("dropped, but should have disconnected")
	}
	if w.slow != Disconnect && s.evicted {
		return errors.New("disconnected, but should have dropped")
	}
	if s.asked != nil && (s.at.Epoch != s.asked.Epoch || s.at.Offset != s.asked.Offset && w.slow != Conflate || s.at.Offset < s.asked.Offset) {
		return fmt.Errorf("did not resume where it was asked to")
	}
	end := s.at.Offset // of what it should have
	if ts, ok := w.h.Topic(s.name); s.ended != nil && !s.left {
		end = s.ended.Offset
	} else if ok && !s.left {
		end = ts.Position.Offset
	}
	if IsPattern(s.name) {
		return w.checkPattern(s, end, dropped)
	}
	last := s.at.Offset
	missing, own := int64(0), int64(0)
	skip := func(to uint64) {
		for ; last < to; last++ {
			if w.except[place{s.name, Position{s.at.Epoch, last + 1}}] == s {
				own++
			} else {
				missing++
			}
		}
	}
	for _, p := range s.got {
		o := p.at.Offset
		if p.topic != s.name || o <= last || w.except[place{s.name, Position{s.at.Epoch, o}}] == s {
			return fmt.Errorf("got %s %d after %d, which is of another topic, twice, out of order, or its own", p.topic, o, last)
		}
		skip(o - 1)
		last = o
	}
	skip(end)
	exact := !s.left && (s.ended == nil || !w.atOnce) // else others published while it left
	if missing > dropped || exact && dropped > missing+own {
		return fmt.Errorf("%d of others and %d own are missing, up to %d; got %v", missing, own, last, s.got)
	}
	return nil
}

func (w *world) checkPattern(s *stay, end uint64, dropped int64) error {
	last := make(map[string]uint64)
	own := int64(0)
	for p, except := range w.except {
		if except == s && matches(s.name, p.topic) {
			own++
		}
	}
	for _, p := range s.got {
		if !matches(s.name, p.topic) {
			return fmt.Errorf("got a message of %s", p.topic)
		}
		if p.topic == "lone" {
			continue // it begins anew whenever nobody is in it
		}
		o, before := p.at.Offset, last[p.topic]
		if o <= before {
			return fmt.Errorf("got %s %d after %d", p.topic, o, before)
		}
		for n := before + 1; before > 0 && w.slow == Disconnect && n < o; n++ {
			if !w.isOwn(s, p.topic, n) {
				return fmt.Errorf("got %s %d after %d", p.topic, o, before)
			}
		}
		last[p.topic] = o
	}
	if s.left {
		return nil
	}
	got, all := int64(len(s.got)), int64(end-s.at.Offset)
	if s.ended != nil && w.atOnce && got+dropped > all {
		return nil // others published while it left
	}
	if got+dropped > all || got+dropped+own < all {
		return fmt.Errorf("got %d of %d; %d are its own", got, all, own)
	}
	return nil
}

func (w *world) isOwn(s *stay, topic string, offset uint64) bool {
	ts, _ := w.h.Topic(topic)
	return w.except[place{topic, Position{ts.Position.Epoch, offset}}] == s
}

// The names of subjects that the test relies on.
func TestWorld(t *testing.T) {
	for _, s := range worldSubjects {
		if err := checkSubject(s); err != nil {
			t.Error(err)
		}
	}
	if strings.Contains(worldTopics[3], ".") {
		t.Error("lone is matched by *.x")
	}
}
