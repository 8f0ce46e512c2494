package wsproto

import "io"

// PingHandler is a [Handler] that is told of pings. The server answers each ping itself (RFC
// 6455, 5.5.2), and then calls OnPing, in the order of the messages. payload has up to 125
// bytes and is valid during the call.
type PingHandler interface {
	OnPing(c *Conn, payload []byte)
}

// PongHandler is a [Handler] that is told of pongs: answers to Conn.Ping, answers to the
// server's own pings, which are empty, and unsolicited ones (RFC 6455, 5.5.3). payload has up
// to 125 bytes and is valid during the call.
type PongHandler interface {
	OnPong(c *Conn, payload []byte)
}

// ReadHandler is a [Handler] that is told when it has received all messages of a read, one or
// hundreds. It can store them together, for example, or read the clock once for all of them.
type ReadHandler interface {
	Handler
	// OnReadEnd is called after the last OnMessage of a read, also if there was none, but not
	// if OnMessage panicked.
	OnReadEnd(c *Conn)
}

// DrainHandler is a [Handler] that ends its connections itself in Server.Drain: for example one
// that first sends what it holds back for the connection.
type DrainHandler interface {
	Handler
	// OnDrain is called in place of a close frame with 1012 (service restart). The handler must
	// send one soon with Conn.Close, and before Drain's context is done, when the connection is
	// cut. OnDrain may be called from any goroutine, beside other calls of the connection, and
	// more than once; but not before OnOpen has returned, when a connection gets the close frame
	// at once, and not beside or after OnClose, or after Conn.Leave. It must not block: it runs
	// for one connection of the server at a time, and OnClose waits for it. A panic is logged and
	// closes the connection with 1011.
	OnDrain(c *Conn)
}

// StreamHandler is a [Handler] that takes large messages as they come, in memory that is
// bounded whatever their size: see Server.StreamAbove and Conn.StreamAll.
type StreamHandler interface {
	Handler
	// OnStream is called for a message, of type Text or Binary, whose payload r reads up to
	// io.EOF. r is valid during the call, for one goroutine at a time.
	//
	// OnStream runs beside the connection's turns, so it may block. It occupies one of
	// Engine.Background goroutines; when all of these are busy, OnStream waits, and its
	// message remains unread, until one returns. The order of messages does not change: the
	// next message and OnClose wait until OnStream has returned. Pings are answered
	// meanwhile.
	//
	// If OnStream returns nil before the end, the rest of the message is discarded as it
	// comes. An error or a panic closes the connection with 1011.
	//
	// If the connection ends before the message does, r fails at once, with an error that
	// wraps io.ErrUnexpectedEOF and the [CloseError]. It also fails if the next bytes do not
	// come within Server.StreamTimeout (the error wraps os.ErrDeadlineExceeded too, and the
	// connection is closed with 1008), if text is not UTF-8 (1007), and if the message is
	// larger than Server.MaxStream (1009). Text that was read by then may end within a rune.
	// Unless the message was compressed r has WriteTo, with which io.Copy saves a copy.
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

// handlerFlags returns the flags that say what else than a Handler h is.
func handlerFlags(h Handler) (flags uint32) {
	if streamer(h) != nil {
		flags |= flagStream
	}
	if _, ok := h.(ReadHandler); ok {
		flags |= flagReadEnd
	}
	return flags
}

// Funcs is a [Handler], [PingHandler] and [PongHandler] made of functions; nil ones do
// nothing. It is a [StreamHandler] if Stream is not nil when the connection opens.
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
