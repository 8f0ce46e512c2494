package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// ourBroadcast is a small broadcaster on wsproto. It closes a subscriber with too much pending output with 1013, as fanfare
// does.
func ourBroadcast(t *testing.T, s *wsproto.Server) string {
	t.Helper()
	var mu sync.Mutex
	all := make(map[*wsproto.Conn]bool)
	s.Handler = &wsproto.Funcs{
		Open: func(c *wsproto.Conn, _ *wsproto.Request) {
			mu.Lock()
			all[c] = true
			mu.Unlock()
		},
		Message: func(from *wsproto.Conn, op wsproto.Opcode, p []byte) {
			mu.Lock()
			defer mu.Unlock()
			m := wsproto.Prepare(op, p)
			for c := range all {
				if c != from && c.SendPrepared(m) == wsproto.Full {
					c.Close(wsproto.TryAgainLater, "too slow")
				}
			}
		},
		Close: func(c *wsproto.Conn, _ *wsproto.CloseError) {
			mu.Lock()
			delete(all, c)
			mu.Unlock()
		},
	}
	return ours(t, s)
}

func TestBroadcast(t *testing.T) {
	for _, c := range []struct {
		args     string
		messages int64
	}{
		{"-rate 1000 -count 50", 50},
		{"-rate 1000 -duration 30ms", 30},
		{"-rate 1000 -count 50 -publishers 3", 50},
		{"-rate 1000 -count 20 -size 32", 20},
		{"-rate 1000 -count 20 -size 64 -text", 20},
		{"-rate 1000 -count 20 -size 5000 -text", 20},
		{"-window 1 -count 20", 20},
		{"-window 8 -count 100", 100},
		{"-window 5 -count 101 -publishers 3", 101},
		{"-window 4 -duration 50ms", 0},
	} {
		t.Run(c.args, func(t *testing.T) {
			check := func(url string) {
				args := append([]string{"broadcast", "-json", "-q", "-n", "20"}, strings.Fields(c.args)...)
				r := runProgram(t, append(args, url)...)
				r.wantOK(t)
				m := r.report.Messages
				if c.messages != 0 {
					want(t, "published", m.Sent, c.messages)
				} else if m.Sent < 4 {
					t.Errorf("published %d", m.Sent)
				}
				want(t, "delivered", m.Received, m.Sent*20)
				want(t, "expected", m.Expected, m.Sent*20)
				if m.Latency == nil || m.Latency.P50 <= 0 {
					t.Errorf("latency %+v", m.Latency)
				}
			}
			checkLeaks(t)
			check(ourBroadcast(t, &wsproto.Server{}))
			check(theirBroadcast(t, nil))
		})
	}
}

// TestBroadcastThen runs several phases on the same connections and checks that a missing message counts in its phase.
func TestBroadcastThen(t *testing.T) {
	checkLeaks(t)
	args := []string{"broadcast", "-json", "-q", "-n", "5", "-publishers", "2", "-rate", "1000", "-count", "10", "-then", "-window 4 -count 20",
		"-then", "-window 2 -duration 20ms", "-then", "-rate 500 -count 7", "-drain", "1s"}
	check := func(r result, missing int64) {
		t.Helper()
		sent := []int64{20, r.report.Then[1].Sent, 7}
		want(t, "delivered first", r.report.Messages.Received, 50)
		for i, m := range r.report.Then {
			want(t, "sent then", m.Sent, sent[i])
			if i == 0 {
				want(t, "missing then", m.Missing, missing)
			} else {
				want(t, "missing at last", m.Missing, 0)
			}
			want(t, "delivered then", m.Received, 5*sent[i]-m.Missing)
			if m.Latency == nil || m.Flags == "" {
				t.Errorf("%+v", m)
			}
		}
	}
	for _, url := range []string{ourBroadcast(t, &wsproto.Server{}), theirBroadcast(t, nil)} {
		r := runProgram(t, append(args, url)...)
		r.wantOK(t)
		check(r, 0)
	}
	lossy := theirBroadcast(t, func(sub, n int, p []byte) [][]byte {
		if sub == 3 && n == 20 {
			return nil
		}
		return [][]byte{p}
	})
	r := runProgram(t, append(args, lossy)...)
	r.wantFault(t, "missing", 1)
	check(r, 1)
	for _, bad := range []struct{ then, says string }{
		{"-window 1", `-then "-window 1": -window is 1; it must be at least the number of publishers, 2`},
		{"-rate 1 -window 4", "exclude each other"},
		{"-size 5", "unknown flag -size"},
		{"8", `unexpected argument "8"`},
	} {
		r := runProgram(t, "broadcast", "-publishers", "2", "-then", bad.then, "ws://localhost/")
		want(t, "status", r.status, exitUsage)
		if !strings.Contains(r.stderr, bad.says) {
			t.Errorf("%s: it does not say %q", r.stderr, bad.says)
		}
	}
}

// TestBroadcastGivesUp has a phase whose last message one subscriber does not receive. The next phase does not wait for it.
func TestBroadcastGivesUp(t *testing.T) {
	for _, then := range []string{"-window 1 -count 9", "-window 4 -count 9", "-rate 1000 -count 9"} {
		t.Run(then, func(t *testing.T) {
			checkLeaks(t)
			url := theirBroadcast(t, func(sub, n int, p []byte) [][]byte {
				if sub == 3 && (n == 18 || n == 19) {
					return nil
				}
				return [][]byte{p}
			})
			r := runProgram(t, "broadcast", "-json", "-q", "-n", "6", "-rate", "1000", "-count", "20", "-then", then, "-drain", "300ms", url)
			r.wantFault(t, "missing", 2)
			want(t, "missing at first", r.report.Messages.Missing, 2)
			m := r.report.Then[0]
			want(t, "sent then", m.Sent, 9)
			want(t, "delivered then", m.Received, 9*6)
		})
	}
}

// Late messages of an earlier phase do not count.
func TestOldMessages(t *testing.T) {
	var c broadcastShard
	want(t, "old before any phase", c.isOld(0, 0), false)
	c.begin([]uint64{7}, 2)
	want(t, "old", c.isOld(0, 6), true)
	want(t, "of this phase", c.isOld(0, 7), false)
	p := &publisher{sent: 7, shards: 1}
	want(t, "first", p.begin(0), 7)
	p.shardDone(6) // and there is no window to count it in
}

// TestBroadcastNotices has broadcasters with one fault each, in message 10 for subscriber 3.
func TestBroadcastNotices(t *testing.T) {
	var held []byte
	for _, c := range []struct {
		name   string
		tamper func(n int, p []byte) [][]byte
		kinds  map[string]int64
	}{
		{"drop", func(n int, p []byte) [][]byte {
			if n == 10 {
				return nil
			}
			return [][]byte{p}
		}, map[string]int64{"missing": 1}},
		{"drop the last", func(n int, p []byte) [][]byte {
			if n == 29 {
				return nil
			}
			return [][]byte{p}
		}, map[string]int64{"missing": 1}},
		{"duplicate", func(n int, p []byte) [][]byte {
			if n == 10 {
				return [][]byte{p, p}
			}
			return [][]byte{p}
		}, map[string]int64{"duplicated": 1}},
		{"reorder", func(n int, p []byte) [][]byte {
			switch n {
			case 10:
				held = slices.Clone(p)
				return nil
			case 11:
				return [][]byte{p, held}
			}
			return [][]byte{p}
		}, map[string]int64{"out of order": 1}},
		{"alter", func(n int, p []byte) [][]byte {
			if n == 10 {
				p = slices.Clone(p)
				p[40] ^= 1
			}
			return [][]byte{p}
		}, map[string]int64{"wrong content": 1, "missing": 1}},
		{"renumber", func(n int, p []byte) [][]byte {
			if n == 10 {
				p = slices.Clone(p)
				p[8] ^= 0x80
			}
			return [][]byte{p}
		}, map[string]int64{"wrong content": 1, "missing": 1}},
	} {
		for _, how := range []string{"-rate=1000", "-window=4"} {
			t.Run(c.name+how, func(t *testing.T) {
				checkLeaks(t)
				url := theirBroadcast(t, func(sub, n int, p []byte) [][]byte {
					if sub != 3 {
						return [][]byte{p}
					}
					return c.tamper(n, p)
				})
				r := runProgram(t, "broadcast", "-json", "-q", "-n", "6", "-count", "30", how, "-drain", "1s", url)
				for kind, n := range c.kinds {
					if f := r.wantFault(t, kind, n); f.Example == "" {
						t.Errorf("%s: no example", kind)
					}
				}
				want(t, "kinds of faults", len(r.report.Faults), len(c.kinds))
				want(t, "missing", r.report.Messages.Missing, c.kinds["missing"])
				want(t, "delivered", r.report.Messages.Received, 6*30-c.kinds["missing"])
			})
		}
	}
}

// TestBroadcastUnsubscribed has a server that does not subscribe one client, and one that subscribes none.
func TestBroadcastUnsubscribed(t *testing.T) {
	t.Run("one", func(t *testing.T) {
		checkLeaks(t)
		url := theirBroadcast(t, func(sub, _ int, p []byte) [][]byte {
			if sub == 2 {
				return nil
			}
			return [][]byte{p}
		})
		r := runProgram(t, "broadcast", "-json", "-q", "-n", "5", "-rate", "1000", "-count", "10", "-drain", "100ms", url)
		r.wantFault(t, "not subscribed", 1)
		r.wantFault(t, "missing", 10)
	})
	t.Run("all", func(t *testing.T) {
		checkLeaks(t)
		r := runProgram(t, "broadcast", "-json", "-q", "-n", "5", "-drain", "100ms", theirEcho(t, nil))
		r.wantFault(t, "not subscribed", 5)
		want(t, "kinds of faults", len(r.report.Faults), 1)
	})
}

// TestBroadcastLatency has a server that delays every message.
func TestBroadcastLatency(t *testing.T) {
	checkLeaks(t)
	const hold = 30 * time.Millisecond
	url := theirBroadcast(t, func(sub, n int, p []byte) [][]byte {
		if sub == 0 && n >= 0 {
			time.Sleep(hold)
		}
		return [][]byte{p}
	})
	r := runProgram(t, "broadcast", "-json", "-q", "-n", "3", "-window", "1", "-count", "3", url)
	r.wantOK(t)
	if l := r.report.Messages.Latency; l.Min < 30_000 {
		t.Errorf("latencies %+v; none can be below %v", l, hold)
	}
}

// TestBroadcastSubscriberGone has a server that ends one subscriber's connection during the run. With a window, the
// publishers do not wait for it any more.
func TestBroadcastSubscriberGone(t *testing.T) {
	for _, how := range []string{"-rate=1000", "-window=2"} {
		t.Run(how, func(t *testing.T) {
			checkLeaks(t)
			var mu sync.Mutex
			var all []*websocket.Conn
			n, gone := 0, false
			url := theirs(t, func(ctx context.Context, _ *http.Request, c *websocket.Conn) {
				mu.Lock()
				all = append(all, c)
				mu.Unlock()
				for {
					op, p, err := c.Read(ctx)
					if err != nil {
						return
					}
					mu.Lock()
					if !isProbe(p) {
						n++
					}
					if n == 9 && !gone {
						i := slices.IndexFunc(all, func(other *websocket.Conn) bool { return other != c })
						_ = all[i].CloseNow()
						all, gone = slices.Delete(all, i, i+1), true
					}
					for _, other := range all {
						if other != c {
							_ = other.Write(ctx, op, p)
						}
					}
					mu.Unlock()
				}
			})
			r := runProgram(t, "broadcast", "-json", "-q", "-n", "4", "-count", "40", how, "-drain", "1s", url)
			r.wantFault(t, "ended by the server without a close frame", 1)
			want(t, "published", r.report.Messages.Sent, 40)
			// It had those before the ninth.
			r.wantFault(t, "missing", 40-8)
		})
	}
}

func TestSlow(t *testing.T) {
	t.Run("disconnected", func(t *testing.T) {
		checkLeaks(t)
		s := &wsproto.Server{MaxMessage: 64 << 10, CloseTimeout: time.Minute}
		s.Engine.MaxPending = 256 << 10
		s.Engine.NotSentLowat = 16 << 10
		// With a window of 1 those who read have never more than one pending.
		r := runProgram(t, "slow", "-json", "-q", "-n", "12", "-stalled", "2", "-window", "1", "-count", "200",
			"-size", "32000", "-drain", "2s", ourBroadcast(t, s))
		r.wantOK(t)
		want(t, "delivered to the others", r.report.Messages.Received, 200*10)
		want(t, "stalled", r.report.Stalled.Subscribers, 2)
		want(t, "fates", fmt.Sprint(r.report.Stalled.Fates), "map[disconnected with 1013:2]")
		if got := r.report.Stalled.Messages; got < 1 || got >= 2*200 {
			t.Errorf("%d messages were there for those who did not read", got)
		}
	})
	t.Run("still connected", func(t *testing.T) {
		checkLeaks(t)
		r := runProgram(t, "slow", "-json", "-q", "-n", "10", "-stalled", "30%", "-rate", "500", "-count", "20",
			"-drain", "300ms", ourBroadcast(t, &wsproto.Server{}))
		r.wantOK(t)
		want(t, "delivered to the others", r.report.Messages.Received, 20*7)
		want(t, "fates", fmt.Sprint(r.report.Stalled.Fates), "map[still connected:3]")
		// Not the probe, which is there too.
		want(t, "messages that were there", r.report.Stalled.Messages, 3*20)
		want(t, "messages that could be there", r.report.Stalled.Expected, 3*20)
	})
}
