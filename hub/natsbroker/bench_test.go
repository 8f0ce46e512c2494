package natsbroker

import (
	"context"
	"slices"
	"sync/atomic"
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

// BenchmarkThroughput publishes with many messages in flight.
func BenchmarkThroughput(b *testing.B) {
	const inFlight = 1000
	m := &hub.Envelope{Topic: "bench", Data: make([]byte, 128)}
	broker, js := benchmark(b)
	b.Run("broker", func(b *testing.B) {
		free := make(chan struct{}, inFlight)
		var failed atomic.Int64
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		for b.Loop() {
			free <- struct{}{}
			broker.Publish(ctx, m, func(_ hub.Position, err error) {
				if err != nil {
					failed.Add(1)
				}
				<-free
			})
		}
		for range inFlight {
			free <- struct{}{}
		}
		if n := failed.Load(); n > 0 {
			b.Fatalf("%d messages failed", n)
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
	})
	b.Run("plain", func(b *testing.B) {
		for b.Loop() {
			for js.PublishAsyncPending() >= inFlight {
				time.Sleep(10 * time.Microsecond) // PublishAsync would fail
			}
			if _, err := js.PublishAsync("fanfare.in.t.plain", m.Data); err != nil {
				b.Fatal(err)
			}
		}
		<-js.PublishAsyncComplete()
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
	})
}
