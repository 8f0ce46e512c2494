package wsproto_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fanfare-ws/fanfare/wsproto"
)

// A server that echoes, on the same port as a page, and a client of it.
func Example() {
	server := &wsproto.Server{
		Handler: &wsproto.Funcs{
			Message: func(c *wsproto.Conn, op wsproto.Opcode, payload []byte) { c.Send(op, payload) },
		},
		HTTP: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "use a WebSocket") }),
	}
	addr, err := server.Listen("localhost:0") // or ListenAndServe, which blocks
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	defer server.Shutdown(ctx)

	closed := make(chan struct{})
	conn, err := wsproto.Dial(ctx, "ws://"+addr.String()+"/echo", &wsproto.Funcs{
		Message: func(c *wsproto.Conn, _ wsproto.Opcode, payload []byte) {
			fmt.Printf("got %s\n", payload)
			c.Close(wsproto.NormalClosure, "bye")
		},
		Close: func(_ *wsproto.Conn, err *wsproto.CloseError) {
			fmt.Println(err)
			close(closed)
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	conn.SendText("hello")
	<-closed
	// Output:
	// got hello
	// wsproto: we closed with 1000 "bye"
}

// room is a chat room.
type room struct {
	mu     sync.Mutex
	guests map[*wsproto.Conn]bool
}

// say sends a message to everybody in the room. It is encoded once.
func (r *room) say(format string, args ...any) {
	message := wsproto.Prepare(wsproto.Text, fmt.Appendf(nil, format, args...))
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.guests {
		if c.SendPrepared(message) == wsproto.Full {
			c.Close(wsproto.TryAgainLater, "you are too slow")
		}
	}
}

func (r *room) set(c *wsproto.Conn, present bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if present {
		r.guests[c] = true
	} else {
		delete(r.guests, c)
	}
}

// guest handles one connection.
type guest struct {
	room *room
	name string
}

func (g *guest) OnOpen(c *wsproto.Conn, _ *wsproto.Request) {
	g.room.set(c, true)
	g.room.say("%s comes in", g.name)
}

func (g *guest) OnMessage(c *wsproto.Conn, op wsproto.Opcode, payload []byte) {
	if op != wsproto.Text { // only text is sure to be UTF-8, which text to others must be
		c.Close(wsproto.UnsupportedData, "send text")
		return
	}
	g.room.say("%s: %s", g.name, payload)
}

func (g *guest) OnClose(c *wsproto.Conn, _ *wsproto.CloseError) {
	g.room.set(c, false)
	g.room.say("%s leaves", g.name)
}

// A chat: each connection has a handler of its own. Package hub does the same for many
// rooms, with a history and for clients that come back.
func Example_chat() {
	lobby := &room{guests: make(map[*wsproto.Conn]bool)}
	server := &wsproto.Server{NewHandler: func(r *wsproto.Request) wsproto.Handler {
		return &guest{lobby, r.Query().Get("name")}
	}}
	addr, err := server.Listen("localhost:0")
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	defer server.Shutdown(ctx)

	heard := make(chan string)
	mary, err := wsproto.Dial(ctx, "ws://"+addr.String()+"?name=Mary", &wsproto.Funcs{
		Message: func(_ *wsproto.Conn, _ wsproto.Opcode, payload []byte) { heard <- string(payload) },
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(<-heard)
	joe, err := wsproto.Dial(ctx, "ws://"+addr.String()+"?name=Joe", nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(<-heard)
	mary.SendText("hello")
	fmt.Println(<-heard)
	joe.Close(wsproto.NormalClosure, "")
	fmt.Println(<-heard)
	// Output:
	// Mary comes in
	// Joe comes in
	// Mary: hello
	// Joe leaves
}

// Accept refuses strangers, and gives the others a handler that knows their name. What it
// counts, OnClose discounts: whatever Accept admits is opened, and closed.
func Example_auth() {
	users := map[string]string{"Bearer secret": "Mary"}
	var online atomic.Int64
	server := &wsproto.Server{Accept: func(r *wsproto.Request) error {
		user, ok := users[r.Header.Get("Authorization")]
		if !ok {
			return wsproto.Refuse(http.StatusUnauthorized, "the token is wrong")
		}
		online.Add(1)
		r.Handler = &wsproto.Funcs{
			Open:  func(c *wsproto.Conn, _ *wsproto.Request) { c.SendText("welcome, " + user) },
			Close: func(*wsproto.Conn, *wsproto.CloseError) { online.Add(-1) },
		}
		return nil
	}}
	addr, err := server.Listen("localhost:0")
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	url := "ws://" + addr.String()
	_, err = wsproto.Dial(ctx, url, nil)
	fmt.Println(err)
	heard := make(chan string)
	client := &wsproto.Client{Header: http.Header{"Authorization": {"Bearer secret"}}}
	_, err = client.Dial(ctx, url, &wsproto.Funcs{
		Message: func(_ *wsproto.Conn, _ wsproto.Opcode, payload []byte) { heard <- string(payload) },
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(<-heard)
	fmt.Println("online:", online.Load())
	if err := server.Shutdown(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println("online:", online.Load())
	// Output:
	// wsproto: handshake failed: the server answered 401 Unauthorized: the token is wrong
	// welcome, Mary
	// online: 1
	// online: 0
}

// A refusal can have fields of its own.
func ExampleRefuse() {
	_ = &wsproto.Server{
		Accept: func(r *wsproto.Request) error {
			refusal := wsproto.Refuse(http.StatusTooManyRequests, "come back in a minute")
			refusal.Header = http.Header{"Retry-After": {"60"}}
			return refusal
		},
	}
}

// Another service decides about handshakes, within the time that HandshakeTimeout leaves, and
// only for as long as the client waits.
func ExampleServer_asynchronous() {
	server := &wsproto.Server{Handler: &wsproto.Funcs{}}
	server.AcceptAsync = func(r *wsproto.Request, done func(error)) {
		ctx, token := r.Context(), r.Header.Get("Authorization") // r is valid until done is called
		go func() {
			ask, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://users.internal/check", nil)
			if err != nil {
				done(err)
				return
			}
			ask.Header.Set("Authorization", token)
			answer, err := http.DefaultClient.Do(ask)
			if err != nil {
				done(wsproto.Refuse(http.StatusServiceUnavailable, "try again later"))
				return
			}
			answer.Body.Close()
			if answer.StatusCode != http.StatusOK {
				done(wsproto.Refuse(http.StatusForbidden, "the token is wrong"))
				return
			}
			done(nil)
		}()
	}
}

// A handler gives each user a rate of messages of its own, and says how long to wait.
func ExampleConn_Take() {
	rate := &wsproto.Rate{Messages: 10, Bytes: 64 << 10, Burst: 2 * time.Second}
	_ = &wsproto.Funcs{Message: func(c *wsproto.Conn, op wsproto.Opcode, payload []byte) {
		if wait := c.Take(rate, len(payload)); wait > 0 {
			c.SendText(fmt.Sprintf("too fast; wait %v", wait.Round(time.Millisecond)))
			return
		}
		c.Send(op, payload)
	}}
}

// The server as one handler among others of a net/http server.
func ExampleServer_ServeHTTP() {
	ws := &wsproto.Server{Handler: &wsproto.Funcs{
		Open: func(c *wsproto.Conn, r *wsproto.Request) { c.SetValue(r.PathValue("room")) },
	}}
	mux := http.NewServeMux()
	mux.Handle("/rooms/{room}", ws)
}

// Two handlers on two paths of a net/http server, with one engine.
func ExampleServer_Upgrade() {
	ws := new(wsproto.Server)
	mux := http.NewServeMux()
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		ws.Upgrade(w, r, &wsproto.Funcs{
			Message: func(c *wsproto.Conn, op wsproto.Opcode, payload []byte) { c.Send(op, payload) },
		})
	})
	mux.HandleFunc("/rooms/{room}", func(w http.ResponseWriter, r *http.Request) {
		room := r.PathValue("room")
		ws.Upgrade(w, r, &wsproto.Funcs{
			Message: func(c *wsproto.Conn, _ wsproto.Opcode, payload []byte) { c.SendText(room + ": " + string(payload)) },
		})
	})
	web := httptest.NewServer(mux)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	heard := make(chan string)
	for _, path := range []string{"/echo", "/rooms/7"} {
		conn, err := wsproto.Dial(ctx, "ws"+strings.TrimPrefix(web.URL, "http")+path, &wsproto.Funcs{
			Message: func(_ *wsproto.Conn, _ wsproto.Opcode, payload []byte) { heard <- string(payload) },
		})
		if err != nil {
			log.Fatal(err)
		}
		conn.SendText("hello")
		fmt.Println(<-heard)
	}
	web.Close()
	if err := ws.Shutdown(ctx); err != nil {
		log.Fatal(err)
	}
	// Output:
	// hello
	// 7: hello
}

// One encoding for all receivers.
func ExamplePrepare() {
	var receivers []*wsproto.Conn
	message := wsproto.Prepare(wsproto.Text, []byte("news"))
	for _, c := range receivers {
		c.SendPrepared(message)
	}
	fmt.Println(message.Len())
	// Output: 6
}

// A handler that has uploads written to files as they come, and answers with their
// size.
func ExampleStreamHandler() {
	server := &wsproto.Server{
		Handler: &wsproto.Funcs{
			Open: func(c *wsproto.Conn, _ *wsproto.Request) { c.StreamAll() },
			Stream: func(c *wsproto.Conn, _ wsproto.Opcode, r io.Reader) error {
				f, err := os.CreateTemp("", "upload")
				if err != nil {
					return err // the peer gets 1011, the server goes on
				}
				defer os.Remove(f.Name())
				defer f.Close()
				n, err := io.Copy(f, r)
				if err != nil {
					return err
				}
				_, err = c.SendJSON(map[string]int64{"bytes": n})
				return err
			},
		},
		MaxStream: 10 << 30,
	}
	if err := server.ListenAndServe(); err != wsproto.ErrServerClosed {
		log.Fatal(err)
	}
}

// A large message goes out in fragments, in the memory of one.
func ExampleConn_NewWriter() {
	send := func(c *wsproto.Conn, file io.Reader) error {
		w, err := c.NewWriter(wsproto.Binary)
		if err != nil {
			return err
		}
		if _, err := io.Copy(w, file); err != nil {
			c.Close(wsproto.InternalError, "the file cannot be read") // half of it is no message
		}
		return w.Close()
	}
	_ = send
}
