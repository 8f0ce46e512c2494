package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/policy"
	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/idempotency"
	"github.com/fanfare-ws/fanfare/hub/session"
	"github.com/fanfare-ws/fanfare/hub/wire"
)

// publisher is who publishes over HTTP.
type publisher struct {
	rights *policy.Rights
	user   string
	spared bool   // by the default rates of topics: it is local, or has a key, which is the operator's
	maker  string // see app.maker
	client netip.Addr
	scope  string // of its idempotency keys
	owner  string // of the receipts of these
}

func (a *app) publisherOf(w http.ResponseWriter, r *http.Request) publisher {
	c := &visitOf(w).caller
	p := publisher{rights: c.id.Rights, user: c.id.User, spared: c.local || c.id.Kind == policy.Key, maker: a.maker(w, r)}
	p.client = c.client
	p.owner = ownerOf(c.client)
	switch {
	case c.id.User != "":
		p.scope, p.owner = session.UserScope(c.id.User), c.id.User
	case c.id.Kind == policy.Key:
		p.scope, p.owner = "key "+c.id.Name, "key "+c.id.Name
	default:
		p.scope = "address " + p.owner
	}
	return p
}

// idempotencyHeader is the header of a request that must not be carried out twice
// (draft-ietf-httpapi-idempotency-key-header).
const idempotencyHeader = "Idempotency-Key"

// idempotencyKey returns the key of a request, "" for none. It is a string of structured fields (RFC 9651, 3.3.3), or a word.
func idempotencyKey(h http.Header) (string, error) {
	all := h.Values(idempotencyHeader)
	if len(all) == 0 {
		return "", nil
	}
	key := all[0]
	if inner, quoted := strings.CutPrefix(key, `"`); quoted {
		key = strings.TrimSuffix(inner, `"`)
		if key == inner {
			key = ""
		}
	}
	if len(all) > 1 || checkIdempotencyKey(key) != nil {
		return "", fmt.Errorf("the header %s must be one key of 1 to %d printable ASCII characters, in double quotes or without them, and without spaces", idempotencyHeader, wire.MaxKey)
	}
	return key, nil
}

func checkIdempotencyKey(key string) error {
	if key == "" || len(key) > wire.MaxKey || strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' }) {
		return fmt.Errorf("an idempotency key has 1 to %d printable ASCII characters, without spaces, quotes and backslashes", wire.MaxKey)
	}
	return nil
}

// deliver publishes a message to a topic, unless the publisher has done so with the same key before; "" is none.
func (a *app) deliver(by *publisher, topic, key string, m hub.Message) (rc hub.Receipt, err error) {
	if over := a.rates.user(by.user, len(m.Data), by); over.wait > 0 {
		return rc, over
	}
	if key == "" {
		return a.deliverNow(by, topic, m)
	}
	call := idempotency.Call{Scope: by.scope, Owner: by.owner, Topic: topic, Key: key, Message: m}
	m.ID = call.ID()
	done := make(chan struct{})
	a.once.Do(&call, func(done func(hub.Receipt, error)) { done(a.deliverNow(by, topic, m)) }, func(r hub.Receipt, e error) {
		rc, err = r, e
		close(done)
	})
	<-done
	return rc, err
}

// deliverNow publishes a message that is paid for except to its topic.
func (a *app) deliverNow(by *publisher, topic string, m hub.Message) (hub.Receipt, error) {
	if over := a.rates.topic(by.spared, topic, len(m.Data), by); over.wait > 0 {
		return hub.Receipt{}, over
	}
	return a.hub.PublishAs(by.maker, topic, m)
}

// errorOfPublish returns the error of a message that could not be published, as fanfare.v1 has it, and the HTTP status.
func errorOfPublish(err error) (*wire.Error, int) {
	var over excess
	var refusal *refusedError
	switch {
	case errors.As(err, &over):
		e := wire.Limited(over.wait)
		e.Message = over.String()
		return e, http.StatusTooManyRequests
	case errors.As(err, &refusal):
		return unauthorized(refusal.Refusal), refusal.Status
	}
	e := errorOfHub(err)
	return e, statusOfHub(err, e)
}

// refusedError is a refusal of the policy as an error.
type refusedError struct{ *policy.Refusal }

func (r *refusedError) Error() string { return r.Reason }
