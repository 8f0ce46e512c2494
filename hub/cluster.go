package hub

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// NodeStats describe a node of a cluster.
type NodeStats struct {
	Number  uint64    `json:"number,string"` // a random one, which is new after a restart
	Name    string    `json:"name,omitempty"`
	Self    bool      `json:"self,omitempty"` // it is the node that was asked
	Started time.Time `json:"started"`
	Missing bool      `json:"missing,omitempty"` // it has not answered in time, so Stats is zero
	Stats   Stats     `json:"stats"`
}

// Nodes returns the nodes of the cluster, sorted by name and number, with their statistics; for a hub
// whose broker is not one of [Peers], the node itself. A node that does not answer before ctx is done
// is Missing; so are all others while the connection is down.
func (h *Hub) Nodes(ctx context.Context) []NodeStats {
	all := []NodeStats{h.nodeStats()}
	missing, _ := h.node.askAll(ctx, question{Node: true}, func(answer []byte) { // the error says nothing more than missing
		var s NodeStats
		if json.Unmarshal(answer, &s) == nil {
			all = append(all, s)
		}
	})
	for _, info := range missing {
		all = append(all, NodeStats{Number: info.ID, Name: info.Name, Started: info.Started, Missing: true})
	}
	all[0].Self = true
	slices.SortFunc(all, func(a, b NodeStats) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), cmp.Compare(a.Number, b.Number))
	})
	return all
}

func (h *Hub) nodeStats() NodeStats {
	s := NodeStats{Name: h.opts.NodeName, Started: h.began, Stats: h.Stats()}
	if h.node != nil {
		s.Number = h.node.id
	}
	return s
}

// askAll asks all other nodes, and returns those that have not answered.
func (n *brokerNode) askAll(ctx context.Context, q question, each func(answer []byte)) (missing []nodeInfo, err error) {
	if n == nil || n.peers == nil {
		return nil, nil
	}
	n.hub.Start()
	known := n.nodes.copy()
	err = n.ask(ctx, q, func(peer uint64, answer []byte) {
		delete(known, peer)
		each(answer)
	})
	missing = slices.Collect(maps.Values(known))
	slices.SortFunc(missing, func(a, b nodeInfo) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
	return missing, err
}

// label returns the name of a node, or its number if it has none.
func (i nodeInfo) label() string { return cmp.Or(i.Name, strconv.FormatUint(i.ID, 10)) }

// ClusterTopics is a page of the topics of all nodes.
type ClusterTopics struct {
	Topics  []TopicStats `json:"topics"`
	Next    string       `json:"next,omitempty"`    // the After of the next page; "" if there are no more
	Missing []string     `json:"missing,omitempty"` // names or numbers of the nodes that have not answered in time
	failed  error        // if not all have been asked, or not all have answered
}

// ClusterTopics is TopicsPage for the topics of all nodes: see there for pages. The statistics of a
// topic are the sum of those of its nodes, except for Published, Held and Position, which are the
// highest. For a hub whose broker is not one of [Peers] the topics are its own. Topics of a node that
// does not answer before ctx is done may be missing or incomplete.
func (h *Hub) ClusterTopics(ctx context.Context, q TopicsQuery) ClusterTopics {
	if q.Limit <= 0 {
		q.Limit = DefaultTopicsLimit
	}
	q.Limit = min(q.Limit, MaxTopicsLimit)
	m := topicsMerge{all: make(map[string]*TopicStats)}
	m.add(h.TopicsPage(q))
	missing, failed := h.node.askAll(ctx, question{Topics: &q}, func(answer []byte) {
		var a topicsAnswer
		if json.Unmarshal(answer, &a) == nil {
			m.add(a.Topics, a.Next)
		}
	})
	page := m.page(q.Limit)
	page.failed = failed
	for _, info := range missing {
		page.Missing = append(page.Missing, info.label())
	}
	return page
}

// matchingElsewhere returns the topics that match a pattern and that only other nodes have.
func (n *brokerNode) matchingElsewhere(pattern string, here []*Topic) (names []string, err error) {
	if n == nil || n.peers == nil {
		return nil, nil
	}
	own := make(map[string]bool, len(here))
	for _, t := range here {
		own[t.name] = true
	}
	prefix, _, _ := strings.Cut(pattern, anyToken)
	prefix, _, _ = strings.Cut(prefix, anyTail)
	for q := (TopicsQuery{Prefix: prefix, Limit: MaxTopicsLimit}); ; {
		ctx, cancel := n.context()
		page := n.hub.ClusterTopics(ctx, q)
		cancel()
		for _, t := range page.Topics {
			if !own[t.Name] && !IsPattern(t.Name) && matches(pattern, t.Name) {
				names = append(names, t.Name)
			}
		}
		if errors.Is(page.failed, ErrLinkDown) {
			return names, page.failed
		}
		if len(page.Missing) > 0 {
			return names, fmt.Errorf("%w: nodes have not said which topics they have: %s", ErrUnacknowledged, strings.Join(page.Missing, ", "))
		}
		if q.After = page.Next; q.After == "" {
			return names, nil
		}
	}
}

// topicsAnswer is a node's page.
type topicsAnswer struct {
	Topics []TopicStats `json:"topics"`
	Next   string       `json:"next,omitempty"`
}

// answerTopics returns a page as JSON, shortened if it is too long for an answer.
func (h *Hub) answerTopics(q TopicsQuery) ([]byte, error) {
	var a topicsAnswer
	a.Topics, a.Next = h.TopicsPage(q)
	for {
		b, err := json.Marshal(a)
		if err != nil || len(b) <= maxQuestion || len(a.Topics) < 2 {
			return b, err
		}
		a.Topics = a.Topics[:len(a.Topics)/2]
		a.Next = a.Topics[len(a.Topics)-1].Name
	}
}

// topicsMerge merges pages of several nodes.
type topicsMerge struct {
	all map[string]*TopicStats
	end string // all topics up to here are known; "" if all are
}

func (m *topicsMerge) add(topics []TopicStats, next string) {
	for _, t := range topics {
		if s := m.all[t.Name]; s != nil {
			s.add(&t)
		} else {
			m.all[t.Name] = &t
		}
	}
	if next != "" && (m.end == "" || next < m.end) {
		m.end = next
	}
}

// page returns the first topics.
func (m *topicsMerge) page(limit int) ClusterTopics {
	p := ClusterTopics{Topics: make([]TopicStats, 0, min(limit, len(m.all))), Next: m.end}
	for _, name := range slices.Sorted(maps.Keys(m.all)) {
		if m.end != "" && name > m.end {
			break
		}
		if len(p.Topics) == limit {
			p.Next = p.Topics[limit-1].Name
			break
		}
		p.Topics = append(p.Topics, *m.all[name])
	}
	return p
}

// add adds the statistics of the same topic at another node.
func (s *TopicStats) add(t *TopicStats) {
	s.Subscribers += t.Subscribers
	s.Evicted += t.Evicted
	s.Dropped += t.Dropped
	s.Lagging += t.Lagging
	s.Memory += t.Memory
	s.Published = max(s.Published, t.Published)
	s.Held = max(s.Held, t.Held)
	if s.Position.Epoch == 0 || s.Position.Epoch == t.Position.Epoch && s.Position.Offset < t.Position.Offset {
		s.Position = t.Position
	}
}
