package main

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/dashboard"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/monitor"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/monitor/history"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/monitor/survey"
)

// observation is what the dashboard and fanfare top show beside the state of the server. There is none without -admin.
type observation struct {
	history *history.History // nil if there is none
	topics  *survey.Topics
	conns   *survey.Conns
}

// observe begins to observe the server.
func (a *app) observe() {
	a.observation = observation{history: history.New(), topics: survey.New(a.hub, time.Now), conns: survey.NewConns(a.scanClients, time.Now)}
	a.observation.history.Start(func() *monitor.Snapshot {
		s := a.snapshot()
		return &s
	})
}

func (o *observation) close() {
	if o.history != nil {
		o.history.Close()
		o.topics.Close()
		o.conns.Close()
	}
}

// observing registers the dashboard, and what it asks for.
func (a *app) observing(mux *http.ServeMux) {
	dashboard.Register(mux)
	mux.HandleFunc("GET /nodes", a.takes(a.listNodes))
	mux.HandleFunc("GET /api/history", a.takes(a.showHistory, "since"))
	mux.HandleFunc("GET /api/topics", a.takes(a.surveyTopics, "sort", "limit", "prefix"))
	mux.HandleFunc("GET /api/topics/{name}", a.takes(a.inspectTopic))
	mux.HandleFunc("GET /api/clients", a.takes(a.listClients, "limit", "q"))
	mux.HandleFunc("GET /api/clients/{id}", a.takes(a.inspectClient))
	mux.HandleFunc("DELETE /api/clients/{id}", a.takes(a.disconnectClient, "code", "reason"))
}

// showHistory is GET /api/history: the figures of the last minutes. ?since= is the "next" of the response before.
func (a *app) showHistory(w http.ResponseWriter, r *http.Request) {
	since, err := int64(0), error(nil)
	if s := r.URL.Query().Get("since"); s != "" {
		if since, err = strconv.ParseInt(s, 10, 64); err != nil || since < 0 {
			a.fail(w, http.StatusBadRequest, fmt.Sprintf("since=%.40s: it must be the \"next\" of another response, or 0", s))
			return
		}
	}
	w.Header().Set("Cache-Control", "no-store")
	a.answer(w, http.StatusOK, a.observation.history.Since(since))
}

// order returns ?sort= and ?limit=.
func order(r *http.Request, sorts []string, most int) (sort string, limit int, err error) {
	q := r.URL.Query()
	if sort = q.Get("sort"); sort == "" {
		sort = sorts[0]
	}
	if !slices.Contains(sorts, sort) {
		return "", 0, fmt.Errorf("sort=%.40s: it must be %s or %s", sort, strings.Join(sorts[:len(sorts)-1], ", "), sorts[len(sorts)-1])
	}
	limit = defaultFound
	if s := q.Get("limit"); s != "" {
		if limit, err = strconv.Atoi(s); err != nil || limit < 1 || limit > most {
			return "", 0, fmt.Errorf("limit=%.40s: it must be a number from 1 to %d; the default is %d", s, most, defaultFound)
		}
	}
	return sort, limit, nil
}

const defaultFound = 20

// nameOrder is an order of topics that needs no survey.
const nameOrder = "name"

// surveyTopics is GET /api/topics: the topics that stand out, or those with a prefix.
func (a *app) surveyTopics(w http.ResponseWriter, r *http.Request) {
	sort, limit, err := order(r, append(slices.Clone(survey.Sorts), nameOrder), survey.Most)
	if err != nil {
		a.fail(w, http.StatusBadRequest, err.Error())
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	if prefix := r.URL.Query().Get("prefix"); prefix != "" || sort == nameOrder {
		a.answer(w, http.StatusOK, a.observation.topics.Find(prefix, sort, limit))
		return
	}
	a.answer(w, http.StatusOK, a.observation.topics.Top(sort, limit))
}

// inspectTopic is GET /api/topics/{name}: a topic or pattern, with its slowest subscribers.
func (a *app) inspectTopic(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	w.Header().Set("Cache-Control", "no-store")
	stats, ok := a.hub.Topic(name)
	if !ok {
		a.fail(w, http.StatusNotFound, fmt.Sprintf("topic %.300q has neither subscribers nor messages", name))
		return
	}
	a.answer(w, http.StatusOK, survey.TopicDetails{Time: time.Now(), Topic: a.observation.topics.Rate(stats), Slowest: a.slowSubscribers(name)})
}
