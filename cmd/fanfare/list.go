package main

import (
	"fmt"
	"net/http"
	"strconv"

	"github.com/fanfare-ws/fanfare/hub"
)

// listTopics is GET /topics: a page of the topics by name, with the cursor of the next page. Only callers with the token
// see the topics of users, because these name the users.
func (a *app) listTopics(w http.ResponseWriter, r *http.Request) {
	q, err := topicsQuery(r)
	if err != nil {
		a.fail(w, http.StatusBadRequest, err.Error())
		return
	}
	q.Users = visitOf(w).caller.trusted
	page, next := a.hub.TopicsPage(q)
	a.answer(w, http.StatusOK, struct {
		Topics []hub.TopicStats `json:"topics"`
		Next   string           `json:"next,omitempty"` // ?after= of the next page
	}{page, next})
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
