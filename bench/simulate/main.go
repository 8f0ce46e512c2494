// Command simulate measures the memory of a topic with more subscribers than a machine has sockets. Its argument is their
// number.
//
// The hub and the structures of a connection are those of a server; only the sockets are missing. It prints one JSON document.
// It is a program of its own, so that its heap contains nothing else.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/wshub"
	"github.com/fanfare-ws/fanfare/netpoll"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// socket has the structures of a connection that is subscribed to a topic. It accepts every message, as a socket with free
// buffers does.
type socket struct {
	_    wsproto.Conn
	sub  hub.Subscription
	loop int32
	took int32
}

// shard counts the messages that the sockets of a loop have accepted, in its own cache line.
type shard struct {
	took atomic.Int64
	_    [56]byte
}

var shards = make([]shard, runtime.NumCPU())

func (s *socket) Loop() int { return int(s.loop) }

func (s *socket) Send(hub.Encoded) netpoll.Outcome {
	s.took++
	shards[s.loop].took.Add(1)
	return netpoll.Sent
}

func (s *socket) WhenDrained(t interface{ Schedule() }) { t.Schedule() }

func (s *socket) Close(hub.CloseReason) { s.sub.Unsubscribe() }

// result is the document that is printed.
type result struct {
	Subscribers int     `json:"subscribers"`
	HeapEach    float64 `json:"heap_bytes_each"`
	GCMillis    float64 `json:"gc_milliseconds"`
	GCPause     float64 `json:"gc_pause_milliseconds"` // time during which nothing else ran
	Publish     float64 `json:"publish_milliseconds"`
	PublishCPU  float64 `json:"publish_cpu_milliseconds"`
}

func main() {
	if len(os.Args) != 2 {
		fail(fmt.Errorf("usage: simulate SUBSCRIBERS"))
	}
	n, err := strconv.Atoi(os.Args[1])
	if err != nil || n < 1 {
		fail(fmt.Errorf("%q is not a number of subscribers", os.Args[1]))
	}
	r, err := simulate(n)
	if err != nil {
		fail(err)
	}
	_ = json.NewEncoder(os.Stdout).Encode(r)
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "simulate:", err)
	os.Exit(1)
}

func simulate(n int) (*result, error) {
	empty := heap()
	h := hub.New(hub.Options{Workers: hub.Goroutines(len(shards))})
	table := make([]*socket, n) // indexed by descriptor, as in the engine
	for i := range table {
		s := &socket{loop: int32(i % len(shards))}
		if _, err := h.Subscribe("news", &s.sub, s, hub.SubscribeOptions{Encoding: wshub.Plain}); err != nil {
			return nil, err
		}
		table[i] = s
	}
	r := &result{Subscribers: n, HeapEach: (heap() - empty) / float64(n)}
	r.collect()
	const publishes = 5
	began, cpu := time.Now(), ownCPU()
	for i := range publishes {
		if _, err := h.Publish("news", hub.Message{Data: make([]byte, 128), Kind: hub.Binary}); err != nil {
			return nil, err
		}
		for took() < int64((i+1)*n) {
			time.Sleep(50 * time.Microsecond)
		}
	}
	r.Publish, r.PublishCPU = millis(time.Since(began))/publishes, millis(ownCPU()-cpu)/publishes
	runtime.KeepAlive(table)
	return r, nil
}

func (r *result) collect() {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began := time.Now()
	runtime.GC()
	r.GCMillis = millis(time.Since(began))
	runtime.ReadMemStats(&after)
	r.GCPause = float64(after.PauseTotalNs-before.PauseTotalNs) / 1e6
}

func took() (n int64) {
	for i := range shards {
		n += shards[i].took.Load()
	}
	return n
}

// heap returns the live bytes of the heap.
func heap() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

func ownCPU() time.Duration {
	var u unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &u) // for this process it cannot fail
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func millis(d time.Duration) float64 { return float64(d) / 1e6 }
