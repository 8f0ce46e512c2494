//go:build linux

package netpoll

import (
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// largeReaders is a second epoll instance of a loop, for the connections that have received a
// large message. easygo blocks in epoll_wait, and meanwhile its
// goroutine keeps its processor (the scheduler's P) until the runtime's monitor takes it away,
// after 40 µs to milliseconds. With many small messages the loop hardly ever blocks. But it does
// between any two pieces of a large message, and other goroutines stand still meanwhile: for a
// tenth of the time when 1 MiB is echoed on two processors. So this epoll instance is itself
// watched by the runtime's poller, and its goroutine keeps no processor while it waits.
//
// An event that comes alone costs two system calls more this way, so other connections stay
// with easygo. A connection that has moved here stays here; it is in one of the two sets, and
// needs no more memory for that. The goroutine and the instance are created for the first
// connection.
type largeReaders struct {
	mu     sync.Mutex
	conns  map[int32]*Conn // by descriptor
	poll   *os.File        // epoll; nil before the first connection and after the end
	fd     int             // of poll
	done   chan struct{}
	closed bool
}

// largeEvents says what to do with events, and with the error that ends them.
type largeEvents struct {
	notify func(*Conn, uint32)
	fail   func(error)
}

// has reports whether c is here.
func (b *largeReaders) has(c *Conn) bool { return b.find(c.fd) == c }

// add reports whether c was added; if epoll refuses it, it stays with easygo. If c is
// readable or writable now, that raises an event.
func (b *largeReaders) add(c *Conn, do largeEvents) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed || b.conns[c.fd] == c || b.poll == nil && !b.openLocked(do) {
		return false
	}
	ev := unix.EpollEvent{Events: uint32(registration), Fd: c.fd}
	if unix.EpollCtl(b.fd, unix.EPOLL_CTL_ADD, int(c.fd), &ev) != nil {
		return false
	}
	b.conns[c.fd] = c
	return true
}

// remove removes c, whose descriptor is or was fd. It reports whether c was here.
func (b *largeReaders) remove(c *Conn, fd int32) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.conns[fd] != c {
		return false
	}
	delete(b.conns, fd)
	if !b.closed {
		_ = unix.EpollCtl(b.fd, unix.EPOLL_CTL_DEL, int(fd), nil)
	}
	return true
}

func (b *largeReaders) openLocked(do largeEvents) bool {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return false
	}
	if err = unix.SetNonblock(fd, true); err != nil { // so that os.NewFile gives it to the runtime's poller
		unix.Close(fd)
		return false
	}
	poll := os.NewFile(uintptr(fd), "epoll")
	raw, err := poll.SyscallConn()
	if err != nil {
		poll.Close()
		return false
	}
	b.conns = make(map[int32]*Conn)
	b.poll, b.fd, b.done = poll, fd, make(chan struct{})
	go b.run(do, raw)
	return true
}

// run passes events to the connections until b is closed.
func (b *largeReaders) run(do largeEvents, raw syscall.RawConn) {
	defer close(b.done)
	var (
		events [128]unix.EpollEvent
		n      int
		err    error
	)
	wait := func(fd uintptr) bool {
		for {
			n, err = unix.EpollWait(int(fd), events[:], 0)
			if err != unix.EINTR {
				return n != 0
			}
		}
	}
	for raw.Read(wait) == nil {
		if err != nil {
			do.fail(err)
			return
		}
		for _, ev := range events[:n] {
			// The number may belong to another connection by now: an event is only a hint.
			if c := b.find(ev.Fd); c != nil {
				do.notify(c, ev.Events&evSocket)
			}
		}
	}
}

func (b *largeReaders) find(fd int32) *Conn {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.conns[fd]
}

// close ends the goroutine, if there is one.
func (b *largeReaders) close() {
	b.mu.Lock()
	b.closed = true
	poll := b.poll
	b.poll = nil
	b.mu.Unlock()
	if poll != nil {
		poll.Close()
		<-b.done
	}
}
