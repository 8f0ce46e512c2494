package main

import (
	"errors"
	"net/http"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/monitor"
	"github.com/fanfare-ws/fanfare/cmd/internal/cluster"
	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/session"
	"github.com/fanfare-ws/fanfare/hub/wire"
)

// newLink makes the link to the other nodes, if the server is a node of a cluster.
func (a *app) newLink() error {
	n := &a.cfg.NATS
	if !a.cfg.Linked() {
		return nil
	}
	o, err := n.Options()
	if err != nil {
		return err
	}
	a.rules.cluster = true
	o.Topic = a.rules.options
	if a.cfg.Cluster.Any() {
		o.URLs, o.Dial = []string{"nats://in-this-process"}, a.dialNode
	}
	a.link, err = cluster.New(o, a.log)
	return err
}

// isReady reports whether the server takes new clients, and its state.
func (a *app) isReady() (state string, ready bool) {
	switch {
	case a.leaving.Load():
		return "stopping", false
	case a.link != nil && !a.link.Ready():
		return "unlinked", false
	}
	return "ready", true
}

// retryLink is after what time a client should try again what has failed for want of a link to NATS.
const retryLink = time.Second

// errorOfHub returns the error of fanfare.v1 for one of the hub.
func errorOfHub(err error) *wire.Error {
	if errors.Is(err, cluster.ErrTooLarge) {
		return wire.Errorf(wire.TooLarge, "%v", cluster.ErrTooLarge)
	}
	e := session.ErrorOf(err)
	if errors.Is(err, hub.ErrLinkDown) {
		e.Retry = wire.Milliseconds(retryLink)
	}
	return e
}

// statusOfHub returns the HTTP status for an error of the hub.
func statusOfHub(err error, e *wire.Error) int {
	switch {
	case errors.Is(err, hub.ErrUnacknowledged):
		return http.StatusGatewayTimeout
	case e.Code == wire.KeyReused:
		return http.StatusUnprocessableEntity
	case e.Code == wire.TooLarge:
		return http.StatusRequestEntityTooLarge
	case e.Code == wire.Unavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusBadRequest
}

// brokerState returns the figures of the link; nil if the server stands alone.
func (a *app) brokerState() *monitor.Broker {
	if a.link == nil {
		return nil
	}
	s := a.link.Stats()
	return &monitor.Broker{
		Up: a.link.Up(), Ready: a.link.Ready(), Links: s.Links, Losses: s.Losses, Epochs: s.Epochs,
		Failures:  map[string]int64{"refused": s.Refused, "unconfirmed": s.Unconfirmed},
		RoundTrip: monitor.HistogramOf(&s.RoundTrip),
		Pending:   int64(s.Pending), PendingBytes: int64(s.PendingBytes), QueueBytes: int64(s.QueueBytes),
	}
}
