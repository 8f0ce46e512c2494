// Package servers holds the servers that are compared: for each peer, written as its
// own documentation says, one that echoes and one that sends what comes from one
// client to all.
package servers

import (
	"fmt"
	"net"
	"slices"
)

// Serve listens on host:port, tells where, and serves until the process ends. It
// returns only with an error.
type Serve func(addr string, ready func(net.Addr)) error

// Server is one of the servers.
type Server struct {
	Name      string
	Module    string // path of the Go module that it shows
	About     string // how it is set up
	Echo      Serve  // sends back what comes; nil if it cannot
	Broadcast Serve  // sends it to all; nil if that would show nothing new
	// MemoryOnly says that only its memory is of interest.
	MemoryOnly bool
	TLS        bool
	// Variant says that it is another of All in another setup, and has more than memory.
	Variant bool
	Path    string   // of the URL; "/" if empty
	Publish string   // of the URL that what is broadcast is sent to; Path if empty
	Flags   []string // that fanfare-load needs for it
}

// All are the servers, in the order in which they are run.
var All = []Server{
	{Name: "fanfare", Module: fanfareModule, About: "wsproto.Server, no field set but its Handler; GOGC=20, as its documentation asks for and cmd/fanfare has it; broadcast through a topic of package hub", Echo: fanfare, Broadcast: fanfareBroadcast},
	{Name: "fanfare-topic", Module: fanfareModule, About: "as fanfare, each connection subscribed to a topic", Echo: fanfareTopic, MemoryOnly: true},
	{Name: "fanfare-deflate", Module: fanfareModule, About: "as fanfare, with Compression, which the client offers; messages below 256 bytes are sent as they are", Echo: fanfareDeflate, Broadcast: fanfareDeflateBroadcast, Flags: []string{"-compress"}, Variant: true},
	{Name: "fanfare-tls", Module: fanfareModule, About: "as fanfare, over TLS 1.3", Echo: fanfareTLS, Broadcast: fanfareTLSBroadcast, TLS: true, Variant: true},
	{Name: "fanfare-tls12", Module: fanfareModule, About: "as fanfare, over TLS 1.2, as the client speaks no higher version", Echo: fanfareTLS12, TLS: true, Variant: true, MemoryOnly: true, Flags: []string{"-tls12"}},
	{Name: "floor", Module: "golang.org/x/sys", About: "no WebSocket server: an epoll loop that answers the handshake and writes back what it reads, without a look at it but for the mask", Echo: floor},
	{Name: "epoll", Module: "github.com/gobwas/ws", About: "one hand-written epoll loop on one thread, no timeouts, no fragments: what is built after reading articles", Echo: epoll(false), Broadcast: epoll(true)},
	{Name: "gobwas", Module: "github.com/gobwas/ws", About: "a goroutine for each connection, wsutil as in the README; broadcast of a CompiledFrame through a channel and a goroutine for each", Echo: gobwas(gobwasEcho), Broadcast: gobwas(gobwasBroadcast)},
	{Name: "gws", Module: "github.com/lxzan/gws", About: "net/http, ReadLoop on a goroutine of its own, and Broadcaster, as in the README", Echo: lxzan(gwsEcho{}), Broadcast: lxzan(new(gwsBroadcast))},
	{Name: "nbio", Module: "github.com/lesismal/nbio", About: "nbhttp in its non-blocking mode, ReleaseWebsocketPayload as in its benchmark, MaxWriteBufferSize of 6 MiB as in the README, KeepaliveTime of an hour for those who rest; broadcast by WriteMessage to each", Echo: nonBlocking(nbioEcho), Broadcast: nonBlocking(nbioBroadcast)},
	{Name: "gorilla-1024", Module: "github.com/gorilla/websocket", About: "net/http, buffers of 1,024 bytes as in the README, with a WriteBufferPool; broadcast of a PreparedMessage as in its chat example", Echo: gorilla(1024, serveHTTP), Broadcast: gorillaBroadcast(serveHTTP)},
	{Name: "gorilla-4096", Module: "github.com/gorilla/websocket", About: "net/http, no field of the Upgrader set: the 4,096 byte buffers of net/http", Echo: gorilla(0, serveHTTP), Variant: true},
	{Name: "gorilla-tls", Module: "github.com/gorilla/websocket", About: "as gorilla-1024, over TLS 1.3 of net/http", Echo: gorilla(1024, serveHTTPS), Broadcast: gorillaBroadcast(serveHTTPS), TLS: true, Variant: true},
	{Name: "coder", Module: "github.com/coder/websocket", About: "net/http, Accept without options: no compression, SetReadLimit of 1 MiB; broadcast as in its chat example", Echo: coder, Broadcast: coderBroadcast},
	{Name: "melody", Module: "github.com/olahol/melody", About: "net/http, melody.New, MaxMessageSize of 1 MiB; Broadcast", Echo: melodious(false), Broadcast: melodious(true)},
	{Name: "x-net", Module: "golang.org/x/net", About: "net/http, websocket.Server with a Codec that keeps the message's type; broadcast through a channel and a goroutine for each connection", Echo: xnet(xnetEcho), Broadcast: xnet(xnetBroadcast())},
	{Name: "centrifuge", Module: "github.com/centrifugal/centrifuge", About: "net/http, WebsocketHandler with the protobuf protocol, server-side subscriptions, Node.Publish", Broadcast: centrifugal,
		Path: centrifugePath, Publish: publishPath, Flags: []string{"-hello", centrifugeHello}},
}

// FloorBroadcast is in no table, for it keeps nothing for those that do not read at once:
// the subcommand floor compares with it.
var FloorBroadcast = Server{Name: "floor-broadcast", Module: "golang.org/x/sys", About: "one thread, and one write(2) for each socket and message", Broadcast: floorBroadcast}

const fanfareModule = "github.com/fanfare-ws/fanfare"

// Find returns the server of that name.
func Find(name string) (Server, error) {
	if name == FloorBroadcast.Name {
		return FloorBroadcast, nil
	}
	i := slices.IndexFunc(All, func(s Server) bool { return s.Name == name })
	if i < 0 {
		return Server{}, fmt.Errorf("there is no server %q: say one of %q", name, Names())
	}
	return All[i], nil
}

// Modes are what a server can do, as the program serve is told.
const (
	EchoMode      = "echo"
	BroadcastMode = "broadcast"
)

// Mode returns what the server does in a mode.
func (s *Server) Mode(mode string) (Serve, error) {
	f := map[string]Serve{EchoMode: s.Echo, BroadcastMode: s.Broadcast}[mode]
	if f == nil {
		return nil, fmt.Errorf("%s has no mode %q", s.Name, mode)
	}
	return f, nil
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
	{"antlabs/greatws", "its module could not be fetched when this was written"},
}
