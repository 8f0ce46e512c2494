package wsproto

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// BenchmarkLargeEcho has 4 connections, each with 2 messages of 1 MiB under way,
// echoed by a Server and by a bare TCP server that reads and writes 64 KiB at a
// time. They take turns, so that the ratio of the two says more than either.
func BenchmarkLargeEcho(b *testing.B) {
	const conns, inFlight, size = 4, 2, 1 << 20
	s := &Server{Handler: &Funcs{Message: func(c *Conn, op Opcode, p []byte) {
		if o := c.Send(op, p); !o.OK() {
			b.Errorf("echo: %v", o)
		}
	}}}
	ours := make([]*peer, conns)
	bare := make([]*peer, conns)
	addr, bareAddr := listen(b, s), listenBare(b)
	for i := range conns {
		ours[i], bare[i] = dialPeer(b, addr), dialTCP(b, bareAddr)
		for _, p := range []*peer{ours[i], bare[i]} {
			_ = p.nc.SetDeadline(time.Time{})
		}
	}
	frame := []byte(masked(0x82, letters(size)))
	echoed := len(frame) - 4
	// round sends n messages on each connection and reads the echo.
	round := func(peers []*peer, n, echoed int) time.Duration {
		begin := time.Now()
		var all sync.WaitGroup
		for _, p := range peers {
			window := make(chan struct{}, inFlight)
			all.Go(func() {
				for range n {
					window <- struct{}{}
					if _, err := p.nc.Write(frame); err != nil {
						b.Error(err)
					}
				}
			})
			all.Go(func() {
				in := make([]byte, 256<<10)
				for range n {
					for left := echoed; left > 0; {
						m, err := p.nc.Read(in[:min(left, len(in))])
						if err != nil {
							b.Error(err)
							return
						}
						left -= m
					}
					<-window
				}
			})
		}
		all.Wait()
		return time.Since(begin)
	}
	var we, they time.Duration
	const batch = 8
	b.SetBytes(2 * conns * batch * size)
	for b.Loop() {
		they += round(bare, batch, len(frame))
		we += round(ours, batch, echoed)
	}
	b.ReportMetric(float64(b.N)*conns*batch*size/1e6/we.Seconds(), "MB/s")
	b.ReportMetric(float64(b.N)*conns*batch*size/1e6/they.Seconds(), "tcp-MB/s")
	b.ReportMetric(they.Seconds()/we.Seconds(), "of-tcp")
}

// listenBare starts a TCP server that echoes.
func listenBare(t testing.TB) (addr string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer nc.Close()
				// Without what would make of it a splice in the kernel.
				_, _ = io.CopyBuffer(struct{ io.Writer }{nc}, struct{ io.Reader }{nc}, make([]byte, 64<<10))
			}()
		}
	}()
	return l.Addr().String()
}
