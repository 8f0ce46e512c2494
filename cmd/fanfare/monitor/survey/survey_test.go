package survey

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/netpoll/netpolltest"
)

func TestMain(m *testing.M) { netpolltest.Main(m) }

// topics is a source with topics in the order of their names. It counts the pages that are asked for.
type topics struct {
	all   []hub.TopicStats
	pages int
}

func (s *topics) Stats() hub.Stats { return hub.Stats{Topics: len(s.all)} }

func (s *topics) TopicsPage(q hub.TopicsQuery) (page []hub.TopicStats, next string) {
	s.pages++
	for _, t := range s.all {
		if t.Name > q.After && strings.HasPrefix(t.Name, q.Prefix) {
			if page = append(page, t); len(page) == q.Limit {
				return page, t.Name
			}
		}
	}
	return page, ""
}

func (s *topics) set(t hub.TopicStats) {
	i, found := slices.BinarySearchFunc(s.all, t.Name, func(t hub.TopicStats, name string) int { return strings.Compare(t.Name, name) })
	if found {
		s.all[i] = t
	} else {
		s.all = slices.Insert(s.all, i, t)
	}
}

type clock struct{ time.Time }

func (c *clock) now() time.Time { return c.Time }

func names(r Result) (all []string) {
	for _, t := range r.Topics {
		all = append(all, t.Name)
	}
	return all
}

// 3,000 topics have as many subscribers as their number, and each tenth gets messages.
func crowd() *topics {
	s := new(topics)
	for i := range 3000 {
		s.set(hub.TopicStats{Name: fmt.Sprintf("t%04d", i), Subscribers: i, Published: uint64(i)})
	}
	return s
}

func TestTop(t *testing.T) {
	s, c := crowd(), &clock{time.Unix(1000, 0)}
	survey := New(s, c.now)
	defer survey.Close()
	r := survey.Top("subscribers", 3)
	if got := names(r); !slices.Equal(got, []string{"t2999", "t2998", "t2997"}) || r.Total != 3000 || r.Topics[0].Rate != nil || r.Measured != 0 {
		t.Errorf("%v of %d, rate %v, measured %v", got, r.Total, r.Topics[0].Rate, r.Measured)
	}
	if r := survey.Top("rate", 10); len(r.Topics) != 0 || r.Sort != "rate" {
		t.Errorf("without a rate, topics are %v", r)
	}
	s.set(hub.TopicStats{Name: "t0007", Published: 27})
	s.set(hub.TopicStats{Name: "t2500", Published: 2540, Lagging: 2})
	s.set(hub.TopicStats{Name: "new", Published: 10})
	s.set(hub.TopicStats{Name: "t0100", Published: 60}) // ended and began anew
	c.Time = c.Add(4 * time.Second)
	r = survey.Top("rate", 10)
	if got := names(r); !slices.Equal(got, []string{"t0100", "t2500", "t0007", "new"}) || *r.Topics[1].Rate != 10 || r.Measured != 4 {
		t.Errorf("%v, %+v", got, r)
	}
	if got := names(survey.Top("lagging", 10)); !slices.Equal(got, []string{"t2500"}) {
		t.Errorf("lagging are %v", got)
	}
	if rated := survey.Rate(hub.TopicStats{Name: "t0007"}); rated.Rate == nil || *rated.Rate != 5 {
		t.Errorf("the rate of a topic is %v", rated.Rate)
	}
	if got := len(survey.Top("subscribers", 1000).Topics); got != Most {
		t.Errorf("a result has %d topics", got)
	}
}

// A survey happens at most every 2 seconds, and is forgotten when nobody asks.
func TestEvery(t *testing.T) {
	s, c := crowd(), &clock{time.Unix(1000, 0)}
	survey := New(s, c.now)
	defer survey.Close()
	for range 100 {
		survey.Top("rate", 10)
	}
	if s.pages != 4 {
		t.Errorf("100 requests took %d pages", s.pages)
	}
	c.Time = c.Add(Every)
	if survey.Top("rate", 10); s.pages != 8 {
		t.Errorf("after a while, there were %d pages", s.pages)
	}
	survey.forgetNow()
	if r := survey.Top("subscribers", 1); r.Measured != 0 || survey.Rate(hub.TopicStats{Name: "t0007"}).Rate != nil {
		t.Errorf("what was forgotten counts: %+v", r)
	}
}

// slowly is a clock that goes on by a second at each look.
func TestSlowSurvey(t *testing.T) {
	s, at := crowd(), time.Unix(1000, 0)
	survey := New(s, func() time.Time { at = at.Add(time.Second); return at })
	defer survey.Close()
	survey.Top("rate", 1)
	for range 18 { // a look takes a second
		survey.Top("rate", 1)
	}
	if s.pages != 4 {
		t.Errorf("a survey that took a second was repeated within 18: %d pages", s.pages)
	}
	survey.Top("rate", 1)
	if survey.Top("rate", 1); s.pages != 8 {
		t.Errorf("after 20 seconds there were %d pages", s.pages)
	}
}

func TestFind(t *testing.T) {
	s, c := crowd(), &clock{time.Unix(1000, 0)}
	survey := New(s, c.now)
	defer survey.Close()
	r := survey.Find("t29", "subscribers", 2)
	if got := names(r); !slices.Equal(got, []string{"t2999", "t2998"}) || r.Total != 100 || r.More {
		t.Errorf("%v, %+v", got, r)
	}
	if r := survey.Find("", "name", 2); !slices.Equal(names(r), []string{"t0000", "t0001"}) || !r.More {
		t.Errorf("by name: %v, more: %v", names(r), r.More)
	}
	if r := survey.Find("none", "rate", 2); len(r.Topics) != 0 || r.Topics == nil {
		t.Errorf("%+v", r)
	}
}

func BenchmarkSurvey(b *testing.B) {
	o := &hub.TopicOptions{History: hub.History{Messages: 1}}
	h := hub.New(hub.Options{Topic: func(string) *hub.TopicOptions { return o }})
	for i := range 100_000 {
		name := fmt.Sprintf("bench.topic.%06d", i)
		if _, err := h.Publish(name, hub.Message{Data: []byte("x")}); err != nil {
			b.Fatal(err)
		}
	}
	at := time.Now()
	survey := New(h, func() time.Time { at = at.Add(time.Minute); return at })
	defer survey.Close()
	for b.Loop() {
		survey.Top("rate", 10)
	}
	b.ReportMetric(float64(survey.last.total), "topics")
}
