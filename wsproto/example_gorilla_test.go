package wsproto_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/fanfare-ws/fanfare/wsproto"
)

// The Go code of README.md and docs/gorilla.md is here, where it is compiled and run.
//

type userKey struct{}

// withUser is a middleware.
func withUser(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), userKey{}, "mary")))
	})
}

// What is a loop around ReadMessage in gorilla/websocket, and a Dialer.
func Example_gorilla() {
	mux := http.NewServeMux()
	server := &wsproto.Server{
		MaxMessage:   64 << 10,         // SetReadLimit
		Subprotocols: []string{"chat"}, // Upgrader.Subprotocols
		Handler: &wsproto.Funcs{
			Open: func(c *wsproto.Conn, r *wsproto.Request) { // Upgrade has returned
				c.SetValue(r.Context().Value(userKey{}))
				c.SetReadDeadline(time.Now().Add(10 * time.Second)) // for the first message
			},
			Message: func(c *wsproto.Conn, op wsproto.Opcode, payload []byte) { // ReadMessage has
				c.SetReadDeadline(time.Time{})
				c.SendText(fmt.Sprintf("%v says %s", c.Value(), payload)) // WriteMessage
			},
			Close: func(c *wsproto.Conn, err *wsproto.CloseError) { // the error of ReadMessage
				if !wsproto.IsCloseError(err, wsproto.NormalClosure, wsproto.GoingAway) {
					log.Print(err)
				}
			},
		},
	}
	mux.Handle("/rooms/{room}", withUser(server))

	web := httptest.NewServer(mux)
	defer web.Close()
	defer server.Shutdown(context.Background())
	url := "ws" + strings.TrimPrefix(web.URL, "http") + "/rooms/1"
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	closed := make(chan struct{})

	client := &wsproto.Client{Subprotocols: []string{"chat"}}
	conn, err := client.Dial(ctx, url, &wsproto.Funcs{
		Message: func(c *wsproto.Conn, op wsproto.Opcode, payload []byte) {
			fmt.Printf("%s\n", payload)
			c.Close(wsproto.NormalClosure, "")
		},
		Close: func(*wsproto.Conn, *wsproto.CloseError) { close(closed) },
	})
	if err != nil {
		log.Fatal(err)
	}
	conn.SendText("hello")

	<-closed
	// Output: mary says hello
}

// A message for many, encoded once.
func Example_gorillaPrepared() {
	var members []*wsproto.Conn
	drop := func(*wsproto.Conn) {}

	message := wsproto.Prepare(wsproto.Text, []byte("news")) // NewPreparedMessage
	for _, c := range members {
		if c.SendPrepared(message) == wsproto.Full { // WritePreparedMessage would block
			drop(c)
		}
	}
}

// A server that echoes.
func Example_echo() {
	server := &wsproto.Server{
		Addr: ":8080",
		Handler: &wsproto.Funcs{
			Message: func(c *wsproto.Conn, op wsproto.Opcode, payload []byte) { c.Send(op, payload) },
		},
	}
	log.Fatal(server.ListenAndServe())
}
