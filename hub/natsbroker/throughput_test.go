package natsbroker

import (
	"context"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/natsbroker/natstest"
)

const (
	benchInFlight = 1000 // messages without an answer
	benchRound    = 4000 // messages
)

// route is a way for messages.
type route struct {
	name      string
	send      func(messages int) // returns when all have been answered, or delivered
	took, cpu time.Duration
}

// BenchmarkThroughput sends messages of 128 bytes in several ways, in turn, with many in flight:
// through the stream and past it (unstored), by the broker and by nats.go without it (plain, core),
// and by the broker to a node in the same process that has joined the topic (-delivered). For each it
// reports messages a second, and the CPU time of this process for a message, without the server's.
func BenchmarkThroughput(b *testing.B) {
	routes := benchmarkRoutes(b)
	for _, r := range routes {
		r.send(benchRound) // warms up
	}
	for b.Loop() {
		for _, r := range routes {
			begun, cpu := time.Now(), cpuTime()
			r.send(benchRound)
			r.took += time.Since(begun)
			r.cpu += cpuTime() - cpu
		}
	}
	for _, r := range routes {
		n := float64(b.N * benchRound)
		b.ReportMetric(n/r.took.Seconds(), r.name+"-msg/s")
		b.ReportMetric(float64(r.cpu.Microseconds())/n, r.name+"-cpu-µs")
	}
}

// counter is a node that counts what is delivered.
type counter struct {
	discard
	delivered atomic.Int64
}

func (c *counter) Deliver(*hub.Envelope) { c.delivered.Add(1) }

// counting returns a broker, and the number of messages that it has delivered.
func counting(b *testing.B, server *natstest.Server) (*Broker, *atomic.Int64) {
	broker, err := New(Options{URLs: []string{server.URL}})
	if err != nil {
		b.Fatal(err)
	}
	c := &counter{discard: discard{make(chan struct{}, 1)}}
	broker.Attach(c)
	b.Cleanup(func() { broker.Close() })
	<-c.linked
	return broker, &c.delivered
}

// cpuTime returns the CPU time of the process.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func benchmarkRoutes(b *testing.B) []*route {
	server := natstest.Start(b, "")
	from, _ := counting(b, server)
	to, count := counting(b, server)
	nc, err := nats.Connect(server.URL)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		b.Fatal(err)
	}
	if _, err = to.Join(b.Context(), "stored"); err == nil {
		err = to.JoinUnstored(b.Context(), "unstored")
	}
	if err != nil {
		b.Fatal(err)
	}
	data := make([]byte, 128)
	by := func(m *hub.Envelope) func(int) { return func(n int) { publishMany(b, from, m, n) } }
	delivered := func(m *hub.Envelope) func(int) {
		return func(n int) {
			want := count.Load() + int64(n)
			publishMany(b, from, m, n)
			for limit := time.Now().Add(patience); count.Load() < want; time.Sleep(50 * time.Microsecond) {
				if time.Now().After(limit) {
					b.Fatal("not all messages are delivered")
				}
			}
		}
	}
	return []*route{
		{name: "stored", send: by(&hub.Envelope{Topic: "nobody.stored", Data: data})},
		{name: "unstored", send: by(&hub.Envelope{Topic: "nobody.unstored", Data: data, Unstored: true})},
		{name: "plain", send: func(n int) { publishPlain(b, js, data, n) }},
		{name: "core", send: func(n int) {
			for range n {
				if err := nc.Publish("fanfare.out.t.core", data); err != nil {
					b.Fatal(err)
				}
			}
			if err := nc.Flush(); err != nil {
				b.Fatal(err)
			}
		}},
		{name: "stored-delivered", send: delivered(&hub.Envelope{Topic: "stored", Data: data})},
		{name: "unstored-delivered", send: delivered(&hub.Envelope{Topic: "unstored", Data: data, Unstored: true})},
	}
}

// publishMany publishes a message many times through a broker.
func publishMany(b *testing.B, broker *Broker, m *hub.Envelope, messages int) {
	free := make(chan struct{}, benchInFlight)
	var failed atomic.Int64
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for range messages {
		free <- struct{}{}
		broker.Publish(ctx, m, func(_ hub.Position, err error) {
			if err != nil {
				failed.Add(1)
			}
			<-free
		})
	}
	for range benchInFlight {
		free <- struct{}{}
	}
	if n := failed.Load(); n > 0 {
		b.Fatalf("%d messages failed", n)
	}
}

// publishPlain publishes to JetStream without a broker.
func publishPlain(b *testing.B, js jetstream.JetStream, data []byte, messages int) {
	free := make(chan jetstream.PubAckFuture, benchInFlight)
	wait := func() {
		f := <-free
		select {
		case <-f.Ok():
		case err := <-f.Err():
			b.Fatal(err)
		}
	}
	for range messages {
		if len(free) == cap(free) {
			wait()
		}
		f, err := js.PublishAsync("fanfare.in.t.plain", data)
		if err != nil {
			b.Fatal(err)
		}
		free <- f
	}
	for len(free) > 0 {
		wait()
	}
}
