package main

import (
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/config"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/rate"
	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/wire"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// rates limit what clients send: for a connection all messages, and for a user and a topic those that are published. A user
// may have many connections, and a topic many publishers, the API included.
type rates struct {
	users, topics *rate.Limiter[string]
	// Of connections whose rights say nothing; nil for no limit.
	conns, localConns atomic.Pointer[wsproto.Rate]
	sparesLocal       atomic.Bool // what local clients, and requests with a key, publish does not count against the rates of topics

	refusals *refusals
}

// set puts the rates of a configuration into force. Those of connections and of topics spare local clients unless the operator
// has set them: a load test on the machine itself may use all of what the server can do.
func (r *rates) set(c *config.Config) {
	l := &c.Limits.Rates
	of := rateOf(l)
	r.conns.Store(of)
	if !c.Explicit("limits.conn-message-rate") && !c.Explicit("limits.conn-byte-rate") {
		of = nil
	}
	r.localConns.Store(of)
	r.sparesLocal.Store(!c.Explicit("limits.topic-message-rate") && !c.Explicit("limits.topic-byte-rate"))
	r.users.SetLimits(userLimits(l))
	r.topics.SetLimits(topicLimits(l))
}

// ofConns returns the rate of a connection whose rights say nothing, or nil.
func (r *rates) ofConns(local bool) *wsproto.Rate {
	if local {
		return r.localConns.Load()
	}
	return r.conns.Load()
}

// excess is a rate that a message exceeds. Its zero value is none.
type excess struct {
	whose string // such as "this connection"
	wait  time.Duration
}

func (e excess) Error() string { return e.String() }

func (e excess) String() string {
	return fmt.Sprintf("the rate limit of %s: try again in %v", e.whose, max(e.wait.Round(time.Millisecond), time.Millisecond))
}

// user pays for a message of n bytes that a user publishes; "" for none. Its sender is named in the log.
func (r *rates) user(user string, n int, from slog.LogValuer) excess {
	if user != "" {
		if wait := r.users.Take(user, n); wait > 0 {
			return r.refuse(byUserRate, excess{"user " + user, wait}, from)
		}
	}
	return excess{}
}

// topic pays for a message of n bytes that is published to a topic; nothing for a pattern. The caller has found out that the
// publisher may do that: others cannot use up what there is for a topic.
func (r *rates) topic(spared bool, topic string, n int, from slog.LogValuer) excess {
	if !hub.IsPattern(topic) && !(spared && r.sparesLocal.Load()) {
		if wait := r.topics.Take(topic, n); wait > 0 {
			return r.refuse(byTopicRate, excess{"this topic", wait}, from)
		}
	}
	return excess{}
}

// conn pays for a message of n bytes that a connection sends.
func (r *rates) conn(c *wsproto.Conn, limit *wsproto.Rate, n int) excess {
	if limit == nil {
		return excess{}
	}
	wait := c.Take(limit, n)
	if wait <= 0 {
		return excess{}
	}
	return r.refuse(byConnRate, excess{"this connection", wait}, (*connSender)(c))
}

func (r *rates) refuse(c cause, e excess, from slog.LogValuer) excess {
	r.refusals.add(c, e.String(), slog.Any("", from)) // without a key, its attributes are those of the line
	return e
}

// closeFor closes a connection without another way to tell its client that a message was refused.
func closeFor(c *wsproto.Conn, e excess) { c.Close(wire.CloseRateLimited, e.String()) }
