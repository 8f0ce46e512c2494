//go:build cluster

package natsserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/brokertest"
	"github.com/fanfare-ws/fanfare/hub/natsbroker"
)

// way is the way of a broker to the server, which can be interrupted.
type way struct {
	s *testServer

	mu    sync.Mutex
	off   bool
	conns []net.Conn
}

func (w *way) dial(ctx context.Context) (net.Conn, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.off {
		return nil, errors.New("the test has cut the connection")
	}
	c, err := w.s.Dial(ctx)
	w.conns = append(w.conns, c)
	return c, err
}

func (w *way) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.off = true
	for _, c := range w.conns {
		if c != nil {
			c.Close()
		}
	}
	w.conns = nil
}

func (w *way) restore() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.off = false
}

type wayBroker struct {
	hub.Broker
	*way
}

// Sync makes wayBroker a hub.Syncer.
func (b wayBroker) Sync(ctx context.Context) error { return b.Broker.(hub.Syncer).Sync(ctx) }

// Brokers within the process pass all the tests of brokers.
func TestBroker(t *testing.T) {
	s := run(t, Options{Dir: t.TempDir(), MaxMessage: 1 << 20})
	var clusters atomic.Int64
	brokertest.Run(t, func(*testing.T) brokertest.Setup {
		prefix := fmt.Sprint("test", clusters.Add(1))
		return brokertest.Setup{
			History: true,
			Node: func(t *testing.T) hub.Broker {
				w := &way{s: s}
				b, err := natsbroker.New(natsbroker.Options{Prefix: prefix, MaxBytes: 64 << 20, Dial: w.dial, OnError: func(err error) { t.Log(err) }})
				if err != nil {
					t.Fatal(err)
				}
				return wayBroker{b, w}
			},
			Cut: func(_ *testing.T, b hub.Broker) (restore func()) {
				w := b.(wayBroker).way
				w.cut()
				return w.restore
			},
		}
	})
}
