package hub

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// people is a cluster whose topics have presence, and what its hubs tell the program.
type people struct {
	*cluster
	mu   sync.Mutex
	told map[string][]string // by person: "+" and "-" with the number of the node
	dead map[int]bool        // nodes that have been killed, so that they tell nothing
}

func newPeople(t *testing.T, hubs int, o Options) *people {
	p := &people{cluster: newCluster(t, 0, MemoryBrokerOptions{}, Options{}), told: make(map[string][]string), dead: make(map[int]bool)}
	for range hubs {
		p.join(o)
	}
	return p
}

// join adds a hub.
func (p *people) join(o Options) *Hub {
	i := len(p.hubs)
	o.Topic = func(name string) *TopicOptions {
		return &TopicOptions{Presence: !strings.HasPrefix(name, "plain")}
	}
	o.OnPresence = func(topic string, joined, left []Person) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.dead[i] {
			return
		}
		for _, who := range joined {
			p.told[who.ID] = append(p.told[who.ID], fmt.Sprint("+", i))
		}
		for _, who := range left {
			p.told[who.ID] = append(p.told[who.ID], fmt.Sprint("-", i))
		}
	}
	return p.add(o)
}

// kill ends a node without a shutdown.
func (p *people) kill(t *testing.T, i int) {
	t.Helper()
	p.mu.Lock()
	p.dead[i] = true
	p.mu.Unlock()
	if err := p.nodes[i].Close(); err != nil {
		t.Fatal(err)
	}
	p.nodes[i] = nil
}

// wants checks what has been told of a person.
func (p *people) wants(t *testing.T, id string, want ...string) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if got := p.told[id]; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("told of %s: %q, want %q", id, got, want)
	}
}

// present checks the list at all nodes.
func (p *people) present(t *testing.T, topic, want string) {
	t.Helper()
	for i, h := range p.hubs {
		all, err := h.Presence(topic)
		if got := ids(all); err != nil || got != want {
			t.Errorf("at node %d there are %q, want %q; error %v", i, got, want, err)
		}
	}
}

// first returns the index of the hub with the lowest ID, without those that are left out.
func (p *people) first(without ...int) (first int) {
	first = -1
	for i, h := range p.hubs {
		gone := false
		for _, w := range without {
			gone = gone || w == i
		}
		if !gone && (first < 0 || h.node.id < p.hubs[first].node.id) {
			first = i
		}
	}
	return first
}

// A person is there while there is a connection at some node, and leaves after the last one.
func TestPresenceAtTwoNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newPeople(t, 2, Options{})
		a, b := c.hubs[0], c.hubs[1]
		eve := new(watcher)
		var list []Person
		subscribe(t, newMember(t, a, eve, "eve"), "x", SubscribeOptions{Encoding: raw, Presence: &list})
		pass(time.Second)
		wantChanges(t, eve, "+eve")
		ada := come(t, b, "ada", `{"a":1}`, "x")
		pass(time.Second)
		wantChanges(t, eve, `+ada{"a":1}`)
		c.present(t, "x", `ada{"a":1}*1 eve*1`)
		here := come(t, a, "ada", `{"a":2}`, "x")
		pass(time.Second)
		c.present(t, "x", `ada{"a":1}*2 eve*1`)
		ada.Leave()
		pass(time.Minute)
		all, _ := b.Presence("x")
		if got := ids(all); got != `ada{"a":1}*1 eve*1` { // the topic is not there any more
			t.Errorf("there are %q", got)
		}
		wantChanges(t, eve)
		here.Leave()
		pass(DefaultPresenceGrace - time.Millisecond)
		wantChanges(t, eve)
		ada = come(t, b, "ada", `{"a":1}`, "x")
		pass(time.Minute)
		wantChanges(t, eve)
		c.wants(t, "ada", "+1")
		ada.Leave()
		pass(DefaultPresenceGrace + time.Second)
		wantChanges(t, eve, "-ada")
		c.present(t, "x", "eve*1")
		c.wants(t, "ada", "+1", "-1")
		c.wants(t, "eve", "+0")
	})
}

// A topic that is not here has people all the same, and begins with them.
func TestPresenceOfTopicElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newPeople(t, 2, Options{})
		ada := come(t, c.hubs[0], "ada", "", "x")
		bob := come(t, c.hubs[0], "", "", "x")
		pass(time.Second)
		want := ids([]Person{{ID: "ada", Connections: 1}})
		if all, err := c.hubs[1].Presence("x"); err != nil || len(all) != 2 || !strings.Contains(ids(all), want) {
			t.Errorf("there are %q, error %v", ids(all), err)
		}
		if n := len(c.hubs[1].Topics()); n != 0 {
			t.Errorf("%d topics began", n)
		}
		w := new(watcher)
		var list []Person
		subscribe(t, newMember(t, c.hubs[1], w, "eve"), "x", SubscribeOptions{Encoding: raw, Presence: &list})
		if len(list) != 2 {
			t.Errorf("the list is %q", ids(list))
		}
		bob.Leave()
		ada.Leave()
		pass(time.Minute)
		if got := w.take(); len(got) != 2 || got[0].String() != "+eve" || len(got[1].Left) != 2 {
			t.Errorf("told %q", got)
		}
		c.present(t, "x", "eve*1")
	})
}

// The people of a node that ends leave after the grace period, unless they come back elsewhere. The
// program is told by the first node that remains.
func TestPeopleOfEndedNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newPeople(t, 3, Options{})
		dead := c.first()
		first := c.first(dead)
		eve := enter(t, c.hubs[first], "x")
		for _, id := range []string{"ada", "bob", "cem"} {
			come(t, c.hubs[dead], id, "", "x")
		}
		pass(time.Second)
		c.kill(t, dead)
		pass(time.Second)
		other := c.first(dead, first)
		come(t, c.hubs[other], "ada", "", "x")
		come(t, c.hubs[first], "bob", "", "x")
		pass(time.Minute)
		var left []string
		eve.follow(t, func(id string, _ time.Time) { left = append(left, id) })
		if fmt.Sprint(left) != "[cem]" {
			t.Errorf("%q have left", left)
		}
		for _, id := range []string{"ada", "bob"} {
			c.wants(t, id, fmt.Sprint("+", dead))
		}
		c.wants(t, "cem", fmt.Sprint("+", dead), fmt.Sprint("-", first))
	})
}

// While a node is not connected, nobody leaves. What has changed meanwhile is told afterwards.
func TestPresenceWithoutConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newPeople(t, 2, Options{})
		eve := enter(t, c.hubs[0], "x")
		ada, bob := come(t, c.hubs[1], "ada", "", "x"), come(t, c.hubs[1], "bob", "", "x")
		pass(time.Second)
		eve.follow(t, nil)
		c.nodes[1].cut()
		ada.Leave()
		pass(time.Minute)
		if got := eve.take(); len(got) != 0 {
			t.Errorf("told %v", got)
		}
		c.wants(t, "ada", "+1", "-1") // the keeper knows
		c.nodes[1].restore()
		pass(time.Minute)
		wantChanges(t, eve.watcher, "-ada")
		bob.Leave()
		pass(time.Minute)
		wantChanges(t, eve.watcher, "-bob")
		c.wants(t, "bob", "+1", "-1")
	})
}

// A crowd moves from node to node: nobody leaves, neither for subscribers nor for the program.
func TestCrowdMoves(t *testing.T) {
	const crowd = 1000
	synctest.Test(t, func(t *testing.T) {
		c := newPeople(t, 3, Options{})
		eve := enter(t, c.hubs[0], "x")
		members := make([]*Member, crowd)
		for i := range members {
			members[i] = come(t, c.hubs[0], fmt.Sprint("u", i), "", "x")
		}
		pass(time.Second)
		for round := range 6 {
			for i, m := range members {
				to := c.hubs[(round+i)%3]
				if round%2 == 0 {
					m.Leave()
					members[i] = come(t, to, m.User(), "", "x")
				} else {
					members[i] = come(t, to, m.User(), "", "x")
					m.Leave()
				}
				if i%100 == 0 {
					pass(10 * time.Millisecond)
				}
			}
			pass(10 * time.Second)
		}
		eve.follow(t, func(id string, _ time.Time) { t.Errorf("%s has left", id) })
		for _, m := range members {
			c.wants(t, m.User(), "+0")
			m.Leave()
		}
		pass(time.Minute)
		left := 0
		eve.follow(t, func(string, time.Time) { left++ })
		if left != crowd {
			t.Errorf("%d have left, want %d", left, crowd)
		}
		for _, m := range members {
			c.wants(t, m.User(), "+0", "-0")
		}
		eve.member.Leave()
		pass(time.Minute)
		c.empty(t)
	})
}

// empty checks that the hubs hold nobody any more.
func (p *people) empty(t *testing.T) {
	t.Helper()
	for i, h := range p.hubs {
		h.roster.mu.Lock()
		topics, pending := len(h.roster.topics), len(h.roster.pending)
		h.roster.mu.Unlock()
		if n := h.presentBytes.Load(); n != 0 || topics != 0 || pending != 0 {
			t.Errorf("node %d counts %d bytes of presence, %d topics, %d pending", i, n, topics, pending)
		}
	}
}

// The property of presence in a cluster, with nodes that end and others that begin: every list and
// the events since then add up to the people present, and the program is told of each change once.
func TestPresenceOfClusterProperty(t *testing.T) {
	for range 10 {
		synctest.Test(t, presenceOfCluster)
	}
}

func presenceOfCluster(t *testing.T) {
	const most = 5 // nodes, over time
	c := newPeople(t, 3, Options{})
	type place struct {
		*Member
		node int
	}
	all := make(map[string][]place)
	live := []int{0, 1, 2}
	rooms := []*room{enter(t, c.hubs[0], "x")} // node 0 does not end
	for range 300 {
		id := fmt.Sprint("u", rand.IntN(8))
		switch of := all[id]; rand.IntN(6) {
		case 0, 1, 2:
			node := live[rand.IntN(len(live))]
			all[id] = append(of, place{come(t, c.hubs[node], id, "", "x"), node})
		case 3, 4:
			for len(of) > 0 && rand.IntN(4) > 0 {
				of[0].Leave()
				of = of[1:]
			}
			all[id] = of
		case 5:
			if rand.IntN(30) > 0 || len(c.hubs) == most {
				break
			}
			pass(time.Second)
			dead := live[1]
			c.kill(t, dead)
			for id, of := range all {
				all[id] = nil
				for _, p := range of {
					if p.node != dead {
						all[id] = append(all[id], p)
					}
				}
			}
			live = append([]int{0, len(c.hubs)}, live[2:]...)
			c.join(Options{})
			rooms = append(rooms, enter(t, c.hubs[0], "x"))
		}
		if rand.IntN(3) > 0 {
			pass(time.Duration(rand.ExpFloat64() * 300 * float64(time.Millisecond)))
		}
	}
	pass(time.Minute)
	want, _ := c.hubs[0].Presence("x")
	for _, p := range want {
		if n := len(all[p.ID]); !p.Anonymous && n != p.Connections {
			t.Errorf("%s is there %d times, want %d", p.ID, p.Connections, n)
		}
	}
	for _, node := range live[1:] {
		if got, _ := c.hubs[node].Presence("x"); ids(got) != ids(want) {
			t.Errorf("at node %d there are %q, want %q", node, ids(got), ids(want))
		}
	}
	for _, r := range rooms {
		r.follow(t, func(string, time.Time) {})
		r.check(t, want)
	}
	c.checkTold(t, func(id string) bool { return len(all[id]) > 0 })
}

// checkTold checks that people were told to join and leave in turn.
func (p *people) checkTold(t *testing.T, present func(id string) bool) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, all := range p.told {
		if !strings.HasPrefix(id, "u") || len(id) > 2 {
			continue // an anonymous one
		}
		for i, s := range all {
			if (s[0] == '+') != (i%2 == 0) {
				t.Errorf("told of %s: %q", id, all)
				break
			}
		}
		if (len(all)%2 == 1) != present(id) {
			t.Errorf("told of %s: %q; present: %v", id, all, present(id))
		}
	}
}

// People at other nodes count for the limit, and leave a quarter of it to those here. Beyond that this
// node does not know them.
func TestPresenceLimitOfOtherNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newPeople(t, 1, Options{})
		const limit = 40 * (partWeight + 4)
		b := c.join(Options{MaxPresence: limit})
		var members []*Member
		for i := range 100 {
			members = append(members, come(t, c.hubs[0], fmt.Sprint("u", i), "", "x"))
		}
		pass(time.Second)
		all, err := b.Presence("x")
		if err != nil || len(all) != 30 {
			t.Errorf("%d people are known, want 30; error %v", len(all), err)
		}
		for i := range 10 {
			members = append(members, come(t, b, fmt.Sprint("here", i), "", "x"))
		}
		if n := b.Stats().PresenceBytes; n > limit || n < limit*3/4 {
			t.Errorf("%d bytes are held, the limit is %d", n, limit)
		}
		for _, m := range members {
			m.Leave()
		}
		pass(time.Minute)
		c.empty(t)
	})
}

// A person who comes to all nodes at the same time is announced once.
func TestPresenceComesEverywhereAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newPeople(t, 3, Options{})
		var members []*Member
		for _, h := range c.hubs {
			members = append(members, come(t, h, "ada", "", "x"))
		}
		pass(time.Minute)
		first := c.first()
		c.wants(t, "ada", fmt.Sprint("+", first))
		for _, m := range members {
			m.Leave()
		}
		pass(time.Minute)
		c.wants(t, "ada", fmt.Sprint("+", first), fmt.Sprint("-", first))
		c.empty(t)
	})
}

// A single node tells the program who has left when it shuts down.
func TestShutdownTellsWhoHasLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newPeople(t, 1, Options{})
		come(t, c.hubs[0], "ada", "", "x")
		pass(time.Second)
		if err := c.hubs[0].Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		c.wants(t, "ada", "+0", "-0")
	})
}
