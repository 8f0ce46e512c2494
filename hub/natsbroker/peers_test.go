package natsbroker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/natsbroker/natstest"
)

// watcher is a hub.PeerNode that has the states of its peers.
type watcher struct {
	*Broker
	t      *testing.T
	node   *proxied
	answer atomic.Pointer[func([]byte) []byte]

	mu      sync.Mutex
	changed chan struct{}
	states  map[uint64]map[string]string
	gone    map[uint64]int
	goneAt  time.Time // when PeerGone was called last
	links   int
	up      bool
	changes int
	order   []string // of the values that came
	closed  bool
}

// watch returns a linked node. Its lease is a second, unless the options say otherwise.
func (c *cluster) watch(t *testing.T) *watcher {
	t.Helper()
	fill(&c.options.Lease, time.Second)
	w := newWatcher(t, c.node(t))
	w.Attach(w)
	w.await("a link", func() bool { return w.up })
	return w
}

func newWatcher(t *testing.T, b hub.Broker) *watcher {
	node := b.(*proxied)
	w := &watcher{
		Broker: node.Broker, node: node, t: t, changed: make(chan struct{}),
		states: make(map[uint64]map[string]string), gone: make(map[uint64]int),
	}
	w.respond(func(q []byte) []byte { return fmt.Appendf(nil, "%s to %d", q, w.peers.self) })
	t.Cleanup(w.close)
	return w
}

func (w *watcher) close() {
	if !w.closed {
		w.closed = true
		if err := w.node.Close(); err != nil {
			w.t.Error(err)
		}
	}
}

func (w *watcher) change() func() {
	w.mu.Lock()
	return func() {
		close(w.changed)
		w.changed = make(chan struct{})
		w.mu.Unlock()
	}
}

func (w *watcher) Deliver(*hub.Envelope) {}

func (w *watcher) Linked(hub.Position) {
	defer w.change()()
	w.up = true
	w.links++
}

func (w *watcher) Lost(error) {
	defer w.change()()
	w.up = false
}

func (w *watcher) PeerChanged(peer uint64, key string, value []byte) {
	defer w.change()()
	w.changes++
	if !w.up {
		w.t.Errorf("%q of %d changes while the link is down", key, peer)
	}
	if w.states[peer] == nil {
		w.states[peer] = make(map[string]string)
	}
	if value == nil {
		delete(w.states[peer], key)
		return
	}
	w.states[peer][key] = string(value)
	w.order = append(w.order, string(value))
}

func (w *watcher) PeerGone(peer uint64) {
	defer w.change()()
	if !w.up {
		w.t.Errorf("%d is gone while the link is down", peer)
	}
	w.gone[peer]++
	w.goneAt = time.Now()
	delete(w.states, peer)
}

func (w *watcher) Answer(q []byte) []byte { return (*w.answer.Load())(q) }

// respond says how w answers questions.
func (w *watcher) respond(answer func([]byte) []byte) { w.answer.Store(&answer) }

func (w *watcher) await(what string, cond func() bool) {
	w.t.Helper()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for {
		w.mu.Lock()
		ok, changed := cond(), w.changed
		w.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-limit.C:
			w.t.Fatalf("timed out waiting for %s", what)
		}
	}
}

// awaitState waits until w has this state of another node.
func (w *watcher) awaitState(of *watcher, want map[string]string) {
	w.t.Helper()
	w.await(fmt.Sprintf("a state of %d entries", len(want)), func() bool { return maps.Equal(w.states[of.peers.self], want) })
}

// awaitPeers waits until w knows exactly these peers.
func (w *watcher) awaitPeers(all ...*watcher) {
	w.t.Helper()
	var want []uint64
	for _, o := range all {
		want = append(want, o.peers.self)
	}
	slices.Sort(want)
	poll(w.t, "peers", func() bool {
		w.peers.mu.Lock()
		defer w.peers.mu.Unlock()
		return slices.Equal(slices.Sorted(maps.Keys(w.peers.all)), want)
	})
}

// seen returns the states of w's peers, and how often each has gone.
func (w *watcher) seen() (states map[uint64]map[string]string, gone map[uint64]int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	states = maps.Clone(w.states)
	for peer := range states {
		states[peer] = maps.Clone(states[peer])
	}
	return states, maps.Clone(w.gone)
}

// poll waits until cond is true, which nothing tells about.
func poll(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for limit := time.Now().Add(patience); !cond(); time.Sleep(time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("timed out waiting for %s", what)
		}
	}
}

// set sets entries of w's state, some at a time, and notes them in state.
func (w *watcher) set(state map[string]string, keys ...string) {
	for _, key := range keys {
		state[key] = fmt.Sprint("value of ", key, " ", len(state))
		w.SetState(key, []byte(state[key]))
	}
}

// A node's state is known to nodes that come before and after it, as it changes.
func TestState(t *testing.T) {
	c := newCluster(Options{}, natstest.Start(t, ""))
	a, b := c.watch(t), c.watch(t)
	state := make(map[string]string)
	a.set(state, "x", "y", "", "z")
	b.awaitState(a, state)
	after := c.watch(t)
	after.awaitState(a, state)
	a.set(state, "x")
	a.SetState("y", nil)
	delete(state, "y")
	a.SetState("", []byte{})
	state[""] = ""
	a.SetState("never", nil)
	for _, w := range []*watcher{b, after} {
		w.awaitState(a, state)
	}
	for key := range state {
		a.SetState(key, nil)
	}
	for _, w := range []*watcher{b, after} {
		w.awaitState(a, nil)
		if states, _ := w.seen(); len(states) != 1 {
			t.Errorf("there are states that nobody has set: %v", states)
		}
	}
}

// Every single change comes, in order, if the connection holds.
func TestStateOrder(t *testing.T) {
	c := newCluster(Options{}, natstest.Start(t, ""))
	a, b := c.watch(t), c.watch(t)
	b.awaitPeers(a)
	for i := range 20_000 {
		a.SetState(fmt.Sprint(i%100), []byte(fmt.Sprint(i)))
	}
	b.await("the last change", func() bool { return b.states[a.peers.self]["99"] == "19999" })
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, value := range b.order {
		if value != fmt.Sprint(i) {
			t.Fatalf("change %d is %s", i, value)
		}
	}
}

// A large state is known to a node that comes late, while it changes.
func TestLargeState(t *testing.T) {
	const entries = 50_000
	c := newCluster(Options{}, natstest.Start(t, ""))
	a := c.watch(t)
	state := make(map[string]string)
	key := func(i int) string { return fmt.Sprint("user:", i) }
	for i := range entries {
		a.set(state, key(i))
	}
	b := newWatcher(t, c.node(t))
	b.Attach(b)
	for i := 0; i < entries; i += 7 {
		a.SetState(key(i), nil)
		delete(state, key(i))
	}
	for i := 0; i < entries; i += 11 {
		a.set(state, key(i))
	}
	b.awaitState(a, state)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.changes > 2*entries {
		t.Errorf("%d changes of %d entries", b.changes, entries)
	}
}

// deaf has a node miss what the others announce.
func (w *watcher) deaf() (restore func()) {
	w.op(op{unsubscribe: w.subjects.peer + "*"})
	return func() { w.op(op{subscribe: w.subjects.peer + "*"}) }
}

// op has the session do something, and waits until the server has done it.
func (w *watcher) op(o op) {
	w.t.Helper()
	o.waiter = newWaiter(nil)
	w.Broker.mu.Lock()
	s := w.session
	w.doLocked(s, o)
	w.Broker.mu.Unlock()
	if err := w.Broker.await(w.t.Context(), s, o.waiter); err != nil {
		w.t.Fatal(err)
	}
}

// A note that is lost is noticed: by the next one, or by the renewal of the lease.
func TestLostNote(t *testing.T) {
	c := newCluster(Options{}, natstest.Start(t, ""))
	a, b, witness := c.watch(t), c.watch(t), c.watch(t)
	state := make(map[string]string)
	a.set(state, "before", "removed")
	b.awaitState(a, state)
	for _, next := range []bool{true, false} {
		restore := b.deaf()
		a.set(state, "lost", "lost too")
		a.SetState("removed", nil)
		delete(state, "removed")
		witness.awaitState(a, state)
		restore()
		if next {
			a.set(state, "after", "removed")
		}
		b.awaitState(a, state)
	}
}

// When removed entries have been forgotten, a snapshot shows which they were.
func TestForgottenRemovals(t *testing.T) {
	c := newCluster(Options{}, natstest.Start(t, ""))
	a, b, witness := c.watch(t), c.watch(t), c.watch(t)
	state := make(map[string]string)
	a.set(state, "stays", "goes")
	b.awaitState(a, state)
	restore := b.deaf()
	a.SetState("goes", nil)
	delete(state, "goes")
	for i := range 5 * minRemoved {
		key := fmt.Sprint(i)
		a.SetState(key, []byte("x"))
		a.SetState(key, nil)
		if i%minRemoved == 0 {
			a.set(state, "pause")
			witness.awaitState(a, state)
		}
	}
	restore()
	a.set(state, "after")
	b.awaitState(a, state)
	a.close()
	if a.state.floor == 0 {
		t.Error("no removal was forgotten: nothing was tested")
	}
}

// A node that is cut off is gone when its lease ends, and comes back with its state.
func TestSilentNode(t *testing.T) {
	c := newCluster(Options{}, natstest.Start(t, ""))
	a, b := c.watch(t), c.watch(t)
	state := make(map[string]string)
	a.set(state, "x", "y")
	b.set(map[string]string{}, "of b")
	b.awaitState(a, state)
	cutAt := time.Now()
	restore := cut(t, a.node)
	b.await("the end of the lease", func() bool { return b.gone[a.peers.self] == 1 })
	b.mu.Lock()
	took := b.goneAt.Sub(cutAt)
	b.mu.Unlock()
	if took < c.options.Lease/2 { // it renewed its lease a third of it before at most
		t.Errorf("it is gone after %v; the lease is %v", took, c.options.Lease)
	}
	if _, gone := a.seen(); len(gone) > 0 {
		t.Errorf("the node that is cut off has lost %v", gone)
	}
	a.set(state, "y", "z") // announced later
	restore()
	b.awaitState(a, state)
	a.awaitState(b, map[string]string{"of b": "value of of b 0"})
	_, ofA := a.seen()
	_, ofB := b.seen()
	if len(ofA) > 0 || len(ofB) != 1 || ofB[a.peers.self] != 1 {
		t.Errorf("gone: %v and %v", ofA, ofB)
	}
}

// A node that ends says so: it is gone at once. A long lease shows that nobody waited for its end.
func TestGoodbye(t *testing.T) {
	c := newCluster(Options{}, natstest.Start(t, ""))
	a, b := c.watch(t), c.watch(t)
	c.options.Lease = maxLease
	long := newWatcher(t, c.node(t))
	long.Attach(long)
	long.set(map[string]string{}, "x")
	b.await("a state", func() bool { return len(b.states[long.peers.self]) == 1 })
	a.await("a state", func() bool { return len(a.states[long.peers.self]) == 1 })
	long.close()
	for _, w := range []*watcher{a, b} {
		w.await("a goodbye", func() bool { return w.gone[long.peers.self] == 1 })
	}
	c.watch(t).awaitPeers(a, b) // and it is not found afterwards
}

// While a node's own connection is down, nobody is gone. Who has ended meanwhile is gone afterwards,
// and the others' changes are known.
func TestPartition(t *testing.T) {
	c := newCluster(Options{}, natstest.Start(t, ""))
	a, b, ends := c.watch(t), c.watch(t), c.watch(t)
	state := make(map[string]string)
	a.set(state, "x", "removed")
	ends.set(map[string]string{}, "x")
	b.awaitState(a, state)
	b.await("a state", func() bool { return len(b.states[ends.peers.self]) == 1 })
	a.await("a state", func() bool { return len(a.states[ends.peers.self]) == 1 })
	restore := cut(t, b.node)
	b.await("a loss", func() bool { return !b.up })
	cut(t, ends.node) // not restored
	a.set(state, "x", "y")
	a.SetState("removed", nil)
	delete(state, "removed")
	a.await("the end of the leases", func() bool { return a.gone[ends.peers.self] == 1 && a.gone[b.peers.self] == 1 })
	if states, gone := b.seen(); len(gone) > 0 || len(states[ends.peers.self]) != 1 {
		t.Errorf("without a connection: gone %v, states %v", gone, states)
	}
	restore()
	b.awaitState(a, state)
	b.await("the end of the lease", func() bool { return b.gone[ends.peers.self] == 1 })
	if _, gone := b.seen(); gone[a.peers.self] > 0 {
		t.Error("a node that was there all the time is gone")
	}
}

// A server that is down for longer than a lease makes nobody gone. The lease is longer than nodes wait
// between attempts to connect.
func TestServerDown(t *testing.T) {
	server := natstest.Start(t, "")
	c := newCluster(Options{Lease: 2 * maxDelay}, server)
	a, b := c.watch(t), c.watch(t)
	state := make(map[string]string)
	a.set(state, "x")
	b.awaitState(a, state)
	server.Kill()
	for _, w := range []*watcher{a, b} {
		w.await("a loss", func() bool { return !w.up })
	}
	a.set(state, "y")
	<-time.After(c.options.Lease + c.options.Lease/2) // the leases end
	server.Restart()
	b.awaitState(a, state)
	for _, w := range []*watcher{a, b} {
		if _, gone := w.seen(); len(gone) > 0 {
			t.Errorf("gone: %v", gone)
		}
	}
}

// The leader of a stream with three replicas is killed. Nobody is gone by that, and changes come while
// there is none.
func TestPeersWithoutLeader(t *testing.T) {
	c := newCluster(Options{Replicas: 3, Lease: 4 * maxDelay}, natstest.StartCluster(t, 3)...)
	var all []*watcher
	for range 3 {
		w := newWatcher(t, c.direct(t))
		w.Attach(w)
		all = append(all, w)
	}
	state := make(map[string]string)
	all[0].set(state, "before")
	for i := range 2 {
		for _, w := range all[1:] {
			w.awaitState(all[0], state)
		}
		leader := c.leader(t)
		leader.Kill()
		all[0].set(state, fmt.Sprint(i), "changed")
		for _, w := range all[1:] {
			w.awaitState(all[0], state)
		}
		leader.Restart()
	}
	for _, w := range all {
		if _, gone := w.seen(); len(gone) > 0 {
			t.Errorf("gone: %v", gone)
		}
	}
}

// Other programs publish nonsense, and notes in the name of nodes that have no lease.
func TestForgedNotes(t *testing.T) {
	server := natstest.Start(t, "")
	c := newCluster(Options{}, server)
	a, b := c.watch(t), c.watch(t)
	state := make(map[string]string)
	a.set(state, "x")
	b.awaitState(a, state)
	b.awaitPeers(a)
	nc, err := nats.Connect(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	forged := changes{upTo: 1, last: 1, all: []change{{"forged", []byte("x")}}}
	snapshot := changes{snapshot: true, upTo: 9, last: 9, all: forged.all}
	far := changes{from: 1 << 60, upTo: 1<<60 + 1, last: 1 << 61, all: forged.all}
	of := nodeName(a.peers.self)
	for _, node := range []string{"7", of, "0", "g", "-1", "FF", "", strings.Repeat("f", 17)} {
		for _, subject := range []string{b.subjects.peer, b.subjects.toSelf, b.subjects.ask, b.subjects.inNode} {
			notes := [][]byte{nil, {noteChanges}, {noteAnswer, 1}, {noteRefusal, 1}, {noteRequest, 0x80}, {'?', 1}, []byte("{"), []byte(`{"ms":-1}`)}
			if node == of {
				notes = append(notes, snapshot.encode(), far.encode())
			} else {
				notes = append(notes, forged.encode(), snapshot.encode())
			}
			for _, note := range notes {
				if err := nc.Publish(strings.TrimSuffix(subject+node, "."), note); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	a.set(state, "after")
	b.awaitState(a, state)
	b.awaitPeers(a)
	if states, gone := b.seen(); len(states) != 1 || len(gone) > 0 {
		t.Errorf("states %v, gone %v", states, gone)
	}
}

// Two clusters share a server, and do not see each other.
func TestPeersOfTwoPrefixes(t *testing.T) {
	server := natstest.Start(t, "")
	one, other := newCluster(Options{}, server), newCluster(Options{}, server)
	all := []*watcher{one.watch(t), one.watch(t), other.watch(t), other.watch(t)}
	for i, w := range all {
		w.set(map[string]string{}, fmt.Sprint(i))
	}
	for i, w := range all {
		w.awaitState(all[i^1], map[string]string{fmt.Sprint(i ^ 1): fmt.Sprintf("value of %d 0", i^1)})
		w.awaitPeers(all[i^1])
		if states, _ := w.seen(); len(states) != 1 {
			t.Errorf("node %d knows %v", i, states)
		}
	}
}

// ask asks, and returns the answers by peer.
func (w *watcher) ask(ctx context.Context, question string) (map[uint64]string, error) {
	got := make(map[uint64]string)
	err := w.Ask(ctx, []byte(question), func(peer uint64, answer []byte) {
		if _, ok := got[peer]; ok {
			w.t.Errorf("%d answers twice", peer)
		}
		got[peer] = string(answer)
	})
	return got, err
}

// All peers answer, and a node without a connection says so.
func TestAsk(t *testing.T) {
	c := newCluster(Options{}, natstest.Start(t, ""))
	a := c.watch(t)
	if got, err := a.ask(t.Context(), "alone"); err != nil || len(got) != 0 {
		t.Errorf("without peers: %v, %v", got, err)
	}
	b, d := c.watch(t), c.watch(t)
	d.awaitPeers(a, b) // it has just come
	got, err := d.ask(t.Context(), "hello")
	want := map[uint64]string{a.peers.self: fmt.Sprint("hello to ", a.peers.self), b.peers.self: fmt.Sprint("hello to ", b.peers.self)}
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("%v, %v, want %v", got, err, want)
	}
	if _, err := a.ask(t.Context(), strings.Repeat("x", maxQuestion+1)); err == nil {
		t.Error("a question that is too long is asked")
	}
	large := strings.Repeat("x", maxQuestion)
	for _, w := range []*watcher{b, d} {
		w.respond(func([]byte) []byte { return []byte(large) })
	}
	a.awaitPeers(b, d)
	if got, err := a.ask(t.Context(), large[:maxQuestion]); err != nil || got[b.peers.self] != large || len(got) != 2 {
		t.Errorf("%d answers, %v", len(got), err)
	}
	cut(t, a.node)
	a.await("a loss", func() bool { return !a.up })
	if got, err := a.ask(t.Context(), "down"); !errors.Is(err, hub.ErrLinkDown) || len(got) != 0 {
		t.Errorf("without a connection: %v, %v", got, err)
	}
	a.close()
	if _, err := a.ask(t.Context(), "closed"); !errors.Is(err, hub.ErrLinkDown) {
		t.Errorf("after Close: %v", err)
	}
}

// A peer that does not answer is counted. The others' answers come.
func TestAskSilentPeer(t *testing.T) {
	c := newCluster(Options{}, natstest.Start(t, ""))
	a, b, silent := c.watch(t), c.watch(t), c.watch(t)
	a.awaitPeers(b, silent)
	asked, answer := make(chan struct{}), make(chan struct{})
	silent.respond(func([]byte) []byte {
		asked <- struct{}{}
		<-answer
		return []byte("late")
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-asked
		poll(t, "the other answer", func() bool {
			a.peers.mu.Lock()
			defer a.peers.mu.Unlock()
			return len(a.peers.questions[1].silent) == 1
		})
		cancel()
	}()
	got, err := a.ask(ctx, "q")
	close(answer)
	if !errors.Is(err, context.Canceled) || !strings.Contains(fmt.Sprint(err), "1 of 2 answers are missing") {
		t.Errorf("with one silent peer: %v", err)
	}
	if len(got) != 1 || got[b.peers.self] == "" {
		t.Errorf("answers: %v", got)
	}
}

// A node that answers many questions already refuses more, and the peer knows at once.
func TestAskRefused(t *testing.T) {
	c := newCluster(Options{}, natstest.Start(t, ""))
	a, b := c.watch(t), c.watch(t)
	a.awaitPeers(b)
	asked, answer := make(chan struct{}), make(chan struct{})
	b.respond(func([]byte) []byte {
		asked <- struct{}{}
		<-answer
		return []byte("yes")
	})
	var all sync.WaitGroup
	for range maxAnswering {
		all.Go(func() {
			if got, err := a.ask(t.Context(), "q"); err != nil || len(got) != 1 {
				t.Errorf("%v, %v", got, err)
			}
		})
		<-asked
	}
	if got, err := a.ask(t.Context(), "one more"); err == nil || len(got) != 0 || !errors.Is(err, errRefusals) {
		t.Errorf("one more question: %v, %v", got, err)
	}
	close(answer)
	all.Wait()
}

// A peer that ends while it is asked is not waited for.
func TestAskGone(t *testing.T) {
	c := newCluster(Options{}, natstest.Start(t, ""))
	a, b := c.watch(t), c.watch(t)
	a.awaitPeers(b)
	asked := make(chan struct{})
	answer := make(chan struct{})
	b.respond(func([]byte) []byte {
		close(asked)
		<-answer
		return nil
	})
	go func() {
		<-asked
		cut(t, b.node)
	}()
	if got, err := a.ask(t.Context(), "q"); err != nil || len(got) != 0 {
		t.Errorf("%v, %v", got, err)
	}
	close(answer)
}

// What a state makes the queue hold is bounded while the hub is slow, and all of it comes.
func TestSlowHub(t *testing.T) {
	const entries = 3000
	c := newCluster(Options{MaxQueue: 64 << 10}, natstest.Start(t, ""))
	a, b := c.watch(t), c.watch(t)
	b.awaitPeers(a)
	b.mu.Lock() // PeerChanged waits
	unlock := sync.OnceFunc(b.mu.Unlock)
	defer unlock()
	state := make(map[string]string)
	for i := range entries {
		key := fmt.Sprint(i)
		state[key] = strings.Repeat("x", 1000)
		a.SetState(key, []byte(state[key]))
	}
	waiting := func() int {
		b.out.mu.Lock()
		defer b.out.mu.Unlock()
		return b.out.states
	}
	poll(t, "a full queue", func() bool { return waiting() > b.out.max/2 })
	unlock()
	limit, most := b.out.max/2+maxNote+1000*changeCost, 0
	b.await("the state", func() bool {
		most = max(most, waiting())
		return maps.Equal(b.states[a.peers.self], state)
	})
	if most > limit {
		t.Errorf("%d bytes waited for the hub; at most %d should", most, limit)
	}
}
