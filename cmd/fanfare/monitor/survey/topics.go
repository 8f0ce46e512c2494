package survey

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fanfare-ws/fanfare/hub"
)

// Bounds of a survey.
const (
	Most     = 100 // topics or clients in a result
	pageSize = hub.MaxTopicsLimit
	minSpan  = 500 * time.Millisecond // of a rate
)

// Source is a hub.
type Source interface {
	TopicsPage(hub.TopicsQuery) (page []hub.TopicStats, next string)
	Stats() hub.Stats
}

// Topic is a topic with its rate.
type Topic struct {
	hub.TopicStats
	Rate *float64 `json:"rate"` // messages per second; nil if it is not known yet
}

// Result has the topics that stand out.
type Result struct {
	Time     time.Time `json:"time"`     // of the survey
	Took     float64   `json:"took"`     // seconds
	Measured float64   `json:"measured"` // seconds that the rates cover; 0 if there are none yet
	Total    int       `json:"total"`    // topics
	More     bool      `json:"more,omitempty"`
	Sort     string    `json:"sort"`
	Topics   []Topic   `json:"topics"`
}

// Topics surveys the topics of a hub.
type Topics struct {
	source Source
	now    func() time.Time

	mu     sync.Mutex // held during a survey
	last   *scan
	forget *time.Timer
}

// New returns a survey of the topics of a hub.
func New(source Source, now func() time.Time) *Topics { return &Topics{source: source, now: now} }

// Close forgets the last survey.
func (t *Topics) Close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.last = nil; t.forget != nil {
		t.forget.Stop()
	}
}

// Sorts are the orders in which topics can be had, largest first.
var Sorts = []string{"rate", "subscribers", "lagging", "dropped", "history", "published"}

// keys are what Sorts compare. Topics where it is 0 are left out, except for subscribers.
var keys = map[string]func(*Topic) float64{
	"rate": func(t *Topic) float64 {
		if t.Rate == nil {
			return 0
		}
		return *t.Rate
	},
	"subscribers": func(t *Topic) float64 { return float64(t.Subscribers) },
	"lagging":     func(t *Topic) float64 { return float64(t.Lagging) },
	"dropped":     func(t *Topic) float64 { return float64(t.Dropped) + float64(t.Evicted) },
	"history":     func(t *Topic) float64 { return float64(t.Held) },
	"published":   func(t *Topic) float64 { return float64(t.Published) },
}

// Top returns the first topics in one of the orders of Sorts, at most limit and Most.
func (t *Topics) Top(sort string, limit int) Result {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.currentLocked()
	top := s.top[sort]
	return s.result(sort, top[:min(len(top), limit)], s.total)
}

// Find returns topics whose names begin with prefix, of the first 1,000 of them, in one of the orders of Sorts or by "name".
// More says that there are others.
func (t *Topics) Find(prefix, sort string, limit int) Result {
	page, next := t.source.TopicsPage(hub.TopicsQuery{Prefix: prefix, Limit: pageSize, Users: true})
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.currentLocked()
	found := make([]Topic, len(page))
	for i, p := range page {
		found[i] = s.rated(p)
	}
	if key := keys[sort]; key != nil {
		slices.SortStableFunc(found, func(a, b Topic) int { return cmp.Compare(key(&b), key(&a)) })
	}
	r := s.result(sort, found[:min(len(found), limit)], len(found))
	r.More = next != ""
	return r
}

// Rate returns a topic with the rate that it had in the last survey, if there was one while somebody has asked.
func (t *Topics) Rate(stats hub.TopicStats) Topic {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.last == nil {
		return Topic{TopicStats: stats}
	}
	return t.last.rated(stats)
}

// currentLocked returns the last survey, or a new one if that is too old.
func (t *Topics) currentLocked() *scan {
	if t.last == nil || due(t.now(), t.last.at, t.last.took) <= 0 {
		t.last = t.scanLocked(t.last)
		t.forgetLater()
	}
	return t.last
}

// forgetLater forgets the last survey when nobody asks for it any more.
func (t *Topics) forgetLater() {
	after := forgetAfter(t.last.took)
	if t.forget == nil {
		t.forget = time.AfterFunc(after, t.forgetNow)
		return
	}
	t.forget.Reset(after)
}

func (t *Topics) forgetNow() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = nil
}

// result returns a copy of the topics. It is never nil: in JSON, no topics are [], not null.
func (s *scan) result(sort string, topics []Topic, total int) Result {
	return Result{
		Time: s.at, Took: s.took.Seconds(), Measured: s.measured.Seconds(), Total: total, Sort: sort,
		Topics: append([]Topic{}, topics...),
	}
}

// order is that of the topics in a result: the larger first, and by name if they are equal.
func order(key func(*Topic) float64) func(a, b Topic) int {
	return func(a, b Topic) int {
		return cmp.Or(cmp.Compare(key(&b), key(&a)), strings.Compare(a.Name, b.Name))
	}
}
