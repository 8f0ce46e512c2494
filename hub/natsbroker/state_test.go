package natsbroker

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"
	"time"
)

// pair is a node's state, and a peer that has a copy, without a connection between them.
type pair struct {
	state state
	copy  peers
	out   queue
	now   time.Time
	seen  map[string]string // what the peer's hub has been told
}

const sender, receiver = 1, 2

func newPair(maxState int) *pair {
	p := &pair{now: time.Now(), seen: make(map[string]string)}
	p.state.least = 4
	p.out.init(1 << 30)
	p.copy.init(receiver, maxState, &p.out)
	p.copy.linked(p.now)
	p.renew()
	return p
}

// renew renews the sender's lease.
func (p *pair) renew() {
	_ = p.copy.renewed(sender, &lease{Length: 1000, State: p.state.sent}, 1, p.now)
}

// tell has the peer's hub told.
func (p *pair) tell() {
	for _, c := range p.out.take(nil) {
		for _, e := range c.peer.changes {
			if e.value == nil {
				delete(p.seen, e.key)
			} else {
				p.seen[e.key] = string(e.value)
			}
		}
		p.out.stateDelivered(c.peer.size)
	}
}

// ask lets the peer ask for one part, if it wants, and passes it on, unless lost.
func (p *pair) ask(limit int, lost bool) (asked bool, err error) {
	for _, r := range p.copy.next(p.now) {
		for p.state.sent < p.state.number {
			p.note(limit, lost)
		}
		c, _ := p.state.part(r.from, limit)
		asked = true
		if !lost {
			err = p.copy.changed(sender, again(&c), true, p.now)
		}
	}
	return asked, err
}

// note passes on the next note, unless it is lost.
func (p *pair) note(limit int, lost bool) {
	c, _ := p.state.note(limit)
	if !lost {
		_ = p.copy.changed(sender, again(&c), false, p.now)
	}
}

// again returns what is left of changes after they have been sent.
func again(c *changes) *changes {
	d, err := decodeChanges(c.encode())
	if err != nil {
		panic(err)
	}
	return &d
}

// Whatever is lost, the copy becomes the same as the state.
func TestStateCopied(t *testing.T) {
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 0))
		p := newPair(1 << 30)
		want := make(map[string]string)
		for range 400 {
			switch key := fmt.Sprint(random.IntN(40)); random.IntN(8) {
			case 0, 1:
				want[key] = fmt.Sprint(random.IntN(5))
				p.state.set(change{key, []byte(want[key])})
			case 2:
				delete(want, key)
				p.state.set(change{key: key})
			case 3, 4:
				p.state.apply()
				p.note(20+random.IntN(200), random.IntN(2) == 0)
			case 5:
				if _, err := p.ask(20+random.IntN(200), random.IntN(3) == 0); err != nil {
					t.Fatal(err)
				}
			case 6:
				p.now = p.now.Add(time.Second)
				p.renew()
			default:
				p.tell()
			}
		}
		p.now = p.now.Add(askAgain)
		p.state.apply()
		for p.state.sent < p.state.number {
			p.note(100, false)
		}
		p.renew()
		for asked := true; asked; {
			var err error
			if asked, err = p.ask(50, false); err != nil {
				t.Fatal(err)
			}
		}
		p.tell()
		if !maps.Equal(p.seen, want) {
			t.Fatalf("seed %d: the copy is %v, want %v", seed, p.seen, want)
		}
		size := 0
		for _, h := range p.copy.all[sender].known {
			size += h.size
		}
		if o := p.copy.all[sender]; o.size != size || len(o.known) != len(want) || p.out.states != 0 || p.copy.asking != 0 {
			t.Fatalf("seed %d: %d bytes of %d entries are counted as %d, %d in the queue, %d asked for", seed, size, len(o.known), o.size, p.out.states, p.copy.asking)
		}
		p.checkLog(t, len(want))
	}
}

// checkLog checks that what the state has counted is so, and that the log is not much larger than it
// must be.
func (p *pair) checkLog(t *testing.T, entries int) {
	t.Helper()
	st := &p.state
	st.apply()
	size, old, dead, removed := 0, 0, 0, 0
	for _, e := range st.log {
		switch size += e.size(); {
		case e.dead:
			dead++
			old += e.size()
		case e.value == nil:
			removed++
		}
	}
	if size != st.size || old != st.old || dead != st.dead || removed != st.removed {
		t.Fatalf("%d bytes, %d of %d dead entries, and %d removed ones are counted as %d, %d, %d, %d", size, old, dead, removed, st.size, st.old, st.dead, st.removed)
	}
	if n := len(st.log); n > 4*(entries+st.least) {
		t.Fatalf("the log has %d entries for %d", n, entries)
	}
}

// The earlier changes of large entries are forgotten sooner than those of small ones.
func TestDeadBytes(t *testing.T) {
	p := newPair(1 << 30)
	p.state.least = minRemoved
	for range minRemoved {
		p.state.set(change{"key", fmt.Append(make([]byte, 1000), rand.Int())})
		p.state.apply()
		p.note(maxNote, false)
	}
	if p.state.size > 2*maxDead || p.state.whole == 0 {
		t.Errorf("the log has %d bytes", p.state.size)
	}
}

// A peer's state is kept up to a limit. What is left out of it comes with its next change.
func TestMaxPeerState(t *testing.T) {
	const each = 200
	p := newPair(2 * each)
	entry := func(size int) []byte { return make([]byte, size-1-changeCost) }
	for _, key := range []string{"a", "b", "c"} {
		p.state.put(change{key, entry(each)})
	}
	p.renew()
	c, _ := p.state.note(maxNote)
	if err := p.copy.changed(sender, &c, false, p.now); !errors.Is(err, errPeerState) {
		t.Errorf("three entries: %v", err)
	}
	p.tell()
	if len(p.seen) != 2 || p.copy.all[sender].size != 2*each {
		t.Errorf("%d entries with %d bytes", len(p.seen), p.copy.all[sender].size)
	}
	for i, w := range []struct {
		key   string
		size  int
		count int
		err   error
	}{{"a", each - 50, 2, nil}, {"c", 50 + changeCost, 2, errPeerState}, {"b", each + 100, 1, errPeerState}, {"c", each, 2, nil}} {
		p.state.put(change{w.key, entry(w.size)})
		c, _ := p.state.note(maxNote)
		if err := p.copy.changed(sender, &c, false, p.now); !errors.Is(err, w.err) {
			t.Errorf("change %d: %v", i, err)
		}
		if p.tell(); len(p.seen) != w.count {
			t.Errorf("change %d: %d entries", i, len(p.seen))
		}
	}
}

// An entry that is too large for the server is left out, and the others are not.
func TestOmittedEntry(t *testing.T) {
	p := newPair(1 << 30)
	for _, e := range []change{{"a", make([]byte, 10)}, {"large", make([]byte, 1000)}, {"b", make([]byte, 10)}} {
		p.state.put(e)
	}
	left := 0
	for p.state.sent < p.state.number {
		c, omitted := p.state.note(100)
		left += omitted
		if err := p.copy.changed(sender, &c, false, p.now); err != nil {
			t.Fatal(err)
		}
	}
	if p.tell(); left != 1 || len(p.seen) != 2 {
		t.Errorf("%d entries are left out, and %d come", left, len(p.seen))
	}
}

// At most so many peers are known, and asked at a time; one that is silent waits for its turn.
func TestManyPeers(t *testing.T) {
	p := newPair(1 << 30)
	for node := range uint64(maxPeers + 10) {
		err := p.copy.renewed(node+100, &lease{Length: 1000, State: 1}, 1, p.now)
		if known := node < maxPeers-1; known != (err == nil) {
			t.Fatalf("node %d: %v", node, err)
		}
	}
	asked := make(map[uint64]bool)
	for range maxPeers/maxParts + 1 {
		all := p.copy.next(p.now)
		if len(all) > maxParts {
			t.Fatalf("%d peers are asked", len(all))
		}
		for _, r := range all {
			asked[r.peer] = true
		}
		if again := p.copy.next(p.now); len(again) > 0 {
			t.Fatalf("%d more are asked", len(again))
		}
		p.now = p.now.Add(askAgain)
	}
	if len(asked) != maxPeers {
		t.Errorf("%d peers are asked, want %d", len(asked), maxPeers)
	}
}

// A goodbye that comes while the peers are looked for counts more than the older record that is found.
func TestGoodbyeBeforeFound(t *testing.T) {
	p := newPair(1 << 30)
	for i, step := range []struct {
		seq   uint64
		bye   bool
		known bool
	}{{5, false, true}, {7, true, false}, {6, false, false}, {8, false, true}} {
		if err := p.copy.renewed(9, &lease{Length: 1000, Bye: step.bye}, step.seq, p.now); err != nil {
			t.Fatal(err)
		}
		if known := p.copy.all[9] != nil; known != step.known {
			t.Errorf("step %d: known %v", i, known)
		}
	}
}
