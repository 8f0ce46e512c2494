package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"runtime"
	"slices"
	"time"
	"unsafe"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"
)

// serveArg has the program be the server: floor serve HOST:PORT. It writes its address
// on a line, and then one for each message: how many nanoseconds the loop over the
// sockets took.
const serveArg = "serve"

// server sends each message to all connections but the one that it came from. There
// is one thread. Whose socket does not take a frame whole is closed, which the client
// notices.
type server struct {
	epoll, listener int
	fds             []int
	rest            map[int][]byte // by descriptor: what came of a frame that is not whole
	in              []byte
	out             io.Writer
}

// serve returns only with an error.
func serve(addr string, out io.Writer) error {
	runtime.LockOSThread()
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
	s := &server{listener: int(f.Fd()), rest: map[int][]byte{}, in: make([]byte, 64<<10), out: out}
	if s.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return err
	}
	if err := s.watch(s.listener); err != nil {
		return err
	}
	fmt.Fprintln(out, l.Addr())
	return s.run()
}

func (s *server) watch(fd int) error {
	return unix.EpollCtl(s.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)})
}

func (s *server) run() error {
	events := make([]unix.EpollEvent, 256)
	for {
		n, err := unix.EpollWait(s.epoll, events, -1)
		if err != nil && err != unix.EINTR {
			return err
		}
		for _, e := range events[:max(n, 0)] {
			if fd := int(e.Fd); fd == s.listener {
				s.accept()
			} else if !s.read(fd) {
				s.drop(fd)
			}
		}
	}
}

// accept answers a handshake. All others wait meanwhile: nothing is measured yet.
func (s *server) accept() {
	fd, _, err := unix.Accept4(s.listener, unix.SOCK_CLOEXEC)
	if err != nil {
		return
	}
	_ = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 5})
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	if _, err := ws.Upgrade(socket(fd)); err != nil || unix.SetNonblock(fd, true) != nil || s.watch(fd) != nil {
		unix.Close(fd)
		return
	}
	s.fds = append(s.fds, fd)
}

// socket is a descriptor that blocks.
type socket int

func (fd socket) Read(p []byte) (int, error) {
	n, err := unix.Read(int(fd), p)
	if n == 0 && err == nil {
		return 0, io.EOF
	}
	return max(n, 0), err
}

func (fd socket) Write(p []byte) (int, error) { return unix.Write(int(fd), p) }

// read takes what came on a connection; false is its end.
func (s *server) read(fd int) bool {
	n, err := unix.Read(fd, s.in)
	if err == unix.EAGAIN || err == unix.EINTR {
		return true
	}
	if err != nil || n == 0 {
		return false
	}
	b, ok := s.publish(fd, append(s.rest[fd], s.in[:n]...))
	if delete(s.rest, fd); len(b) > 0 {
		s.rest[fd] = slices.Clone(b)
	}
	return ok
}

// publish sends the messages in b and returns what is left, which is not whole.
func (s *server) publish(from int, b []byte) (rest []byte, ok bool) {
	for len(b) > 0 {
		r := bytes.NewReader(b)
		h, err := ws.ReadHeader(r)
		if err == io.EOF || err == io.ErrUnexpectedEOF || err == nil && h.Length > int64(r.Len()) {
			return b, len(b) < 1<<20
		}
		if err != nil || !h.Fin || h.OpCode.IsControl() || h.OpCode == ws.OpContinuation {
			return nil, false // closed, or no message of the load
		}
		start := len(b) - r.Len()
		p := b[start : start+int(h.Length)]
		ws.Cipher(p, h.Mask, 0)
		s.send(from, ws.MustCompileFrame(ws.NewFrame(h.OpCode, true, p)))
		b = b[start+len(p):]
	}
	return nil, true
}

// send is the floor.
func (s *server) send(from int, frame []byte) {
	start := time.Now()
	for i := len(s.fds) - 1; i >= 0; i-- { // so that drop moves only those that had their turn
		if fd := s.fds[i]; fd != from && !write(fd, frame) {
			s.drop(fd)
		}
	}
	fmt.Fprintln(s.out, time.Since(start).Nanoseconds())
}

// write is write(2) and nothing else: the scheduler is not told, since the descriptor
// does not block.
func write(fd int, b []byte) bool {
	n, _, e := unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	return e == 0 && int(n) == len(b)
}

func (s *server) drop(fd int) {
	i := slices.Index(s.fds, fd)
	if i < 0 {
		return
	}
	last := len(s.fds) - 1
	s.fds[i] = s.fds[last]
	s.fds = s.fds[:last]
	delete(s.rest, fd)
	unix.Close(fd)
}
