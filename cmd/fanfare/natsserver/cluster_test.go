//go:build cluster

package natsserver

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/fanfare-ws/fanfare/netpoll/netpolltest"
)

// nodes starts the nodes of a cluster. change may change the options of each.
func nodes(t testing.TB, n int, change func(i int, o *Options)) []*testServer {
	t.Helper()
	for attempt := 1; ; attempt++ {
		all, err := tryNodes(t, n, change)
		if err == nil {
			return all
		}
		for _, s := range all {
			if s != nil {
				s.stop()
			}
		}
		if attempt == 5 || !strings.Contains(err.Error(), "address already in use") {
			t.Fatal(err)
		}
	}
}

// tryNodes uses ports that are free now, and that another process may take meanwhile.
func tryNodes(t testing.TB, n int, change func(i int, o *Options)) ([]*testServer, error) {
	peers := freeAddresses(t, n)
	all, errs := make([]*testServer, n), make([]error, n)
	var wg sync.WaitGroup
	for i, listen := range peers {
		o := Options{Dir: t.TempDir(), Routes: Routes{Cluster: "c", Listen: listen, Peers: peers, Secret: "sesame / öffne:dich"}}
		if change != nil {
			change(i, &o)
		}
		wg.Go(func() { all[i], errs[i] = tryRun(t, o) })
	}
	wg.Wait()
	return all, errors.Join(errs...)
}

func freeAddresses(t testing.TB, n int) (all []string) {
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close() // after the last one, so that they differ
		all = append(all, l.Addr().String())
	}
	return all
}

// stream creates a stream with three copies, once enough nodes are there, and returns its leader.
func stream(t testing.TB, all []*testServer) (leader *testServer) {
	t.Helper()
	js := all[0].jetStream()
	var err error
	if !netpolltest.Settles(patience, func() bool {
		_, err = js.AddStream(&nats.StreamConfig{Name: "S", Subjects: []string{"s"}, Replicas: 3}, nats.MaxWait(time.Second))
		return err == nil
	}) {
		t.Fatal(err)
	}
	if !netpolltest.Settles(patience, func() bool { leader = leaderOf(all); return leader != nil }) {
		t.Fatal("the stream has no leader")
	}
	return leader
}

func leaderOf(all []*testServer) *testServer {
	for _, s := range all {
		if s.Server != nil && s.srv.JetStreamIsStreamLeader("$G", "S") {
			return s
		}
	}
	return nil
}

// awaitCurrent waits until a node has everything.
func (s *testServer) awaitCurrent() {
	s.t.Helper()
	if !netpolltest.Settles(patience, func() bool { return s.srv.JetStreamIsStreamCurrent("$G", "S") }) {
		s.t.Errorf("%s does not catch up; its log: %s", s.Name(), s.log.String())
	}
}

// Three nodes form a cluster, the leader hands over when it ends, and a node that returns catches up.
func TestCluster(t *testing.T) {
	all := nodes(t, 3, nil)
	leader := stream(t, all)
	for _, s := range all {
		s.awaitCurrent()
	}
	options := leader.opts
	leader.stop()
	next := leaderOf(all) // the old one has waited for it
	if next == nil {
		t.Fatal("after Stop the stream has no leader")
	}
	if _, err := next.jetStream().Publish("s", []byte("while one is away")); err != nil {
		t.Fatal(err)
	}
	returned := run(t, options)
	returned.awaitCurrent()
	if !netpolltest.Settles(patience, func() bool {
		m, err := returned.jetStream().GetMsg("S", 1, nats.MaxWait(time.Second))
		return err == nil && string(m.Data) == "while one is away"
	}) {
		t.Error("the message is not there")
	}
	for _, s := range all {
		if s.Server != nil && strings.Contains(s.log.String(), "authentication") {
			t.Errorf("%s", s.log.String())
		}
	}
}

// A node with another secret is refused, both sides say so, and it has no part in the cluster.
func TestWrongSecret(t *testing.T) {
	all := nodes(t, 2, func(i int, o *Options) { o.Routes.Secret += strings.Repeat("!", i) })
	for _, s := range all {
		s.awaitLog("uthorization Violation")
		if !netpolltest.Settles(patience, func() bool { return s.srv.NumRoutes() == 0 }) { // one counts until it is refused
			t.Errorf("%s keeps a route", s.Name())
		}
	}
	if all[0].srv.JetStreamIsLeader() || all[1].srv.JetStreamIsLeader() {
		t.Error("there is a leader, whom both nodes must have elected")
	}
	all[0].awaitLog("authentication error")
	if strings.Contains(all[0].log.String()+all[1].log.String(), "sesame") {
		t.Error("the secret is in the log")
	}
}

// A port of routes that another process has is an error of Start.
func TestRoutePortIsTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = tryRun(t, Options{Dir: t.TempDir(), Routes: Routes{Cluster: "c", Listen: l.Addr().String(), Peers: freeAddresses(t, 1), Secret: "sesame"}})
	wantError(t, err, "address already in use")
}

// Stop returns when its context ends, and the server ends all the same.
func TestStopIsBounded(t *testing.T) {
	s := run(t, Options{Dir: t.TempDir()})
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	if err := s.Stop(ctx); err != nil {
		wantError(t, err, "enough")
	}
	s.Server = nil
	if !netpolltest.Settles(patience, func() bool { _, err := tryRun(t, s.opts); return err == nil }) {
		t.Error("the server has the directory still")
	}
}
