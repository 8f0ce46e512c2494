package cluster

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/natsbroker"
)

// link returns a link that is not attached, its log, and a function that moves its clock.
func link(t *testing.T) (l *Link, log *bytes.Buffer, wait func(time.Duration)) {
	t.Helper()
	log = new(bytes.Buffer)
	l, err := New(natsbroker.Options{URLs: []string{"nats://user:secret@host:4222", "tls://other"}}, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1_000_000, 0)
	l.now, l.since = func() time.Time { return now }, now
	return l, log, func(d time.Duration) { now = now.Add(d) }
}

var errLost = fmt.Errorf("%w: it was closed", hub.ErrLinkDown)

// A node is ready from its first link on, also during a short loss, and not during a long one.
func TestReady(t *testing.T) {
	l, _, wait := link(t)
	is := func(when string, want bool) {
		t.Helper()
		if got := l.Ready(); got != want {
			t.Errorf("%s: ready is %v", when, got)
		}
	}
	is("at first", false)
	l.onLink(nil)
	wait(time.Hour)
	is("linked", true)
	l.onLink(errLost)
	wait(Tolerance - time.Millisecond)
	l.onLink(errLost) // which is the same loss
	is("lost a moment ago", true)
	wait(time.Millisecond)
	is("lost", false)
	l.onLink(nil)
	is("linked again", true)
	if s := l.Stats(); s.Links != 2 || s.Losses["connection"] != 2 || s.Losses["gap"] != 0 || len(s.Losses) != len(natsbroker.LossCauses) {
		t.Errorf("%+v", s)
	}
}

// What keeps the node from linking is logged once a minute, whatever numbers it has; another reason at once. No secret is logged.
func TestLog(t *testing.T) {
	l, log, wait := link(t)
	lines := func(when string, want int) {
		t.Helper()
		if got := strings.Count(log.String(), "there is no link to NATS"); got != want {
			t.Fatalf("%s: %d lines, want %d: %s", when, got, want, log)
		}
	}
	for port := range 50 {
		l.report(fmt.Errorf("natsbroker: dial tcp 10.0.0.1:4222 from port %d: refused", port))
		wait(time.Second)
	}
	lines("in a minute", 1)
	l.report(errors.New("natsbroker: another reason"))
	lines("another reason", 2)
	wait(time.Minute)
	l.report(errors.New("natsbroker: another reason"))
	lines("a minute later", 3)
	l.onLink(nil)
	l.onLink(errLost)
	wait(2 * time.Second)
	l.onLink(nil)
	for _, says := range []string{"linked to NATS: the server is a node", "the link to NATS is lost", `cause="it was closed"`, "the link to NATS is back", "after=2s", "servers=nats://host:4222,tls://other"} {
		if strings.Count(log.String(), says) == 0 {
			t.Errorf("the log does not say %q: %s", says, log)
		}
	}
	for range 10 { // a link that comes and goes at once
		l.onLink(errLost)
		l.onLink(nil)
	}
	if n := strings.Count(log.String(), "link to NATS is back"); n != 1 {
		t.Errorf("%d lines about links that are back: %s", n, log)
	}
	l.report(errors.New("a strange thing"))
	if !strings.Contains(log.String(), "NATS has reported an error") || strings.Contains(log.String(), "secret") {
		t.Error(log)
	}
}

// Errors that clients see say what has happened to the message, and nothing about the servers of NATS.
func TestErrors(t *testing.T) {
	l, log, _ := link(t)
	for name, c := range map[string]struct {
		up  bool
		err error
		is  error
		say string
	}{
		"down":      {false, fmt.Errorf("%w: dial 10.1.2.3", hub.ErrLinkDown), hub.ErrLinkDown, "no link to NATS"},
		"refused":   {true, fmt.Errorf("%w: 10.1.2.3 says no", hub.ErrLinkDown), hub.ErrLinkDown, "it was not published"},
		"no answer": {true, fmt.Errorf("%w: 10.1.2.3", hub.ErrUnacknowledged), hub.ErrUnacknowledged, "may have been published or not"},
		"too large": {true, fmt.Errorf("%w: %w", hub.ErrLinkDown, nats.ErrMaxPayload), ErrTooLarge, "max_payload"},
	} {
		l.up = c.up
		err := l.failed("a", c.err)
		if !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.say) || strings.Contains(err.Error(), "10.1.2.3") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if s := l.Stats(); s.Refused != 3 || s.Unconfirmed != 1 {
		t.Errorf("%+v", s)
	}
	if n := strings.Count(log.String(), "a message was not published"); n != 1 {
		t.Errorf("%d lines: %s", n, log)
	}
}
