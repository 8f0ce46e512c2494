package top

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/monitor"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/monitor/history"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/monitor/survey"
)

// state is what the server has said.
type state struct {
	status  *monitor.Snapshot // nil before the first answer
	next    int64             // of the history
	series  map[string]history.Values
	topics  survey.Result
	clients survey.Clients
	topic   *survey.TopicDetails
	client  *survey.ClientDetails
	rates   []float64 // of the topic, since it was opened
	gone    string    // why there is no such topic or client
}

// question is what the present view needs beside the state and the history.
type question struct {
	topics        string // in which order; "" if they are not needed
	clients       bool
	topic, client string
	limit         int
}

// answer is what the server says to a question.
type answer struct {
	asked   question
	status  *monitor.Snapshot
	page    history.Page
	topics  *survey.Result
	clients *survey.Clients
	topic   *survey.TopicDetails
	client  *survey.ClientDetails
	gone    string
	err     error
}

// ask asks the server. It waits for the answers.
func (s *server) ask(ctx context.Context, q question, next int64) (a answer) {
	a.asked, a.status = q, new(monitor.Snapshot)
	get := func(path string, v any) {
		if a.err == nil {
			a.err = s.get(ctx, path, v)
		}
	}
	get(statusPath, a.status)
	get("/api/history?since="+strconv.FormatInt(next, 10), &a.page)
	limit := "&limit=" + strconv.Itoa(q.limit)
	if q.topics != "" {
		a.topics = new(survey.Result)
		get("/api/topics?sort="+q.topics+limit, a.topics)
	}
	if q.clients {
		a.clients = new(survey.Clients)
		get("/api/clients?"+limit[1:], a.clients)
	}
	if q.topic != "" {
		a.topic = new(survey.TopicDetails)
		get("/api/topics/"+url.PathEscape(q.topic), a.topic)
	}
	if q.client != "" {
		a.client = new(survey.ClientDetails)
		get("/api/clients/"+url.PathEscape(q.client), a.client)
	}
	var e *statusError
	if (q.topic != "" || q.client != "") && errors.As(a.err, &e) && e.status == http.StatusNotFound { // it has ended, which is no fault
		a.gone, a.err, a.topic, a.client = "It has ended.", nil, nil, nil
	}
	return a
}

// kept is the number of points, one each second, that the sparklines show at most.
const kept = 300

// add takes an answer over.
func (s *state) add(a *answer) {
	if s.status != nil && !s.status.Started.Equal(a.status.Started) || a.page.Next < s.next { // it has restarted
		*s = state{status: a.status}
		return // the next answer has the history from the beginning
	}
	s.status, s.next = a.status, a.page.Next
	s.extend(&a.page.Fine)
	if a.topics != nil {
		s.topics = *a.topics
	}
	if a.clients != nil {
		s.clients = *a.clients
	}
	s.gone = a.gone
	s.rate(a.topic)
	s.topic, s.client = a.topic, a.client
}

func (s *state) extend(p *history.Points) {
	if s.series == nil {
		s.series = make(map[string]history.Values)
	}
	had := len(s.series["websockets"])
	for name, v := range p.Series {
		old := s.series[name]
		if old == nil {
			old = make(history.Values, had) // it has been 0
		}
		v = append(old, v...)
		s.series[name] = v[max(0, len(v)-kept):]
	}
}

// rate notes how many messages a topic has got since the answer before.
func (s *state) rate(now *survey.TopicDetails) {
	was := s.topic
	if now == nil || was == nil || was.Name != now.Name {
		s.rates = nil
		return
	}
	if passed := now.Time.Sub(was.Time); passed > 0 && now.Published >= was.Published {
		s.rates = append(s.rates, float64(now.Published-was.Published)/passed.Seconds())
		s.rates = s.rates[max(0, len(s.rates)-kept):]
	}
}

// last returns the present value of a figure; 0 if it is not known.
func (s *state) last(name string) float64 {
	if v := s.series[name]; len(v) > 0 {
		return v[len(v)-1]
	}
	return 0
}

// uptime is how long the server runs.
func (s *state) uptime() time.Duration { return s.status.Time.Sub(s.status.Started) }
