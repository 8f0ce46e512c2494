package daemon

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/fanfare-ws/fanfare/netpoll/netpolltest"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// SIGTERM first makes the server unready while it still accepts, then closes connections with 1012; SIGINT closes them at
// once.
func TestEnding(t *testing.T) {
	for cause, want := range map[error]websocket.StatusCode{ErrTerminated: websocket.StatusServiceRestart, context.Canceled: websocket.StatusGoingAway} {
		s := &wsproto.Server{Handler: &wsproto.Funcs{}}
		addr, err := s.Listen("127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		dial := func() *websocket.Conn {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			c, _, err := websocket.Dial(ctx, "ws://"+addr.String(), nil)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = c.CloseNow() })
			return c
		}
		ctx, stop := context.WithCancelCause(t.Context())
		first, second := dial(), make(chan *websocket.Conn, 1)
		var out netpolltest.Output
		delivered, ended := false, make(chan error, 1)
		e := Ending{
			Grace: 10 * time.Millisecond, Window: time.Second, Drain: 20 * time.Second,
			Leaving: func() { second <- dial() }, // the listener is still open
			Before:  []func(context.Context) error{func(context.Context) error { delivered = true; return nil }},
		}
		go func() { ended <- e.Until(ctx, s, &out, slog.New(slog.DiscardHandler)) }()
		stop(cause)
		if code := closeCode(t, first); code != want {
			t.Errorf("%v: closed with %d, want %d", cause, code, want)
		}
		if cause == ErrTerminated {
			if code := closeCode(t, <-second); code != want {
				t.Errorf("a connection of the first phase: closed with %d, want %d", code, want)
			}
		}
		if err := <-ended; err != nil || !delivered || len(second) > 0 {
			t.Errorf("%v: ended with %v; delivered: %v", cause, err, delivered)
		}
	}
}

// After gets a part of the third phase however long clients take.
func TestAfterHasItsTime(t *testing.T) {
	s := &wsproto.Server{Handler: &wsproto.Funcs{}}
	if _, err := s.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	var clients, all time.Time // when the contexts end
	e := Ending{
		Drain: time.Hour,
		Before: []func(context.Context) error{func(ctx context.Context) error {
			clients, _ = ctx.Deadline()
			return nil
		}},
		After: func(ctx context.Context) { all, _ = ctx.Deadline() },
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	var out netpolltest.Output
	if err := e.Until(ctx, s, &out, slog.New(slog.DiscardHandler)); err != nil {
		t.Error(err)
	}
	if d := all.Sub(clients); clients.IsZero() || d < 14*time.Minute || d > 15*time.Minute {
		t.Errorf("clients have until %v, and After until %v", clients, all)
	}
}

// closeCode waits for the end of a connection.
func closeCode(t *testing.T, c *websocket.Conn) websocket.StatusCode {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	_, _, err := c.Read(ctx)
	return websocket.CloseStatus(err)
}

// Programs find the same messages at each end in the log, with what differs in attributes; connections that are not there are
// not closed.
func TestEndingInTheLog(t *testing.T) {
	for conns, want := range map[int]string{
		0: "not ready any more; connections are still accepted for=10ms\n",
		1: "not ready any more; connections are still accepted for=10ms\nclosing connections connections=1 within=1s\n",
	} {
		s := &wsproto.Server{Handler: &wsproto.Funcs{}}
		addr, err := s.Listen("127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		for range conns {
			c, _, err := websocket.Dial(t.Context(), "ws://"+addr.String(), nil)
			if err != nil {
				t.Fatal(err)
			}
			go closeCode(t, c)
		}
		ctx, stop := context.WithCancelCause(t.Context())
		stop(ErrTerminated)
		var stdout, log netpolltest.Output
		e := Ending{Grace: 10 * time.Millisecond, Window: time.Second, Drain: time.Second, Logged: true}
		bare := slog.NewTextHandler(&log, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || a.Key == slog.LevelKey {
				return slog.Attr{}
			}
			return a
		}})
		if err := e.Until(ctx, s, &stdout, slog.New(bare)); err != nil {
			t.Error(err)
		}
		if got := strings.NewReplacer("msg=", "", `"`, "").Replace(log.String()); got != want || stdout.String() != "" {
			t.Errorf("with %d connections: %q and on stdout %q, want %q", conns, got, stdout.String(), want)
		}
	}
}
