package main

import (
	"bytes"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// crowdAddrs are addresses for a server that many connect to: the kernel takes long to find a free port for a connection if most
// of those to the same address are in use.
const crowdAddrs = "127.0.0.2:0,127.0.0.3:0,127.0.0.4:0,127.0.0.5:0"

// crowd is many raw connections, which have neither a goroutine nor a buffer each. All of them connect at the same moment.
type crowd struct {
	t       *testing.T
	epoll   int
	events  [512]unix.EpollEvent
	buf     [4096]byte
	conns   []crowdConn
	done    int
	opened  int
	refused map[string]int // by status line
	failed  int            // ended without an answer
}

type crowdConn struct {
	fd      int
	request []byte // nil once it is sent
	answer  []byte
	done    bool // it has its answer, or has failed
	open    bool // it has become a WebSocket
}

// crowdSize returns how many connections a crowd can have: n, unless the process may not open so many.
func crowdSize(t *testing.T, n int) int {
	t.Helper()
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	return min(n, int(limit.Cur)-1000)
}

// storms begins n handshakes at once, spread over addresses and paths, and waits until all have an answer.
func storms(t *testing.T, n int, addrs []string, paths ...string) *crowd {
	t.Helper()
	c := gather(t, n, addrs, paths...)
	c.until("all have an answer", func() bool { return c.done == n })
	return c
}

// gather begins n handshakes at once.
func gather(t *testing.T, n int, addrs []string, paths ...string) *crowd {
	t.Helper()
	c := &crowd{t: t, conns: make([]crowdConn, 0, n), refused: make(map[string]int)}
	var err error
	if c.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.close)
	c.add(n, addrs, paths...)
	return c
}

// add begins n more.
func (c *crowd) add(n int, addrs []string, paths ...string) {
	c.t.Helper()
	for i := range n {
		addr, path := addrs[i%len(addrs)], paths[i/len(addrs)%len(paths)]
		request := fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: fanfare.v1\r\n\r\n", path, addr)
		c.connect(netip.MustParseAddrPort(addr), request)
		if i%64 == 0 {
			c.poll(0) // a client sends its request as soon as it is connected
		}
	}
}

// connect begins to connect.
func (c *crowd) connect(to netip.AddrPort, request []byte) {
	c.t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		c.t.Fatal(err)
	}
	i := len(c.conns)
	c.conns = append(c.conns, crowdConn{fd: fd, request: request})
	if err = unix.Connect(fd, &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}); err == unix.EINPROGRESS || err == nil {
		e := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLET&0xffffffff, Fd: int32(i)}
		err = unix.EpollCtl(c.epoll, unix.EPOLL_CTL_ADD, fd, &e)
	}
	if err != nil {
		c.t.Fatal(err)
	}
}

// until handles events until cond holds.
func (c *crowd) until(what string, cond func() bool) {
	c.t.Helper()
	for end := time.Now().Add(time.Minute); !cond(); {
		if c.poll(100); time.Now().After(end) {
			c.t.Fatalf("it does not come to this: %s; of %d handshakes %d have succeeded, %d have failed, and %v were refused",
				what, len(c.conns), c.opened, c.failed, c.refused)
		}
	}
}

// poll handles events, and waits for so many milliseconds at most if there is none.
func (c *crowd) poll(most int) {
	c.t.Helper()
	n, err := unix.EpollWait(c.epoll, c.events[:], most)
	if err != nil && err != unix.EINTR {
		c.t.Fatal(err)
	}
	for _, e := range c.events[:max(n, 0)] {
		c.proceed(&c.conns[e.Fd], e.Events)
	}
}

// proceed handles an event of a connection.
func (c *crowd) proceed(conn *crowdConn, events uint32) {
	if events&unix.EPOLLOUT != 0 && conn.request != nil {
		_, _ = unix.Write(conn.fd, conn.request)
		conn.request = nil
	}
	if conn.done || events&(unix.EPOLLIN|unix.EPOLLHUP|unix.EPOLLERR) == 0 {
		return
	}
	n, err := unix.Read(conn.fd, c.buf[:])
	if err == unix.EAGAIN {
		return
	}
	conn.answer = append(conn.answer, c.buf[:max(n, 0)]...)
	line, _, _ := bytes.Cut(conn.answer, []byte("\r\n"))
	switch {
	case bytes.Contains(conn.answer, []byte("\r\n\r\n")):
		if bytes.HasPrefix(line, []byte("HTTP/1.1 101 ")) {
			c.opened++
			conn.open = true
		} else {
			c.refused[string(line)]++
		}
	case n > 0:
		return
	default:
		c.failed++
	}
	conn.answer, conn.done = nil, true
	c.done++
}

// hangUp closes the first n connections that are open.
func (c *crowd) hangUp(n int) {
	for i := range c.conns {
		if conn := &c.conns[i]; conn.open && n > 0 {
			conn.open = false
			_ = unix.Shutdown(conn.fd, unix.SHUT_RDWR)
			n--
		}
	}
}

// reset ends all connections with RST, as nearly at the same moment as a process can.
func (c *crowd) reset() {
	for _, conn := range c.conns {
		_ = unix.SetsockoptLinger(conn.fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	}
	c.close()
}

func (c *crowd) close() {
	if c.epoll >= 0 {
		unix.Close(c.epoll)
		c.epoll = -1
	}
	var all sync.WaitGroup
	const parts = 4
	for part := range parts {
		all.Go(func() {
			for i := part; i < len(c.conns); i += parts {
				unix.Close(c.conns[i].fd)
			}
		})
	}
	all.Wait()
	c.conns = nil
}
