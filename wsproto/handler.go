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

// Funcs is a [Handler] made of functions; those that are nil do nothing.
type Funcs struct {
	Open    func(c *Conn, r *Request)
	Message func(c *Conn, op Opcode, payload []byte)
	Close   func(c *Conn, err *CloseError)
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
