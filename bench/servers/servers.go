// Package servers holds the servers that are compared: an echo server for each
// peer, written as its own documentation says.
package servers

import (
	"fmt"
	"net"
	"slices"
)

// Server is one of the servers.
type Server struct {
	Name   string
	Module string // path of the Go module that it shows
	About  string // how it is set up
	// Serve listens on host:port, tells where, and echoes until the process ends. It
	// returns only with an error.
	Serve func(addr string, ready func(net.Addr)) error
}

// All are the servers, in the order in which they are run.
var All = []Server{
	{"fanfare", "github.com/fanfare-ws/fanfare", "wsproto.Server, no field set but its Handler", fanfare},
	{"epoll", "github.com/gobwas/ws", "one hand-written epoll loop on one thread, no timeouts, no fragments: what is built after reading articles", epoll},
	{"gobwas", "github.com/gobwas/ws", "a goroutine for each connection, wsutil as in the README", gobwas},
	{"gws", "github.com/lxzan/gws", "net/http, ReadLoop on a goroutine of its own, as in the README", lxzan},
	{"gorilla-1024", "github.com/gorilla/websocket", "net/http, buffers of 1,024 bytes as in the README, with a WriteBufferPool", gorilla(1024)},
	{"gorilla-4096", "github.com/gorilla/websocket", "net/http, no field of the Upgrader set: the 4,096 byte buffers of net/http", gorilla(0)},
	{"coder", "github.com/coder/websocket", "net/http, Accept without options: no compression", coder},
	{"melody", "github.com/olahol/melody", "net/http, melody.New without options", melodious},
	{"x-net", "golang.org/x/net", "net/http, websocket.Server with a Codec that keeps the message's type", xnet},
}

// Find returns the server of that name.
func Find(name string) (Server, error) {
	i := slices.IndexFunc(All, func(s Server) bool { return s.Name == name })
	if i < 0 {
		return Server{}, fmt.Errorf("there is no server %q: say one of %q", name, Names())
	}
	return All[i], nil
}

// Names returns the names of all servers.
func Names() []string {
	names := make([]string, len(All))
	for i, s := range All {
		names[i] = s.Name
	}
	return names
}

// LeftOut are servers that belong into the comparison and are not in it, and why.
var LeftOut = []struct{ Name, Why string }{
	{"lesismal/nbio", "its module could not be fetched when this was written"},
	{"antlabs/greatws", "its module could not be fetched when this was written"},
}
