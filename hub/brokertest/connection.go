package brokertest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/hub"
)

// loss tests a lost connection to the broker. The node is told about the loss, its calls fail
// meanwhile, the other nodes are not affected, and after reconnecting everything works as before.
func loss(t *testing.T, s Setup) {
	a, b := s.cuttable(t)
	a.join(t, "loss")
	b.join(t, "loss", "loss.pattern.*")
	b.awaitPosition(t, a.publish(t, "loss", "before"))
	for i := range 3 {
		restore := s.Cut(t, b.Broker)
		b.await(t, "a loss", func() bool { return len(b.losses) > i && !b.up })
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		if _, err := publish(ctx, b, text("loss", "from b")); !errors.Is(err, hub.ErrLinkDown) && !errors.Is(err, hub.ErrUnacknowledged) {
			t.Errorf("publish without a connection: %v", err)
		}
		if _, err := b.Join(ctx, "loss.new"); !errors.Is(err, hub.ErrLinkDown) {
			t.Errorf("join without a connection: %v", err)
		}
		if _, err := b.History(ctx, hub.HistoryQuery{Subject: "loss", UpTo: 1}); !errors.Is(err, hub.ErrLinkDown) && !errors.Is(err, hub.ErrNoHistory) {
			t.Errorf("history without a connection: %v", err)
		}
		cancel()
		a.awaitPosition(t, a.publish(t, "loss", fmt.Sprint("meanwhile ", i)))
		restore()
		b.await(t, "another connection", func() bool { return len(b.linkedAt) > 1+i && b.up })
		b.awaitPosition(t, a.publish(t, "loss", fmt.Sprint("after ", i)))
		b.awaitPosition(t, a.publish(t, "loss.pattern.x", fmt.Sprint("after ", i)))
		a.awaitPosition(t, b.publish(t, "loss", fmt.Sprint("from b after ", i)))
	}
	b.join(t, "loss.new")
	b.awaitPosition(t, a.publish(t, "loss.new", "new"))
}

func (s Setup) cuttable(t *testing.T) (a, b *recorder) {
	t.Helper()
	if s.Cut == nil {
		t.Skip("the Setup cannot cut a connection")
	}
	return s.node(t), s.node(t)
}

// lossIsExact tests a node that loses its connection to the broker again and again while another
// publishes. All messages after the position given to Linked are delivered, until the next loss.
// If the broker keeps history, it has the messages between.
func lossIsExact(t *testing.T, s Setup) {
	a, b := s.cuttable(t)
	b.join(t, "cuts")
	first := a.publish(t, "cuts", "first")
	b.awaitPosition(t, first)
	stop := make(chan struct{})
	published := publishUntil(t, a, "cuts", stop)
	for i := range 5 {
		restore := s.Cut(t, b.Broker)
		b.await(t, "a loss", func() bool { return len(b.losses) > i })
		restore()
		b.await(t, "another connection", func() bool { return len(b.linkedAt) > 1+i && b.up })
		have := len(b.of("cuts"))
		b.await(t, "another message", func() bool { return len(b.got) > have+3 })
	}
	close(stop)
	all := <-published
	if t.Failed() {
		return
	}
	b.awaitPosition(t, all[len(all)-1])
	missed := make(map[hub.Position]bool)
	for _, p := range all {
		if !b.seen[p] {
			missed[p] = true
		}
	}
	// The missed messages are before the position of the last connection.
	last := b.linkedAt[len(b.linkedAt)-1]
	for p := range missed {
		if p.Offset > last.Offset {
			t.Errorf("connected at %v; %v was not delivered", last, p)
		}
	}
	if !s.History {
		return
	}
	page, err := b.History(within(t), hub.HistoryQuery{Subject: "cuts", After: max(first.Offset, all[max(0, len(all)-1000)].Offset), UpTo: all[len(all)-1].Offset})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range page.Messages {
		delete(missed, m.Position)
	}
	for p := range missed {
		if p.Offset > page.From {
			t.Errorf("%v is neither delivered nor in the history after %d", p, page.From)
		}
	}
}

// publishUntil publishes to a topic until stop is closed, and then sends the positions of the messages.
func publishUntil(t *testing.T, b hub.Broker, topic string, stop <-chan struct{}) <-chan []hub.Position {
	published := make(chan []hub.Position, 1)
	go func() {
		var all []hub.Position
		defer func() { published <- all }()
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			at, err := publish(within(t), b, text(topic, fmt.Sprint(i)))
			if err != nil {
				t.Error(err)
				return
			}
			all = append(all, at)
		}
	}()
	return published
}

// closing tests that after Close calls fail, and no goroutine is left.
func closing(t *testing.T, s Setup) {
	keep := s.node(t) // keeps the state that nodes share alive
	before := runtime.NumGoroutine()
	for range 3 {
		b := newRecorder(t, s.Node(t))
		b.Attach(b)
		b.await(t, "a connection to the broker", func() bool { return len(b.linkedAt) > 0 })
		b.join(t, "closing", "closing.*")
		b.awaitPosition(t, keep.publish(t, "closing", "1"))
		b.close(t)
		keep.publish(t, "closing", "2")
		if _, err := publish(within(t), b, text("closing", "3")); !errors.Is(err, hub.ErrLinkDown) {
			t.Errorf("publish after Close: %v", err)
		}
		if _, err := b.Join(within(t), "closing.2"); !errors.Is(err, hub.ErrLinkDown) {
			t.Errorf("join after Close: %v", err)
		}
		b.Leave("closing")
		never := s.Node(t) // closed without having been attached
		if err := never.Close(); err != nil {
			t.Error(err)
		}
	}
	for limit := time.Now().Add(timeout); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(limit) {
			stacks := make([]byte, 1<<16)
			t.Fatalf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
		}
	}
}
