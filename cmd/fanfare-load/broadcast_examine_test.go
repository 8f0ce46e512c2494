package main

import (
	"fmt"
	"io"
	"testing"

	"golang.org/x/sys/unix"
)

func TestFrameHeader(t *testing.T) {
	for _, c := range []struct {
		in   []byte
		f    frame
		size int
	}{
		{nil, frame{}, 0},
		{[]byte{0x82}, frame{}, 0},
		{[]byte{0x82, 5}, frame{message: true, length: 5}, 2},
		{[]byte{0x02, 5}, frame{length: 5}, 2},
		{[]byte{0x80, 5}, frame{message: true, length: 5}, 2},
		{[]byte{0x89, 0}, frame{}, 2},
		{[]byte{0x88, 2, 3}, frame{close: true, length: 2}, 2},
		{[]byte{0x82, 126, 1, 0}, frame{message: true, length: 256}, 4},
		{[]byte{0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0}, frame{message: true, length: 65536}, 10},
	} {
		f, size := frameHeader(c.in)
		want(t, fmt.Sprintf("size of %x", c.in), size, c.size)
		if size > 0 {
			want(t, fmt.Sprintf("frame %x", c.in), f, c.f)
		}
	}
	if _, size := frameHeader([]byte{0x82, 127, 0, 0, 0, 0, 0, 1, 0}); size != 0 {
		t.Error("a part of a header is enough")
	}
}

// TestStraggler checks that the result does not depend on how the bytes are split.
func TestStraggler(t *testing.T) {
	stream := []byte{0x82, 3, 1, 2, 3, 0x89, 1, 7, 0x01, 1, 'a', 0x80, 1, 'b'}
	stream = append(stream, 0x82, 126, 1, 0)
	stream = append(stream, make([]byte, 256)...)
	stream = append(stream, 0x88, 5, 0x03, 0xf5, 'b', 'y', 'e')
	for cut := range len(stream) {
		v := &verdicts{fates: map[string]int64{}, open: 1}
		s := &straggler{verdict: v}
		used := s.OnData(stream[:cut])
		s.OnData(stream[used:])
		s.OnClose(io.EOF)
		want(t, fmt.Sprintf("messages, cut at %d", cut), v.messages.Load(), 3)
		want(t, fmt.Sprintf("fates, cut at %d", cut), fmt.Sprint(v.fates), "map[disconnected with 1013:1]")
	}
}

func TestStragglerEnds(t *testing.T) {
	for _, c := range []struct {
		err  error
		fate string
	}{
		{io.EOF, "disconnected without a close frame"},
		{unix.ECONNRESET, "reset"},
		{unix.ETIMEDOUT, "ended: " + unix.ETIMEDOUT.Error()},
	} {
		v := &verdicts{fates: map[string]int64{}, open: 2}
		s := &straggler{verdict: v}
		s.OnClose(c.err)
		s.OnClose(io.EOF)
		want(t, c.err.Error(), fmt.Sprint(v.fates), "map["+c.fate+":1]")
		want(t, "open", v.open, 1)
	}
}
