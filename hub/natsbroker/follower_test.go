package natsbroker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/hub"
)

// patience bounds every wait.
const patience = 60 * time.Second

// follower is a hub.Node that has all messages of one topic: those that are delivered, and from the
// history those that were missed, as a hub does it.
type follower struct {
	*Broker
	close func() error
	t     *testing.T
	topic string

	mu        sync.Mutex
	changed   chan struct{}
	got       []*hub.Envelope // of the epoch
	last      hub.Position    // up to which the topic is complete
	joined    bool
	up        bool
	links     int
	delivered int
	losses    []error
	failures  []error // of History, while the connection was up
}

// follow has a node follow a topic.
func follow(t *testing.T, b hub.Broker, topic string) *follower {
	t.Helper()
	f := attach(t, b, topic)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	at, err := f.Join(ctx, topic)
	if err != nil {
		t.Fatal(err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.joined = true
	if len(f.got) == 0 {
		f.last = at
	}
	return f
}

// attach attaches a node that joins nothing, and waits until it is linked.
func attach(t *testing.T, b hub.Broker, topic string) *follower {
	t.Helper()
	f := &follower{Broker: b.(*proxied).Broker, close: b.Close, t: t, topic: topic, changed: make(chan struct{})}
	f.Attach(f)
	t.Cleanup(func() {
		if err := f.close(); err != nil {
			t.Error(err)
		}
	})
	f.await("a link", func() bool { return f.up })
	return f
}

func (f *follower) change() func() {
	f.mu.Lock()
	return func() {
		close(f.changed)
		f.changed = make(chan struct{})
		f.mu.Unlock()
	}
}

func (f *follower) Deliver(m *hub.Envelope) {
	defer f.change()()
	f.delivered++
	f.addLocked(m)
}

func (f *follower) addLocked(m *hub.Envelope) {
	if m.Topic != f.topic || m.Position.Epoch == f.last.Epoch && m.Position.Offset <= f.last.Offset {
		return
	}
	f.got, f.last = append(f.got, m), m.Position
}

func (f *follower) Lost(cause error) {
	defer f.change()()
	if !f.up || !errors.Is(cause, hub.ErrLinkDown) {
		f.t.Errorf("lost, up %v: %v", f.up, cause)
	}
	f.up = false
	f.losses = append(f.losses, cause)
}

func (f *follower) Linked(at hub.Position) {
	f.mu.Lock()
	last, joined := f.last, f.joined
	f.mu.Unlock()
	var page hub.HistoryPage
	if joined && last.Epoch == at.Epoch {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		s := f.present()
		var err error
		page, err = f.History(ctx, hub.HistoryQuery{Subject: f.topic, After: last.Offset, UpTo: at.Offset})
		if err != nil && !errors.Is(err, hub.ErrLinkDown) || err == nil && page.From > last.Offset {
			f.t.Errorf("linked at %v, complete up to %v: history after %d, %v", at, last, page.From, err)
		}
		if err != nil {
			at = last // another loss will follow
			if s != nil && f.present() == s && s.nc.IsConnected() {
				f.mu.Lock()
				f.failures = append(f.failures, err)
				f.mu.Unlock()
			}
		}
	}
	defer f.change()()
	for _, m := range page.Messages {
		f.addLocked(m)
	}
	if joined {
		if last.Epoch != at.Epoch {
			f.got = nil
		}
		f.last = at
	}
	f.up = true
	f.links++
}

// present returns the session.
func (f *follower) present() *session {
	f.Broker.mu.Lock()
	defer f.Broker.mu.Unlock()
	return f.session
}

// await waits until cond, which is called with f locked, is true.
func (f *follower) await(what string, cond func() bool) {
	f.t.Helper()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for {
		f.mu.Lock()
		ok, changed := cond(), f.changed
		f.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-limit.C:
			f.t.Fatalf("timed out waiting for %s", what)
		}
	}
}

// publish publishes to the follower's topic, and returns the answer.
func (f *follower) publish(payload string) (hub.Position, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return f.publishWithin(ctx, payload)
}

func (f *follower) publishWithin(ctx context.Context, payload string) (at hub.Position, err error) {
	answered := make(chan struct{})
	f.Publish(ctx, &hub.Envelope{Topic: f.topic, Data: []byte(payload)}, func(p hub.Position, e error) {
		at, err = p, e
		close(answered)
	})
	<-answered
	return at, err
}

// mustPublish publishes until it succeeds.
func (f *follower) mustPublish(payload string) hub.Position {
	f.t.Helper()
	limit := time.Now().Add(patience)
	for {
		at, err := f.publish(payload)
		if err == nil {
			return at
		}
		if time.Now().After(limit) {
			f.t.Fatalf("publish: %v", err)
		}
		time.Sleep(10 * time.Millisecond) // the pace of attempts
	}
}

// load is a publisher that publishes to the follower's topic until it is stopped.
type load struct {
	stop     chan struct{}
	done     chan struct{}
	answered map[hub.Position]string
	failed   int
}

// publishMany publishes, with up to 20 messages in flight.
func (f *follower) publishMany() *load {
	l := &load{stop: make(chan struct{}), done: make(chan struct{}), answered: make(map[hub.Position]string)}
	go func() {
		defer close(l.done)
		var mu sync.Mutex
		var all sync.WaitGroup
		free := make(chan struct{}, 20)
		for i := 0; ; i++ {
			select {
			case <-l.stop:
				all.Wait()
				return
			case free <- struct{}{}:
			}
			payload := fmt.Sprintf("%07d", i)
			all.Go(func() {
				at, err := f.publish(payload)
				time.Sleep(5 * time.Millisecond) // the pace of the publisher
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					l.failed++
				} else if old, ok := l.answered[at]; ok {
					f.t.Errorf("%s and %s are both at %v", old, payload, at)
				} else {
					l.answered[at] = payload
				}
				<-free
			})
		}
	}()
	return l
}

func (l *load) end() {
	close(l.stop)
	<-l.done
}

// check checks that a follower has all messages that were answered, in order, each once.
func (l *load) check(f *follower) {
	f.t.Helper()
	end := f.mustPublish("end")
	f.await("the last message", func() bool { return f.last.Epoch == end.Epoch && f.last.Offset >= end.Offset })
	f.mu.Lock()
	defer f.mu.Unlock()
	payloads := make(map[string]bool)
	has := make(map[hub.Position]string)
	for i, m := range f.got {
		if i > 0 && m.Position.Offset <= f.got[i-1].Position.Offset {
			f.t.Errorf("%v comes after %v", m.Position, f.got[i-1].Position)
		}
		if payloads[string(m.Data)] {
			f.t.Errorf("%s came twice", m.Data)
		}
		payloads[string(m.Data)] = true
		has[m.Position] = string(m.Data)
	}
	for at, payload := range l.answered {
		if has[at] != payload {
			f.t.Errorf("%s was answered with %v, where %q is", payload, at, has[at])
		}
	}
	if len(l.answered) == 0 {
		f.t.Error("nothing was answered: nothing was tested")
	}
	f.t.Logf("%d answered, %d failed, %d links, lost because of %s", len(l.answered), l.failed, f.links, causes(f.losses))
}

func causes(all []error) string {
	var s []string
	for _, err := range all {
		s = append(s, err.Error())
	}
	return strings.Join(s, "; ")
}
