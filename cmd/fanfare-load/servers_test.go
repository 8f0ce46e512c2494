package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/fanfare-ws/fanfare/wsproto"
)

// ours serves h with wsproto and returns the URL.
func ours(t *testing.T, s *wsproto.Server) string {
	t.Helper()
	addr, err := s.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	})
	return "ws://" + addr.String() + "/"
}

func ourEcho(t *testing.T) string {
	t.Helper()
	return ours(t, &wsproto.Server{MaxMessage: 1 << 22, Handler: &wsproto.Funcs{
		Message: func(c *wsproto.Conn, op wsproto.Opcode, p []byte) { c.Send(op, p) },
	}})
}

// theirs serves with net/http and github.com/coder/websocket, which share no code with this project, and returns the URL. f owns
// the connection until it returns.
func theirs(t *testing.T, f func(ctx context.Context, r *http.Request, c *websocket.Conn)) string {
	t.Helper()
	return page(t, func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer c.CloseNow()
		c.SetReadLimit(-1)
		f(r.Context(), r, c)
	})
}

// page serves HTTP. All handlers have returned when the test ends.
func page(t *testing.T, f http.HandlerFunc) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	s := &http.Server{
		BaseContext: func(net.Listener) context.Context { return ctx },
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			wg.Add(1)
			defer wg.Done()
			f(w, r)
		}),
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = s.Serve(l)
	}()
	t.Cleanup(func() {
		cancel()
		s.Close()
		<-served
		wg.Wait()
	})
	return fmt.Sprintf("ws://%v/", l.Addr())
}

// raw serves TCP: f is called for each connection and closes it by returning.
func raw(t *testing.T, f func(c net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				f(c)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		wg.Wait()
	})
	return fmt.Sprintf("ws://%v/", l.Addr())
}

// theirEcho echoes. If tamper is not nil, it returns the messages to send instead of message n of a connection, counted from 0.
func theirEcho(t *testing.T, tamper func(n int, p []byte) [][]byte) string {
	t.Helper()
	return theirs(t, func(ctx context.Context, _ *http.Request, c *websocket.Conn) {
		for n := 0; ; n++ {
			op, p, err := c.Read(ctx)
			if err != nil {
				return
			}
			answers := [][]byte{p}
			if tamper != nil {
				answers = tamper(n, p)
			}
			for _, a := range answers {
				if c.Write(ctx, op, a) != nil {
					return
				}
			}
		}
	})
}

// theirBroadcast sends each message to all other connections. If tamper is not nil, it returns the messages to send to
// subscriber sub instead of message n. Subscribers are counted from 0 in the order of their connections, and messages from 0
// without probes.
func theirBroadcast(t *testing.T, tamper func(subscriber, n int, p []byte) [][]byte) string {
	t.Helper()
	var mu sync.Mutex
	var all []*websocket.Conn
	n := 0
	publish := func(ctx context.Context, from *websocket.Conn, op websocket.MessageType, p []byte) {
		mu.Lock()
		defer mu.Unlock()
		number := -1
		if !isProbe(p) {
			number = n
			n++
		}
		for i, c := range all {
			if c == from {
				continue
			}
			messages := [][]byte{p}
			if tamper != nil {
				messages = tamper(i, number, p)
			}
			for _, m := range messages {
				_ = c.Write(ctx, op, m) // who has gone gets nothing
			}
		}
	}
	return theirs(t, func(ctx context.Context, _ *http.Request, c *websocket.Conn) {
		mu.Lock()
		all = append(all, c)
		mu.Unlock()
		for {
			op, p, err := c.Read(ctx)
			if err != nil {
				return
			}
			publish(ctx, c, op, p)
		}
	})
}

// isProbe looks into the header of a binary broadcast.
func isProbe(p []byte) bool { return len(p) >= wireHeader && kind(p[26]) == probe }

// gate blocks callers until limit of them are inside, and then long enough for one more to enter if the bound is wrong.
type gate struct {
	limit  int
	mu     sync.Mutex
	inside int
	most   int
	open   chan struct{}
	once   sync.Once
}

func newGate(limit int) *gate { return &gate{limit: limit, open: make(chan struct{})} }

// pass returns when the gate is open.
func (g *gate) pass() {
	g.mu.Lock()
	g.inside++
	g.most = max(g.most, g.inside)
	full := g.inside == g.limit
	g.mu.Unlock()
	if full {
		g.once.Do(func() { time.AfterFunc(50*time.Millisecond, func() { close(g.open) }) })
	}
	<-g.open
	g.mu.Lock()
	g.inside--
	g.mu.Unlock()
}

func (g *gate) mostInside() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.most
}
