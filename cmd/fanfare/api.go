package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/session"
	"github.com/fanfare-ws/fanfare/hub/wire"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// api has what the server does over ordinary HTTP, in JSON.
func (a *app) api(mux *http.ServeMux) {
	mux.HandleFunc("GET /topics", a.listTopics)
	mux.HandleFunc("GET /topics/{name}", a.asked(read, a.showTopic))
	mux.HandleFunc("POST /topics/{name}", a.asked(publish, a.publish))
	mux.HandleFunc("GET /topics/{name}/history", a.asked(read, a.history))
	mux.HandleFunc("GET /topics/{name}/presence", a.asked(read, a.presence))
	mux.HandleFunc("DELETE /topics/{name}/subscribers", a.asked(disconnect, a.disconnectTopic))
	mux.HandleFunc("POST /topics/{$}", a.noName)
	mux.HandleFunc("GET /topics/{$}", a.noName)
	mux.HandleFunc("POST /publish", a.asked(publish, a.publishBatch))
	mux.HandleFunc("POST /users/{user}", a.asked(publish, a.publishToUser))
	mux.HandleFunc("DELETE /users/{user}/connections", a.asked(disconnect, a.disconnectUser))
}

// showTopic is GET /topics/{name}, of a topic or a pattern.
func (a *app) showTopic(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	if err := checkTopic(name); err != nil {
		a.fail(w, http.StatusBadRequest, plain(err))
		return
	}
	stats, ok := a.hub.Topic(name)
	if !ok {
		a.fail(w, http.StatusNotFound, fmt.Sprintf("nobody is in the topic %q, and nothing of it is kept; to begin it connect to %s", name, a.socketURL(r)))
		return
	}
	a.answer(w, http.StatusOK, struct {
		hub.TopicStats
		WebSocket string `json:"websocket"`
	}{stats, a.socketURL(r)})
}

// checkTopic reports what is wrong with the name of a topic, or a pattern.
func checkTopic(name string) error {
	if hub.IsPattern(name) {
		return hub.CheckPattern(name)
	}
	return hub.CheckName(name)
}

// history is GET /topics/{name}/history.
func (a *app) history(w http.ResponseWriter, r *http.Request) {
	request, err := historyRequest(r)
	if err != nil {
		a.fail(w, http.StatusBadRequest, plain(err))
		return
	}
	result, err := session.History(a.hub, request)
	var old *hub.TooOldError
	switch {
	case errors.As(err, &old):
		e := wire.ErrorOf(err, wire.TooOld)
		a.answer(w, http.StatusGone, map[string]any{"error": e.Message, "oldest": e.Oldest, "latest": e.Latest})
	case err != nil:
		a.fail(w, http.StatusBadRequest, plain(err))
	default:
		a.answer(w, http.StatusOK, result)
	}
}

func historyRequest(r *http.Request) (*wire.Request, error) {
	q := r.URL.Query()
	request := &wire.Request{Do: wire.History, Topic: r.PathValue("name")}
	if s := q.Get("after"); s != "" {
		at, err := hub.ParsePosition(s)
		if err != nil {
			return nil, err
		}
		request.After = &at
	}
	for name, n := range map[string]*int{"last": &request.Last, "limit": &request.Limit} {
		if s := q.Get(name); s != "" {
			var err error
			if *n, err = strconv.Atoi(s); err != nil || *n < 1 {
				return nil, fmt.Errorf("%s=%s: it takes a number of messages, at least 1", name, s)
			}
		}
	}
	if request.After != nil && request.Last > 0 {
		return nil, errors.New("there is after as well as last; one of them can say where to begin")
	}
	return request, nil
}

// disconnectTopic is DELETE /topics/{name}/subscribers.
func (a *app) disconnectTopic(w http.ResponseWriter, r *http.Request) {
	a.disconnect(w, r, r.PathValue("name"), map[string]any{"topic": r.PathValue("name")})
}

// disconnectUser is DELETE /users/{user}/connections.
func (a *app) disconnectUser(w http.ResponseWriter, r *http.Request) {
	a.disconnect(w, r, hub.UserTopic(r.PathValue("user")), map[string]any{"user": r.PathValue("user")})
}

func (a *app) disconnect(w http.ResponseWriter, r *http.Request, name string, says map[string]any) {
	code, reason, err := closing(r.URL.Query())
	if err != nil {
		a.fail(w, http.StatusBadRequest, err.Error())
		return
	}
	if _, ok := a.hub.Topic(name); !ok {
		a.fail(w, http.StatusNotFound, fmt.Sprintf("nobody is in %q", strings.TrimPrefix(name, hub.UserTopic(""))))
		return
	}
	says["closed"] = a.hub.Disconnect(name, code, reason)
	a.answer(w, http.StatusOK, says)
}

// maxReason is how long the reason of a close frame can be (RFC 6455, 5.5).
const maxReason = 123

// closing reads the code and reason to close with: 1000 and none if they are not given.
func closing(q url.Values) (code wsproto.Code, reason string, err error) {
	code, reason = wsproto.NormalClosure, q.Get("reason")
	if s := q.Get("code"); s != "" {
		n, err := strconv.ParseUint(s, 10, 16)
		if code = wsproto.Code(n); err != nil || !code.Valid() {
			return 0, "", fmt.Errorf("code=%s: no connection can be closed with it; 1000 and 3000 to 4999 are good", s)
		}
	}
	if len(reason) > maxReason {
		return 0, "", fmt.Errorf("the reason has %d bytes; at most %d are allowed", len(reason), maxReason)
	}
	return code, reason, nil
}

func (a *app) noName(w http.ResponseWriter, _ *http.Request) {
	a.fail(w, http.StatusBadRequest, "the name of the topic is empty: use /topics/NAME")
}
