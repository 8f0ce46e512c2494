package main

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/fanfare-ws/fanfare/hub"
)

// peoplePage is the largest limit of people in a response, and the default.
const peoplePage = 1000

// presence is GET /topics/{name}/presence: a page of the people in a topic by name, with the cursor of the next page.
func (a *app) presence(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	limit, err := peopleLimit(r.URL.Query().Get("limit"))
	if err != nil {
		a.fail(w, http.StatusBadRequest, err.Error())
		return
	}
	all, err := a.hub.Presence(name)
	if o := a.rules.options(name); err == nil && all == nil && (o == nil || !o.Presence) { // the topic would have none, either
		err = fmt.Errorf("%w %q", hub.ErrNoPresence, name)
	}
	switch {
	case errors.Is(err, hub.ErrNoPresence):
		a.fail(w, http.StatusNotFound, plain(err)+"; start the server with -topic '"+name+" presence'")
		return
	case err != nil:
		a.fail(w, http.StatusBadRequest, plain(err))
		return
	}
	page, next := pageOfPeople(all, r.URL.Query().Get("after"), limit)
	a.answer(w, http.StatusOK, struct {
		Topic   string       `json:"topic"`
		Present []hub.Person `json:"present"`
		Next    string       `json:"next,omitempty"` // ?after= of the next page
	}{name, page, next})
}

func peopleLimit(s string) (limit int, err error) {
	if s == "" {
		return peoplePage, nil
	}
	if limit, err = strconv.Atoi(s); err != nil || limit < 1 || limit > peoplePage {
		return 0, fmt.Errorf("limit=%s: it must be a number of people from 1 to %d", s, peoplePage)
	}
	return limit, nil
}

// pageOfPeople returns at most limit people after the cursor of an earlier page and, if there are more, the cursor of the
// last one. all is sorted as Hub.Presence returns it.
func pageOfPeople(all []hub.Person, after string, limit int) (page []hub.Person, next string) {
	if after != "" {
		at, found := slices.BinarySearchFunc(all, after, func(p hub.Person, after string) int {
			return strings.Compare(cursor(p), after)
		})
		if found {
			at++
		}
		all = all[at:]
	}
	if len(all) <= limit {
		return append([]hub.Person{}, all...), ""
	}
	return all[:limit], cursor(all[limit-1])
}

// cursor returns a name for p that sorts as people do: by ID, and users before anonymous clients. IDs contain no space and
// no character that sorts before a space.
func cursor(p hub.Person) string {
	if p.Anonymous {
		return p.ID + " "
	}
	return p.ID
}
