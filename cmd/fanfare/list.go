package main

import (
	"cmp"
	"fmt"
	"net/http"
	"strconv"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/policy"
	"github.com/fanfare-ws/fanfare/hub"
)

// listTopics is GET /topics: a page of the topics by name, with the cursor of the next page. Callers see the topics that they
// may list; those of users, which name the users, only if they may list all of them.
func (a *app) listTopics(w http.ResponseWriter, r *http.Request) {
	q, err := topicsQuery(r)
	if err != nil {
		a.fail(w, http.StatusBadRequest, err.Error())
		return
	}
	may := visitOf(w).caller.id.Rights
	if !may.Any(policy.List) {
		a.deny(w, a.access.Authorize(may, policy.List, ""))
		return
	}
	q.Users = may.May(policy.List, "@>")
	page, next := a.topicsPage(q, may)
	a.answer(w, http.StatusOK, struct {
		Topics []hub.TopicStats `json:"topics"`
		Next   string           `json:"next,omitempty"` // ?after= of the next page
	}{page, next})
}

// scannedPages bounds the pages of topics that a request looks through for topics that its sender may list.
const scannedPages = 10

// topicsPage returns a page of the topics that may be listed. It has fewer than q.Limit, and still a cursor, if many others
// are between them.
func (a *app) topicsPage(q hub.TopicsQuery, may *policy.Rights) (page []hub.TopicStats, next string) {
	page = []hub.TopicStats{}
	limit := cmp.Or(q.Limit, hub.DefaultTopicsLimit)
	for range scannedPages {
		q.Limit = limit - len(page)
		var all []hub.TopicStats
		all, next = a.hub.TopicsPage(q)
		for _, t := range all {
			if may.May(policy.List, t.Name) {
				page = append(page, t)
			}
		}
		if q.After = next; next == "" || len(page) == limit {
			break
		}
	}
	return page, next
}

func topicsQuery(r *http.Request) (q hub.TopicsQuery, err error) {
	values := r.URL.Query()
	q.After, q.Prefix = values.Get("after"), values.Get("prefix")
	if s := values.Get("limit"); s != "" {
		if q.Limit, err = strconv.Atoi(s); err != nil || q.Limit < 1 || q.Limit > hub.MaxTopicsLimit {
			return q, fmt.Errorf("limit=%s: it must be a number of topics from 1 to %d; the default is %d", s, hub.MaxTopicsLimit, hub.DefaultTopicsLimit)
		}
	}
	return q, nil
}
