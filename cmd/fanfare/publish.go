package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/wire"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// publish is POST /topics/{name}.
func (a *app) publish(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	if hub.IsPattern(name) {
		fail(w, http.StatusBadRequest, fmt.Sprintf(`%q is a pattern: to publish to all topics that match it, POST {"messages":[{"pattern":%q,...}]} to /publish`, name, name))
		return
	}
	if err := hub.CheckName(name); err != nil {
		fail(w, http.StatusBadRequest, plain(err))
		return
	}
	a.publishBody(w, r, name, map[string]any{"topic": name})
}

// publishToUser is POST /users/{user}.
func (a *app) publishToUser(w http.ResponseWriter, r *http.Request) {
	user := r.PathValue("user")
	if err := hub.CheckUser(user); err != nil {
		fail(w, http.StatusBadRequest, plain(err))
		return
	}
	a.publishBody(w, r, hub.UserTopic(user), map[string]any{"user": user})
}

// publishBody publishes the body to a topic, and answers with what stands in says.
func (a *app) publishBody(w http.ResponseWriter, r *http.Request, name string, says map[string]any) {
	body, ok := readBody(w, r, a.cfg.maxMessage)
	if !ok {
		return
	}
	key := r.URL.Query().Get("key")
	m, err := newMessage(kindOf(r.Header.Get("Content-Type")), body, key)
	if err != nil {
		fail(w, http.StatusBadRequest, "the body "+err.Error())
		return
	}
	rc, err := a.hub.Publish(name, m)
	if err != nil { // the name is good: there is no room for it, or no link to the other nodes
		fail(w, http.StatusServiceUnavailable, plain(err))
		return
	}
	says["subscribers"], says["position"] = rc.Receivers, rc.Position
	answer(w, http.StatusOK, says)
}

// bodyTime is how long a body may take; else what has come of it could be held for ever.
var bodyTime = 30 * time.Second

// readBody reads a body of at most limit bytes. If that fails it answers.
func readBody(w http.ResponseWriter, r *http.Request, limit int) (body []byte, ok bool) {
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTime))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, int64(limit)))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		fail(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is larger than %d bytes, the limit of a message", large.Limit))
	case errors.Is(err, os.ErrDeadlineExceeded):
		fail(w, http.StatusRequestTimeout, fmt.Sprintf("the body did not come within %v", bodyTime))
	case err != nil:
		fail(w, http.StatusBadRequest, "the body could not be read: "+err.Error())
	}
	return body, err == nil
}

// kindOf is JSON for application/json and what ends in +json, Text for text/*, and
// Binary for everything else.
func kindOf(contentType string) wire.Kind {
	media, _, err := mime.ParseMediaType(contentType)
	switch {
	case err != nil:
		return wire.Binary
	case media == "application/json", strings.HasSuffix(media, "+json"):
		return wire.JSON
	case strings.HasPrefix(media, "text/"):
		return wire.Text
	}
	return wire.Binary
}

// newMessage checks and encodes a message. JSON is sent as text to who has connected to
// a topic by its URL.
func newMessage(kind wire.Kind, payload []byte, key string) (m hub.Message, err error) {
	switch {
	case len(key) > wire.MaxKey:
		return m, fmt.Errorf("has a key of %d bytes; at most %d are allowed", len(key), wire.MaxKey)
	case !utf8.ValidString(key):
		return m, errors.New("has a key that is not UTF-8")
	case kind == wire.Text && !utf8.Valid(payload):
		return m, errors.New("is not UTF-8, as text has to be; send it as application/octet-stream")
	case kind == wire.JSON && !validJSON(payload):
		return m, errors.New("is not JSON, although its Content-Type says so; send it as text/plain or application/octet-stream")
	}
	op := wsproto.Text
	if kind == wire.Binary {
		op = wsproto.Binary
	}
	return hub.Message{Prepared: wsproto.Prepare(op, payload), Key: key, JSON: kind == wire.JSON}, nil
}

// validJSON reports whether p is JSON, which is UTF-8.
func validJSON(p []byte) bool { return json.Valid(p) && utf8.Valid(p) }
