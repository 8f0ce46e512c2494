package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"unicode/utf8"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/wire"
)

const (
	// maxBatch is the most messages of a batch.
	maxBatch = 10_000
	// batchBodies is how many times the limit of a message a batch can have.
	batchBodies = 8
	// maxReached is how many topics the patterns of a batch reach before no more are
	// taken: each is a line of the answer.
	maxReached = 100_000
)

// batch is the body of POST /publish.
type batch struct {
	Messages batchMessages `json:"messages"`
}

// batchMessages are at most maxBatch: "{}" has 2 bytes, and takes fifty times as many.
type batchMessages []batchMessage

var errBatch = fmt.Errorf("there are more than %d messages, the limit of a batch", maxBatch)

// UnmarshalJSON fails with errBatch before it takes too many.
func (all *batchMessages) UnmarshalJSON(b []byte) error {
	*all = nil
	d := json.NewDecoder(bytes.NewReader(b))
	if t, err := d.Token(); t != json.Delim('[') {
		return cmp.Or(err, errors.New(`"messages" is no array`))
	}
	for d.More() {
		if len(*all) == maxBatch {
			return errBatch
		}
		var one batchMessage
		if err := d.Decode(&one); err != nil {
			return err
		}
		*all = append(*all, one)
	}
	return nil
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
	case errors.Is(err, errBatch):
		fail(w, http.StatusRequestEntityTooLarge, err.Error())
		return
	case err != nil:
		fail(w, http.StatusBadRequest, `the body is not as {"messages":[{"topic":"news","data":"hello"}]}: `+err.Error())
		return
	case !utf8.Valid(body):
		fail(w, http.StatusBadRequest, "the body is not UTF-8, as JSON has to be")
		return
	case len(b.Messages) == 0:
		fail(w, http.StatusBadRequest, `there are no "messages"`)
		return
	}
	results, reached := make([]published, len(b.Messages)), 0
	for i := range b.Messages {
		results[i] = a.publishOne(&b.Messages[i], reached)
		reached += len(results[i].Topics)
	}
	answer(w, http.StatusOK, map[string]any{"results": results})
}

// publishOne publishes a message of a batch, whose patterns have reached so many topics.
func (a *app) publishOne(one *batchMessage, reached int) (p published) {
	p.Topic, p.Pattern = one.Topic, one.Pattern
	m, err := one.message(a.cfg.maxMessage)
	switch {
	case err != nil:
	case p.Pattern != "" && reached >= maxReached:
		err = fmt.Errorf("the patterns before this have reached %d topics: publish it in another batch", reached)
	default:
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
