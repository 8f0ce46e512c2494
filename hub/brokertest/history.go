package brokertest

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/hub"
)

// history tests that History returns exactly the published messages, in order, within the bounds
// of the query.
func history(t *testing.T, s Setup) {
	if !s.History {
		t.Skip("the broker keeps no history")
	}
	const messages = 30
	a, b := s.node(t), s.node(t)
	start := b.join(t, "history.x")
	var at []hub.Position
	var before time.Time
	for i := range messages {
		a.publish(t, "history.other", fmt.Sprint(i))
		at = append(at, a.publish(t, "history.x", fmt.Sprintf("%02d", i)))
		if i == messages/2 {
			b.awaitPosition(t, at[i])
			before = b.of("history.x")[i].Time
		}
	}
	b.awaitPosition(t, at[messages-1])
	all, last := b.of("history.x"), at[messages-1].Offset
	for _, c := range []struct {
		name     string
		q        hub.HistoryQuery
		from, to int // indexes into all; from is -1 if it depends on the broker
		complete bool
	}{
		{"all", hub.HistoryQuery{After: start.Offset, UpTo: last}, 0, messages, true},
		{"beyond the end", hub.HistoryQuery{After: start.Offset, UpTo: 1 << 62}, 0, messages, true},
		{"part", hub.HistoryQuery{After: at[4].Offset, UpTo: at[9].Offset}, 5, 10, true},
		{"between others", hub.HistoryQuery{After: at[4].Offset - 1, UpTo: at[9].Offset + 1}, 4, 10, true},
		{"nothing", hub.HistoryQuery{After: at[9].Offset, UpTo: at[10].Offset - 1}, 10, 10, true},
		{"last ones", hub.HistoryQuery{After: start.Offset, UpTo: last, Messages: 7}, messages - 7, messages, false},
		{"last ones before", hub.HistoryQuery{UpTo: at[19].Offset, Messages: 7}, 13, 20, false},
		{"no more than there are", hub.HistoryQuery{After: at[9].Offset, UpTo: last, Messages: 100}, 10, messages, true},
		{"bytes", hub.HistoryQuery{After: start.Offset, UpTo: last, Bytes: 1000}, -1, messages, false},
		{"bytes for none", hub.HistoryQuery{After: start.Offset, UpTo: last, Bytes: 1}, messages, messages, false},
		{"since", hub.HistoryQuery{After: start.Offset, UpTo: last, Since: before}, -1, messages, false},
	} {
		c.q.Subject = "history.x"
		page, err := b.History(within(t), c.q)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		from := c.from
		if from < 0 { // it depends on the broker, but must be a part of all
			from = messages - len(page.Messages)
			if n := len(page.Messages); n < 2 || n > messages/2+1 && c.q.Bytes > 0 {
				t.Errorf("%s: %d messages", c.name, n)
			}
			if !c.q.Since.IsZero() && from > messages/2 {
				t.Errorf("%s: a message that is recent enough is missing", c.name)
			}
		}
		if err := same(page.Messages, all[from:c.to]); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		check(t, c.name, c.q, page, at, c.complete, from)
	}
}

// check checks the bounds that a page claims.
func check(t *testing.T, name string, q hub.HistoryQuery, page hub.HistoryPage, at []hub.Position, complete bool, from int) {
	t.Helper()
	last := at[len(at)-1]
	switch {
	case page.Epoch != last.Epoch:
		t.Errorf("%s: its epoch is %d, not %d", name, page.Epoch, last.Epoch)
	case complete && page.From > q.After:
		t.Errorf("%s: complete after %d only, not after %d", name, page.From, q.After)
	case !complete && from > 0 && page.From < at[from-1].Offset:
		t.Errorf("%s: the page claims to be complete after %d, but %v is missing", name, page.From, at[from-1])
	case page.UpTo > q.UpTo:
		t.Errorf("%s: the page claims to be complete up to %d, more than the query asked for", name, page.UpTo)
	case q.UpTo <= last.Offset && page.UpTo != q.UpTo, page.UpTo < min(q.UpTo, last.Offset):
		t.Errorf("%s: complete up to %d only", name, page.UpTo)
	case q.UpTo == 1<<62 && page.UpTo == q.UpTo:
		t.Errorf("%s: the page claims to be complete up to an offset that no message has yet", name)
	}
}

// historyOfPattern tests that the history of a pattern has the messages of several topics in
// their common order.
func historyOfPattern(t *testing.T, s Setup) {
	if !s.History {
		t.Skip("the broker keeps no history")
	}
	a, b := s.node(t), s.node(t)
	start := b.join(t, "hp.*")
	var last hub.Position
	for i := range 10 {
		a.publish(t, fmt.Sprint("hp.", i%3), fmt.Sprint(i))
		a.publish(t, fmt.Sprint("hp.", i%3, ".no"), fmt.Sprint(i))
		last = a.publish(t, "hp.end", fmt.Sprint(i))
	}
	b.awaitPosition(t, last)
	page, err := b.History(within(t), hub.HistoryQuery{Subject: "hp.*", After: start.Offset, UpTo: last.Offset})
	if err != nil {
		t.Fatal(err)
	}
	if err := same(page.Messages, b.got); err != nil {
		t.Error(err)
	}
	topics := func(all []*hub.Envelope) (s []string) {
		for _, m := range all {
			s = append(s, m.Topic)
		}
		return s
	}
	if !slices.Equal(topics(page.Messages), topics(b.got)) {
		t.Errorf("of %q, want %q", topics(page.Messages), topics(b.got))
	}
}

// noHistory tests that a broker without history returns ErrNoHistory.
func noHistory(t *testing.T, s Setup) {
	if s.History {
		t.Skip("the broker keeps history")
	}
	a := s.node(t)
	at := a.publish(t, "none", "1")
	if _, err := a.History(within(t), hub.HistoryQuery{Subject: "none", UpTo: at.Offset}); !errors.Is(err, hub.ErrNoHistory) {
		t.Errorf("history: %v", err)
	}
}
