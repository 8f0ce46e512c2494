package brokertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/hub"
)

// change is a call of PeerChanged or PeerGone.
type change struct {
	peer  uint64
	key   string
	value []byte
	gone  bool
}

// peer is a recorder whose broker is one of several hub.Peers.
type peer struct {
	*recorder
	hub.Peers
}

// PeerChanged makes recorder a hub.PeerNode.
func (r *recorder) PeerChanged(peer uint64, key string, value []byte) {
	defer r.enter("PeerChanged")()
	r.changes = append(r.changes, change{peer: peer, key: key, value: value})
	switch state := r.states[peer]; {
	case value == nil:
		delete(state, key)
	case state == nil:
		r.states[peer] = map[string]string{key: string(value)}
	default:
		state[key] = string(value)
	}
}

// PeerGone makes recorder a hub.PeerNode.
func (r *recorder) PeerGone(peer uint64) {
	defer r.enter("PeerGone")()
	r.changes = append(r.changes, change{peer: peer, gone: true})
	delete(r.states, peer)
}

// Answer makes recorder a hub.PeerNode.
func (r *recorder) Answer(question []byte) []byte {
	r.mu.Lock()
	if r.late {
		r.t.Error("Answer is called after Close")
	}
	reply := r.reply
	r.mu.Unlock()
	if reply == nil {
		return nil
	}
	return reply(question)
}

// answering sets what Answer does.
func (r *recorder) answering(reply func(question []byte) []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reply = reply
}

// peer attaches a new node whose state has its name, and skips the test if its broker is not a
// hub.Peers.
func (s Setup) peer(t *testing.T, name string) peer {
	t.Helper()
	r := s.node(t)
	b, ok := r.Broker.(hub.Peers)
	if !ok {
		t.Skip("the broker is not a hub.Peers")
	}
	b.SetState("name", []byte(name))
	return peer{r, b}
}

// number returns the number of the peer with that name, 0 if it is not known.
func (r *recorder) number(name string) uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.numberLocked(name)
}

func (r *recorder) numberLocked(name string) uint64 {
	for number, state := range r.states {
		if state["name"] == name {
			return number
		}
	}
	return 0
}

// told returns the calls of PeerChanged and PeerGone so far.
func (r *recorder) told() []change {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.changes)
}

// has waits until the peer with that name has exactly this state, besides its name.
func (p peer) has(t *testing.T, name string, want map[string]string) {
	t.Helper()
	all := map[string]string{"name": name}
	maps.Copy(all, want)
	p.await(t, fmt.Sprintf("%d entries of %s", len(all), name), func() bool {
		return maps.Equal(p.states[p.numberLocked(name)], all)
	})
}

// peerState tests that nodes know each other's entries: those from before they came and those from
// after it, changed and removed ones, with any key and of the largest size.
func peerState(t *testing.T, s Setup) {
	a := s.peer(t, "a")
	odd := "topic.* > \x00\xff\r\n" + strings.Repeat("k", 1000)
	large := bytes.Repeat([]byte("0123456789abcdef"), 4<<10)
	a.SetState("before", []byte("1"))
	a.SetState("removed", []byte("1"))
	a.SetState(odd, large)
	b := s.peer(t, "b")
	b.has(t, "a", map[string]string{"before": "1", "removed": "1", odd: string(large)})
	a.SetState("removed", nil)
	a.SetState("after", []byte("2"))
	a.SetState("before", []byte("3"))
	want := map[string]string{"before": "3", "after": "2", odd: string(large)}
	b.has(t, "a", want)
	a.has(t, "b", nil)
	c := s.peer(t, "c")
	c.has(t, "a", want)
	c.has(t, "b", nil)
	a.has(t, "c", nil)
	for _, p := range []peer{a, b, c} {
		p.await(t, "two peers", func() bool { return len(p.states) == 2 }) // no node is its own peer
	}
}

// peerOrder tests that changes come in the order in which they were made, over all keys of a node.
func peerOrder(t *testing.T, s Setup) {
	const rounds = 300
	a, b := s.peer(t, "a"), s.peer(t, "b")
	for i := range rounds {
		for _, key := range []string{"first", "second"} {
			a.SetState(key, fmt.Appendf(nil, "%06d", i))
		}
	}
	last := fmt.Sprintf("%06d", rounds-1)
	b.has(t, "a", map[string]string{"first": last, "second": last})
	seen := make(map[string]string)
	for _, c := range b.told() {
		value := string(c.value)
		if value < seen[c.key] {
			t.Fatalf("%s is %s after %s", c.key, value, seen[c.key])
		}
		seen[c.key] = value
		if c.key == "second" && value > seen["first"] {
			t.Fatalf("second is %s while first is %q", value, seen["first"])
		}
	}
}

// peerCrowd tests nodes with many entries that begin at the same time as others change theirs.
func peerCrowd(t *testing.T, s Setup) {
	const entries = 1000
	a, b := s.peer(t, "a"), s.peer(t, "b")
	want := make(map[string]string)
	for i := range entries {
		key := fmt.Sprint("key", i)
		a.SetState(key, []byte("old"))
		b.SetState(key, []byte("old"))
		want[key] = fmt.Sprint(i)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for key, value := range want {
			a.SetState(key, []byte(value))
			b.SetState(key, []byte(value))
		}
	}()
	c := s.peer(t, "c")
	<-done
	c.has(t, "a", want)
	c.has(t, "b", want)
	b.has(t, "a", want)
}

// peerGone tests that the end of a node ends its state at the others, and that its number does not
// come again.
func peerGone(t *testing.T, s Setup) {
	a := s.peer(t, "a")
	numbers := make(map[uint64]bool)
	for range 3 {
		b := s.peer(t, "b")
		b.SetState("x", []byte("1"))
		a.has(t, "b", map[string]string{"x": "1"})
		number := a.number("b")
		if numbers[number] {
			t.Errorf("the number %d comes again", number)
		}
		numbers[number] = true
		b.close(t)
		a.await(t, "the end of a peer", func() bool {
			return slices.ContainsFunc(a.changes, func(c change) bool { return c.gone && c.peer == number })
		})
		c := s.peer(t, "c")
		a.has(t, "c", nil)
		c.await(t, "no more of the ended peer", func() bool { return c.numberLocked("b") == 0 })
		c.close(t)
		b.SetState("x", []byte("2")) // does nothing
	}
}

// peerCut tests that a node whose connection is down keeps what it knows and is not gone, and that
// all learn what has changed meanwhile, also that a node has ended.
func peerCut(t *testing.T, s Setup) {
	if s.Cut == nil {
		t.Skip("the Setup cannot cut a connection")
	}
	a, b, c := s.peer(t, "a"), s.peer(t, "b"), s.peer(t, "c")
	a.SetState("changed", []byte("1"))
	a.SetState("removed", []byte("1"))
	a.SetState("same", []byte("1"))
	for _, p := range []peer{b, c} {
		p.has(t, "a", map[string]string{"changed": "1", "removed": "1", "same": "1"})
	}
	b.has(t, "c", nil)
	a.has(t, "b", nil)
	restore := s.Cut(t, b.recorder.Broker)
	b.await(t, "a loss", func() bool { return len(b.losses) > 0 })
	a.SetState("changed", []byte("2"))
	a.SetState("removed", nil)
	b.SetState("meanwhile", []byte("1"))
	ended := b.number("c")
	c.has(t, "a", map[string]string{"changed": "2", "same": "1"})
	c.close(t)
	b.has(t, "a", map[string]string{"changed": "1", "removed": "1", "same": "1"})
	b.has(t, "c", nil)
	restore()
	b.has(t, "a", map[string]string{"changed": "2", "same": "1"})
	a.has(t, "b", map[string]string{"meanwhile": "1"})
	b.await(t, "the end of a peer", func() bool { return b.states[ended] == nil })
	for _, p := range []peer{a, b} {
		p.await(t, "one peer", func() bool { return len(p.states) == 1 })
		for _, change := range p.told() {
			if change.gone && change.peer != ended {
				t.Error("a node was gone that was only cut")
			}
		}
	}
}

// peerAsk tests that all other nodes are asked, each answer comes with the number of its node, and
// a missing one is counted.
func peerAsk(t *testing.T, s Setup) {
	a := s.peer(t, "a")
	if err := a.Ask(within(t), []byte("alone"), func(uint64, []byte) { t.Error("somebody has answered") }); err != nil {
		t.Errorf("a single node: %v", err)
	}
	large := bytes.Repeat([]byte("0123456789abcdef"), 32<<10)
	nodes := map[string]peer{"b": s.peer(t, "b"), "c": s.peer(t, "c")}
	for name, p := range nodes {
		p.answering(func(question []byte) []byte {
			return append(append([]byte(name), question...), large[:512<<10-1024]...)
		})
		a.has(t, name, nil)
	}
	question := large[:1000]
	got := make(map[uint64]string)
	if err := a.Ask(within(t), question, func(peer uint64, answer []byte) { got[peer] = string(answer) }); err != nil {
		t.Fatal(err)
	}
	for name := range nodes {
		want := name + string(question) + string(large[:512<<10-1024])
		if got[a.number(name)] != want {
			t.Errorf("the answer of %s is not what it said", name)
		}
	}
	nodes["c"].answering(func(question []byte) []byte { return fmt.Append(nil, len(question)) })
	nodes["b"].answering(func(question []byte) []byte { return fmt.Append(nil, len(question)) })
	if err := a.Ask(within(t), large, func(_ uint64, answer []byte) {
		if string(answer) != fmt.Sprint(len(large)) {
			t.Errorf("a question of %d bytes has %s", len(large), answer)
		}
	}); err != nil {
		t.Errorf("a large question: %v", err)
	}
	a.missing(t, nodes["b"], nodes["c"])
	a.close(t)
	if err := a.Ask(within(t), question, nil); !errors.Is(err, hub.ErrLinkDown) {
		t.Errorf("ask after Close: %v", err)
	}
}

// missing tests a question that mute does not answer in time.
func (a peer) missing(t *testing.T, speaks, mute peer) {
	t.Helper()
	speaks.answering(func([]byte) []byte { return []byte("here") })
	release := make(chan struct{})
	defer close(release)
	mute.answering(func([]byte) []byte { <-release; return nil })
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	answers := 0
	err := a.Ask(ctx, []byte("?"), func(_ uint64, answer []byte) {
		if answers++; string(answer) == "here" {
			cancel()
		}
	})
	if err == nil || errors.Is(err, hub.ErrLinkDown) || !strings.Contains(err.Error(), "1") || answers != 1 {
		t.Errorf("one of two nodes has answered: %d answers, error %v", answers, err)
	}
}

// peerAskCut tests that nobody can be asked without a connection.
func peerAskCut(t *testing.T, s Setup) {
	if s.Cut == nil {
		t.Skip("the Setup cannot cut a connection")
	}
	a, b := s.peer(t, "a"), s.peer(t, "b")
	a.has(t, "b", nil)
	b.has(t, "a", nil)
	restore := s.Cut(t, a.recorder.Broker)
	a.await(t, "a loss", func() bool { return len(a.losses) > 0 })
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := a.Ask(ctx, []byte("?"), func(uint64, []byte) { t.Error("somebody has answered") }); !errors.Is(err, hub.ErrLinkDown) {
		t.Errorf("ask without a connection: %v", err)
	}
	restore()
	a.await(t, "another connection", func() bool { return len(a.linkedAt) > 1 && a.up })
	answers := 0
	if err := a.Ask(within(t), []byte("?"), func(uint64, []byte) { answers++ }); err != nil || answers != 1 {
		t.Errorf("ask after the connection was restored: %d answers, error %v", answers, err)
	}
}

// peerClusters tests that the nodes of another cluster are no peers.
func peerClusters(t *testing.T, s Setup) {
	if s.Other == nil {
		t.Skip("the Setup has a single cluster")
	}
	other := s
	other.Node = s.Other
	a, b := s.peer(t, "a"), s.peer(t, "b")
	x, y := other.peer(t, "x"), other.peer(t, "y")
	a.has(t, "b", nil)
	b.has(t, "a", nil)
	x.has(t, "y", nil)
	y.has(t, "x", nil)
	for _, p := range []peer{a, b, x, y} {
		answers := 0
		if err := p.Ask(within(t), []byte("?"), func(uint64, []byte) { answers++ }); err != nil || answers != 1 {
			t.Errorf("%d nodes have answered, want 1; error %v", answers, err)
		}
		p.await(t, "one peer", func() bool { return len(p.states) == 1 })
	}
}
