package hub

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
)

var over = CloseReason{Code: 4001, Text: "over"}

// Each node closes its subscribers after it has delivered what any node published before, and the
// number is that of all nodes.
func TestDisconnectAtAllNodes(t *testing.T) {
	const nodes, messages = 3, 50
	c := newCluster(t, nodes, MemoryBrokerOptions{}, Options{})
	for round := range 20 {
		topic := fmt.Sprint("x.", round)
		all := make([]*fake, 0, nodes*2)
		for _, h := range c.hubs {
			f, _ := start(t, h, topic, Start{})
			g, _ := start(t, h, "x.*", Start{})
			all = append(all, f, g)
		}
		for n := range uint64(messages) {
			publish(t, c.hubs[round%nodes], topic, n+1)
		}
		for i, name := range []string{topic, "x.*"} {
			if n, err := c.hubs[(round+i)%nodes].Disconnect(name, over); n != nodes || err != nil {
				t.Fatalf("%d were disconnected, want %d; error %v", n, nodes, err)
			}
		}
		for _, f := range all {
			waitFor(t, func() bool { return f.wasClosed() == over.Code })
			f.gets(t, span(1, messages)...)
		}
	}
}

// A command comes after all messages that were published before it, also at a node that is slow.
func TestCommandIsInOrder(t *testing.T) {
	const messages = 200
	c := newCluster(t, 1, MemoryBrokerOptions{}, Options{})
	g := new(gate)
	slow := c.add(Options{Broker: g})
	f, _ := start(t, slow, "x", Start{})
	g.mu.Lock()
	for n := range uint64(messages) {
		publish(t, c.hubs[0], "x", n+1)
	}
	done := make(chan error)
	go func() {
		_, err := c.hubs[0].Disconnect("x", over)
		done <- err
	}()
	g.mu.Unlock()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return f.wasClosed() == over.Code })
	f.gets(t, span(1, messages)...)
}

// Only the members of the user are disconnected.
func TestDisconnectUserAtAllNodes(t *testing.T) {
	c := newCluster(t, 2, MemoryBrokerOptions{}, Options{})
	var all []*Member
	for i, h := range c.hubs {
		all = append(all, come(t, h, "ada", "", "x"), come(t, h, "bob", "", "x"), come(t, h, "", "", "x"))
		start(t, h, fmt.Sprint("y", i), Start{})
	}
	closed := func() (who []string) {
		for i, m := range all {
			if m.Left() {
				who = append(who, fmt.Sprint(i, m.User()))
			}
		}
		return who
	}
	if n, err := c.hubs[1].DisconnectUser("x", "ada", over); n != 2 || err != nil {
		t.Errorf("%d were disconnected, error %v", n, err)
	}
	waitFor(t, func() bool { return len(closed()) >= 2 })
	if n, err := c.hubs[0].DisconnectUser(UserTopic("bob"), "bob", over); n != 2 || err != nil {
		t.Errorf("%d were disconnected, error %v", n, err)
	}
	waitFor(t, func() bool { return len(closed()) >= 4 })
	if got, want := closed(), []string{"0ada", "1bob", "3ada", "4bob"}; !slices.Equal(got, want) {
		t.Errorf("closed %q, want %q", got, want)
	}
}

// hearers are the functions OnTold of several nodes.
type hearers struct {
	mu   sync.Mutex
	told [][]string // by node
}

func (h *hearers) options(i int) Options {
	h.told = append(h.told, nil)
	return Options{OnTold: func(data []byte) int {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.told[i] = append(h.told[i], string(data))
		return 1 << i
	}}
}

func (h *hearers) get(i int) []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.told[i])
}

// Tell reaches all nodes in the same order, and adds up the results.
func TestTell(t *testing.T) {
	var heard hearers
	c := newCluster(t, 0, MemoryBrokerOptions{}, Options{})
	for i := range 3 {
		c.add(heard.options(i))
	}
	for _, h := range c.hubs {
		start(t, h, "x", Start{}) // so that it has joined the topic of commands
	}
	var all sync.WaitGroup
	for i, h := range c.hubs {
		all.Go(func() {
			for k := range 50 {
				if n, err := h.Tell(fmt.Append(nil, i, k)); n != 7 || err != nil {
					t.Errorf("the sum is %d, want 7; error %v", n, err)
				}
			}
		})
	}
	all.Wait()
	for i := range c.hubs {
		if got, want := heard.get(i), heard.get(0); len(got) != 150 || !slices.Equal(got, want) {
			t.Errorf("node %d was told %q, node 0 %q", i, got, want)
		}
	}
}

// Without a broker everything happens at once.
func TestTellAlone(t *testing.T) {
	var heard hearers
	h := New(heard.options(0))
	if n, err := h.Tell([]byte("a")); n != 1 || err != nil || !slices.Equal(heard.get(0), []string{"a"}) {
		t.Errorf("told %q, sum %d, error %v", heard.get(0), n, err)
	}
	if n, err := New(Options{}).Tell([]byte("a")); n != 0 || err != nil {
		t.Errorf("without a function: sum %d, error %v", n, err)
	}
}

// While the connection is down the own subscribers are disconnected, and the error says that others
// were not reached. The command does not run again later.
func TestDisconnectWithoutConnection(t *testing.T) {
	c := newCluster(t, 2, MemoryBrokerOptions{History: 100}, Options{})
	here, _ := start(t, c.hubs[0], "x", Start{})
	there, _ := start(t, c.hubs[1], "x", Start{})
	c.nodes[0].cut()
	if n, err := c.hubs[0].Disconnect("x", over); n != 1 || !errors.Is(err, ErrLinkDown) {
		t.Errorf("%d were disconnected, error %v", n, err)
	}
	waitFor(t, func() bool { return here.wasClosed() == over.Code })
	c.nodes[0].restore()
	again, _ := start(t, c.hubs[0], "x", Start{})
	publish(t, c.hubs[0], "x", 1)
	again.gets(t, 1)
	there.gets(t, 1)
	if again.wasClosed() != 0 || there.wasClosed() != 0 {
		t.Error("the command has run at the other node, or a second time")
	}
}

// A node that was not connected runs the commands that it missed, after the messages before them.
func TestMissedCommand(t *testing.T) {
	synctest.Test(t, missedCommand) // a node that is cut does not answer in time
}

func missedCommand(t *testing.T) {
	var heard hearers
	c := newCluster(t, 1, MemoryBrokerOptions{History: 1000}, Options{})
	o := heard.options(0)
	o.Topic = keeping(History{Messages: 1000}).Topic
	c.add(o)
	f, _ := start(t, c.hubs[1], "x", Start{})
	stays, _ := start(t, c.hubs[1], "y", Start{})
	c.nodes[1].cut()
	publish(t, c.hubs[0], "x", 1)
	if n, err := c.hubs[0].Tell([]byte("a")); n != 0 || err != nil {
		t.Errorf("the sum is %d, error %v", n, err)
	}
	if _, err := c.hubs[0].Disconnect("x", over); err != nil {
		t.Error(err)
	}
	c.nodes[1].restore()
	waitFor(t, func() bool { return f.wasClosed() == over.Code })
	f.gets(t, 1)
	if got := heard.get(0); !slices.Equal(got, []string{"a"}) || stays.wasClosed() != 0 {
		t.Errorf("told %q", got)
	}
}

// Nobody can subscribe or publish to the topic of commands, or see it.
func TestControlTopicIsHidden(t *testing.T) {
	c := newCluster(t, 2, MemoryBrokerOptions{History: 100}, keeping(History{Messages: 100}))
	all, _ := start(t, c.hubs[0], ">", Start{Last: 100})
	if _, err := c.hubs[0].Tell([]byte("a")); err != nil {
		t.Fatal(err)
	}
	h := c.hubs[1]
	if _, err := h.Publish(controlTopic, number(1)); err == nil {
		t.Error("a message can be published to the topic of commands")
	}
	f := new(fake)
	if _, err := h.Subscribe(controlTopic, &f.sub, f, SubscribeOptions{Encoding: raw}); err == nil {
		t.Error("the topic of commands can be subscribed to")
	}
	publish(t, h, "x", 1)
	all.gets(t, 1)
	later, _ := start(t, h, ">", Start{Last: 100})
	later.gets(t, 1)
	for _, h := range c.hubs {
		if page, _ := h.TopicsPage(TopicsQuery{Users: true}); slices.ContainsFunc(page, func(s TopicStats) bool { return s.Name == controlTopic }) {
			t.Error("the topic of commands is listed")
		}
	}
}
