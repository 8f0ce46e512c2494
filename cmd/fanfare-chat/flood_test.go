package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/fanfare-ws/fanfare/hub/wire"
)

const (
	floodConns  = 300
	floodSaid   = 200 // messages of the other user
	floodPaused = 50 * time.Millisecond
)

// BenchmarkFlood has one account send as much as it can on 300 connections. It reports how long the
// messages of another user take until they are stored, and until a third user has received them, first
// without the flood and then with it.
func BenchmarkFlood(b *testing.B) {
	for b.Loop() {
		f := newFlooded(b)
		quiet := f.talk(floodSaid, floodPaused)
		sent := f.flood(floodConns)
		began, cpu := time.Now(), f.cpu()
		flooded := f.talk(floodSaid, floodPaused)
		b.ReportMetric(100*(f.cpu()-cpu).Seconds()/time.Since(began).Seconds(), "server-cpu-%")
		b.Logf("%d requests of the flood, %d of them refused", sent.Load(), f.refused.Load())
		for _, r := range []struct {
			name string
			said []spoken
		}{{"quiet", quiet}, {"flooded", flooded}} {
			for _, q := range []float64{0.5, 0.99} {
				stored := quantile(r.said, q, func(s spoken) time.Duration { return s.stored })
				heard := quantile(r.said, q, func(s spoken) time.Duration { return s.heard })
				b.Logf("%s: %.0f %% of the messages are stored within %.1f ms, and delivered within %.1f ms", r.name, q*100, stored, heard)
				b.ReportMetric(stored, fmt.Sprintf("%s-stored-p%.0f-ms", r.name, q*100))
				b.ReportMetric(heard, fmt.Sprintf("%s-heard-p%.0f-ms", r.name, q*100))
			}
		}
		b.ReportMetric(float64(sent.Load()), "flood-requests")
		if p99 := quantile(flooded, 0.99, func(s spoken) time.Duration { return max(s.stored, s.heard) }); p99 > 250 {
			b.Errorf("the 99th percentile is %.0f ms; it must be below 250 ms", p99)
		}
	}
	b.ReportMetric(0, "ns/op")
}

// TestFlood is a smaller BenchmarkFlood: all messages of another user are stored and delivered, while most
// of the flood is refused.
func TestFlood(t *testing.T) {
	f := newFlooded(t)
	f.flood(40)
	if said := f.talk(20, 0); len(said) != 20 {
		t.Errorf("%d messages were delivered", len(said))
	}
}

// flooded is a server and a room with three members.
type flooded struct {
	testing.TB
	p       *process
	room    int64
	cookies []string
	ctx     context.Context
	refused atomic.Int64
}

func newFlooded(t testing.TB) *flooded {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "cookies")
	f := &flooded{TB: t, room: seed(t, dir, file, 3)}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	f.cookies = strings.Split(strings.TrimSpace(string(b)), "\n")
	f.p = itself(t, "-data", dir)
	ctx, cancel := context.WithCancel(context.Background())
	f.ctx = ctx
	t.Cleanup(cancel)
	return f
}

// flood has the first member send as much as they can on that many connections, until the end of the
// test.
func (f *flooded) flood(conns int) (sent *atomic.Int64) {
	f.Helper()
	sent = new(atomic.Int64)
	var all sync.WaitGroup
	ctx, cancel := context.WithCancel(f.ctx)
	f.Cleanup(all.Wait)
	f.Cleanup(cancel)
	for i := range conns {
		s := speaks(f, f.p, f.room, fmt.Sprint("flood", i), f.cookies[0])
		// More unanswered requests than the server reads would only fill buffers of the kernel.
		window := make(chan struct{}, 1000)
		all.Go(func() {
			for n := 1; ctx.Err() == nil; n++ {
				select {
				case window <- struct{}{}:
				case <-ctx.Done():
					return
				}
				say := fmt.Sprintf(`{"id":%d,"do":"publish","topic":"room.%d","data":{"id":"%s-%d","text":"flood"}}`, n, f.room, s.name, n)
				if s.conn.Write(ctx, websocket.MessageText, []byte(say)) != nil {
					return
				}
				sent.Add(1)
			}
		})
		all.Go(func() {
			for {
				_, b, err := s.conn.Read(ctx)
				if err != nil {
					return
				}
				<-window
				if e, err := wire.ParseEvent(b); err == nil && e.Reply != nil && e.Reply.Error != nil && e.Reply.Error.Code == wire.Busy {
					f.refused.Add(1)
				}
			}
		})
	}
	if !settles(func() bool { return f.refused.Load() > 0 }) {
		f.Errorf("of %d requests none was refused", sent.Load())
	}
	return sent
}

// spoken has the latencies of a message.
type spoken struct{ stored, heard time.Duration }

// cpu returns the CPU time that the server has used.
func (f *flooded) cpu() time.Duration {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", f.p.cmd.Process.Pid))
	if err != nil {
		f.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	var user, system int64
	if n, err := fmt.Sscan(strings.Join(strings.Fields(rest)[11:13], " "), &user, &system); n != 2 {
		f.Fatal(err)
	}
	return time.Duration(user+system) * 10 * time.Millisecond
}

// talk has the second member send messages, and waits until the third has received each.
func (f *flooded) talk(messages int, pause time.Duration) (all []spoken) {
	f.Helper()
	talker, listener := speaks(f, f.p, f.room, fmt.Sprint("talk", time.Now().UnixNano()), f.cookies[1]), speaks(f, f.p, f.room, "", f.cookies[2])
	defer func() { _, _ = talker.conn.CloseNow(), listener.conn.CloseNow() }()
	listener.conn.SetReadLimit(1 << 20)
	heard := make(chan time.Time, messages)
	subscribed := make(chan struct{})
	go f.listen(listener, talker.name, subscribed, heard)
	<-subscribed
	for range messages {
		began := time.Now()
		if !talker.say(f.ctx) {
			f.Errorf("message %d was not acknowledged", talker.next)
			return all
		}
		stored := time.Since(began)
		select {
		case at := <-heard:
			all = append(all, spoken{stored, at.Sub(began)})
		case <-time.After(20 * time.Second):
			f.Errorf("message %d was not heard", talker.next)
			return all
		}
		time.Sleep(pause)
	}
	return all
}

// listen reports the arrival of messages by their IDs.
func (f *flooded) listen(s *speaker, name string, subscribed chan struct{}, heard chan<- time.Time) {
	ask := fmt.Sprintf(`{"id":1,"do":"subscribe","topic":"room.%d"}`, f.room)
	err := s.conn.Write(f.ctx, websocket.MessageText, []byte(ask))
	for err == nil {
		var b []byte
		if _, b, err = s.conn.Read(f.ctx); err != nil {
			break
		}
		e, wrong := wire.ParseEvent(b)
		switch {
		case wrong != nil:
			f.Errorf("%s: %v", b, wrong)
		case e.Reply != nil:
			close(subscribed)
		case e.Message != nil && strings.Contains(string(e.Message.Payload), name):
			heard <- time.Now()
		}
	}
}

// quantile returns one of the durations, in milliseconds.
func quantile(all []spoken, q float64, of func(spoken) time.Duration) float64 {
	var list []time.Duration
	for _, s := range all {
		list = append(list, of(s))
	}
	if len(list) == 0 {
		return 0
	}
	slices.Sort(list)
	return float64(list[min(len(list)-1, int(q*float64(len(list))))]) / 1e6
}
