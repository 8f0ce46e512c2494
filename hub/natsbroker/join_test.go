package natsbroker

import (
	"context"
	"errors"
	"testing"

	"github.com/fanfare-ws/fanfare/hub"
)

// probed runs call, which waits for a probe, and returns the waiter of the probe.
func probed(t *testing.T, b *Broker, call func()) *waiter {
	t.Helper()
	go call()
	<-b.session.wake
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.session.ops) != 1 || b.session.ops[0].waiter == nil {
		t.Fatalf("there are %d operations", len(b.session.ops))
	}
	return b.session.ops[0].waiter
}

// Sync fails if the node has been lost, or linked again, before its probe has come back.
func TestSyncLost(t *testing.T) {
	for name, lose := range map[string]func(*Broker){
		"lost":         func(b *Broker) { b.loseLocked(errGap) },
		"linked again": func(b *Broker) { b.loseLocked(errGap); b.up, b.base = true, 7 },
	} {
		b := unattached(t)
		b.up, b.base = true, 5
		ended := make(chan error, 1)
		w := probed(t, b, func() { ended <- b.Sync(t.Context()) })
		b.mu.Lock()
		lose(b)
		w.ok(9)
		b.mu.Unlock()
		if err := <-ended; !errors.Is(err, errGap) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A probe that comes back when nobody waits for it any more does nothing.
func TestLateProbe(t *testing.T) {
	b := unattached(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	w := probed(t, b, func() {
		_, err := b.Join(ctx, "x.*")
		ended <- err
	})
	cancel()
	if err := <-ended; !errors.Is(err, hub.ErrLinkDown) || !errors.Is(err, context.Canceled) {
		t.Errorf("join: %v", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	called := false
	then := w.then
	w.then = func(seq uint64) { called = true; then(seq) }
	w.ok(9)
	if called || b.beginning != 0 || len(b.patterns) != 0 {
		t.Errorf("called %v, %d are being joined of %d", called, b.beginning, len(b.patterns))
	}
}
