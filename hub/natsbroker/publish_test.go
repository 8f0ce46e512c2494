package natsbroker

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/hub"
)

// unattached returns a broker without a connection that takes publications.
func unattached(t *testing.T) *Broker {
	t.Helper()
	b, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	b.session, b.epoch = &session{wake: make(chan struct{}, 1)}, 1
	return b
}

// A message that was sent on an earlier connection is refused on this one: it may have been stored.
func TestRefused(t *testing.T) {
	for sent, want := range map[int][2]error{1: {hub.ErrLinkDown, hub.ErrUnacknowledged}, 2: {hub.ErrUnacknowledged, hub.ErrLinkDown}} {
		b := unattached(t)
		var got error
		b.Publish(t.Context(), &hub.Envelope{Topic: "x"}, func(_ hub.Position, err error) { got = err })
		for range sent {
			b.pubs.again()
			if p := b.pubs.next(); p == nil || p.id != 1 {
				t.Fatalf("to be sent: %v", p)
			}
		}
		b.finish(1, hub.Position{}, errNotStored)
		if !errors.Is(got, want[0]) || errors.Is(got, want[1]) {
			t.Errorf("sent %d times: %v", sent, got)
		}
	}
}

// A message whose id the stream may have forgotten is not sent again, however long it waited.
func TestForgotten(t *testing.T) {
	b := unattached(t)
	var got error
	ctx, cancel := context.WithCancel(t.Context())
	answered := make(chan struct{})
	b.Publish(ctx, &hub.Envelope{Topic: "x"}, func(_ hub.Position, err error) { got = err; close(answered) })
	p := b.pubs.next()
	b.pubs.again()
	p.begun = time.Now().Add(-duplicates)
	if again := b.pubs.next(); again != nil {
		t.Errorf("message %d is sent again", again.id)
	}
	if b.pubs.flying != 0 || b.pubs.bytes != 0 {
		t.Errorf("%d messages and %d bytes count as sent", b.pubs.flying, b.pubs.bytes)
	}
	cancel()
	select {
	case <-answered:
	case <-time.After(patience):
		t.Fatal("no answer")
	}
	if !errors.Is(got, hub.ErrUnacknowledged) {
		t.Errorf("it is answered with %v", got)
	}
}

// Close tells the messages that were never sent from those that were.
func TestCloseAnswers(t *testing.T) {
	b := unattached(t)
	got := make(map[string]error)
	for _, topic := range []string{"sent", "waits"} {
		b.Publish(t.Context(), &hub.Envelope{Topic: topic}, func(_ hub.Position, err error) { got[topic] = err })
	}
	b.pubs.next()
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(got["sent"], hub.ErrUnacknowledged) || !errors.Is(got["waits"], hub.ErrLinkDown) || errors.Is(got["waits"], hub.ErrUnacknowledged) {
		t.Errorf("%v", got)
	}
}

// Sync fails when messages that it waits for are dropped.
func TestDroppedSync(t *testing.T) {
	var q queue
	q.init(1 << 20)
	synced := make(chan error, 1)
	q.push(call{message: new(hub.Envelope)})
	q.push(call{synced: synced})
	q.push(call{lost: errGap})
	q.dropMessages()
	select {
	case err := <-synced:
		if !errors.Is(err, hub.ErrLinkDown) {
			t.Errorf("it ends with %v", err)
		}
	default:
		t.Error("it still waits")
	}
	if rest := q.take(nil); len(rest) != 1 || rest[0].lost == nil || q.size != 0 {
		t.Errorf("%d calls remain, and %d bytes", len(rest), q.size)
	}
}
