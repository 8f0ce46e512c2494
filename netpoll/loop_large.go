//go:build linux

package netpoll

import (
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// largeReaders waits for the connections of a loop that have brought a large message. easygo
// blocks in epoll_wait, and meanwhile keeps the processor (the scheduler's P) of its
// goroutine until the runtime's monitor takes it away, which lasts from 40 µs to
// milliseconds. With many small messages the loop hardly blocks; but between the
// pieces of large ones it does, each time, and what could run stands still: with 1 MiB
// echoed on two processors a tenth of the time. So this epoll instance is itself
// watched by the runtime's poller, and who waits for it keeps nothing.
//
// That costs two system calls more for an event that comes alone, so it is not for
// everybody. Who has come stays: a connection is in one of the two sets, and no larger
// for it. The goroutine and the instance are made for the first.
type largeReaders struct {
	mu     sync.Mutex
	conns  map[int32]*Conn // by descriptor
	poll   *os.File        // epoll; nil before the first, or after the end
	fd     int             // of poll
	done   chan struct{}
	closed bool
}

// take moves c here from easygo, unless it is here already. Called in c's turn.
func (b *largeReaders) take(c *Conn) {
	if b.add(c) { // an event meanwhile may come from both
		_ = c.loop.poll.Del(int(c.fd))
	}
}

// add reports whether c was taken: if there is no room for it, it stays with easygo.
// What is ready now is an event.
func (b *largeReaders) add(c *Conn) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed || b.conns[c.fd] == c || b.poll == nil && !b.openLocked(c.loop.engine) {
		return false
	}
	ev := unix.EpollEvent{Events: uint32(registration), Fd: c.fd}
	if unix.EpollCtl(b.fd, unix.EPOLL_CTL_ADD, int(c.fd), &ev) != nil {
		return false
	}
	b.conns[c.fd] = c
	return true
}

// remove reports whether c was here, under fd.
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

func (b *largeReaders) openLocked(e *Engine) bool {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return false
	}
	if err = unix.SetNonblock(fd, true); err != nil { // has os.NewFile give it to the runtime's poller
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
	go b.run(e, raw)
	return true
}

// run tells the connections of their events until b is closed.
func (b *largeReaders) run(e *Engine, raw syscall.RawConn) {
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
			e.fail(err)
			return
		}
		for _, ev := range events[:n] {
			// A number may belong to another by now: an event is only a hint.
			if c := b.find(ev.Fd); c != nil {
				c.notify(ev.Events & evSocket)
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
