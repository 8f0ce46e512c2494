package natsbroker

import (
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/natsbroker/natstest"
)

// foreign publishes to a topic as another program, with any headers.
func foreign(t *testing.T, s *natstest.Server, f *follower, payload string, h nats.Header) {
	t.Helper()
	nc, err := nats.Connect(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	m := &nats.Msg{Subject: f.subjects.inTopic + escape(f.topic), Data: []byte(payload), Header: h}
	answer, err := nc.RequestMsg(m, patience)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parseAck(answer); err != nil {
		t.Fatal(err)
	}
}

// want checks that the messages delivered, and those of the history, are these.
func (f *follower) want(payloads ...string) {
	f.t.Helper()
	end := f.mustPublish("end")
	payloads = append(payloads, "end")
	f.await("the last message", func() bool { return f.last.Offset >= end.Offset })
	page, err := f.History(f.t.Context(), hub.HistoryQuery{Subject: f.topic, UpTo: end.Offset})
	if err != nil {
		f.t.Fatal(err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.links != 1 {
		f.t.Errorf("%d links, lost because of %s", f.links, causes(f.losses))
	}
	for what, all := range map[string][]*hub.Envelope{"delivered": f.got, "history": page.Messages} {
		if len(all) != len(payloads) {
			f.t.Fatalf("%s: %d messages, want %d", what, len(all), len(payloads))
		}
		for i, m := range all {
			if string(m.Data) != payloads[i] || m.Position != f.got[i].Position || !m.Time.Equal(f.got[i].Time) || m.Topic != f.topic {
				f.t.Errorf("%s: message %d is %+v (%s), want %q at %v", what, i, m, m.Data, payloads[i], f.got[i].Position)
			}
		}
	}
}

// Another program sets the headers that a server sets. The server's count.
func TestForgedHeaders(t *testing.T) {
	server := natstest.Start(t, "")
	f := follow(t, newCluster(Options{}, server).node(t), "forged")
	f.mustPublish("before")
	for _, status := range []string{"404", "204", "500"} {
		foreign(t, server, f, status, nats.Header{
			headerSeq: {"7000000"}, headerSubject: {"other"}, headerTime: {"2001-01-01T00:00:00Z"}, headerBefore: {"6999999"},
			headerStatus: {status}, headerPending: {"5"}, headerUpTo: {"8000000"},
		})
	}
	f.want("before", "404", "204", "500")
	if at := f.got[1].Position; at.Offset >= 7000000 || f.got[1].Time.Year() == 2001 {
		t.Errorf("%+v", f.got[1])
	}
}

// Another program publishes a message with a header that cannot be read. It is left out, and those
// around it are delivered, without a loss.
func TestBadMessage(t *testing.T) {
	server := natstest.Start(t, "")
	f := follow(t, newCluster(Options{}, server).node(t), "bad")
	f.mustPublish("before")
	for range 3 {
		foreign(t, server, f, "bad", nats.Header{headerContent: {"nonsense"}})
	}
	f.mustPublish("after")
	f.want("before", "after")
}
