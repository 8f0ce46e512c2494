// Package servers has the servers of the comparison. Each library has one that echoes and one that sends a message of one
// client to all, written as the library's documentation advises.
package servers

import (
	"fmt"
	"net"
	"slices"
	"strings"
)

// Serve listens on host:port, calls ready with the address, and serves until the process ends. It returns only with an error.
type Serve func(addr string, ready func(net.Addr)) error

// Server is a server in the comparison.
type Server struct {
	Name      string
	Module    string // path of the Go module that it uses
	About     string // its configuration
	Echo      Serve  // echoes; nil if it cannot
	Broadcast Serve  // sends a message to all; nil if that would show nothing new
	// MemoryOnly means that only its memory is measured.
	MemoryOnly bool
	TLS        bool
	// Variant means that it is a server of All with another configuration, and that not only its memory is measured.
	Variant bool
	Path    string   // path of the URL; "/" if empty
	Publish string   // path of the URL for publishers; Path if empty
	Flags   []string // further flags of fanfare-load
	// Program is the version of Module's program, which is built and started instead of a function of this package.
	Program string
}

// All are the servers in the order in which they are measured.
var All = []Server{
	{Name: "fanfare", Module: fanfareModule, About: "wsproto.Server with only a Handler; wsproto.CollectOften, as its documentation advises and as in cmd/fanfare; broadcast through a topic of package hub", Echo: fanfare, Broadcast: fanfareBroadcast},
	{Name: "fanfare-topic", Module: fanfareModule, About: "as fanfare, each connection subscribed to a topic", Echo: fanfareTopic, MemoryOnly: true},
	{Name: "fanfare-deflate", Module: fanfareModule, About: "as fanfare, with Compression, which the client offers; messages below 256 bytes are sent uncompressed", Echo: fanfareDeflate, Broadcast: fanfareDeflateBroadcast, Flags: []string{"-compress"}, Variant: true},
	{Name: "fanfare-tls", Module: fanfareModule, About: "as fanfare, over TLS 1.3", Echo: fanfareTLS, Broadcast: fanfareTLSBroadcast, TLS: true, Variant: true},
	{Name: "fanfare-tls12", Module: fanfareModule, About: "as fanfare, over TLS 1.2, the highest version of the client", Echo: fanfareTLS12, TLS: true, Variant: true, MemoryOnly: true, Flags: []string{"-tls12"}},
	{Name: "floor", Module: "golang.org/x/sys", About: "not a WebSocket server: an epoll loop that answers the handshake and writes back what it reads, unmasked and unchecked", Echo: floor},
	{Name: "epoll", Module: "github.com/gobwas/ws", About: "a hand-written epoll loop on one thread, without timeouts and fragments, as in many articles", Echo: epoll(false), Broadcast: epoll(true)},
	{Name: "gobwas", Module: "github.com/gobwas/ws", About: "a goroutine per connection, wsutil as in the README; broadcast of a CompiledFrame through a channel and a goroutine per connection", Echo: gobwas(gobwasEcho), Broadcast: gobwas(gobwasBroadcast)},
	{Name: "gws", Module: "github.com/lxzan/gws", About: "net/http, ReadLoop on its own goroutine, and Broadcaster, as in the README", Echo: lxzan(gwsEcho{}), Broadcast: lxzan(new(gwsBroadcast))},
	{Name: "nbio", Module: "github.com/lesismal/nbio", About: "nbhttp in its non-blocking mode, ReleaseWebsocketPayload as in its benchmark, MaxWriteBufferSize of 6 MiB as in the README, KeepaliveTime of an hour for connections at rest; broadcast by WriteMessage to each connection", Echo: nonBlocking(nbioEcho), Broadcast: nonBlocking(nbioBroadcast)},
	{Name: "greatws", Module: "github.com/antlabs/greatws", About: "net/http, then its event loops, with the options of the README except the read timeout of 5 s, which would close connections at rest; broadcast by WriteMessage to each connection", Echo: great(new(greatEcho)), Broadcast: great(new(greatBroadcast))},
	{Name: "gorilla-1024", Module: "github.com/gorilla/websocket", About: "net/http, buffers of 1,024 bytes as in the README, with a WriteBufferPool; broadcast of a PreparedMessage as in its chat example", Echo: gorilla(1024, serveHTTP), Broadcast: gorillaBroadcast(serveHTTP)},
	{Name: "gorilla-4096", Module: "github.com/gorilla/websocket", About: "net/http, zero Upgrader: the 4,096 byte buffers of net/http", Echo: gorilla(0, serveHTTP), Variant: true},
	{Name: "gorilla-tls", Module: "github.com/gorilla/websocket", About: "as gorilla-1024, over TLS 1.3 of net/http", Echo: gorilla(1024, serveHTTPS), Broadcast: gorillaBroadcast(serveHTTPS), TLS: true, Variant: true},
	{Name: "coder", Module: "github.com/coder/websocket", About: "net/http, Accept without options: no compression, SetReadLimit of 1 MiB; broadcast as in its chat example", Echo: coder, Broadcast: coderBroadcast},
	{Name: "melody", Module: "github.com/olahol/melody", About: "net/http, melody.New, MaxMessageSize of 1 MiB; Broadcast", Echo: melodious(false), Broadcast: melodious(true)},
	{Name: "x-net", Module: "golang.org/x/net", About: "net/http, websocket.Server with a Codec that keeps the message's type; broadcast through a channel and a goroutine per connection", Echo: xnet(xnetEcho), Broadcast: xnet(xnetBroadcast())},
	{Name: "centrifuge", Module: "github.com/centrifugal/centrifuge", About: "net/http, WebsocketHandler with the protobuf protocol, server-side subscriptions, Node.Publish", Broadcast: centrifugal,
		Path: centrifugePath, Publish: publishPath, Flags: []string{"-hello", centrifugeHello}},
	{Name: "centrifugo", Module: "github.com/centrifugal/centrifugo/v6", Program: "v6.9.1", About: "the server program with its defaults, except that anonymous clients may connect and subscribe; the protobuf protocol, a client-side subscription, messages published through its HTTP API; its heap is not known",
		Path: centrifugePath, Flags: []string{"-hello", centrifugeHello + centrifugoSubscribe}},
}

// CanBroadcast reports whether the server has the mode BroadcastMode.
func (s *Server) CanBroadcast() bool { return s.Broadcast != nil || s.Program != "" }

// FloorBroadcast is the server of the subcommand floor. It is in no table, because it keeps no messages for slow subscribers.
var FloorBroadcast = Server{Name: "floor-broadcast", Module: "golang.org/x/sys", About: "one thread, and one write(2) per socket for the messages that wait", Broadcast: floorBroadcast}

const fanfareModule = "github.com/fanfare-ws/fanfare"

// Find returns the server of that name.
func Find(name string) (Server, error) {
	if name == FloorBroadcast.Name {
		return FloorBroadcast, nil
	}
	if s, ok := findCompressing(name); ok {
		return s, nil
	}
	i := slices.IndexFunc(All, func(s Server) bool { return s.Name == name })
	if i < 0 {
		return Server{}, fmt.Errorf("unknown server %q; the servers are %s", name, strings.Join(Names(), ", "))
	}
	return All[i], nil
}

// The modes of a server, which are arguments of the program serve.
const (
	EchoMode      = "echo"
	BroadcastMode = "broadcast"
)

// Mode returns the function of a mode.
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
