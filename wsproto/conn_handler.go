package wsproto

import "io"

// Handler is what a program does with a connection. Its methods are called for
// one connection one at a time, in the order OnOpen, any number of OnMessage,
// OnClose; for different connections at the same time. They run on a bounded
// number of workers and may block, but each that does keeps one worker. A panic is
// logged and closes the connection with 1011. See [StreamHandler] for messages that
// are too large to be collected.
type Handler interface {
	// OnOpen is called when the handshake is done. r is valid during the call.
	OnOpen(c *Conn, r *Request)
	// OnMessage is called for each message, Text or Binary, with its payload,
	// which may be changed, but not kept: it is valid during the call. Text is
	// UTF-8.
	OnMessage(c *Conn, op Opcode, payload []byte)
	// OnClose is called once, after the last OnMessage, if OnOpen was.
	OnClose(c *Conn, err *CloseError)
}

// PingHandler is a [Handler] that wants to see pings. OnPing is called when the pong
// has been sent, which needs no program (RFC 6455, 5.5.2), in the order of the
// messages; payload, of up to 125 bytes, is valid during the call.
type PingHandler interface {
	OnPing(c *Conn, payload []byte)
}

// PongHandler is a [Handler] that wants to see pongs: answers to Conn.Ping, to the
// server's own pings, which are empty, and what a peer sends unasked (RFC 6455,
// 5.5.3). payload, of up to 125 bytes, is valid during the call.
type PongHandler interface {
	OnPong(c *Conn, payload []byte)
}

// ReadHandler is a [Handler] that wants to know when it has been given all messages that
// a read has brought, one or hundreds: to store them together, say, or to look at the
// clock once for all.
type ReadHandler interface {
	Handler
	// OnReadEnd is called after the last OnMessage of a read, also if there was none; not
	// if OnMessage panics.
	OnReadEnd(c *Conn)
}

// StreamHandler is a [Handler] that takes large messages as they come, in memory that
// is bounded whatever their size: see Server.StreamAbove and Conn.StreamAll.
type StreamHandler interface {
	Handler
	// OnStream is called for a message, Text or Binary, of which r reads the
	// payload to io.EOF. It is valid during the call, for one goroutine at a time.
	//
	// OnStream runs beside the connection's turns, so it may block, at the price
	// of one of Engine.Background goroutines; when those are all at work, it waits,
	// and its message unread, until one returns. In the order of messages nothing
	// changes: the next message and OnClose wait until OnStream has returned. Pings
	// are answered meanwhile.
	//
	// If OnStream returns nil before the end, the rest of the message is thrown
	// away as it comes. An error, or a panic, closes the connection with 1011.
	//
	// r fails at once when the connection ends before the message does, with an
	// error that wraps io.ErrUnexpectedEOF and the [CloseError]; also if the next
	// bytes do not come within Server.StreamTimeout (then it wraps
	// os.ErrDeadlineExceeded too, and the connection is closed with 1008), if text
	// is not UTF-8 (1007), and if the message is larger than Server.MaxStream
	// (1009). What it read of text by then may end within a rune. r has WriteTo, if the
	// message was not compressed, which io.Copy uses to save a copy.
	OnStream(c *Conn, op Opcode, r io.Reader) error
}

// streamer returns h as a StreamHandler, or nil.
func streamer(h Handler) StreamHandler {
	if f, ok := h.(*Funcs); ok && f.Stream == nil {
		return nil
	}
	s, _ := h.(StreamHandler)
	return s
}

// Funcs is a [Handler], [PingHandler] and [PongHandler] made of functions; those that
// are nil do nothing. It is a [StreamHandler] if Stream is not nil when the connection
// opens.
type Funcs struct {
	Open    func(c *Conn, r *Request)
	Message func(c *Conn, op Opcode, payload []byte)
	Stream  func(c *Conn, op Opcode, r io.Reader) error
	Close   func(c *Conn, err *CloseError)
	Ping    func(c *Conn, payload []byte)
	Pong    func(c *Conn, payload []byte)
}

// OnOpen calls Open.
func (f *Funcs) OnOpen(c *Conn, r *Request) {
	if f.Open != nil {
		f.Open(c, r)
	}
}

// OnMessage calls Message.
func (f *Funcs) OnMessage(c *Conn, op Opcode, payload []byte) {
	if f.Message != nil {
		f.Message(c, op, payload)
	}
}

// OnStream calls Stream.
func (f *Funcs) OnStream(c *Conn, op Opcode, r io.Reader) error { return f.Stream(c, op, r) }

// OnClose calls Close.
func (f *Funcs) OnClose(c *Conn, err *CloseError) {
	if f.Close != nil {
		f.Close(c, err)
	}
}

// OnPing calls Ping.
func (f *Funcs) OnPing(c *Conn, payload []byte) {
	if f.Ping != nil {
		f.Ping(c, payload)
	}
}

// OnPong calls Pong.
func (f *Funcs) OnPong(c *Conn, payload []byte) {
	if f.Pong != nil {
		f.Pong(c, payload)
	}
}
