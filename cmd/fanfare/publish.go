package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/wire"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// publish is POST /topics/{name}.
func (a *app) publish(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	if strings.ContainsAny(name, "*>") {
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
	if err != nil {
		fail(w, http.StatusBadRequest, plain(err))
		return
	}
	says["subscribers"], says["position"] = rc.Receivers, rc.Position
	answer(w, http.StatusOK, says)
}

// readBody reads a body of at most limit bytes. If that fails it answers.
func readBody(w http.ResponseWriter, r *http.Request, limit int) (body []byte, ok bool) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, int64(limit)))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		fail(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is larger than %d bytes, the limit of a message", large.Limit))
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

const (
	// maxBatch is the most messages of a batch.
	maxBatch = 10_000
	// batchBodies is how many times the limit of a message a batch can have.
	batchBodies = 8
)

// batch is the body of POST /publish.
type batch struct {
	Messages []batchMessage `json:"messages"`
}

type batchMessage struct {
	Topic   string          `json:"topic"`
	Pattern string          `json:"pattern"`
	Data    json.RawMessage `json:"data"`
	Text    *string         `json:"text"`
	Base64  *[]byte         `json:"base64"`
	Key     string          `json:"key"`
}

// published is what became of a message of a batch.
type published struct {
	Topic       string               `json:"topic,omitempty"`
	Position    *hub.Position        `json:"position,omitempty"`
	Subscribers *int                 `json:"subscribers,omitempty"`
	Pattern     string               `json:"pattern,omitempty"`
	Topics      map[string]published `json:"topics,omitempty"` // of a pattern
	Error       string               `json:"error,omitempty"`
}

// publishBatch is POST /publish. The messages are published one after the other; those
// that are wrong are not, and say so.
func (a *app) publishBatch(w http.ResponseWriter, r *http.Request) {
	body, ok := readBody(w, r, batchBodies*a.cfg.maxMessage)
	if !ok {
		return
	}
	var b batch
	switch err := json.Unmarshal(body, &b); {
	case err != nil:
		fail(w, http.StatusBadRequest, `the body is not as {"messages":[{"topic":"news","data":"hello"}]}: `+err.Error())
		return
	case !utf8.Valid(body):
		fail(w, http.StatusBadRequest, "the body is not UTF-8, as JSON has to be")
		return
	case len(b.Messages) == 0:
		fail(w, http.StatusBadRequest, `there are no "messages"`)
		return
	case len(b.Messages) > maxBatch:
		fail(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("there are %d messages; at most %d are allowed", len(b.Messages), maxBatch))
		return
	}
	results := make([]published, len(b.Messages))
	for i := range b.Messages {
		results[i] = a.publishOne(&b.Messages[i])
	}
	answer(w, http.StatusOK, map[string]any{"results": results})
}

func (a *app) publishOne(one *batchMessage) (p published) {
	p.Topic, p.Pattern = one.Topic, one.Pattern
	m, err := one.message(a.cfg.maxMessage)
	if err == nil {
		err = a.publishTo(&p, m)
	}
	if err != nil {
		p.Error = plain(err)
	}
	return p
}

func (a *app) publishTo(p *published, m hub.Message) error {
	if p.Pattern == "" {
		rc, err := a.hub.Publish(p.Topic, m)
		p.set(rc, err)
		return err
	}
	all, err := a.hub.PublishMatching(p.Pattern, m)
	p.Topics = make(map[string]published, len(all))
	for name, rc := range all {
		var one published
		one.set(rc, nil)
		p.Topics[name] = one
	}
	return err
}

func (p *published) set(rc hub.Receipt, err error) {
	if err == nil {
		p.Position, p.Subscribers = &rc.Position, &rc.Receivers
	}
}

// message checks and encodes the message.
func (b *batchMessage) message(limit int) (m hub.Message, err error) {
	if (b.Topic == "") == (b.Pattern == "") {
		return m, errors.New(`the message needs either "topic" or "pattern"`)
	}
	var kind wire.Kind
	var payload []byte
	given := 0
	if b.Data != nil {
		var compact bytes.Buffer
		_ = json.Compact(&compact, b.Data) // which has been read as JSON
		kind, payload, given = wire.JSON, compact.Bytes(), given+1
	}
	if b.Text != nil {
		kind, payload, given = wire.Text, []byte(*b.Text), given+1
	}
	if b.Base64 != nil {
		kind, payload, given = wire.Binary, *b.Base64, given+1
	}
	switch {
	case given != 1:
		return m, errors.New(`the message needs one of "data", "text" and "base64"`)
	case len(payload) > limit:
		return m, fmt.Errorf("the message has %d bytes; at most %d are allowed", len(payload), limit)
	}
	if m, err = newMessage(kind, payload, b.Key); err != nil {
		return m, fmt.Errorf("the message %w", err)
	}
	return m, nil
}
