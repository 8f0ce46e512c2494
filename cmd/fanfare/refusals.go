package main

import (
	"log/slog"
	"net/http"
	"net/netip"
	"sync/atomic"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/policy"
	"github.com/fanfare-ws/fanfare/netpoll/paced"
)

// refusals counts and logs what the program refuses, by cause: the counters of GET /healthz of operators, and at most one line of each cause
// in ten seconds, since strangers can cause any number. Its methods may be called from any goroutine.
type refusals struct {
	log  *slog.Logger
	of   [causes]refused
	keys paced.Log // that are ignored
}

// cause is why something is refused.
type cause int

const (
	byToken     cause = iota // a key or token is missing or not valid
	byRight                  // the rights of the caller
	byUserConns              // connections of a user
	byBackend                // the operator's program
	byUnusable               // the operator's program, by mistake
	byConnRate               // messages of a connection
	byUserRate               // messages of a user
	byTopicRate              // messages to a topic
	causes
)

// causeTexts have the name of each counter, and what the log says.
var causeTexts = [causes]struct{ name, says string }{
	byToken:     {"token", "refused a caller without a valid key or token"},
	byRight:     {"right", "refused what the rights of a caller do not allow"},
	byUserConns: {"user", "refused a connection of a user who has as many as one may have"},
	byBackend:   {"backend", "refused what the backend did not allow"},
	byUnusable:  {"backend_answer", "refused a client because the backend's answer cannot be used"},
	byConnRate:  {"conn_rate", "refused a message above the rate of its connection"},
	byUserRate:  {"user_rate", "refused a message above the rate of its user"},
	byTopicRate: {"topic_rate", "refused a message above the rate of its topic"},
}

// refused are the refusals because of one cause.
type refused struct {
	n   atomic.Int64
	log paced.Log
}

// add counts a refusal. The reason contains no secret. The operator must be able to find out who tries keys, so from names
// the client, if it is known: an attribute, or a slog.LogValuer of several.
func (r *refusals) add(c cause, reason string, from slog.Attr) {
	r.of[c].n.Add(1)
	r.of[c].log.Warn(r.log, causeTexts[c].says, "reason", reason, from)
}

// ignored logs that a client has sent a key that the server does not have, and goes on without one: it may be guessing.
func (r *refusals) ignored(id *policy.Identity, from slog.Attr) {
	if id.Ignored {
		r.keys.Warn(r.log, "ignored a key that this server does not have: the caller counts as anonymous", from)
	}
}

// fromClient names a client in the log. The zero Attr, of a client that is not known, is not logged.
func fromClient(addr netip.Addr) slog.Attr {
	if !addr.IsValid() {
		return slog.Attr{}
	}
	return slog.Any("client", addr)
}

// fromOwner names the client of a connection, of which only the address or network is kept that limits count: see ownerOf.
func fromOwner(owner string) slog.Attr {
	if _, err := netip.ParseAddr(owner); err != nil { // the address is not known
		return slog.Attr{}
	}
	return slog.String("address", owner)
}

// policy counts a refusal of the policy, and returns it. It may be nil.
func (r *refusals) policy(refusal *policy.Refusal, from slog.Attr) *policy.Refusal {
	if refusal == nil {
		return nil
	}
	switch {
	case refusal.Code == policy.CodeTooManyConns:
		r.add(byUserConns, refusal.Reason, from)
	case refusal.Status == http.StatusUnauthorized:
		r.add(byToken, refusal.Reason, from)
	case refusal.Status == http.StatusForbidden:
		r.add(byRight, refusal.Reason, from)
	}
	return refusal
}

// addTo adds the counters to those of the server.
func (r *refusals) addTo(all map[string]int64) {
	for c := range r.of {
		all[causeTexts[c].name] = r.of[c].n.Load()
	}
}
