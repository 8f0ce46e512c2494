package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/policy"
	"github.com/fanfare-ws/fanfare/hub"
)

// maxRevocation is the largest body of POST /revocations, in bytes.
const maxRevocation = 4 << 10

// revocation is the body of POST /revocations. Times are in Unix seconds, as in tokens.
type revocation struct {
	User        string `json:"user"`
	ID          string `json:"id"`           // jti of a token
	IssuedUntil int64  `json:"issued_until"` // 0 means now, with a user
	Keep        int64  `json:"keep"`         // when the tokens have expired
}

// revoke is POST /revocations: it makes tokens invalid, and ends the connections that have them.
func (a *app) revoke(w http.ResponseWriter, r *http.Request) {
	body, ok := a.readBody(w, r, maxRevocation)
	if !ok {
		return
	}
	v, err := parseRevocation(body)
	if err != nil {
		a.fail(w, http.StatusBadRequest, err.Error())
		return
	}
	topic := "@>"
	if v.User != "" {
		topic = hub.UserTopic(v.User)
	}
	if refusal := a.access.Authorize(visitOf(w).caller.id.Rights, policy.Manage, topic); refusal != nil {
		a.deny(w, refusal)
		return
	}
	ended, err := a.revokeEverywhere(v)
	switch {
	case errors.Is(err, policy.ErrTooManyRevocations):
		a.fail(w, http.StatusServiceUnavailable, plain(err))
		return
	case errors.Is(err, hub.ErrLinkDown) || errors.Is(err, hub.ErrUnacknowledged):
		a.answerHub(w, err)
		return
	case err != nil:
		a.fail(w, http.StatusBadRequest, plain(err))
		return
	}
	a.answer(w, http.StatusOK, map[string]any{"closed": ended})
}

func parseRevocation(body []byte) (v policy.Revocation, err error) {
	var in revocation
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := errors.Join(d.Decode(&in), atEnd(d)); err != nil {
		return v, errors.New(`the body must have the form {"user":"ada"}, {"id":"JTI"} or {"issued_until":SECONDS}, with "keep":SECONDS if it is known when the tokens expire`)
	}
	switch {
	case in.User == "" && in.ID == "" && in.IssuedUntil == 0:
		return v, errors.New(`the body says nothing to revoke: it needs "user", "id" or "issued_until"`)
	case in.User != "" && in.ID != "":
		return v, errors.New(`"user" and "id" exclude each other: an id says which token it is`)
	case in.IssuedUntil < 0 || in.Keep < 0:
		return v, errors.New(`"issued_until" and "keep" are times in Unix seconds, such as 1764504000`)
	case in.User != "":
		if err := hub.CheckUser(in.User); err != nil {
			return v, errors.New(plain(err))
		}
	}
	return policy.Revocation{User: in.User, ID: in.ID, IssuedUntil: at(in.IssuedUntil), Keep: at(in.Keep)}, nil
}

// atEnd returns an error unless a decoder has read everything: More is false for a closing bracket, too.
func atEnd(d *json.Decoder) error {
	if _, err := d.Token(); err != io.EOF {
		return errors.New("there is more after the value")
	}
	return nil
}

// at returns a time; the zero time for 0.
func at(seconds int64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0)
}
