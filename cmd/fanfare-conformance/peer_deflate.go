package main

import (
	"bytes"
	"compress/flate"
	"math/bits"
	"strings"
)

// deflater compresses the messages of the client (RFC 7692, section 7.2.1). Its references stay within the negotiated window.
type deflater struct {
	bits     int
	takeover bool
	out      bytes.Buffer
	w        *flate.Writer // for a window of 15 bits
	history  []byte        // for smaller windows
}

const syncTail = "\x00\x00\xff\xff"

// deflate returns the payload of a compressed message.
func (d *deflater) deflate(message string) string {
	if d.bits < 15 {
		return d.small(message)
	}
	d.out.Reset()
	if d.w == nil {
		d.w, _ = flate.NewWriter(&d.out, flate.BestSpeed) // the level is valid
	} else if !d.takeover {
		d.w.Reset(&d.out)
	}
	_, _ = d.w.Write([]byte(message)) // writing to memory never fails
	_ = d.w.Flush()
	return strings.TrimSuffix(d.out.String(), syncTail)
}

// small compresses with a window that compress/flate does not support.
func (d *deflater) small(message string) string {
	if !d.takeover {
		d.history = d.history[:0]
	}
	start := len(d.history)
	d.history = append(d.history, message...)
	var b bitWriter
	b.bits(0b010, 3) // a block with fixed codes, not the last
	b.matches(d.history, start, 1<<d.bits)
	b.literal(256)
	b.bits(0, 3) // the header of an empty stored block, whose rest is not sent
	d.history = d.history[max(0, len(d.history)-1<<d.bits):]
	return string(b.bytes())
}

// bitWriter writes a DEFLATE stream (RFC 1951), low bits first.
type bitWriter struct {
	out []byte
	acc uint64
	n   int
}

func (b *bitWriter) bits(v, n int) {
	b.acc |= uint64(v) << b.n
	for b.n += n; b.n >= 8; b.n -= 8 {
		b.out = append(b.out, byte(b.acc))
		b.acc >>= 8
	}
}

// code writes a Huffman code, whose high bits come first.
func (b *bitWriter) code(v, n int) { b.bits(int(bits.Reverse16(uint16(v))>>(16-n)), n) }

// bytes returns the stream, with the last byte padded.
func (b *bitWriter) bytes() []byte {
	if b.n > 0 {
		b.out = append(b.out, byte(b.acc))
		b.acc, b.n = 0, 0
	}
	return b.out
}

// literal writes a symbol with the fixed code (RFC 1951, section 3.2.6).
func (b *bitWriter) literal(sym int) {
	switch {
	case sym < 144:
		b.code(0x30+sym, 8)
	case sym < 256:
		b.code(0x190+sym-144, 9)
	case sym < 280:
		b.code(sym-256, 7)
	default:
		b.code(0xc0+sym-280, 8)
	}
}

// match writes a reference: length bytes from distance back.
func (b *bitWriter) match(length, distance int) {
	l := place(lengthBase[:], length)
	b.literal(257 + l)
	b.bits(length-lengthBase[l], lengthExtra[l])
	d := place(distanceBase[:], distance)
	b.code(d, 5)
	b.bits(distance-distanceBase[d], distanceExtra[d])
}

// place returns the index of the last base that is not above v.
func place(bases []int, v int) int {
	i := len(bases) - 1
	for bases[i] > v {
		i--
	}
	return i
}

// matches writes p from start on, with references up to window bytes back.
func (b *bitWriter) matches(p []byte, start, window int) {
	var last [1 << 12]int // by a hash of three bytes: 1 plus the index of their last occurrence
	look := func(i int) (at int) {
		if i+3 > len(p) {
			return -1
		}
		h := (int(p[i])<<16 | int(p[i+1])<<8 | int(p[i+2])) * 0x9e3779b1 >> 16 & (len(last) - 1)
		at, last[h] = last[h]-1, i+1
		return at
	}
	for i := range start {
		look(i)
	}
	for i := start; i < len(p); {
		n, at := 0, look(i)
		if at >= 0 && i-at <= window {
			for n < 258 && i+n < len(p) && p[at+n] == p[i+n] {
				n++
			}
		}
		if n < 3 {
			b.literal(int(p[i]))
			n = 1
		} else {
			b.match(n, i-at)
		}
		for i++; n > 1; i, n = i+1, n-1 {
			look(i)
		}
	}
}
