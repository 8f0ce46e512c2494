package natsbroker

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/natsbroker/natstest"
)

// discard is a node that nothing matters to.
type discard struct{ linked chan struct{} }

func (d discard) Deliver(*hub.Envelope) {}
func (d discard) Lost(error)            {}
func (d discard) Linked(hub.Position) {
	select {
	case d.linked <- struct{}{}:
	default:
	}
}

// benchmark returns a broker, and JetStream without it, on the same server and stream.
func benchmark(b *testing.B) (*Broker, jetstream.JetStream) {
	server := natstest.Start(b, "")
	broker, err := New(Options{URLs: []string{server.URL}})
	if err != nil {
		b.Fatal(err)
	}
	d := discard{make(chan struct{}, 1)}
	broker.Attach(d)
	b.Cleanup(func() { broker.Close() })
	<-d.linked
	nc, err := nats.Connect(server.URL)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		b.Fatal(err)
	}
	return broker, js
}

// BenchmarkPublish publishes one message after another, alternately through the broker and through
// JetStream without it, and reports how long half of the answers take at most.
func BenchmarkPublish(b *testing.B) {
	broker, js := benchmark(b)
	m := &hub.Envelope{Topic: "bench", Data: make([]byte, 128)}
	var ours, plain []time.Duration
	answered := make(chan error, 1)
	for b.Loop() {
		begun := time.Now()
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		broker.Publish(ctx, m, func(_ hub.Position, err error) { answered <- err })
		if err := <-answered; err != nil {
			b.Fatal(err)
		}
		cancel()
		ours = append(ours, time.Since(begun))
		begun = time.Now()
		if _, err := js.Publish(b.Context(), "fanfare.in.t.plain", m.Data); err != nil {
			b.Fatal(err)
		}
		plain = append(plain, time.Since(begun))
	}
	b.ReportMetric(float64(median(ours).Microseconds()), "p50-µs")
	b.ReportMetric(float64(median(plain).Microseconds()), "plain-p50-µs")
}

func median(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)/2]
}

// many is a node that waits until it has been told of many entries.
type many struct {
	discard
	wanted int
	told   chan struct{}
}

func (m *many) PeerGone(uint64)      {}
func (m *many) Answer([]byte) []byte { return nil }
func (m *many) PeerChanged(uint64, string, []byte) {
	if m.wanted--; m.wanted == 0 {
		close(m.told)
	}
}

func newMany(wanted int) *many {
	return &many{discard{make(chan struct{}, 1)}, wanted, make(chan struct{})}
}

// BenchmarkSnapshot connects a node to a cluster with a node of which the state has 50,000 entries.
func BenchmarkSnapshot(b *testing.B) {
	const entries = 50_000
	server := natstest.Start(b, "")
	attach := func(m *many) *Broker {
		broker, err := New(Options{URLs: []string{server.URL}})
		if err != nil {
			b.Fatal(err)
		}
		broker.Attach(m)
		<-m.linked
		return broker
	}
	of := attach(newMany(-1))
	defer of.Close()
	for i := range entries {
		of.SetState(fmt.Sprint("user:", i), []byte("0123456789abcdef"))
	}
	for b.Loop() {
		m := newMany(entries)
		broker := attach(m)
		<-m.told
		b.StopTimer()
		broker.Close()
		b.StartTimer()
	}
}

// BenchmarkChange changes an entry, and waits until another node has been told.
func BenchmarkChange(b *testing.B) {
	server := natstest.Start(b, "")
	told := &changeEcho{discard{make(chan struct{}, 1)}, make(chan struct{}, 1)}
	var brokers []*Broker
	for range 2 {
		broker, err := New(Options{URLs: []string{server.URL}})
		if err != nil {
			b.Fatal(err)
		}
		defer broker.Close()
		broker.Attach(told)
		<-told.linked
		brokers = append(brokers, broker)
	}
	for i := 0; b.Loop(); i++ {
		brokers[0].SetState("key", fmt.Append(nil, i))
		<-told.told
	}
}

// changeEcho is a node that says that it has been told of a change.
type changeEcho struct {
	discard
	told chan struct{}
}

func (c *changeEcho) PeerGone(uint64)                    {}
func (c *changeEcho) Answer([]byte) []byte               { return nil }
func (c *changeEcho) PeerChanged(uint64, string, []byte) { c.told <- struct{}{} }
