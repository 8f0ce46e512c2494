package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// policyTopic is a topic with a policy for slow subscribers, one that publishes to it at a steady rate, one that reads
// everything, and some that never read.
type policyTopic struct {
	*patient
	policy          string
	published, read atomic.Int64
	wrong           atomic.Pointer[string]
}

const (
	readerRate = 1000 // messages a second
	readerSize = 8000 // bytes of a message
	readerMute = 5    // subscribers that never read
	// readerLimit is what a subscriber may lag behind: limit= of the rules. It is a second and a half, so that one that reads loses
	// nothing when a busy machine stops it for a moment.
	readerLimit = 12 << 20
)

// Subscribers never read at 1,000 messages a second. Under each policy the publisher keeps its pace, a subscriber that reads
// gets every message in order, and the server holds no more than the limit of the topic. Under the policy disconnect the
// others are closed.
func TestSubscribersThatNeverRead(t *testing.T) {
	t.Parallel()
	for _, policy := range []string{"disconnect", "drop-newest", "drop-oldest", "conflate"} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			seconds := 3
			if full() {
				seconds = 20
			}
			p := startPatient(t, "-topic", fmt.Sprintf("> slow=%s limit=%d", policy, readerLimit))
			o := &policyTopic{patient: p, policy: policy}
			reader := o.subscribe()
			hangUp := p.mutes(readerMute, "/topics/steady")
			o.wantsSubscribers(1 + readerMute)
			took := o.publish(seconds * readerRate)
			p.eventually("the reader has all messages", func() bool { return o.read.Load() == o.published.Load() || o.wrong.Load() != nil })
			if w := o.wrong.Load(); w != nil {
				t.Fatal(*w)
			}
			h := p.health()
			t.Logf("%s: %d messages of %d bytes in %v; the server holds %d KiB of topics and %d KiB of pending bytes",
				policy, o.published.Load(), readerSize, took.Round(time.Millisecond), h.Held.Topics>>10, h.Held.Pending>>10)
			if most := int64(readerLimit * 11 / 10); h.Held.Topics+h.Held.Pending > most {
				t.Errorf("%s: it holds more than %d KiB", policy, most>>10)
			}
			if policy == "disconnect" {
				o.wantsSubscribers(1)
			} else {
				o.wantsSubscribers(1 + readerMute)
			}
			hangUp()
			o.wantsSubscribers(1)
			reader.Close()
			p.recovers(policy, usual)
		})
	}
}

func (o *policyTopic) wantsSubscribers(n int) {
	o.t.Helper()
	want := fmt.Sprintf(`"subscribers":%d,`, n)
	var body string
	if !settles(func() bool {
		_, body = o.request("GET", "/topics/steady", "", nil)
		return strings.Contains(body, want)
	}) {
		o.t.Fatalf("%s: there are not %d subscribers: %s", o.policy, n, body)
	}
}

// subscribe returns a connection whose messages are counted and checked.
func (o *policyTopic) subscribe() net.Conn {
	o.t.Helper()
	nc, in := o.rawDial("/topics/steady")
	go func() {
		for {
			_, payload, err := readFrame(in)
			if err != nil {
				return
			}
			if len(payload) < readerSize { // a ping
				continue
			}
			n := o.read.Load() + 1
			if want := fmt.Sprintf("%08d ", n); !strings.HasPrefix(string(payload), want) {
				wrong := fmt.Sprintf("message %d begins with %.20q", n, payload)
				o.wrong.Store(&wrong)
				return
			}
			o.read.Store(n)
		}
	}()
	return nc
}

// rawDial connects a WebSocket whose frames the test reads and writes.
func (p *program) rawDial(path string) (net.Conn, *bufio.Reader) {
	p.t.Helper()
	nc, err := net.Dial("tcp", p.addr)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { nc.Close() })
	in, err := upgrade(nc, p.addr, path)
	if err != nil {
		p.t.Fatal(err)
	}
	return nc, in
}

// upgrade sends a handshake, and reads the response.
func upgrade(nc net.Conn, host, path string) (*bufio.Reader, error) {
	_ = nc.SetDeadline(time.Now().Add(time.Minute))
	if err := writeHandshake(nc, host, path); err != nil {
		return nil, err
	}
	in := bufio.NewReaderSize(nc, 512)
	resp, err := http.ReadResponse(in, nil)
	if err == nil && resp.StatusCode != http.StatusSwitchingProtocols {
		err = fmt.Errorf("the handshake got %s", resp.Status)
	}
	_ = nc.SetDeadline(time.Time{})
	return in, err
}

// publish sends n messages at the rate, and returns how long that took.
func (o *policyTopic) publish(n int) time.Duration {
	o.t.Helper()
	nc, in := o.rawDial("/topics/steady")
	defer nc.Close()
	go func() { _, _ = in.WriteTo(io.Discard) }() // what others publish, and pings
	begin := time.Now()
	for i := range n {
		time.Sleep(time.Until(begin.Add(time.Duration(i) * time.Second / readerRate)))
		payload := fmt.Appendf(nil, "%08d %*s", i+1, readerSize-9, "")
		frame := append([]byte{0x81, 0x80 | 126, byte(len(payload) >> 8), byte(len(payload)), 0, 0, 0, 0}, payload...)
		if _, err := nc.Write(frame); err != nil {
			o.t.Fatal(err)
		}
		o.published.Add(1)
	}
	return time.Since(begin)
}
