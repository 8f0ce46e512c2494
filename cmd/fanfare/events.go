package main

import (
	"context"
	"log/slog"
	"strconv"
	"sync/atomic"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/config"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/monitor"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/webhook"
	"github.com/fanfare-ws/fanfare/hub"
)

// events tell the operator's programs what happens, if there are any. Webhooks do not come or go while the server runs.
type events struct {
	*webhook.Webhooks               // nil if there are none
	conns             atomic.Uint64 // connections to topics so far
}

func (e *events) begin(c *config.Config, log *slog.Logger) error {
	if !c.Webhooks.Any() {
		return nil
	}
	o, err := c.Webhooks.Options()
	if err == nil {
		o.Logger = log
		e.Webhooks, err = webhook.New(o)
	}
	return err
}

// prepare reads the files that the configuration names, and returns a function that puts its options into force.
func (e *events) prepare(c *config.Config, log *slog.Logger) (use func(), err error) {
	if e.Webhooks == nil {
		return func() {}, nil
	}
	o, err := c.Webhooks.Options()
	if err == nil {
		o.Logger = log
		err = o.Validate()
	}
	if err != nil {
		return nil, err
	}
	return func() {
		if err := e.Set(o); err != nil { // the URLs need a restart, so they are the same
			log.Error("the webhooks keep their options", "error", err)
		}
	}, nil
}

// attach has the hub report what happens to topics.
func (e *events) attach(o *hub.Options) {
	if e.Webhooks != nil {
		o.OnOccupied, o.OnPresence = e.Occupied, e.Presence
	}
}

// close gives up what is left.
func (e *events) close() {
	if e.Webhooks != nil {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		e.Close(ctx)
	}
}

// topicConnID returns a name for a connection to a topic. Members of the hub have names without a minus.
func (e *events) topicConnID() string { return "t-" + strconv.FormatUint(e.conns.Add(1), 36) }

// connected reports that a client has connected, unless it was reported before.
func (v *visitor) connected(id, user, path string) {
	if v.client == nil || v.client.ID != "" {
		return
	}
	v.client.ID, v.client.User, v.client.Path = id, user, path
	v.app.events.Connected(v.client)
}

// disconnected reports the end of a client that has connected.
func (v *visitor) disconnected(code int) {
	if v.client != nil && v.client.ID != "" {
		v.app.events.Disconnected(v.client, code)
	}
}

// addTo adds the figures to those of GET /healthz of operators.
func (e *events) addTo(health map[string]any) {
	if e.Webhooks == nil {
		return
	}
	s := e.Stats()
	var sum webhook.EndpointStats
	var failed uint64
	failing := 0
	for _, one := range s.Endpoints {
		sum.Sent += one.Sent
		sum.DeadLetters += one.DeadLetters
		sum.Dropped += one.Dropped
		sum.Retries += one.Retries
		sum.Queued += one.Queued
		for _, n := range one.Failures {
			failed += n
		}
		if one.Failing {
			failing++
		}
	}
	health["webhooks"] = map[string]any{
		"sent": sum.Sent, "dropped": sum.Dropped, "dead_letters": sum.DeadLetters, "queued": sum.Queued, "held": s.Held,
		"failed_requests": failed, "repeated_requests": sum.Retries, "failing_urls": failing,
	}
}

// state returns the figures; nil if there are no webhooks.
func (e *events) state() *monitor.Webhooks {
	if e.Webhooks == nil {
		return nil
	}
	w := monitor.Webhooks{
		Events: map[string]int64{"sent": 0, "dropped": 0, "dead": 0}, Requests: map[string]int64{"ok": 0, "failed": 0},
	}
	for _, one := range e.Stats().Endpoints {
		w.Queued += int64(one.Queued)
		w.QueuedBytes += int64(one.QueuedBytes)
		w.Fullness = max(w.Fullness, one.Fullness)
		w.Oldest = max(w.Oldest, one.Oldest.Seconds())
		w.Retries += int64(one.Retries)
		w.Events["sent"] += int64(one.Sent)
		w.Events["dropped"] += int64(one.Dropped)
		w.Events["dead"] += int64(one.DeadLetters)
		var failed int64
		for _, n := range one.Failures {
			failed += int64(n)
		}
		w.Requests["failed"] += failed
		w.Requests["ok"] += int64(one.Requests) - failed
		if one.Failing {
			w.Failing++
		}
	}
	return &w
}
