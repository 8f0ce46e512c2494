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
// # Order
//
// Handler methods run in the connection's turn (see netpoll), so one at a time;
// Conn's methods take no lock of this package but extra.mu, takeover.mu and
// stream.mu, under which only netpoll's are taken, and variants.mu of a Prepared, a
// leaf but for those of its parts; they may be called from anywhere, also from
// within a Handler. OnStream runs beside the turns, but in the order of messages: the
// next one, and OnClose, wait for it. The closing handshake has one switch,
// netpoll.Conn.WriteLast: whoever gets to write the close frame first decides code
// and reason, later writes are refused, and after a close frame was sent or received
// no message is delivered.
package wsproto
