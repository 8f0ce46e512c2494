//go:build linux

package netpoll

import (
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/fanfare-ws/fanfare/netpoll/internal/sys"
)

// BenchmarkEcho has 100 connections under way at the same time. It measures
// dispatch, including the system calls of both sides.
func BenchmarkEcho(b *testing.B) {
	const conns = 100
	for _, size := range []int{128, 4096} {
		b.Run(fmt.Sprintf("%dB", size), func(b *testing.B) {
			s := serve(b, Options{}, func(p *peer) {
				p.onData = func(data []byte) int {
					p.c.Write(nil, data)
					return len(data)
				}
			})
			clients := make([]int, conns)
			for i := range clients {
				clients[i] = blockingClient(b, s.addr)
			}
			data, buf := make([]byte, size), make([]byte, size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			b.ResetTimer()
			for sent := 0; sent < b.N; {
				batch := clients[:min(conns, b.N-sent)]
				sent += len(batch)
				for _, fd := range batch {
					if _, err := unix.Write(fd, data); err != nil {
						b.Fatal(err)
					}
				}
				for _, fd := range batch {
					for n := 0; n < size; {
						n += readSome(b, fd, buf[n:])
					}
				}
			}
		})
	}
}

// blockingClient connects a socket that the Go runtime does not know, so that it
// costs nothing but its system calls.
func blockingClient(b *testing.B, addr string) (fd int) {
	b.Helper()
	fd = must[int](b)(unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0))
	b.Cleanup(func() { unix.Close(fd) })
	_ = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 10})
	if err := unix.Connect(fd, sys.Sockaddr(netip.MustParseAddrPort(addr))); err != nil {
		b.Fatal(err)
	}
	return fd
}

// BenchmarkFanOut delivers one buffer to many connections, whose clients throw it
// away; an operation is one delivery.
func BenchmarkFanOut(b *testing.B) {
	for _, conns := range []int{10, 1000} {
		b.Run(fmt.Sprintf("%d", conns), func(b *testing.B) {
			s := serve(b, Options{MaxPending: 64 << 20}, func(*peer) {})
			peers := make([]*peer, conns)
			var got atomic.Int64
			for i := range peers {
				var nc net.Conn
				nc, peers[i] = s.connect(b)
				go func() {
					buf := make([]byte, 64<<10)
					for {
						n, err := nc.Read(buf)
						if got.Add(int64(n)); err != nil {
							return
						}
					}
				}()
			}
			buf := NewBuffer(make([]byte, 128))
			b.SetBytes(int64(buf.Len()))
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				if o := peers[i%conns].c.WriteBuffer(buf); !o.OK() {
					b.Fatal(o)
				}
			}
			eventually(b, "all is delivered", func() bool { return got.Load() == int64(b.N*buf.Len()) })
		})
	}
}
