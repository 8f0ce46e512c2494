package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	fan "github.com/fanfare-ws/fanfare/hub/client"
)

// killed is a server that is killed in the middle of its work, again and again, and clients that resume.
type killed struct {
	*child
	addr  string
	args  []string
	mu    sync.Mutex // held while the server is replaced
	acked []string   // messages that the server of now has accepted
}

// resumer is a client that resumes. It notes what it receives, and each gap.
type resumer struct {
	mu    sync.Mutex
	heard []string // of the present epoch
	next  uint64
	gaps  int
	wrong string
}

func (r *resumer) message(m fan.Message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if m.Offset != r.next && r.wrong == "" {
		r.wrong = fmt.Sprintf("message %d, want %d, after %d gaps", m.Offset, r.next, r.gaps)
	}
	r.next = m.Offset + 1
	r.heard = append(r.heard, string(m.Payload))
}

func (r *resumer) gap(g fan.Gap) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gaps++
	r.heard, r.next = nil, g.Oldest.Offset+1
}

// The server is killed while messages are published and received. History ends with the process: each client is told of the gap,
// and behind it gets every message that the new server has accepted, in order. So no message is lost that a client is not told of.
func TestKillDuringLoad(t *testing.T) {
	t.Parallel()
	const clients, kills = 40, 3
	k := &killed{args: []string{"-topic", "> history=100000"}, addr: newSite(t, nil).addr}
	k.start(t)
	e := engine(t)
	all := make([]*resumer, clients)
	for i := range all {
		all[i] = &resumer{next: 1}
		o := fan.Options{Engine: e, MaxDelay: 100 * time.Millisecond, Timeout: 30 * time.Second}
		if _, err := k.connect(k.addr, o).Subscribe(k.long(), "work", &fan.SubscribeOptions{OnGap: all[i].gap}, all[i].message); err != nil {
			t.Fatal(err)
		}
	}
	var publishers sync.WaitGroup
	stop := make(chan struct{})
	for p := range 2 {
		publishers.Go(func() { k.publish(p, stop) })
	}
	for n := range kills {
		k.eventually("some messages are accepted", func() bool { return k.accepted() > 50 })
		begin := time.Now()
		k.replace(t)
		k.eventually("all are told of the gap", func() bool {
			return !slices.ContainsFunc(all, func(r *resumer) bool { return r.gapsSoFar() <= n })
		})
		t.Logf("kill %d: %d clients were back, and knew of the gap, after %v", n+1, clients, time.Since(begin).Round(time.Millisecond))
	}
	k.eventually("some more are accepted", func() bool { return k.accepted() > 50 })
	close(stop)
	publishers.Wait()
	for i, r := range all {
		k.eventually(fmt.Sprint("client ", i, " has what was accepted"), func() bool { return r.has(k.acked, kills) || r.fault() != "" })
		if w := r.fault(); w != "" {
			t.Errorf("client %d: %s", i, w)
		}
	}
	t.Logf("%d clients were told of %d gaps each, and then received all of %d messages", clients, kills, len(k.acked))
}

func (k *killed) start(t *testing.T) {
	t.Helper()
	k.child = startChildAt(t, k.addr, k.args...)
}

// replace kills the server, and starts another one.
func (k *killed) replace(t *testing.T) {
	t.Helper()
	k.mu.Lock()
	defer k.mu.Unlock()
	k.signal(syscall.SIGKILL)
	_ = k.cmd.Wait()
	k.acked = nil
	k.start(t)
}

func (k *killed) accepted() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.acked)
}

// publish publishes until stop is closed. Requests and kills do not overlap: what a server has accepted is known.
func (k *killed) publish(p int, stop chan struct{}) {
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		case <-time.After(2 * time.Millisecond):
		}
		text := fmt.Sprintf("%d-%d", p, n)
		k.mu.Lock()
		resp, err := http.Post("http://"+k.addr+"/topics/work", "text/plain", strings.NewReader(text))
		if err == nil {
			if resp.Body.Close(); resp.StatusCode == http.StatusOK {
				k.acked = append(k.acked, text)
			}
		}
		k.mu.Unlock()
	}
}

// has reports whether the client was told of so many gaps, and has received exactly these messages since the last one.
func (r *resumer) has(want []string, gaps int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.gaps != gaps || len(r.heard) != len(want) {
		return false
	}
	for i := range want {
		if r.heard[i] != want[i] {
			r.wrong = fmt.Sprintf("message %d of the last server is %q, want %q", i, r.heard[i], want[i])
			return false
		}
	}
	return true
}

func (r *resumer) gapsSoFar() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.gaps
}

func (r *resumer) fault() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.wrong
}
