package servers

import (
	"bytes"
	"errors"
	"io"
	"net"
	"slices"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"
)

// maxInput bounds the incomplete input of a connection: the header of a handshake, or a message.
const maxInput = 1 << 20

// loop is a minimal echo server. A connection is a descriptor, an incomplete frame, and pending output.
type loop struct {
	epoll, listener int
	broadcast       bool      // send messages to all
	bare            bool      // for floor.go
	times           *times    // for the broadcast of floor.go; otherwise nil
	conns           []*client // by descriptor
	in, out         []byte    // of the client whose turn it is
	reader          bytes.Reader
}

type client struct {
	open    bool   // the handshake is done
	left    uint32 // missing bytes of a payload, with its mask, for floor.go
	mask    uint32
	rest    []byte // incomplete input
	pending []byte // output that waits for the socket
}

func epoll(broadcast bool) Serve {
	return func(addr string, ready func(net.Addr)) error {
		return (&loop{broadcast: broadcast}).serve(addr, ready)
	}
}

func (p *loop) serve(addr string, ready func(net.Addr)) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	defer l.Close()
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		return err
	}
	defer f.Close()
	if p.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return err
	}
	p.listener, p.in = int(f.Fd()), make([]byte, 64<<10)
	if err := unix.SetNonblock(p.listener, true); err != nil {
		return err
	}
	if err := p.control(unix.EPOLL_CTL_ADD, p.listener, unix.EPOLLIN); err != nil {
		return err
	}
	ready(l.Addr())
	return p.run()
}

func (l *loop) control(op, fd int, events uint32) error {
	return unix.EpollCtl(l.epoll, op, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)})
}

func (l *loop) run() error {
	events := make([]unix.EpollEvent, 256)
	for {
		n, err := unix.EpollWait(l.epoll, events, -1)
		if err != nil && err != unix.EINTR {
			return err
		}
		for _, e := range events[:max(n, 0)] {
			if fd := int(e.Fd); fd == l.listener {
				l.accept()
			} else if c := l.conns[fd]; c != nil && l.turn(fd, c) != nil {
				l.drop(fd)
			}
		}
	}
}

func (l *loop) drop(fd int) {
	l.conns[fd] = nil
	unix.Close(fd)
}

func (l *loop) accept() {
	for {
		fd, _, err := unix.Accept4(l.listener, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		if err != nil {
			return
		}
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
		if l.control(unix.EPOLL_CTL_ADD, fd, unix.EPOLLIN) != nil {
			unix.Close(fd)
			continue
		}
		if fd >= len(l.conns) {
			l.conns = append(l.conns, make([]*client, fd+1-len(l.conns))...)
		}
		l.conns[fd] = new(client)
	}
}

// turn reads once and answers. It does not read from a client whose output is pending.
func (l *loop) turn(fd int, c *client) error {
	if len(c.pending) > 0 {
		return l.write(fd, c, c.pending)
	}
	n, err := unix.Read(fd, l.in)
	switch {
	case err == unix.EAGAIN || err == unix.EINTR:
		return nil
	case err != nil:
		return err
	case n == 0:
		return io.EOF
	}
	b := l.in[:n]
	if len(c.rest) > 0 {
		b = append(c.rest, b...)
	}
	if b, err = l.handshake(fd, c, b); err != nil {
		return err
	}
	l.out = l.out[:0]
	if c.open {
		b, err = l.answer(c, b)
		if l.times != nil {
			l.toOthers(fd)
		}
		if err != nil {
			return err
		}
	}
	if c.rest = nil; len(b) > 0 {
		c.rest = slices.Clone(b)
	}
	if l.broadcast {
		l.toAll()
		return nil
	}
	return l.write(fd, c, l.out)
}

// toAll sends l.out to all clients. It drops a client with too much pending output.
func (l *loop) toAll() {
	if len(l.out) == 0 {
		return
	}
	for fd, c := range l.conns {
		switch {
		case c == nil || !c.open:
		case len(c.pending) > maxInput:
			l.drop(fd)
		case len(c.pending) > 0:
			c.pending = append(c.pending, l.out...)
		case l.write(fd, c, l.out) != nil:
			l.drop(fd)
		}
	}
}

// handshake answers the handshake, unless that is done, and returns the bytes after it.
func (l *loop) handshake(fd int, c *client, b []byte) ([]byte, error) {
	if len(b) > maxInput {
		return nil, errors.New("the input is too long")
	}
	end := bytes.Index(b, []byte("\r\n\r\n"))
	if c.open || end < 0 {
		return b, nil
	}
	c.open = true
	if l.bare {
		return b[end+4:], l.write(fd, c, bareAnswer(b))
	}
	var answer bytes.Buffer
	request := struct {
		io.Reader
		io.Writer
	}{bytes.NewReader(b[:end+4]), &answer}
	if _, err := ws.Upgrade(request); err != nil {
		return nil, err
	}
	return b[end+4:], l.write(fd, c, answer.Bytes())
}

// answer adds the answers to the frames in b to l.out, and returns the incomplete rest of b.
func (l *loop) answer(c *client, b []byte) ([]byte, error) {
	if l.bare {
		return l.reflect(c, b)
	}
	for len(b) > 0 {
		r := &l.reader
		r.Reset(b)
		h, err := ws.ReadHeader(r)
		if err != nil || int64(r.Len()) < h.Length {
			return b, incomplete(err)
		}
		start := len(b) - r.Len()
		p := b[start : start+int(h.Length)]
		b = b[start+len(p):]
		if err := l.echo(h, p); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// incomplete returns nil for errors that further bytes will resolve.
func incomplete(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return nil
	}
	return err
}

func (l *loop) echo(h ws.Header, p []byte) error {
	ws.Cipher(p, h.Mask, 0)
	switch {
	case h.OpCode == ws.OpClose:
		return io.EOF
	case h.OpCode == ws.OpPing:
		h.OpCode = ws.OpPong
	case h.OpCode == ws.OpPong:
		return nil
	case !h.Fin || h.OpCode == ws.OpContinuation:
		return errors.New("fragments are not supported")
	}
	w := appender{l}
	if err := ws.WriteHeader(w, ws.Header{Fin: true, OpCode: h.OpCode, Length: int64(len(p))}); err != nil {
		return err
	}
	l.out = append(l.out, p...)
	return nil
}

// appender is l.out as an io.Writer.
type appender struct{ *loop }

func (a appender) Write(p []byte) (int, error) {
	a.out = append(a.out, p...)
	return len(p), nil
}

// write sends b, which may be c.pending. The bytes that the socket does not accept become c.pending.
func (l *loop) write(fd int, c *client, b []byte) error {
	waited := len(c.pending) > 0
	for len(b) > 0 {
		n, err := unix.Write(fd, b)
		if err == unix.EAGAIN {
			break
		}
		if err != nil && err != unix.EINTR {
			return err
		}
		b = b[max(n, 0):]
	}
	if len(b) > 0 {
		c.pending = slices.Clone(b)
		if waited {
			return nil
		}
		return l.control(unix.EPOLL_CTL_MOD, fd, unix.EPOLLOUT)
	}
	if c.pending = nil; waited {
		return l.control(unix.EPOLL_CTL_MOD, fd, unix.EPOLLIN)
	}
	return nil
}
