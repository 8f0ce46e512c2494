package main

import (
	"bytes"
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
