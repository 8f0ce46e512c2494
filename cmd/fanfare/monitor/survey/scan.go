package survey

import (
	"slices"
	"time"

	"github.com/fanfare-ws/fanfare/hub"
)

// scan is a survey of all topics.
type scan struct {
	at       time.Time
	took     time.Duration
	measured time.Duration // since the scan that rates refer to; 0 if there was none
	total    int
	top      map[string][]Topic // by the orders of Sorts, at most Most each

	// Of all topics, in the order of their names:
	names  []string
	counts []uint64  // messages
	rates  []float32 // of those with messages since the scan before, at the same index; empty if measured is 0
}

// scanLocked looks at all topics. It runs beside the scan before in the order of the names, to find what each has counted.
func (t *Topics) scanLocked(was *scan) *scan {
	s := &scan{at: t.now(), top: make(map[string][]Topic)}
	if was != nil && s.at.Sub(was.at) >= minSpan {
		s.measured = s.at.Sub(was.at)
	}
	n := t.source.Stats().Topics
	s.names, s.counts = make([]string, 0, n), make([]uint64, 0, n)
	if s.measured > 0 {
		s.rates = make([]float32, 0, n)
	}
	at := 0 // in the scan before
	for q := (hub.TopicsQuery{Limit: pageSize, Users: true}); ; {
		page, next := t.source.TopicsPage(q)
		for _, p := range page {
			at = s.add(p, was, at)
		}
		if q.After = next; next == "" {
			break
		}
	}
	s.total = len(s.names)
	s.took = t.now().Sub(s.at)
	return s
}

// add adds a topic. at is the first place in the scan before whose name may not be below this one; add returns the next such.
func (s *scan) add(p hub.TopicStats, was *scan, at int) int {
	topic := Topic{TopicStats: p}
	if s.measured > 0 {
		for at < len(was.names) && was.names[at] < p.Name {
			at++
		}
		before := uint64(0) // a topic that is new has begun since
		if at < len(was.names) && was.names[at] == p.Name && was.counts[at] <= p.Published {
			before = was.counts[at]
		}
		rate := float64(p.Published-before) / s.measured.Seconds()
		topic.Rate = &rate
		s.rates = append(s.rates, float32(rate))
	}
	s.names = append(s.names, p.Name)
	s.counts = append(s.counts, p.Published)
	for _, sort := range Sorts {
		s.rank(sort, topic)
	}
	return at
}

// rank takes the topic into the order if it is among the first.
func (s *scan) rank(sort string, topic Topic) {
	key, top := keys[sort], s.top[sort]
	k := key(&topic)
	if k == 0 && sort != "subscribers" || len(top) == Most && k <= key(&top[Most-1]) {
		return
	}
	i, _ := slices.BinarySearchFunc(top, topic, order(key))
	if len(top) == Most {
		top = top[:Most-1]
	}
	s.top[sort] = slices.Insert(top, i, topic)
}

// rated returns a topic with the rate that it had in the scan.
func (s *scan) rated(p hub.TopicStats) Topic {
	topic := Topic{TopicStats: p}
	if i, found := slices.BinarySearch(s.names, p.Name); found && s.measured > 0 {
		rate := float64(s.rates[i])
		topic.Rate = &rate
	}
	return topic
}
