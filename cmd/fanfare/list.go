package main

import (
	"fmt"
	"net/http"
	"strconv"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/policy"
	"github.com/fanfare-ws/fanfare/hub"
)

// listTopics is GET /topics: a page of the topics of all nodes by name, with the cursor of the next page. Callers see the topics that they
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
	a.answer(w, http.StatusOK, a.topicsPage(r.Context(), q, may))
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
