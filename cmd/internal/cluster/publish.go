package cluster

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/fanfare-ws/fanfare/hub"
)

// The errors of a [Link], which clients may see: they say nothing about the servers of NATS. The log does.
var (
	// ErrTooLarge says that NATS does not take messages of that size.
	ErrTooLarge = errors.New("the message is larger than NATS takes: max_payload of nats-server limits a message with its headers")

	errDown      = clientError{hub.ErrLinkDown, "the server has no link to NATS now: nothing was done; try again later"}
	errUncertain = clientError{hub.ErrUnacknowledged, "NATS has not confirmed the message in time: it may have been published or not, so that sending it again may publish it twice, unless it has an idempotency key"}
	errRefused   = clientError{hub.ErrLinkDown, "NATS has not taken the message: it was not published; try again later"}
)

// clientError is one of the errors of package hub with a text for clients.
type clientError struct {
	is   error
	text string
}

func (e clientError) Error() string { return e.text }

// Unwrap returns the error of package hub.
func (e clientError) Unwrap() error { return e.is }

// forClient returns an error of the broker for clients.
func forClient(err error) error {
	switch {
	case errors.Is(err, nats.ErrMaxPayload):
		return ErrTooLarge
	case errors.Is(err, hub.ErrUnacknowledged):
		return errUncertain
	case errors.Is(err, hub.ErrLinkDown):
		return errDown
	}
	return err
}

var _ hub.Unstorer = (*Link)(nil)

// Publish makes Link a hub.Broker.
func (l *Link) Publish(ctx context.Context, m *hub.Envelope, done func(hub.Position, error)) {
	begun := time.Now()
	l.Broker.Publish(ctx, m, func(at hub.Position, err error) {
		switch {
		case err != nil:
			err = l.failed(m.Topic, err)
		case !m.Unstored: // otherwise NATS has not answered
			l.roundTrip.Observe(time.Since(begun))
		}
		done(at, err)
	})
}

// failed counts a message that was not published, and returns the error for the client. While the link is up, the log says why;
// while it is down, it has said so.
func (l *Link) failed(topic string, err error) error {
	says := forClient(err)
	if errors.Is(says, hub.ErrUnacknowledged) {
		l.uncertain.Add(1)
	} else {
		l.refused.Add(1)
	}
	if l.Up() {
		l.unpublished.Warn(l.log, "a message was not published, or NATS has not confirmed it", "topic", topic, "error", plain(err))
		if says == errDown {
			says = errRefused
		}
	}
	return says
}

// Join makes Link a hub.Broker.
func (l *Link) Join(ctx context.Context, subject string) (hub.Position, error) {
	at, err := l.Broker.Join(ctx, subject)
	return at, forClient(err)
}

// JoinUnstored makes Link a hub.Unstorer.
func (l *Link) JoinUnstored(ctx context.Context, topic string) error {
	return forClient(l.Broker.JoinUnstored(ctx, topic))
}

// History makes Link a hub.Broker.
func (l *Link) History(ctx context.Context, q hub.HistoryQuery) (hub.HistoryPage, error) {
	page, err := l.Broker.History(ctx, q)
	return page, forClient(err)
}
