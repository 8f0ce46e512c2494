package hub

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"
)

// interrupted is a hub that has lost its connection to the broker, and has missed a message to each
// of its topics.
type interrupted struct {
	*cluster
	*gate
	all []*fake // one for each topic, which has got 1, and missed 2
}

func interrupt(t *testing.T, topics int, o Options) *interrupted {
	t.Helper()
	g := new(gate)
	o.Broker = g
	i := &interrupted{newCluster(t, 1, MemoryBrokerOptions{History: 1000}, Options{}), g, nil}
	h := i.add(o)
	for n := range topics {
		f, _ := start(t, h, fmt.Sprint("x.", n), Start{})
		i.all = append(i.all, f)
	}
	i.publishAll(t, 1)
	for _, f := range i.all {
		f.gets(t, 1)
	}
	i.nodes[1].cut()
	i.publishAll(t, 2)
	return i
}

// publishAll publishes n to all topics, at the node that is not interrupted.
func (i *interrupted) publishAll(t *testing.T, n uint64) {
	t.Helper()
	for k := range i.all {
		publish(t, i.hubs[0], fmt.Sprint("x.", k), n)
	}
}

// get waits until all subscribers have got these messages, and checks that they are not closed.
func (i *interrupted) get(t *testing.T, want ...uint64) {
	t.Helper()
	for _, f := range i.all {
		f.gets(t, want...)
		if code := f.wasClosed(); code != 0 {
			t.Errorf("a subscriber is closed with %d", code)
		}
	}
}

// Subscribers survive a broker that cannot answer for a moment, and see all messages in order.
func TestHistoryFailsTwice(t *testing.T) {
	for name, err := range map[string]error{"down": ErrLinkDown, "slow": context.DeadlineExceeded, "other": errOfTest} {
		t.Run(name, func(t *testing.T) {
			i := interrupt(t, 30, Options{})
			var asked atomic.Int64
			i.fail = func(context.Context) error {
				if n := asked.Add(1); n <= 60 { // each of the first topics fails, several times
					return fmt.Errorf("the test says: %w", err)
				}
				return nil
			}
			i.nodes[1].restore()
			i.publishAll(t, 3)
			i.get(t, 1, 2, 3)
			if n := asked.Load(); n < 60+30 {
				t.Errorf("asked %d times", n)
			}
		})
	}
}

var errOfTest = fmt.Errorf("an error of the broker")

// An answer that never comes leaves time to ask again.
func TestHistoryHangsOnce(t *testing.T) {
	i := interrupt(t, 1, Options{BrokerTimeout: 2 * time.Second})
	var asked atomic.Int64
	i.fail = func(ctx context.Context) error {
		if asked.Add(1) > 1 {
			return nil
		}
		<-ctx.Done()
		return ctx.Err()
	}
	i.nodes[1].restore()
	i.publishAll(t, 3)
	i.get(t, 1, 2, 3)
}

// The link is lost again, and comes back, while topics fetch what they missed.
func TestLostWhileRecovering(t *testing.T) {
	i := interrupt(t, 3, Options{})
	again := make(chan struct{})
	var asked atomic.Int64
	i.fail = func(context.Context) error {
		if asked.Add(1) == 1 {
			i.nodes[1].cut()
			close(again)
		}
		return nil
	}
	i.nodes[1].restore()
	<-again
	i.publishAll(t, 3)
	i.nodes[1].restore()
	i.publishAll(t, 4)
	i.get(t, 1, 2, 3, 4)
}

// If the broker stays away, the topics share the time that it has, and their subscribers are closed.
func TestHistoryStaysAway(t *testing.T) {
	const topics = 200
	i := interrupt(t, topics, Options{BrokerTimeout: 50 * time.Millisecond})
	var asked atomic.Int64
	i.fail = func(ctx context.Context) error {
		asked.Add(1)
		<-ctx.Done()
		return ctx.Err()
	}
	i.nodes[1].restore()
	for _, f := range i.all {
		waitFor(t, func() bool { return f.wasClosed() == codeRestart })
		if got := f.received(); !slices.Equal(got, []uint64{1}) {
			t.Errorf("got %v", got)
		}
	}
	if n := asked.Load(); n >= topics {
		t.Errorf("the broker was asked %d times for %d topics", n, topics)
	}
}

// A hub that shuts down does not wait for the broker.
func TestShutdownWhileRecovering(t *testing.T) {
	i := interrupt(t, 1, Options{BrokerTimeout: time.Hour})
	asked := make(chan struct{}, 1)
	i.fail = func(context.Context) error {
		select {
		case asked <- struct{}{}:
		default:
		}
		return ErrLinkDown
	}
	i.nodes[1].restore()
	<-asked
	i.hubs[1].closed.Store(true) // Shutdown waits for the members
	waitFor(t, func() bool { return i.all[0].wasClosed() == codeRestart })
}
