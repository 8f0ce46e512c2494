package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/policy"
	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/session"
	"github.com/fanfare-ws/fanfare/hub/wire"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// api registers the endpoints of the HTTP API, which answer in JSON.
func (a *app) api(mux *http.ServeMux) {
	mux.HandleFunc("GET /topics", a.takes(a.listTopics, "prefix", "limit", "after"))
	mux.HandleFunc("GET /topics/{name}", a.asked(policy.List, a.takes(a.showTopic)))
	mux.HandleFunc("POST /topics/{name}", a.asked(policy.Write, a.takes(a.publish, "key")))
	mux.HandleFunc("GET /topics/{name}/history", a.asked(policy.Read, a.takes(a.history, "last", "after", "limit")))
	mux.HandleFunc("GET /topics/{name}/presence", a.asked(policy.List, a.takes(a.presence, "limit", "after")))
	mux.HandleFunc("POST /topics/{$}", a.noName)
	mux.HandleFunc("GET /topics/{$}", a.noName)
	mux.HandleFunc("POST /publish", a.takes(a.publishBatch))
	mux.HandleFunc("POST /users/{user}", a.asked(policy.Write, a.takes(a.publishToUser, "key")))
	a.managing(mux)
}

// managing registers the endpoints that end what others do.
func (a *app) managing(mux *http.ServeMux) {
	mux.HandleFunc("DELETE /topics/{name}/subscribers", a.asked(policy.Manage, a.takes(a.disconnectTopic, "code", "reason")))
	mux.HandleFunc("POST /revocations", a.takes(a.revoke))
	mux.HandleFunc("DELETE /users/{user}/connections", a.asked(policy.Manage, a.takes(a.disconnectUser, "code", "reason")))
}

// showTopic is GET /topics/{name}, of a topic or a pattern.
func (a *app) showTopic(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	stats, ok, missing := a.topicStats(r.Context(), name)
	if !ok && len(missing) > 0 {
		a.fail(w, http.StatusServiceUnavailable, "these nodes have not said whether they have the topic: "+strings.Join(missing, ", "))
		return
	}
	if !ok {
		a.fail(w, http.StatusNotFound, fmt.Sprintf("topic %q has neither subscribers nor messages; to create it, connect to %s", name, a.socketURL(r)))
		return
	}
	a.answer(w, http.StatusOK, struct {
		hub.TopicStats
		WebSocket string   `json:"websocket"`
		Missing   []string `json:"missing,omitempty"` // nodes that have not answered
	}{stats, a.socketURL(r), missing})
}

// checkTopic returns an error if name is neither a topic's name nor a pattern.
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
		e, status := errorOfPublish(err)
		a.deny(w, &policy.Refusal{Status: status, Reason: e.Message, RetryAfter: e.RetryAfter()})
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
				return nil, fmt.Errorf("%s=%s: it must be a number of messages, at least 1", name, s)
			}
		}
	}
	if request.After != nil && request.Last > 0 {
		return nil, errors.New("after and last exclude each other: each of them says where to begin")
	}
	return request, nil
}

// disconnectTopic is DELETE /topics/{name}/subscribers.
func (a *app) disconnectTopic(w http.ResponseWriter, r *http.Request) {
	code, reason, err := closing(r.URL.Query())
	name := r.PathValue("name")
	if err != nil {
		a.fail(w, http.StatusBadRequest, err.Error())
		return
	}
	none := fmt.Sprintf("topic %q has no subscribers", name)
	if _, ok := a.hub.Topic(name); ok {
		none = "" // it has history, perhaps
	}
	closed, err := a.hub.Disconnect(name, hub.CloseReason{Code: int(code), Text: reason})
	a.answerClosed(w, "topic", name, none, closed, err)
}

// disconnectUser is DELETE /users/{user}/connections.
func (a *app) disconnectUser(w http.ResponseWriter, r *http.Request) {
	code, reason, err := closing(r.URL.Query())
	user := r.PathValue("user")
	if err != nil {
		a.fail(w, http.StatusBadRequest, err.Error())
		return
	}
	closed, err := a.tell(instruction{User: user, Why: hub.CloseReason{Code: int(code), Text: reason}})
	a.answerClosed(w, "user", user, fmt.Sprintf("user %q has no connections", user), closed, err)
}

// closable is a policy.Target that can be closed for any reason. It gets what was published before.
type closable interface{ close(why hub.CloseReason) }

// maxReason is the longest reason of a close frame, in bytes (RFC 6455, 5.5).
const maxReason = 123

// closing parses the code and the reason of a close frame. Their defaults are 1000 and no reason.
func closing(q url.Values) (code wsproto.Code, reason string, err error) {
	code, reason = wsproto.NormalClosure, q.Get("reason")
	if s := q.Get("code"); s != "" {
		n, err := strconv.ParseUint(s, 10, 16)
		if code = wsproto.Code(n); err != nil || !code.Valid() {
			return 0, "", fmt.Errorf("code=%s: it must be a close code that an endpoint may send, such as 1000 or 3000 to 4999", s)
		}
	}
	if len(reason) > maxReason {
		return 0, "", fmt.Errorf("the reason has %d bytes; the limit is %d", len(reason), maxReason)
	}
	return code, reason, nil
}

func (a *app) noName(w http.ResponseWriter, _ *http.Request) {
	a.fail(w, http.StatusBadRequest, "the name of the topic is empty: use /topics/NAME")
}
