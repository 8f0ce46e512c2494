//go:build linux

package netpoll

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"golang.org/x/sys/unix"
)

// Any mixture of adding and sending keeps every byte and their order.
func TestOutboundAgainstModel(t *testing.T) {
	noLeaks(t)
	fds := must[[2]int](t)(unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0))
	defer unix.Close(fds[0])
	defer unix.Close(fds[1])
	_ = unix.SetsockoptInt(fds[0], unix.SOL_SOCKET, unix.SO_SNDBUF, 8<<10) // has writes end half-way
	rnd := rand.New(rand.NewPCG(1, 2))
	var o outQueue
	var want, got []byte
	buf := make([]byte, 64<<10)
	receiveSome := func() {
		for range rnd.IntN(4) {
			n, _ := unix.Read(fds[1], buf[:1+rnd.IntN(len(buf))])
			got = append(got, buf[:max(0, n)]...)
		}
	}
	for range 20000 {
		switch rnd.IntN(6) {
		case 0, 1:
			p := make([]byte, 1+rnd.IntN(300))
			pattern(p, rnd.Int())
			o.add(NewBuffer(p))
			want = append(want, p...)
		case 2, 3:
			p := make([]byte, 1+rnd.IntN(1<<rnd.IntN(16)))
			pattern(p, rnd.Int())
			cut := rnd.IntN(len(p) + 1)
			o.copyIn(p[:cut], p[cut:])
			want = append(want, p...)
			clear(p) // they are the caller's again
		case 4:
			if _, errno := o.send(int32(fds[0])); errno != 0 {
				t.Fatal(errno)
			}
		case 5:
			receiveSome()
		}
	}
	for o.bytes > 0 || len(got) < len(want) {
		if _, errno := o.send(int32(fds[0])); errno != 0 {
			t.Fatal(errno)
		}
		receiveSome()
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("%d bytes arrived, not the %d that were queued", len(got), len(want))
	}
	for _, s := range o.segs[:o.head] {
		if s.Buffer != nil {
			t.Fatal("a buffer is kept after it was sent")
		}
	}
}

// A peer who takes nothing costs memory in proportion to the bytes that wait,
// however small the writes are.
func TestOutboundOfTinyWrites(t *testing.T) {
	var o outQueue
	const writes = 1 << 20
	for range writes {
		o.copyIn([]byte{1}, []byte{2})
	}
	kept := segmentSize * cap(o.segs)
	for _, s := range o.segs {
		kept += bufferSize + cap(s.b)
	}
	if o.bytes != 2*writes || kept > 2*o.bytes {
		t.Errorf("%d bytes wait in %d bytes of memory", o.bytes, kept)
	}
}

// The list of a queue that never runs empty does not grow for ever.
func TestOutboundListIsBounded(t *testing.T) {
	var o outQueue
	b := NewBuffer([]byte("0123456789"))
	for range 50 {
		o.add(b)
	}
	for range 100000 {
		o.add(b)
		o.advance(b.Len())
	}
	if cap(o.segs) > 1000 {
		t.Errorf("a queue of 50 buffers has a list of %d", cap(o.segs))
	}
}
