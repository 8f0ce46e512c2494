package wsproto

// Handler is what a program does with a connection. Its methods are called for
// one connection one at a time, in the order OnOpen, any number of OnMessage,
// OnClose; for different connections at the same time. They run on a bounded
// number of workers and may block, but each that does keeps one worker.
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

// Funcs is a [Handler], [PingHandler] and [PongHandler] made of functions; those that are nil do nothing.
type Funcs struct {
	Open    func(c *Conn, r *Request)
	Message func(c *Conn, op Opcode, payload []byte)
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
