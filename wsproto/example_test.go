package wsproto_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/netip"
	"os"
	"time"

	"github.com/fanfare-ws/fanfare/netpoll"
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

	engine, err := netpoll.New(netpoll.Options{})
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	target, err := wsproto.ParseTarget(ctx, "ws://"+addr.String()+"/echo")
	if err != nil {
		log.Fatal(err)
	}
	done := make(chan struct{})
	client := &wsproto.Client{Engine: engine}
	err = client.Start(target, netip.Addr{}, &wsproto.Funcs{
		Open: func(c *wsproto.Conn, _ *wsproto.Request) { c.SendText("hello") },
		Message: func(c *wsproto.Conn, _ wsproto.Opcode, payload []byte) {
			fmt.Printf("got %s\n", payload)
			c.Close(wsproto.NormalClosure, "bye")
		},
		Close: func(_ *wsproto.Conn, err *wsproto.CloseError) {
			fmt.Println(err)
			close(done)
		},
	}, func(err error) { log.Fatal(err) })
	if err != nil {
		log.Fatal(err)
	}
	<-done
	if err := server.Shutdown(ctx); err != nil {
		log.Fatal(err)
	}
	if err := engine.Shutdown(ctx); err != nil {
		log.Fatal(err)
	}
	// Output:
	// got hello
	// wsproto: we closed with 1000 "bye"
}

// A handshake that is refused.
func ExampleRefuse() {
	_ = &wsproto.Server{
		Accept: func(r *wsproto.Request) error {
			if r.Query().Get("token") != "secret" {
				return wsproto.Refuse(http.StatusUnauthorized, "the token is wrong")
			}
			return nil
		},
	}
}

// The server as one handler among others of a net/http server.
func ExampleServer_ServeHTTP() {
	ws := &wsproto.Server{Handler: &wsproto.Funcs{
		Open: func(c *wsproto.Conn, r *wsproto.Request) { c.SetValue(r.PathValue("room")) },
	}}
	mux := http.NewServeMux()
	mux.Handle("/rooms/{room}", ws)
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
