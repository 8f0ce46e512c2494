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
			err = d.Decode(new(json.RawMessage))
		} else {
			all, err = parseMessages(d)
		}
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
	tooDeep             error
}

// parseBatchMessage fails if raw is not an object. The result refers to raw.
func parseBatchMessage(raw []byte) (b batchMessage, err error) {
	byName := map[string]**strictjson.Value{
		"topic": &b.topic, "pattern": &b.pattern, "key": &b.key, "data": &b.data, "text": &b.text, "base64": &b.base64,
	}
	err = strictjson.Object(raw, func(name []byte, v strictjson.Value) {
		if p := byName[string(name)]; p != nil && (!v.IsNull() || p == &b.data) {
			*p = &v
		}
	})
	var deep *strictjson.DepthError
	if errors.As(err, &deep) {
		b.tooDeep, err = err, nil
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
		return "", fmt.Errorf("%q must be a string without unpaired surrogates; it is %.60s", name, v.Text)
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
	Error       string               `json:"error,omitempty"`
}

// publishBatch is POST /publish. It publishes the messages one after the other. The result of a message that is bad, or that
// the caller may not publish, is its error.
func (a *app) publishBatch(w http.ResponseWriter, r *http.Request) {
	by := &visitOf(w).caller
	p := publisher{rights: by.id.Rights, user: by.id.User, local: by.local, maker: a.maker(w, r)}
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

// publisher is the sender of a batch.
type publisher struct {
	rights *policy.Rights
	user   string
	local  bool // see wsproto.Server.IsLocal
	maker  string
}

// publishOne publishes a message of a batch. The patterns before it have reached that many topics.
func (a *app) publishOne(by publisher, one *batchMessage, reached int) (p published) {
	m, err := one.message(&p, int(a.cfg.Limits.MaxMessage))
	switch {
	case err != nil:
	case p.Pattern != "" && reached >= maxReached:
		err = fmt.Errorf("the patterns before this one have reached %d topics: publish it in another batch", reached)
	default:
		err = a.publishTo(by, &p, m)
	}
	if err != nil {
		p.Error = plain(err)
	}
	return p
}

func (a *app) publishTo(by publisher, p *published, m hub.Message) error {
	if err := checkTopic(p.Topic + p.Pattern); err != nil { // one of them is empty
		return err
	}
	if refusal := a.access.Authorize(by.rights, policy.Write, p.Topic+p.Pattern); refusal != nil {
		a.refusals.policy(refusal)
		return errors.New(refusal.Reason)
	}
	if over := a.rates.publish(by.user, by.local, p.Topic+p.Pattern, len(m.Data)); over.wait > 0 {
		return errors.New(over.String())
	}
	if p.Pattern == "" {
		rc, err := a.hub.PublishAs(by.maker, p.Topic, m)
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

// message checks and encodes the message, and sets the topic or pattern of p.
func (b *batchMessage) message(p *published, limit int) (m hub.Message, err error) {
	var topicErr, patternErr, keyErr error
	var key string
	p.Topic, topicErr = stringOf("topic", b.topic)
	p.Pattern, patternErr = stringOf("pattern", b.pattern)
	key, keyErr = stringOf("key", b.key)
	if err := cmp.Or(topicErr, patternErr, keyErr, b.tooDeep); err != nil {
		return m, err
	}
	if (p.Topic == "") == (p.Pattern == "") {
		return m, errors.New(`the message needs either "topic" or "pattern"`)
	}
	kind, payload, err := b.payload()
	switch {
	case err != nil:
		return m, err
	case len(payload) > limit:
		return m, fmt.Errorf("the message has %d bytes; the limit is %d", len(payload), limit)
	}
	if m, err = newMessage(kind, payload, key); err != nil {
		return m, fmt.Errorf("the message %w", err)
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
			err = fmt.Errorf(`"base64" must be a string in base64 (RFC 4648, section 4): %w`, err)
		}
		kind, given = wire.Binary, given+1
	}
	if given != 1 {
		return kind, nil, errors.New(`the message needs exactly one of "data", "text" and "base64"`)
	}
	return kind, payload, err
}
