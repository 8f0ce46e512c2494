package hub

import (
	"slices"
	"sort"
	"strings"
)

// index has the topics in the order of their names, for TopicsPage. It takes 8 to 16 bytes for
// each topic. Guarded by Hub.mu.
type index struct {
	runs [][]*Topic // none is empty
}

// maxRun is the largest number of topics in a run.
const maxRun = 512

// find returns the place of the first topic whose name is not below name.
func (x *index) find(name string) (run, i int) {
	run = sort.Search(len(x.runs), func(i int) bool {
		r := x.runs[i]
		return r[len(r)-1].name >= name
	})
	if run == len(x.runs) {
		return run, 0
	}
	return run, sort.Search(len(x.runs[run]), func(i int) bool { return x.runs[run][i].name >= name })
}

func (x *index) insert(t *Topic) {
	run, i := x.find(t.name)
	if n := len(x.runs); run == n { // after all other topics
		if n == 0 || len(x.runs[n-1]) == maxRun {
			x.runs = append(x.runs, nil)
			n++
		}
		x.runs[n-1] = append(x.runs[n-1], t)
		return
	}
	if r := x.runs[run]; len(r) == maxRun {
		x.runs = slices.Insert(x.runs, run+1, slices.Clone(r[maxRun/2:]))
		x.runs[run] = slices.Clone(r[:maxRun/2])
		if i >= maxRun/2 {
			run, i = run+1, i-maxRun/2
		}
	}
	x.runs[run] = slices.Insert(x.runs[run], i, t)
}

func (x *index) remove(t *Topic) {
	run, i := x.find(t.name)
	x.runs[run] = slices.Delete(x.runs[run], i, i+1)
	if n := len(x.runs[run]); n < maxRun/4 && run+1 < len(x.runs) && n+len(x.runs[run+1]) <= maxRun {
		x.runs[run] = slices.Concat(x.runs[run], x.runs[run+1])
		x.runs = slices.Delete(x.runs, run+1, run+2)
	}
	if len(x.runs[run]) == 0 {
		x.runs = slices.Delete(x.runs, run, run+1)
	}
}

// TopicsQuery says which topics Hub.TopicsPage returns.
type TopicsQuery struct {
	After  string // only topics with later names
	Prefix string // only topics whose names begin with it
	Limit  int    // the most topics to return; 100 if 0, and at most 1,000
	Users  bool   // also topics of users, whose names begin with @
}

// The default of [TopicsQuery].Limit, and its largest value.
const (
	DefaultTopicsLimit = 100
	MaxTopicsLimit     = 1000
)

// TopicsPage returns a page of the topics and patterns that have subscribers or history, in the
// order of their names. next is the After of the next page, or "" if there are no more. A topic
// that exists all the time is on exactly one page, no matter which others begin or end meanwhile.
func (h *Hub) TopicsPage(q TopicsQuery) (page []TopicStats, next string) {
	limit := q.Limit
	if limit <= 0 {
		limit = DefaultTopicsLimit
	}
	limit = min(limit, MaxTopicsLimit)
	topics := h.topicsAfter(q, limit+1)
	if len(topics) > limit {
		topics = topics[:limit]
		next = topics[limit-1].name
	}
	page = make([]TopicStats, len(topics))
	for i, t := range topics {
		page[i] = t.stats()
	}
	return page, next
}

// beyondUsers sorts after the names of all users' topics, and after no other name that does:
// they begin with @, which A follows.
const beyondUsers = "A"

// topicsAfter returns up to limit topics of those that q asks for.
func (h *Hub) topicsAfter(q TopicsQuery, limit int) (all []*Topic) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	x := &h.index
	run, i := x.find(max(q.Prefix, q.After))
	for run < len(x.runs) && len(all) < limit {
		if i == len(x.runs[run]) {
			run, i = run+1, 0
			continue
		}
		switch t := x.runs[run][i]; {
		case !strings.HasPrefix(t.name, q.Prefix):
			return all
		case IsUserTopic(t.name) && !q.Users:
			run, i = x.find(beyondUsers)
			continue
		case t.name != q.After:
			all = append(all, t)
		}
		i++
	}
	return all
}
