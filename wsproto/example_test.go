package wsproto_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/netip"
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
