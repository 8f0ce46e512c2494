package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"unicode/utf8"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/config"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/policy"
	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/strictjson"
	"github.com/fanfare-ws/fanfare/hub/wire"
)

const (
	// maxBatch is the largest number of messages in a batch.
	maxBatch = 10_000
	// batchBodies is the size limit of a batch, as a multiple of the limit of a message.
	batchBodies = config.BatchBodies
	// maxReached is the number of topics that the patterns of a batch may reach before further patterns are refused: each
	// topic is a line of the response.
	maxReached = 100_000
)

var errBatch = fmt.Errorf("the batch has more messages than the limit of %d", maxBatch)

// parseBatch parses the body of POST /publish. Each message must be an object; its fields are checked later. It fails with
// errBatch as soon as there are too many messages: "{}" is 2 bytes in the body and takes a hundred in memory.
func parseBatch(body []byte) (all []batchMessage, err error) {
	d := json.NewDecoder(bytes.NewReader(body))
	if t, err := d.Token(); t != json.Delim('{') {
		return nil, cmp.Or(err, errors.New("the body is not an object"))
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, err
		}
		if name != "messages" {
			return nil, fmt.Errorf(`a batch has no member %.60q; it has "messages"`, name)
		}
		all, err = parseMessages(d)
		if err != nil {
			return nil, err
		}
	}
	if _, err = d.Token(); err != nil {
		return nil, err
	}
	if _, err = d.Token(); err != io.EOF {
		return nil, errors.New("there is data after the object")
	}
	return all, nil
}

func parseMessages(d *json.Decoder) (all []batchMessage, err error) {
	if t, err := d.Token(); t != json.Delim('[') {
		return nil, cmp.Or(err, errors.New(`"messages" is not an array`))
	}
	for d.More() {
		if len(all) == maxBatch {
			return nil, errBatch
		}
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return nil, err
		}
		one, err := parseBatchMessage(raw)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	_, err = d.Token()
	return all, err
}

// batchMessage is a message of a batch. Fields that it does not have are nil.
type batchMessage struct {
	topic, pattern, key *strictjson.Value
	data, text, base64  *strictjson.Value
	once                *strictjson.Value // the idempotency key
	bad                 error             // the object has members that it cannot have, or is too deep
}

// parseBatchMessage fails if raw is not an object. The result refers to raw.
func parseBatchMessage(raw []byte) (b batchMessage, err error) {
	byName := map[string]**strictjson.Value{
		"topic": &b.topic, "pattern": &b.pattern, "key": &b.key, "data": &b.data, "text": &b.text, "base64": &b.base64,
		"idempotency_key": &b.once,
	}
	err = strictjson.Object(raw, func(name []byte, v strictjson.Value) {
		p := byName[string(name)]
		switch {
		case p == nil && b.bad == nil: // such as a misspelt one, without which the message would mean something else
			b.bad = wire.Errorf(wire.BadRequest, "a message has no member %.60q; it can have topic or pattern, data, text or base64, key and idempotency_key", name)
		case p != nil && (!v.IsNull() || p == &b.data):
			*p = &v
		}
	})
	var deep *strictjson.DepthError
	if errors.As(err, &deep) {
		b.bad, err = wire.Errorf(wire.BadRequest, "%v", err), nil
	}
	return b, err
}

// stringOf returns the string in a field, or "" if v is nil.
func stringOf(name string, v *strictjson.Value) (string, error) {
	if v == nil {
		return "", nil
	}
	s, ok := v.String()
	if !ok {
		return "", wire.Errorf(wire.BadRequest, "%q must be a string without unpaired surrogates; it is %.60s", name, v.Text)
	}
	return s, nil
}

// published is the result of a message in a batch.
type published struct {
	Topic       string               `json:"topic,omitempty"`
	Position    *hub.Position        `json:"position,omitempty"`
	Subscribers *int                 `json:"subscribers,omitempty"`
	Pattern     string               `json:"pattern,omitempty"`
	Topics      map[string]published `json:"topics,omitempty"` // of a pattern

	// Of a message that was not published: what an answer to it alone would say, and the code of fanfare.v1.
	Error  string `json:"error,omitempty"`
	Code   string `json:"code,omitempty"`
	Status int    `json:"status,omitempty"`
	Retry  int64  `json:"retry,omitempty"` // milliseconds after which it may be published again
}

// publishBatch is POST /publish. It publishes the messages one after the other. The result of a message that is bad, or that
// the caller may not publish, is its error.
func (a *app) publishBatch(w http.ResponseWriter, r *http.Request) {
	p := a.publisherOf(w, r)
	if r.Header.Get(idempotencyHeader) != "" {
		a.fail(w, http.StatusBadRequest, `a batch has no `+idempotencyHeader+`: give each message an "idempotency_key"`)
		return
	}
	if !p.rights.Any(policy.Write) {
		a.deny(w, a.access.Authorize(p.rights, policy.Write, ""))
		return
	}
	body, ok := a.readBody(w, r, batchBodies*int(a.cfg.Limits.MaxMessage))
	if !ok {
		return
	}
	messages, err := parseBatch(body)
	switch {
	case errors.Is(err, errBatch):
		a.fail(w, http.StatusRequestEntityTooLarge, err.Error())
		return
	case !utf8.Valid(body):
		a.fail(w, http.StatusBadRequest, "the body is not UTF-8, as JSON must be")
		return
	case err != nil:
		a.fail(w, http.StatusBadRequest, `the body must have the form {"messages":[{"topic":"news","data":"hello"}]}: `+err.Error())
		return
	case len(messages) == 0:
		a.fail(w, http.StatusBadRequest, `the body has no "messages"`)
		return
	}
	results, reached := make([]published, len(messages)), 0
	for i := range messages {
		results[i] = a.publishOne(p, &messages[i], reached)
		reached += len(results[i].Topics)
	}
	a.answer(w, http.StatusOK, map[string]any{"results": results})
}

// publishOne publishes a message of a batch. The patterns before it have reached that many topics.
func (a *app) publishOne(by publisher, one *batchMessage, reached int) (p published) {
	m, err := one.message(&p, int(a.cfg.Limits.MaxMessage))
	var once string
	if err == nil {
		once, err = one.idempotencyKey()
	}
	switch {
	case err != nil:
	case p.Pattern != "" && reached >= maxReached:
		err = wire.Errorf(wire.TooLarge, "the patterns before this one have reached %d topics: publish it in another batch", reached)
	default:
		err = a.publishTo(by, &p, once, m)
	}
	if err != nil {
		p.fail(err)
	}
	return p
}

// idempotencyKey returns the idempotency key of the message, "" for none.
func (b *batchMessage) idempotencyKey() (string, error) {
	key, err := stringOf("idempotency_key", b.once)
	switch {
	case err != nil || b.once == nil:
		return "", err
	case b.pattern != nil:
		return "", wire.Errorf(wire.BadRequest, `a message to a pattern has no "idempotency_key"`)
	}
	if err := checkIdempotencyKey(key); err != nil {
		return "", wire.Errorf(wire.BadRequest, "%v", err)
	}
	return key, nil
}

func (a *app) publishTo(by publisher, p *published, once string, m hub.Message) error {
	if err := checkTopic(p.Topic + p.Pattern); err != nil { // one of them is empty
		return err
	}
	if refusal := a.access.Authorize(by.rights, policy.Write, p.Topic+p.Pattern); refusal != nil {
		return &refusedError{a.refusals.policy(refusal, fromClient(by.client))}
	}
	if p.Pattern == "" {
		rc, err := a.deliver(&by, p.Topic, once, m)
		p.set(rc, err)
		return err
	}
	if over := a.rates.user(by.user, len(m.Data), &by); over.wait > 0 {
		return over
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

// fail sets why the message was not published.
func (p *published) fail(err error) {
	e, status := errorOfPublish(err)
	p.Error, p.Code, p.Status, p.Retry = e.Message, e.Code, status, e.Retry
}

func (p *published) set(rc hub.Receipt, err error) {
	if err == nil {
		p.Subscribers = &rc.Receivers
		if rc.Position.Epoch != 0 { // it is stored
			p.Position = &rc.Position
		}
	}
}

// message checks and encodes the message, and sets the topic or pattern of p.
func (b *batchMessage) message(p *published, limit int) (m hub.Message, err error) {
	var topicErr, patternErr, keyErr error
	var key string
	p.Topic, topicErr = stringOf("topic", b.topic)
	p.Pattern, patternErr = stringOf("pattern", b.pattern)
	key, keyErr = stringOf("key", b.key)
	if err := cmp.Or(topicErr, patternErr, keyErr, b.bad); err != nil {
		return m, err
	}
	if (p.Topic == "") == (p.Pattern == "") {
		return m, wire.Errorf(wire.BadRequest, `the message needs either "topic" or "pattern"`)
	}
	kind, payload, err := b.payload()
	switch {
	case err != nil:
		return m, err
	case len(payload) > limit:
		return m, wire.Errorf(wire.TooLarge, "the message has %d bytes; the limit is %d", len(payload), limit)
	}
	if m, err = newMessage(kind, payload, key); err != nil {
		return m, wire.Errorf(wire.BadRequest, "the message %v", err)
	}
	return m, nil
}

// payload returns the payload, which is in one of three fields.
func (b *batchMessage) payload() (kind wire.Kind, payload []byte, err error) {
	given := 0
	if b.data != nil {
		kind, payload, given = wire.JSON, b.data.AppendCompact(nil), given+1
	}
	if b.text != nil {
		var s string
		s, err = stringOf("text", b.text)
		kind, payload, given = wire.Text, []byte(s), given+1
	}
	if b.base64 != nil {
		payload = nil
		if err = json.Unmarshal(b.base64.Text, &payload); err != nil {
			err = wire.Errorf(wire.BadRequest, `"base64" must be a string in base64 (RFC 4648, section 4): %v`, err)
		}
		kind, given = wire.Binary, given+1
	}
	if given != 1 {
		return kind, nil, wire.Errorf(wire.BadRequest, `the message needs exactly one of "data", "text" and "base64"`)
	}
	return kind, payload, err
}
