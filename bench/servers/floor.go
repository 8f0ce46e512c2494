package servers

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"expvar"
	"math/bits"
	"net"
	"slices"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// floor is the loop without the WebSocket protocol. It sends data back with another header and without the mask, because the
// client checks these, and checks nothing itself. No server on one thread can be cheaper.
func floor(addr string, ready func(net.Addr)) error {
	return (&loop{bare: true}).serve(addr, ready)
}

// bareAnswer answers the key of a handshake and ignores its other fields.
func bareAnswer(b []byte) []byte {
	_, key, _ := bytes.Cut(b, []byte("Sec-WebSocket-Key: "))
	key, _, _ = bytes.Cut(key, []byte("\r\n"))
	sum := sha1.Sum(append(bytes.Clone(key), "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"...))
	answer := []byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ")
	return append(base64.StdEncoding.AppendEncode(answer, sum[:]), "\r\n\r\n"...)
}

// reflect is answer for the floor. It does not wait for complete messages.
func (l *loop) reflect(c *client, b []byte) ([]byte, error) {
	for len(b) > 0 {
		if c.left == 0 {
			size, err := l.header(c, b)
			if size == 0 || err != nil {
				return b, err
			}
			b = b[size:]
		}
		n := min(int(c.left), len(b))
		l.out = append(l.out, b[:n]...)
		unmask(l.out[len(l.out)-n:], c.mask)
		c.mask = bits.RotateLeft32(c.mask, -8*n)
		c.left -= uint32(n)
		b = b[n:]
	}
	return nil, nil
}

// header answers the header of a frame and returns its size: 0 if it is incomplete.
func (l *loop) header(c *client, b []byte) (size int, err error) {
	if len(b) < 2 {
		return 0, nil
	}
	n := uint64(b[1] & 0x7f)
	if size = 2; n == 126 {
		size = 4
	} else if n == 127 {
		size = 10
	}
	if len(b) < size+4 {
		return 0, nil
	}
	switch size {
	case 4:
		n = uint64(binary.BigEndian.Uint16(b[2:]))
	case 10:
		n = binary.BigEndian.Uint64(b[2:])
	}
	if b[0]&0xf == 8 || n > maxInput {
		return 0, errors.New("the end, or too long")
	}
	c.left, c.mask = uint32(n), binary.LittleEndian.Uint32(b[size:])
	l.out = append(l.out, b[:size]...)
	l.out[len(l.out)-size+1] &= 0x7f
	return size + 4, nil
}

func unmask(p []byte, mask uint32) {
	wide := uint64(mask)<<32 | uint64(mask)
	for ; len(p) >= 8; p = p[8:] {
		binary.LittleEndian.PutUint64(p, binary.LittleEndian.Uint64(p)^wide)
	}
	for i := range p {
		p[i] ^= byte(wide >> (8 * i))
	}
}

// LoopVar is the name of a variable on the expvar page of FloorBroadcast: the median time of a loop over all sockets, in
// microseconds; 0 before the first loop.
const LoopVar = "floor_loop_p50"

// floorBroadcast is the minimum of a broadcast on one thread: for the messages of each read, a loop over all sockets except the
// sender's with one write(2) per socket. So messages that wait at the same time share a write.
func floorBroadcast(addr string, ready func(net.Addr)) error {
	t := new(times)
	expvar.Publish(LoopVar, expvar.Func(func() any { return t.median() }))
	return (&loop{broadcast: true, times: t}).serve(addr, ready)
}

// times has the times of the loops in microseconds.
type times struct {
	mu  sync.Mutex
	all []float64
}

func (t *times) add(d time.Duration) {
	t.mu.Lock()
	t.all = append(t.all, float64(d)/1e3)
	t.mu.Unlock()
}

func (t *times) median() float64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(t.all)
	if n == 0 {
		return 0
	}
	v := slices.Sorted(slices.Values(t.all))
	return (v[(n-1)/2] + v[n/2]) / 2
}

// toOthers sends the messages in l.out to the other sockets. It closes a socket that does not accept all of them; the client
// reports that.
func (l *loop) toOthers(from int) {
	if len(l.out) == 0 {
		return
	}
	began := time.Now()
	for fd, c := range l.conns {
		if c != nil && c.open && fd != from && !bareWrite(fd, l.out) {
			l.drop(fd)
		}
	}
	l.times.add(time.Since(began))
	l.out = l.out[:0]
}

// bareWrite is write(2) without a call of Go's scheduler, because the descriptor does not block.
func bareWrite(fd int, b []byte) bool {
	n, _, e := unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	return e == 0 && int(n) == len(b)
}
