package main

import (
	"errors"
	"fmt"
	"net/http"
	"unicode/utf8"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/policy"
	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/wire"
)

// publish is POST /topics/{name}.
func (a *app) publish(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	if hub.IsPattern(name) {
		a.fail(w, http.StatusBadRequest, fmt.Sprintf(`%q is a pattern; to publish to all topics that match it, POST {"messages":[{"pattern":%q,...}]} to /publish`, name, name))
		return
	}
	if err := hub.CheckName(name); err != nil {
		a.fail(w, http.StatusBadRequest, plain(err))
		return
	}
	a.publishBody(w, r, name, map[string]any{"topic": name})
}

// publishToUser is POST /users/{user}.
func (a *app) publishToUser(w http.ResponseWriter, r *http.Request) {
	user := r.PathValue("user")
	if err := hub.CheckUser(user); err != nil {
		a.fail(w, http.StatusBadRequest, plain(err))
		return
	}
	a.publishBody(w, r, hub.UserTopic(user), map[string]any{"user": user})
}

// publishBody publishes the body to a topic. Its response is says with subscribers and position added.
func (a *app) publishBody(w http.ResponseWriter, r *http.Request, name string, says map[string]any) {
	body, ok := a.readBody(w, r, int(a.cfg.Limits.MaxMessage))
	if !ok {
		return
	}
	key := r.URL.Query().Get("key")
	m, err := newMessage(kindOf(r.Header.Get("Content-Type")), body, key)
	if err != nil {
		a.fail(w, http.StatusBadRequest, "the body "+err.Error())
		return
	}
	once, err := idempotencyKey(r.Header)
	if err != nil {
		a.fail(w, http.StatusBadRequest, err.Error())
		return
	}
	by := a.publisherOf(w, r)
	rc, err := a.deliver(&by, name, once, m)
	if err != nil {
		e, status := errorOfPublish(err)
		a.deny(w, &policy.Refusal{Status: status, Reason: e.Message, RetryAfter: e.RetryAfter()})
		return
	}
	says["subscribers"] = rc.Receivers
	if rc.Position.Epoch != 0 { // it is stored
		says["position"] = rc.Position
	}
	a.answer(w, http.StatusOK, says)
}

var kinds = map[wire.Kind]hub.Kind{wire.Text: hub.Text, wire.Binary: hub.Binary, wire.JSON: hub.JSON}

// newMessage checks a message. Subscribers at /topics/NAME receive JSON as text.
func newMessage(kind wire.Kind, payload []byte, key string) (m hub.Message, err error) {
	switch {
	case len(key) > wire.MaxKey:
		return m, fmt.Errorf("has a key of %d bytes; the limit is %d", len(key), wire.MaxKey)
	case !utf8.ValidString(key):
		return m, errors.New("has a key that is not UTF-8")
	case kind == wire.Text && !utf8.Valid(payload):
		return m, errors.New("is not UTF-8, which text must be; send it as application/octet-stream")
	}
	if kind == wire.JSON {
		if err := wire.CheckJSON(payload); err != nil {
			return m, fmt.Errorf("is not valid JSON (%s); send it as text/plain or application/octet-stream", plain(err))
		}
	}
	return hub.Message{Data: payload, Kind: kinds[kind], Key: key}, nil
}
