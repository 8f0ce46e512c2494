// Package wsproto speaks WebSocket (RFC 6455) on connections of package netpoll:
// upgrade, frames, messages, the closing handshake, and a [Server] that is used
// like http.Server. It knows bytes of the protocol and nothing of topics.
//
// # Life of a connection
//
// Bytes are collected, bounded in size and time, up to the end of the request's
// header. A request that is no WebSocket handshake is handed, with its bytes, to
// a net/http server in the same process, so that one port serves both; one that
// is goes through ws.Upgrader (github.com/gobwas/ws), which reads and writes
// memory, and the answer leaves in one write. What follows the header belongs to
// the first frames.
//
// From then on the parser works on the buffer of the worker that read: a frame
// that is complete is unmasked where it lies and handed to the [Handler] as a
// slice of that buffer, without a copy or an allocation. Only of a message that
// is incomplete something is kept, in a buffer that grows as bytes arrive. Limits
// are checked before memory is taken; text is refused at the byte that makes it
// invalid; the first rule that a peer breaks is the [Violation] that its
// connection ends with.
//
// # Streams
//
// A message above Server.StreamAbove is not collected if the Handler is a
// [StreamHandler]: OnStream reads it, on a goroutine beside the turns, from a ring
// that the turns fill. When more than half of the ring is full the connection is held
// (netpoll.Conn.Hold) until OnStream has read on, and TCP pushes back; so the memory
// is two read buffers, whatever the size, and there is only as long as OnStream
// runs. The parser goes on with control frames, but not with the next message before
// OnStream has returned. While a connection is held nothing that the peer says can be
// heard, so it is not pinged either. A [Writer] is the other direction: its
// fragments are handed to the kernel from where they lie, and what others send
// meanwhile waits behind it (netpoll.Exclusive).
//
// # Garbage
//
// A server at work allocates next to nothing, but each handshake leaves garbage, which at
// Go's default stays until the heap has doubled. Programs with many idle connections should
// have it collected earlier, with debug.SetGCPercent(20) or GOGC=20, as cmd/fanfare does.
//
// # TLS
//
// [Server.ListenTLS] speaks wss:// and https:// in the same engine: no goroutine stays
// with a connection after its handshake, writes keep their outcomes, and a certificate
// that changes on disk is loaded without a restart. What TLS costs is memory. RSS of
// the server for each of 18,000 connections that have echoed 128 bytes, with a key on P-256,
// over the empty server (go run -C bench . figures measures it again):
//
//	ws://                286 B
//	wss://, TLS 1.2    5,887 B
//	wss://, TLS 1.3    9,352 B
//
// With TLS 1.3 most of it are two buffers of the handshake, which had to hold the client's
// post-quantum key share, two AES-GCM keys, and tls.Conn itself; the rest is garbage that
// waits for its collection. The buffer for records never shrinks, so one long message
// leaves its length behind.
//
// A broadcast is encrypted for each receiver anew, while plain connections share its
// bytes, also in the queues of those who are slow.
//
// So let a proxy in front terminate TLS if connections are counted in hundreds of
// thousands, if broadcasts to many are what the server is for, or if something in front
// balances load anyway: then ws:// over a trusted network costs the server nothing, and
// its memory is the proxy's to find. Terminate here if there are some ten thousand
// connections, nobody wants to run a second program, or the traffic must be encrypted
// up to this process.
//
// # Limits and deadlines
//
// What a stranger can have the server hold is bounded for each connection, and in all by
// netpoll (MaxConns, TotalPending), and what he can keep waiting has a deadline. These are
// fields of [Server], with their defaults, and what happens beyond them:
//
//	MaxHeader         16 KiB   of a handshake or a request: 431, logged
//	MaxMessage        1 MiB    collected, decompressed: 1009
//	MaxFrame          as MaxMessage: 1009
//	MaxStream         1 GiB    of a message for OnStream: 1009
//	HandshakeTimeout  10 s     from the connection to the end of its header: 408
//	MessageTimeout    30 s     of which MinRate bytes give a second back: 1008
//	MinRate           1 KiB/s  of messages, streams, bodies and answers
//	StreamTimeout     60 s     the same for a stream, and for a Writer: 1008
//	HTTPTimeout       30 s     the same for the body, and the answer, of a request: cut off
//	IdleTimeout       2 min    of an HTTP connection without a request: closed
//	PingInterval      25 s     then a ping
//	PongTimeout       20 s     then closed without a close frame (1006)
//	CloseTimeout      5 s      of the closing handshake, once all was taken: closed
//	Engine.MaxConns   none     a further handshake: 503 with Retry-After, logged
//	Engine.Reserve    64       HTTP requests beside that, no more than MaxConns/8; then reset
//	Engine.TotalPending        an eighth of the memory: the heaviest connections are shed
//
// A time that MinRate gives back is a bucket: it holds no more than the timeout, it runs
// out while a peer is waited for, and what comes, or is taken, fills it. So a peer that is
// slow but steady is never cut off, whatever the size, and one that stalls is, however
// fast it was before. It is not waited for while the connection is held, or not read because it
// does not take what it is sent. Progress of a message is a sign of life, and so is a
// complete frame; any other byte is none. The same is due in every layer: half of a frame's header
// or of a control frame has MessageTimeout, half of a TLS record keeps the pong
// from coming, and the handshakes have times of their own.
//
// A message that is incomplete is charged to its connection (netpoll.Conn.Charge)
// with the memory that it takes, from 4 KiB on, so the largest are shed together with the
// longest queues. A small one costs no more than its connection may anyway.
//
// HTTP connections count as connections, and idle ones give way: when a listener has one
// too many, the oldest that waits for its next request is closed, then the oldest that has
// sent no header or was refused. With TLS a client that has said nothing for a quarter of a
// second goes before those. After them goes any other whose ClientHello has not come, then one
// that has been as silent in its handshake, then one that waits for a place to shake hands.
// The body of a request is not waited for once
// the handler has answered: up to 16 KiB of it are, for 50 ms, so that the connection
// can stay; else the connection ends, after a second at most for the peer to read the answer.
// A Content-Length beside a Transfer-Encoding is refused with 400, and so are a folded line,
// and a length beside a line that breaks the rules. All that is checked of the first
// request of a connection; of later ones net/http does not tell, so one with a
// Transfer-Encoding is the last.
//
// # Who may connect
//
// Handshakes and requests of net/http are judged by the same code: whose page it is
// (Server.CheckOrigin, Origins; [Server.AllowsOrigin]), and whether the host is one of ours
// (Server.Hosts; [Server.CheckHost]), since a page can have its own name point at a
// server on a private address. What a proxy in front says of the client counts only if
// its address is one of Server.Proxies. Refusals are logged, one in ten seconds of each
// kind, with what would allow them.
//
// # Order
//
// Handler methods run in the connection's turn (see netpoll), so one at a time;
// Conn's methods take no lock of this package but extra.mu, takeover.mu and
// stream.mu, under which only netpoll's are taken, and variants.mu of a Prepared, a
// leaf but for those of its parts; they may be called from anywhere, also from
// within a Handler. silentConns.mu is taken when a connection comes or must go, and only
// netpoll's (Conn.mu) under it; idleHTTPConns.mu is a leaf: what it gives is closed after it. OnStream runs beside the turns, but in the order of messages: the
// next one, and OnClose, wait for it. The closing handshake has one switch,
// netpoll.Conn.WriteLast: whoever gets to write the close frame first decides code
// and reason, later writes are refused, and after a close frame was sent or received
// no message is delivered.
package wsproto
