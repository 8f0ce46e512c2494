package main

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	fan "github.com/fanfare-ws/fanfare/hub/client"
	"github.com/fanfare-ws/fanfare/netpoll"
	"github.com/fanfare-ws/fanfare/netpoll/netpolltest"
)

// The bounds of the soak. A server ends where it began, but for the pools of its buffers and workers.
var (
	soakSlack  = slack{fds: 4, goroutines: 20, heapKiB: 3 << 10, rssKiB: 16 << 10}
	soakGrowth = 8 << 10 // KiB of RSS between the first and the last third, under load
)

// TestSoak runs for as long as FANFARE_SOAK says, such as 10m; docs/faults.md has its figures. Clients come and go, receive
// broadcasts, never read, use TLS, and resume, while the server reloads its configuration and certificate. Each of them
// gets what it should, and the server ends where it began in descriptors, goroutines, heap and RSS.
func TestSoak(t *testing.T) {
	length, err := time.ParseDuration(os.Getenv("FANFARE_SOAK"))
	if err != nil {
		t.Skip("set FANFARE_SOAK to a duration: FANFARE_SOAK=10m go test -run TestSoak -v -timeout 20m ./cmd/fanfare")
	}
	s := startSoak(t)
	s.begin()
	const looks = 12
	var rss [looks]int
	var before []int64
	for i := range looks {
		s.sleep(length / looks)
		v := s.vitals()
		rss[i] = v.rssKiB
		before = s.goesOn(before)
		t.Logf("after %v: %d connections, %v; %s", length*time.Duration(i+1)/looks, s.health().Connections, v, s.counts())
		s.probes.within(probeBudget, "soak")
	}
	s.end()
	s.eventually("all are gone", func() bool { return s.health().Connections <= 2 })
	s.recovers("soak of "+length.String(), soakSlack)
	first, last := max(rss[1], rss[2], rss[3]), min(rss[looks-3], rss[looks-2], rss[looks-1])
	if t.Logf("RSS under load: %d KiB at first, %d KiB at last", first, last); last > first+soakGrowth {
		t.Errorf("RSS has grown by %d KiB under load", last-first)
	}
	if says := s.stderr.String(); strings.Contains(says, "panic") || strings.Contains(says, "level=ERROR") {
		t.Error(says)
	}
}

type soak struct {
	*patient
	file, cert, key string // names of files
	plain, secure   string // addresses
	trust           *tls.Config
	engine          *netpoll.Engine

	stopped chan struct{}
	actors  sync.WaitGroup
	failed  atomic.Pointer[error]

	churned, delivered, resumed, secured, muted, reloads atomic.Int64
}

func startSoak(t *testing.T) *soak {
	t.Helper()
	cert, key, trust := netpolltest.Certificate(t)
	s := &soak{file: tempFile(t, soakConfig(0)), cert: cert, key: key, trust: trust, engine: engine(t), stopped: make(chan struct{})}
	s.trust.ServerName = "example.com"
	s.patient = startPatientAt(t, "127.0.0.1:0 tls=off", "-addr", "127.0.0.1:0", "-cert", cert, "-key", key, "-config", s.file, "-user-header", "X-User")
	s.plain, s.secure = s.addrs()[0], s.addrs()[1]
	t.Cleanup(s.stop)
	return s
}

func soakConfig(version int) string {
	return fmt.Sprintf("[limits]\nmax-conns = %d\n[[topic]]\npattern = 'slow.*'\nslow = 'drop-oldest'\nlimit = '256KiB'\n"+
		"[[topic]]\npattern = 'resume'\nhistory = 1000\n[[topic]]\npattern = '>'\nhistory = %d\n", 5000+version%100, version%10+1)
}

// begin starts all that goes on.
func (s *soak) begin() {
	s.t.Helper()
	for range 200 {
		s.subscribe()
	}
	for range 20 {
		s.resumes()
	}
	posts := 0
	s.every(20*time.Millisecond, func() error {
		posts++
		return s.posts("soak", fmt.Sprintf("%08d", posts))
	})
	s.every(50*time.Millisecond, func() error { return s.posts("resume", "x") })
	s.every(10*time.Millisecond, func() error { return s.posts("slow.a", strings.Repeat("x", 10_000)) })
	s.every(time.Second, s.churn)
	s.every(2*time.Second, s.mute)
	for range 3 {
		s.every(100*time.Millisecond, s.secures)
	}
	s.every(2*time.Second, s.reload)
	s.every(5*time.Second, s.disconnect)
}

// every calls f again and again, until the end or an error.
func (s *soak) every(pause time.Duration, f func() error) {
	s.actors.Go(func() {
		tick := time.NewTicker(pause)
		defer tick.Stop()
		for {
			select {
			case <-s.stopped:
				return
			case <-tick.C:
			}
			if err := f(); err != nil {
				s.fails(err)
				return
			}
		}
	})
}

func (s *soak) fails(err error) {
	select {
	case <-s.stopped: // what fails at the end is no fault
	default:
		s.failed.CompareAndSwap(nil, &err)
	}
}

// sleep waits, unless something fails.
func (s *soak) sleep(d time.Duration) {
	s.t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if err := s.failed.Load(); err != nil {
			s.t.Fatal(*err)
		}
		if s.t.Failed() {
			s.t.FailNow()
		}
	}
}

// end ends all that goes on.
func (s *soak) end() {
	s.stop()
	s.t.Logf("in all: %s", s.counts())
}

func (s *soak) stop() {
	select {
	case <-s.stopped:
	default:
		close(s.stopped)
	}
	s.actors.Wait()
}

// goesOn fails the test unless all counters are above what they were before, and returns them.
func (s *soak) goesOn(before []int64) (now []int64) {
	s.t.Helper()
	for i, n := range []*atomic.Int64{&s.churned, &s.secured, &s.delivered, &s.resumed, &s.muted, &s.reloads} {
		now = append(now, n.Load())
		if before != nil && now[i] <= before[i] {
			s.t.Errorf("counter %d stays at %d: %s", i, before[i], s.counts())
		}
	}
	return now
}

func (s *soak) counts() string {
	return fmt.Sprintf("%d clients have come and gone, %d with TLS; %d messages were delivered, %d to clients that resume; %d never read; %d reloads",
		s.churned.Load(), s.secured.Load(), s.delivered.Load(), s.resumed.Load(), s.muted.Load(), s.reloads.Load())
}

// posts publishes over HTTP.
func (s *soak) posts(topic, text string) error {
	resp, err := http.Post("http://"+s.plain+"/topics/"+topic, "text/plain", strings.NewReader(text))
	if err != nil {
		return err
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("POST to %s got %s", topic, resp.Status)
	}
	return nil
}

// subscribe has a client that must receive every message of the topic soak from its first one on.
func (s *soak) subscribe() {
	s.t.Helper()
	nc, in := s.rawDial("/topics/soak")
	s.actors.Go(func() {
		<-s.stopped
		nc.Close()
	})
	s.actors.Go(func() {
		for next := 0; ; {
			first, payload, err := readFrame(in)
			if err != nil {
				s.fails(fmt.Errorf("a subscriber got %w", err))
				return
			}
			if first == 0x89 {
				_, _ = nc.Write([]byte("\x8a\x80\x00\x00\x00\x00"))
				continue
			}
			var n int
			if _, err := fmt.Sscanf(string(payload), "%d", &n); err != nil || next != 0 && n != next {
				s.fails(fmt.Errorf("a subscriber got %.20q, want message %d", payload, next))
				return
			}
			next = n + 1
			s.delivered.Add(1)
		}
	})
}

// resumes has a client of the library, which the server disconnects from time to time, and which misses nothing.
func (s *soak) resumes() {
	s.t.Helper()
	c := s.connect(s.plain, fan.Options{Engine: s.engine, MaxDelay: 200 * time.Millisecond, Header: http.Header{"X-User": {"ada"}}})
	s.actors.Go(func() {
		<-s.stopped
		c.Close()
	})
	var next uint64
	o := &fan.SubscribeOptions{OnGap: func(g fan.Gap) { s.fails(fmt.Errorf("a client that resumes has a gap: %+v", g)) }}
	_, err := c.Subscribe(s.long(), "resume", o, func(m fan.Message) {
		if next != 0 && m.Offset != next {
			s.fails(fmt.Errorf("a client that resumes got message %d, want %d", m.Offset, next))
		}
		next = m.Offset + 1
		s.resumed.Add(1)
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// disconnect closes the connections of those that resume.
func (s *soak) disconnect() error {
	r, err := http.NewRequest("DELETE", "http://"+s.plain+"/users/ada/connections?code=1012", nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(r)
	if err == nil {
		if resp.Body.Close(); resp.StatusCode != http.StatusOK {
			err = fmt.Errorf("DELETE got %s", resp.Status)
		}
	}
	return err
}

// churn has clients connect at once, and leave at once, by turns with a reset and without.
func (s *soak) churn() error {
	const n = 300
	c := storms(s.t, n, []string{s.plain}, "/echo", "/topics/churn", "/hub")
	if c.opened != n {
		return fmt.Errorf("of %d handshakes %d have failed, and %v were refused", n, c.failed, c.refused)
	}
	if s.churned.Add(n)/n%2 == 0 {
		c.reset()
	} else {
		c.close()
	}
	return nil
}

// mute has clients that never read, for some seconds.
func (s *soak) mute() error {
	hangUp := s.mutes(5, "/topics/slow.a")
	s.muted.Add(5)
	s.actors.Go(func() {
		select {
		case <-s.stopped:
		case <-time.After(10 * time.Second):
		}
		hangUp()
	})
	return nil
}

// secures has a client with TLS, which echoes some messages.
func (s *soak) secures() error {
	nc, err := net.Dial("tcp", s.secure)
	if err != nil {
		return err
	}
	defer nc.Close()
	secure := tls.Client(nc, s.trust)
	in, err := upgrade(secure, s.secure, "/echo")
	for range 10 {
		if err == nil {
			_, err = fmt.Fprint(secure, "\x81\x85\x00\x00\x00\x00probe")
		}
		if err == nil {
			err = echoed(in)
		}
	}
	if err == nil {
		s.secured.Add(1)
		s.churned.Add(1)
		_, _ = fmt.Fprint(secure, "\x88\x80\x00\x00\x00\x00")
		err = secure.Close()
	}
	return err
}

// reload changes the configuration, and writes the certificate anew.
func (s *soak) reload() error {
	version := int(s.reloads.Load()) + 1
	for _, name := range []string{s.cert, s.key} {
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		writeFile(s.t, name, string(text))
	}
	writeFile(s.t, s.file, soakConfig(version))
	s.child.hangUp("reloaded the configuration")
	s.reloads.Add(1)
	return nil
}
