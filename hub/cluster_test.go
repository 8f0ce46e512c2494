package hub

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// Pages of the topics of all nodes have each topic once, in order, with the sum of its subscribers.
func TestClusterTopics(t *testing.T) {
	const topics = 250
	c := newCluster(t, 3, MemoryBrokerOptions{}, Options{})
	want := make(map[string]int)
	for i := range topics {
		name := fmt.Sprintf("t.%03d.x%s", i, strings.Repeat("&", i%200))
		for k, h := range c.hubs {
			if i%(k+1) == 0 {
				start(t, h, name, Start{})
				want[name]++
			}
		}
	}
	if _, err := c.hubs[1].NewMember(new(watcher), Identity{User: "ada"}, SubscribeOptions{Encoding: raw}); err != nil {
		t.Fatal(err)
	}
	for _, limit := range []int{1, 7, 100, 1000} {
		for _, h := range c.hubs {
			got := make(map[string]int)
			q := TopicsQuery{Limit: limit}
			for last := ""; ; {
				page := h.ClusterTopics(t.Context(), q)
				if len(page.Topics) > limit || len(page.Missing) > 0 {
					t.Fatalf("%d topics, missing %v", len(page.Topics), page.Missing)
				}
				for _, s := range page.Topics {
					if s.Name <= last {
						t.Fatalf("%q comes after %q", s.Name, last)
					}
					last = s.Name
					got[s.Name] = s.Subscribers
				}
				if q.After = page.Next; q.After == "" {
					break
				}
			}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Fatalf("limit %d: %v, want %v", limit, got, want)
			}
		}
	}
	page := c.hubs[0].ClusterTopics(t.Context(), TopicsQuery{Prefix: "@", Users: true})
	if len(page.Topics) != 1 || page.Topics[0].Name != "@ada" || page.Topics[0].Subscribers != 1 {
		t.Errorf("topics of users: %+v", page)
	}
}

// A page that is too long for an answer is shortened, and the rest follows.
func TestClusterTopicsOfLongNames(t *testing.T) {
	const topics = 900
	c := newCluster(t, 2, MemoryBrokerOptions{}, Options{})
	for i := range topics {
		start(t, c.hubs[1], fmt.Sprintf("%03d%s", i, strings.Repeat("<", 250)), Start{}) // 6 bytes each in JSON
	}
	seen := 0
	for q := (TopicsQuery{Limit: 1000}); ; {
		page := c.hubs[0].ClusterTopics(t.Context(), q)
		for _, s := range page.Topics {
			if !strings.HasPrefix(s.Name, fmt.Sprintf("%03d<", seen)) {
				t.Fatalf("%q is number %d", s.Name, seen)
			}
			seen++
		}
		if q.After = page.Next; q.After == "" {
			break
		}
	}
	if seen != topics {
		t.Errorf("%d topics, want %d", seen, topics)
	}
}

// A message to a pattern reaches the matching topics of all nodes, each once.
func TestPublishMatchingEverywhere(t *testing.T) {
	c := newCluster(t, 3, MemoryBrokerOptions{}, Options{})
	var all []*fake
	for i, name := range []string{"p.a", "p.b", "p.b", "q.c", "p.*"} {
		f, _ := start(t, c.hubs[i%3], name, Start{})
		all = append(all, f)
	}
	got, err := c.hubs[2].PublishMatching("p.*", number(7))
	if err != nil || len(got) != 2 || got["p.a"].Position == (Position{}) || got["p.b"].Position == (Position{}) {
		t.Errorf("%v %v", got, err)
	}
	for _, f := range all[:3] {
		f.gets(t, 7)
	}
	all[4].gets(t, 7, 7)
	if _, err := c.hubs[2].Publish("q.c", number(8)); err != nil {
		t.Fatal(err)
	}
	all[3].gets(t, 8)
}

// A node that does not answer may have matching topics, so the message may be missing there.
func TestPublishMatchingWithoutAnswer(t *testing.T) {
	c := newCluster(t, 2, MemoryBrokerOptions{}, Options{BrokerTimeout: 100 * time.Millisecond})
	f, _ := start(t, c.hubs[0], "p.a", Start{})
	waitFor(t, func() bool { return c.hubs[0].node.nodes.count() == 1 })
	c.nodes[1].cut()
	if got, err := c.hubs[0].PublishMatching("p.*", number(7)); !errors.Is(err, ErrUnacknowledged) || len(got) != 1 {
		t.Errorf("%v %v", got, err)
	}
	f.gets(t, 7)
}

// Nodes lists the nodes with their names and figures. One that does not answer is missing, and one
// that has ended is not there.
func TestNodes(t *testing.T) {
	c := newCluster(t, 0, MemoryBrokerOptions{}, Options{})
	names := []string{"a", "b", "c"}
	for _, name := range names {
		c.add(Options{NodeName: name})
	}
	for i, h := range c.hubs {
		waitFor(t, func() bool { return h.node.nodes.count() == 2 })
		for range i {
			start(t, h, "x", Start{})
		}
	}
	list := func(all []NodeStats) (s []string) {
		for _, n := range all {
			s = append(s, fmt.Sprintf("%s%v%v%d", n.Name, n.Self, n.Missing, n.Stats.Subscriptions))
			if n.Number == 0 || n.Started.IsZero() {
				t.Errorf("the node is %+v", n)
			}
		}
		return s
	}
	if got, want := list(c.hubs[1].Nodes(t.Context())), []string{"afalsefalse0", "btruefalse1", "cfalsefalse2"}; !slices.Equal(got, want) {
		t.Errorf("the nodes are %q, want %q", got, want)
	}
	c.nodes[2].cut()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	all := c.hubs[1].Nodes(ctx)
	if len(all) != 3 || !all[2].Missing || all[2].Name != "c" {
		t.Errorf("the nodes are %+v", list(all))
	}
	if missing := c.hubs[1].ClusterTopics(ctx, TopicsQuery{}).Missing; !slices.Contains(missing, "c") {
		t.Errorf("missing are %q", missing)
	}
	if got, want := list(c.hubs[2].Nodes(t.Context())), []string{"afalsetrue0", "bfalsetrue0", "ctruefalse2"}; !slices.Equal(got, want) {
		t.Errorf("at the node that is cut: %q, want %q", got, want)
	}
	if err := c.nodes[2].Close(); err != nil {
		t.Fatal(err)
	}
	c.nodes[2] = nil
	waitFor(t, func() bool { return c.hubs[1].node.nodes.count() == 1 })
	if got := list(c.hubs[1].Nodes(t.Context())); len(got) != 2 {
		t.Errorf("after the end of a node: %q", got)
	}
}

// A hub without a broker is the only node.
func TestNodesAlone(t *testing.T) {
	h := New(Options{NodeName: "a"})
	start(t, h, "x", Start{})
	if all := h.Nodes(t.Context()); len(all) != 1 || !all[0].Self || all[0].Name != "a" || all[0].Started.IsZero() {
		t.Errorf("the nodes are %+v", all)
	}
	if page := h.ClusterTopics(t.Context(), TopicsQuery{}); len(page.Topics) != 1 || page.Next != "" || page.Missing != nil {
		t.Errorf("the topics are %+v", page)
	}
}
