package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	fan "github.com/fanfare-ws/fanfare/hub/client"
	"github.com/fanfare-ws/fanfare/hub/wire"
	"github.com/fanfare-ws/fanfare/netpoll"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// storm is a crowd of clients that lose their server together.
type storm struct {
	*child
	rate, clients int
	delay         time.Duration // between attempts, at most
	engine        *netpoll.Engine
	addrs         []string
	all           []*fan.Client

	opened  atomic.Int64 // connections, since the start of the server
	refused atomic.Int64 // handshakes that got 503
	hasty   atomic.Int64 // refusals without Retry-After
	gaps    atomic.Int64
	heard   [4]atomic.Int64 // how many clients have the message with that number
	wrong   atomic.Int64    // messages that did not follow the one before, or the gap
}

// The server is killed. All of its clients come back, no faster than -handshake-rate permits. Each of them is told of the
// gap, and gets every message that the new server publishes, also one that was published before the client was back, or
// while it subscribed. FANFARE_FULL=1 has 18,000 clients, which takes half a minute.
func TestReconnectionAfterKill(t *testing.T) {
	s := &storm{rate: 500, clients: 1500, delay: 200 * time.Millisecond, engine: engine(t)}
	if os.Getenv("FANFARE_FULL") != "" {
		s.rate, s.clients, s.delay = 3000, 18_000, time.Second
	}
	// No client has these addresses, so none can take their ports while no server has them. There are several because the
	// kernel takes long to find a free port for a connection if most of those to the same address are in use.
	s.child = startChildAt(t, "127.0.0.2:0,127.0.0.3:0,127.0.0.4:0,127.0.0.5:0", "-admin", "127.0.0.1:0", "-topic", "> history=100")
	for _, m := range listening.FindAllStringSubmatch(s.stdout.String(), -1) {
		s.addrs = append(s.addrs, m[1])
	}
	s.join(t)
	s.publish(1)
	s.allHave(1)
	rss := residentKiB(s.child)

	s.signal(syscall.SIGKILL)
	_ = s.cmd.Wait()
	s.opened.Store(0)
	s.refused.Store(0)
	started := time.Now()
	s.child = startChildAt(t, strings.Join(s.addrs, ","), "-handshake-rate", strconv.Itoa(s.rate), "-admin", "127.0.0.1:0", "-topic", "> history=100")
	s.publish(2)
	s.allReturn(t, started)
	s.publish(3)
	s.allHave(2)
	s.allHave(3)
	if gaps := s.gaps.Load(); gaps != int64(s.clients) || s.wrong.Load() > 0 || s.hasty.Load() > 0 {
		t.Errorf("%d clients were told of %d gaps; %d messages were wrong, %d refusals lacked Retry-After", s.clients, gaps, s.wrong.Load(), s.hasty.Load())
	}
	if h := s.health(); h.Connections != s.clients {
		t.Errorf("the server has %d connections; there are %d clients", h.Connections, s.clients)
	}
	t.Logf("%d clients, rate %d/s: RSS before %d KiB, after %d KiB", s.clients, s.rate, rss, residentKiB(s.child))
}

// join connects the clients.
func (s *storm) join(t *testing.T) {
	t.Helper()
	places, failed := make(chan struct{}, 64), make(chan error, 1)
	all := make([]*fan.Client, s.clients)
	s.all = all
	var wg sync.WaitGroup
	t.Cleanup(func() {
		for _, c := range all {
			if c != nil {
				c.Close()
			}
		}
	})
	for i := range all {
		places <- struct{}{}
		wg.Go(func() {
			defer func() { <-places }()
			c, err := s.dial(s.addrs[i%len(s.addrs)])
			if all[i] = c; err != nil {
				select {
				case failed <- err:
				default:
				}
			}
		})
	}
	wg.Wait()
	select {
	case err := <-failed:
		t.Fatal(err)
	default:
	}
}

// dial connects a client, which subscribes.
func (s *storm) dial(addr string) (c *fan.Client, err error) {
	o := &fan.Options{
		Engine: s.engine, Timeout: 30 * time.Second, PingInterval: time.Minute, MaxDelay: s.delay,
		OnOpen: func(wire.Hello) { s.opened.Add(1) }, OnClose: s.closed,
	}
	if c, err = fan.Dial(s.long(), "ws://"+addr+"/hub", o); err != nil {
		return nil, err
	}
	expects := uint64(1)
	again := func(g fan.Gap) {
		s.gaps.Add(1)
		expects = g.Oldest.Offset + 1
	}
	_, err = c.Subscribe(s.long(), "storm", &fan.SubscribeOptions{OnGap: again}, func(m fan.Message) {
		if m.Offset != expects {
			s.wrong.Add(1)
		}
		expects++
		s.heard[m.Payload[0]-'0'].Add(1)
	})
	return c, err
}

func (s *storm) allHave(n int) {
	s.t.Helper()
	s.eventually(fmt.Sprint("all clients have message ", n), func() bool { return s.heard[n].Load() == int64(s.clients) })
}

// closed is called when a connection or an attempt has ended.
func (s *storm) closed(err error, _ time.Duration) {
	var refused *wsproto.HandshakeError
	if errors.As(err, &refused) && refused.Status == 503 {
		s.refused.Add(1)
		if refused.RetryAfter <= 0 {
			s.hasty.Add(1)
		}
	}
}

func (s *storm) publish(n int) {
	s.t.Helper()
	if r, body := s.request("POST", "/topics/storm", "application/json", strings.NewReader(strconv.Itoa(n))); r.StatusCode != 200 {
		s.t.Fatal(body)
	}
}

// allReturn waits until all clients are back. At no moment has the server accepted more than the rate permits since its
// start: a burst of a second, and the rate.
func (s *storm) allReturn(t *testing.T, started time.Time) {
	t.Helper()
	most, deadline := 0.0, time.Now().Add(2*time.Minute)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		opened := s.opened.Load()
		since := time.Since(started).Seconds() // after opened was read, so that it is not too short
		most = max(most, float64(opened)/(float64(s.rate)*(1+since)))
		if opened >= int64(s.clients) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d clients are back: %s", opened, s.clients, s.stderr.String())
		}
	}
	took := time.Since(started)
	t.Logf("all are back after %v, %.0f a second; %d handshakes were refused", took.Round(time.Millisecond), float64(s.clients)/took.Seconds(), s.refused.Load())
	if most > 1 {
		t.Errorf("the server accepted %.2f times what -handshake-rate permits", most)
	}
	if s.refused.Load() == 0 {
		t.Log("no handshake was refused: the machine is too slow to reach the rate")
	}
}

func residentKiB(c *child) int {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", c.cmd.Process.Pid))
	if err != nil {
		c.t.Fatal(err)
	}
	pages, _ := strconv.Atoi(strings.Fields(string(text))[1])
	return pages * os.Getpagesize() / 1024
}
