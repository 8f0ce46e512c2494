package main

import (
	"encoding/json"
	"math"
	"net/http"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/policy"
	"github.com/fanfare-ws/fanfare/hub"
)

// instruction is what all nodes do, in the order of the messages: see hub.Hub.Tell.
type instruction struct {
	User   string             `json:"user,omitempty"` // whose connections are closed
	Why    hub.CloseReason    `json:"why"`
	Revoke *policy.Revocation `json:"revoke,omitempty"`
	From   uint64             `json:"from,omitempty"` // the node that has revoked the tokens itself
}

// tell gives an instruction to all nodes, this one included, and returns how many connections they have closed.
func (a *app) tell(o instruction) (closed int, err error) {
	b, err := json.Marshal(o)
	if err != nil {
		return 0, err
	}
	return a.hub.Tell(b)
}

// obey carries out an instruction. It is the function of hub.Options.OnTold, so it does not wait.
func (a *app) obey(data []byte) (closed int) {
	var o instruction
	if err := json.Unmarshal(data, &o); err != nil {
		a.log.Error("an instruction of another node cannot be read", "error", err)
		return 0
	}
	switch {
	case o.Revoke == nil:
		return a.closeUser(o.User, o.Why)
	case o.From == a.number:
		return 0
	}
	if now := time.Now(); o.Revoke.IssuedUntil.After(now) { // the clocks differ
		o.Revoke.IssuedUntil = now
	}
	closed, err := a.access.Revoke(*o.Revoke)
	if err != nil {
		a.log.Error("tokens that another node has revoked are still valid here", "error", err)
	}
	return closed
}

// revokeEverywhere makes tokens invalid at all nodes. The error is that of this node, or wraps those of the hub if other nodes may
// not have been reached.
func (a *app) revokeEverywhere(v policy.Revocation) (closed int, err error) {
	closed, err = a.access.Revoke(v)
	if err != nil || !a.hub.HasBroker() {
		return closed, err
	}
	others, err := a.tell(instruction{Revoke: &v, From: a.number})
	return closed + others, err
}

// closeUser closes the connections of a user to this node, and returns their number. The hub also has those that take their place
// with the policy at this moment.
func (a *app) closeUser(user string, why hub.CloseReason) (closed int) {
	is := make(map[*hub.Member]bool)
	for _, m := range a.hub.UserMembers(user, math.MaxInt) {
		if m.User() == user {
			is[m] = true
			m.Disconnect(why)
		}
	}
	a.access.EachOf(user, func(t policy.Target) {
		if m, member := t.(*memberTarget); member && is[(*hub.Member)(m)] {
			return
		}
		t.(closable).close(why)
		closed++
	})
	return closed + len(is)
}

// answerClosed answers a request that has closed connections at all nodes: 404 if there were none. what and name say to what they belonged, none what is wrong if there were none.
func (a *app) answerClosed(w http.ResponseWriter, what, name, none string, closed int, err error) {
	switch {
	case err != nil:
		a.answerHub(w, err)
	case closed == 0 && none != "":
		a.fail(w, http.StatusNotFound, none)
	default:
		a.answer(w, http.StatusOK, map[string]any{what: name, "closed": closed})
	}
}

// answerHub answers with an error of the hub.
func (a *app) answerHub(w http.ResponseWriter, err error) {
	e := errorOfHub(err)
	a.deny(w, &policy.Refusal{Status: statusOfHub(err, e), Reason: e.Message, RetryAfter: e.RetryAfter()})
}
