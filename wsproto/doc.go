// Package wsproto implements WebSocket (RFC 6455) on connections of package netpoll:
// the handshake, frames, messages, the closing handshake, and a [Server] that is used
// like http.Server. It knows the bytes of the protocol, and nothing of topics. Package
// wstest has servers and connections for tests.
//
//	server := &wsproto.Server{
//		Addr: ":8080",
//		Handler: &wsproto.Funcs{
//			Message: func(c *wsproto.Conn, op wsproto.Opcode, payload []byte) { c.Send(op, payload) },
//		},
//	}
//	log.Fatal(server.ListenAndServe())
//
// One Server serves any number of paths and handlers: NewHandler returns a handler for each
// connection, and [Server.Upgrade] opens a WebSocket inside a handler of net/http.
//
// # Life of a connection
//
// The bytes of a new connection are collected, bounded in size and time, up to the end of
// the request's header. A request that is not a WebSocket handshake goes, with its bytes,
// to a net/http server in the same process, so that one port serves both. A handshake is
// checked by ws.Upgrader (github.com/gobwas/ws), which reads slices of what the connection has read, and writes to memory;
// the response is sent in one write. The bytes after the header belong to the first
// frames.
//
// All checks and the negotiation of subprotocol and compression come before
// [Server].Accept. A connection that Accept admits is always opened, even if the peer has
// gone meanwhile: OnOpen and OnClose follow. Its handler is the first of these: the one that
// Accept sets in the Request, which [Server.Upgrade] may have set before; the one that
// Server.NewHandler returns; Server.Handler.
//
// A decision that takes time is for Server.AcceptAsync. Meanwhile the connection has its header
// and the response as far as it is known, and no worker. It is still read, to notice that the
// peer has gone. A peer that sends more before the response is held. The decision schedules a
// turn, which opens or refuses the connection; the connection's end before that cancels the
// Request's context.
//
// From then on the parser works on the buffer of the worker that read: a complete frame is
// unmasked in place and given to the [Handler] as a slice of that buffer, without a copy or
// an allocation. Only an incomplete message is kept, in a buffer that grows as
// bytes arrive. Limits are checked before memory is allocated. Text is refused at the byte that
// makes it invalid. The first rule that a peer breaks is the [Violation] that its
// connection ends with.
//
// # State
//
// Between two turns a connection is one value, a [ConnState]: the engine's netpoll.State, the
// message in progress, flags, and for some connections a tag, the subprotocol, the value, read
// deadlines and the windows of compression. [Conn.Leave] takes it out of a server, and
// [Server.Enter] puts it into another one. A connection stays while a [Writer] is open or
// OnStream runs, since these belong to goroutines.
//
// # Streams
//
// A message above Server.StreamAbove is not collected if the Handler is a [StreamHandler]:
// OnStream reads it, on a goroutine beside the turns, from a ring that the turns fill. When
// more than half of the ring is full the connection is held (netpoll.Conn.Hold) until
// OnStream has read on, and TCP pushes back. So a stream takes the memory of two read
// buffers, whatever its size, and only while OnStream runs. Meanwhile the parser handles
// control frames, but not the next message. A connection that is held is not read, so its
// peer is not pinged either. A [Writer] streams in the other direction: its fragments go to
// the kernel without a copy, and messages that are sent meanwhile wait behind it
// (netpoll.Exclusive).
//
// # Garbage
//
// A server at work allocates next to nothing, but each handshake leaves garbage, which by
// default stays until the heap has doubled. Programs with many idle connections should
// collect it earlier, with [CollectOften], as cmd/fanfare does. The
// engine collects what then remains once a crowd of connections has come or gone.
//
// # TLS
//
// [Server.ListenTLS] serves wss:// and https:// in the same engine. No goroutine stays with
// a connection after its handshake, writes return the same outcomes, and a certificate that
// changes on disk is loaded without a restart. TLS costs memory. This is the RSS of the
// server for each of 18,000 connections that have echoed 128 bytes, with a key on P-256,
// beyond that of the empty server (go run -C bench . figures measures it again):
//
//	ws://                312 B
//	wss://, TLS 1.2    5,925 B
//	wss://, TLS 1.3    9,328 B
//
// With TLS 1.3 most of it is two buffers of the handshake, which had to hold the client's
// post-quantum key share, two AES-GCM keys, and tls.Conn itself; the rest is garbage that
// has not been collected yet. The buffer for records never shrinks: after one long
// message it keeps that length.
//
// A broadcast is encrypted for each receiver, while plain connections share its bytes,
// also in the queues of slow receivers.
//
// So let a proxy in front terminate TLS if there are hundreds of thousands of connections,
// if the server is mainly for broadcasts to many, or if a load balancer is in front anyway:
// then ws:// over a trusted network costs the server nothing, and the proxy needs the
// memory. Terminate TLS here if there are about ten thousand connections, if a second program
// is not wanted, or if the traffic must be encrypted up to this process.
//
// # Limits and deadlines
//
// Everything that a peer can make the server hold is bounded for each connection, and in
// total by netpoll (MaxConns, TotalPending). Each wait has a deadline. These are the fields
// of [Server], their defaults, and what happens beyond them:
//
//	MaxHeader         16 KiB   of a handshake or a request: 431, logged
//	                  128      fields of a handshake, or of the first request of a connection: 431
//	MaxMessage        1 MiB    collected, decompressed: 1009
//	MaxFrame          as MaxMessage: 1009
//	MaxStream         1 GiB    of a message for OnStream: 1009
//	Rate              none     of messages, bytes and control frames in a second: RateCode
//	MaxHandshakes     none     under way, that AcceptAsync decides about: 503 with Retry-After
//	HandshakeRate     none     of remote clients' handshakes in a second: 503 with Retry-After, each with its own
//	MaxConnsPerClient none     WebSockets of an address behind Proxies: 429 with Retry-After, logged
//	HandshakeTimeout  10 s     from the connection to the end of its header: 408; to the decision of AcceptAsync: 503
//	MessageTimeout    30 s     and a second more for each MinRate bytes: 1008
//	MinRate           1 KiB/s  of messages, streams, bodies and responses
//	StreamTimeout     60 s     the same for a stream, and for a Writer: 1008
//	HTTPTimeout       30 s     the same for the body, and the response, of a request: cut off
//	IdleTimeout       2 min    of an HTTP connection without a request: closed
//	PingInterval      25 s     then a ping
//	PongTimeout       20 s     then closed without a close frame (1006)
//	CloseTimeout      5 s      of the closing handshake, once all was taken: closed
//	Engine.MaxConns   none     a further handshake: 503 with Retry-After, logged
//	Engine.Reserve    64       HTTP requests beyond that, at most MaxConns/8; then reset
//	Engine.TotalPending        an eighth of the memory: the heaviest connections are shed
//
// A timeout to which MinRate applies is a bucket: it holds no more than the timeout, it runs
// down while the server waits for the peer, and bytes that the peer sends, or takes, fill it.
// So a slow and steady peer is never cut off, whatever the size, and a peer that stalls is cut
// off, however fast it was before. The bucket does not run down while the connection is held,
// or is not read because the peer does not take what it is sent. Progress of a message and
// complete frames are signs of life; other bytes are not. So a peer that stalls in any layer
// is cut off: MessageTimeout bounds an incomplete frame header or control frame, a pong cannot
// arrive behind an incomplete TLS record, and the handshakes have timeouts of their own.
//
// An incomplete message is charged to its connection (netpoll.Conn.Charge) with the memory
// that it takes, from 4 KiB on, so the largest are shed together with the longest queues. A
// smaller one costs no more than an idle connection may cost anyway.
//
// HTTP connections count as connections, and idle ones make room. When a listener has one
// too many, the server closes the first of these that exists: a TLS client that has sent
// nothing for a quarter of a second; the connection that has waited longest for its next
// request; the oldest connection that has sent no header or was refused; any other TLS client
// whose ClientHello has not come; one that has been silent for a quarter of a second in its
// handshake; one that waits for its turn to do the handshake.
//
// When a handler has responded, the server does not wait for the rest of the request's body:
// it reads up to 16 KiB of it, for 50 ms, so that the connection can stay open. If there is
// more, the connection ends, after at most a second in which the peer can read the response.
// A request with both Content-Length and Transfer-Encoding is refused with 400. So is one with
// a folded line, and one with a length and a line that breaks the rules. These checks cover
// the first request of a connection. net/http does not pass these details of later requests
// on, so a later request with a Transfer-Encoding is the last one of its connection.
//
// SetLimits changes the rates, MaxHandshakes and MaxConnsPerClient while the server runs, with
// Origins and Hosts, and the limits of the engine that can change (see netpoll.Limits).
//
// # The end
//
// [Server.Shutdown] closes all connections at once. [Server.Drain] spreads that over a window, for
// servers whose clients would otherwise all reconnect at the same moment: one goroutine closes the
// connections, in a random order, each with 1012 behind what was sent to it before.
//
// # Operators
//
// [Server.Stats] has counters, of the engine too. [Server.Page] lists the WebSockets, and [Server.Find] finds one by its name, which a
// log may have. A handler that blocks is named in the log: see netpoll.Options.BlockedAfter.
//
// # Access
//
// The same code decides about handshakes and about requests of net/http: whether a page of
// that origin may connect (Server.CheckOrigin, Origins; [Server.AllowsOrigin]), and whether
// the host is a name of this server (Server.Hosts; [Server.CheckHost]), since a page can make
// its own name resolve to a server on a private address. The server believes what a proxy says
// about the client only if the proxy's address is in Server.Proxies. It logs refusals, at most
// one of each kind in ten seconds, with the setting that would allow them.
//
// # Order
//
// Handler methods run in the connection's turn (see netpoll), so one runs at a time. Methods
// of Conn may be called from anywhere, also from within a Handler. Locks: a Conn has extra.mu,
// takeover.mu and stream.mu, under which only netpoll's are taken; so has an acceptance. variants.mu of a Prepared is
// a leaf, except for those of the Prepared's parts. silentConns.mu is taken when a connection
// comes or must make room, and only netpoll's Conn.mu under it. idleHTTPConns.mu is a leaf:
// the connection that it returns is closed after it was released. gate.mu, and the locks of clients,
// of which one at a time is held, are leaves.
//
// OnStream runs beside the turns, but in the order of messages: the next message, and
// OnClose, wait for it. The closing handshake has one switch, netpoll.Conn.WriteLast: the
// first close frame that is written decides code and reason, later writes are refused, and
// after a close frame was sent or received no message is delivered.
package wsproto
