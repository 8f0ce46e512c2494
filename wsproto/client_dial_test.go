package wsproto

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// heard is a handler whose messages a test can wait for.
func heard() (*Funcs, chan string) {
	messages := make(chan string, 100)
	return &Funcs{Message: func(_ *Conn, op Opcode, p []byte) { messages <- event(op, string(p)) }}, messages
}

func within(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

// TestDial opens, uses and closes a connection; OnOpen comes before the result.
func TestDial(t *testing.T) {
	served, ended := closes(echo(t))
	url := "ws://" + listen(t, &Server{Handler: served, Subprotocols: []string{"b"}, MaxMessage: 16 << 20}) + "/"
	for name, dial := range map[string]func(context.Context, string, Handler) (*Conn, error){
		"default": Dial,
		"engine":  newClient(t).Dial,
		"shared":  (&Client{Subprotocols: []string{"a", "b"}, MaxMessage: 16 << 20}).Dial,
	} {
		t.Run(name, func(t *testing.T) {
			h, messages := heard()
			h.Open = func(c *Conn, _ *Request) { c.SetValue("opened") }
			h, closed := closes(h)
			c, err := dial(within(t, patience), url, h)
			if err != nil {
				t.Fatal(err)
			}
			if c.Value() != "opened" || (c.Subprotocol() == "b") != (name == "shared") {
				t.Errorf("value %v, subprotocol %q", c.Value(), c.Subprotocol())
			}
			size := 1 << 20
			if name == "shared" {
				size = 16 << 20
			}
			for _, s := range []string{"", "hello", letters(size)} {
				if o := c.SendText(s); !o.OK() {
					t.Fatalf("%d bytes: %v", len(s), o)
				}
				if got := next(t, messages); got != event(Text, s) {
					t.Fatalf("%d bytes came back as %.40q, %d bytes", len(s), got, len(got))
				}
			}
			c.Close(4000, "bye")
			for _, ch := range []chan *CloseError{closed, ended} {
				if err := next(t, ch); err.Code != 4000 || err.Reason != "bye" || err.Err != nil {
					t.Errorf("%+v", err)
				}
			}
		})
	}
}

// TestDialNoHandler has a connection that only sends.
func TestDialNoHandler(t *testing.T) {
	h, messages := heard()
	c, err := Dial(within(t, patience), "ws://"+listen(t, &Server{Handler: h}), nil)
	if err != nil {
		t.Fatal(err)
	}
	c.SendText("hello")
	if got := next(t, messages); got != event(Text, "hello") {
		t.Error(got)
	}
}

// TestDialFails goes through the reasons for which no connection is opened.
func TestDialFails(t *testing.T) {
	refusing := listen(t, &Server{Handler: echo(t), Accept: func(*Request) error {
		return Refuse(http.StatusUnauthorized, "the token is wrong")
	}})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := l.Addr().String()
	l.Close()
	for _, tt := range []struct{ url, want string }{
		{"ws://" + refusing, "401 Unauthorized: the token is wrong"},
		{"ws://" + nobody, "connection refused"},
		{"http://" + refusing, "is not a WebSocket URL"},
		{"ws://", "is not a WebSocket URL"},
	} {
		c, err := Dial(within(t, patience), tt.url, nil)
		if c != nil || err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, %v; want an error with %q", tt.url, c, err, tt.want)
		}
	}
	var he *HandshakeError
	if _, err := Dial(within(t, patience), "ws://"+refusing, nil); !errors.As(err, &he) || he.Status != http.StatusUnauthorized {
		t.Errorf("%v", err)
	}
}

// silent is a server that accepts and never answers.
func silent(t testing.TB) (url string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return "ws://" + l.Addr().String()
}

// TestDialGivenUp ends the wait by the context, and by the client's own timeout.
func TestDialGivenUp(t *testing.T) {
	url := silent(t)
	why := errors.New("the user went away")
	ctx, cancel := context.WithCancelCause(context.Background())
	failed := make(chan error)
	go func() {
		_, err := Dial(ctx, url, nil)
		failed <- err
	}()
	cancel(why)
	if err := next(t, failed); !errors.Is(err, why) {
		t.Errorf("%v does not wrap the cause", err)
	}
	if _, err := Dial(within(t, 20*time.Millisecond), url, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	k := newClient(t)
	k.HandshakeTimeout = 20 * time.Millisecond
	if _, err := k.Dial(within(t, patience), url, nil); !errors.Is(err, ErrHandshakeTimeout) {
		t.Error(err)
	}
}

// TestDialPanic: if OnOpen panics Dial returns, and the connection ends.
func TestDialPanic(t *testing.T) {
	h, ended := closes(&Funcs{Open: func(*Conn, *Request) { panic("a fault of the program") }})
	url := "ws://" + listen(t, &Server{Handler: echo(t)})
	c, err := newClient(t).Dial(within(t, patience), url, h)
	if err != nil {
		t.Fatal(err)
	}
	if err := next(t, ended); err.Code != InternalError {
		t.Errorf("%+v", err)
	}
	if o := c.SendText("x"); o != Closed {
		t.Error(o)
	}
}

// TestDialLeavesNothing has the shared engine end with its last connection, and
// begin anew with the next, also while many come and go.
func TestDialLeavesNothing(t *testing.T) {
	url := "ws://" + listen(t, &Server{Handler: echo(t)})
	before := runtime.NumGoroutine()
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for j := range 20 {
				h, messages := heard()
				c, err := Dial(within(t, patience), url, h)
				if err != nil {
					t.Error(err)
					return
				}
				want := fmt.Sprint(i, " ", j)
				c.SendText(want)
				if got := next(t, messages); got != event(Text, want) {
					t.Errorf("got %q, want %q", got, want)
				}
				c.Close(NormalClosure, "")
			}
		})
	}
	group.Wait()
	eventually(t, "the end of the shared engine", func() bool {
		clientEngine.mu.Lock()
		defer clientEngine.mu.Unlock()
		return clientEngine.engine == nil && clientEngine.conns == 0
	})
	eventually(t, "the end of its goroutines", func() bool { return runtime.NumGoroutine() <= before+8 }) // the server may have workers
}
