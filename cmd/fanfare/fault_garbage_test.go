package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// garbage is what a client may send after the handshake, from bad to worse.
var garbage = []func(r *rand.Rand) []byte{
	randomBytes,
	func(r *rand.Rand) (b []byte) { // frames with any header, of the length that they say
		for range 1 + r.IntN(20) {
			b = append(b, maskedFrame(r, byte(r.Uint32()), randomBytes(r))...)
		}
		return b
	},
	func(r *rand.Rand) (b []byte) { // good frames, in which a few bits have turned
		for range 1 + r.IntN(20) {
			b = append(b, maskedFrame(r, 0x81, []byte(strings.Repeat(`{"id":1,"do":"subscribe","topic":"garbage"}`, 1+r.IntN(3))))...)
		}
		for range 1 + r.IntN(5) {
			b[r.IntN(len(b))] ^= 1 << r.IntN(8)
		}
		return b
	},
	func(r *rand.Rand) (b []byte) { // good frames with a text that makes no sense
		for range 1 + r.IntN(20) {
			b = append(b, maskedFrame(r, 0x81, []byte(strings.ToValidUTF8(string(randomBytes(r)), "?")))...)
		}
		return b
	},
}

func randomBytes(r *rand.Rand) []byte {
	b := make([]byte, r.IntN(1<<r.IntN(15)+1))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// maskedFrame returns a frame of a client with that first byte.
func maskedFrame(r *rand.Rand, first byte, payload []byte) []byte {
	b := []byte{first}
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(n))
	}
	mask := r.Uint32()
	b = binary.LittleEndian.AppendUint32(b, mask)
	for i, c := range payload {
		b = append(b, c^byte(mask>>(i%4*8)))
	}
	return b
}

// Clients send garbage after their handshakes, in pieces of any length. What the server sends them is right; it ends each
// connection, and nothing of it remains. The seeds are fixed: a failure names the one that repeats it.
func TestGarbageAfterUpgrade(t *testing.T) {
	n := sized(3000, 600)
	if full() {
		n = 50_000
	}
	p := startPatient(t)
	var mu sync.Mutex
	ends := make(map[string]int)
	var all sync.WaitGroup
	for part := range 32 {
		all.Go(func() {
			for seed := part; seed < n && !t.Failed(); seed += 32 {
				how, err := sendGarbage(p.addr, uint64(seed))
				if err != nil {
					t.Errorf("seed %d: %v", seed, err)
				}
				mu.Lock()
				ends[how]++
				mu.Unlock()
			}
		})
	}
	all.Wait()
	var told []string
	for _, how := range slices.Sorted(maps.Keys(ends)) {
		told = append(told, fmt.Sprint(how, ": ", ends[how]))
	}
	t.Logf("%d connections with garbage, by their ends: %s", n, strings.Join(told, ", "))
	p.eventually("all are gone", func() bool { return p.health().Connections <= 2 })
	p.recovers("garbage", usual)
	if says := p.stderr.String(); strings.Contains(says, "panic") {
		t.Error(says)
	}
}

// sendGarbage returns how the connection ended, or an error if the server sent what it must not.
func sendGarbage(addr string, seed uint64) (how string, err error) {
	r := rand.New(rand.NewPCG(seed, 15))
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		return "", err
	}
	defer nc.Close()
	in, err := upgrade(nc, addr, []string{"/echo", "/topics/garbage?echo=1", "/hub"}[seed%3])
	if err != nil {
		return "", err
	}
	_ = nc.SetDeadline(time.Now().Add(time.Minute))
	go func() {
		for b := garbage[r.IntN(len(garbage))](r); len(b) > 0; {
			k := min(1+r.IntN(1<<r.IntN(14)), len(b))
			if _, err := nc.Write(b[:k]); err != nil {
				return
			}
			b = b[k:]
		}
		_ = nc.(*net.TCPConn).CloseWrite()
	}()
	return endOf(in)
}

// endOf reads frames of a server up to the end of the connection, and returns how it ended.
func endOf(in *bufio.Reader) (how string, err error) {
	how = "no close frame"
	for {
		first, payload, err := readFrame(in)
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
			return how, nil
		case err != nil:
			return how, err
		case how != "no close frame":
			return how, fmt.Errorf("a frame %#x after a close frame", first)
		case first == 0x88 && len(payload) >= 2:
			how = fmt.Sprint(binary.BigEndian.Uint16(payload))
		case first == 0x88:
			how = "a close frame without a code"
		case !slices.Contains([]byte{0x81, 0x82, 0x89, 0x8a}, first):
			return how, fmt.Errorf("a frame %#x of %d bytes", first, len(payload))
		}
	}
}

// readFrame reads a frame that is not masked.
func readFrame(in *bufio.Reader) (first byte, payload []byte, err error) {
	head := make([]byte, 2, 10)
	if _, err = io.ReadFull(in, head); err != nil {
		return 0, nil, err
	}
	n := uint64(head[1])
	if n > 127 {
		return 0, nil, fmt.Errorf("a frame of the server is masked: % x", head)
	}
	if k := map[uint64]int{126: 2, 127: 8}[n]; k > 0 {
		long := make([]byte, 8)
		if _, err = io.ReadFull(in, long[8-k:]); err != nil {
			return 0, nil, err
		}
		n = binary.BigEndian.Uint64(long)
	}
	if n > 16<<20 {
		return 0, nil, fmt.Errorf("a frame of %d bytes", n)
	}
	payload = make([]byte, n)
	_, err = io.ReadFull(in, payload)
	return head[0], payload, err
}
