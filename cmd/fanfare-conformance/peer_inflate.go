package main

import (
	"errors"
	"fmt"
)

// The symbols 257 to 285 and the distances (RFC 1951, section 3.2.5).
var (
	lengthBase = [29]int{3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31,
		35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258}
	lengthExtra  = [29]int{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0}
	distanceBase = [30]int{1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193,
		257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577}
	distanceExtra = [30]int{0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13}
)

// inflater decompresses the messages of a server. It finds faults that compress/flate does not look for: a reference beyond
// the negotiated window, and a message that does not end with a block.
type inflater struct {
	bits     int
	takeover bool
	history  []byte // the last 2^bits bytes, at most
}

var errStream = errors.New("the compressed data is corrupt")

// inflate returns the message whose payload is s (RFC 7692, section 7.2.2).
func (f *inflater) inflate(s string) (message string, err error) {
	r := bitReader{in: s + syncTail, out: f.history, window: 1 << f.bits}
	start := len(r.out)
	defer func() {
		if v := recover(); v != nil {
			err = v.(error) // from fail, or from an index that the stream contains
		}
	}()
	for r.at < len(r.in) {
		r.block()
	}
	if r.n != 0 {
		return "", errStream
	}
	message = string(r.out[start:])
	f.history = nil
	if f.takeover {
		f.history = append([]byte(nil), r.out[max(0, len(r.out)-r.window):]...)
	}
	return message, nil
}

// bitReader reads a DEFLATE stream (RFC 1951), low bits first.
type bitReader struct {
	in     string
	at     int
	acc, n int // bits that were read and not used yet
	out    []byte
	window int
}

// fail ends inflate.
func (r *bitReader) fail(err error) { panic(err) }

func (r *bitReader) bits(n int) int {
	for r.n < n {
		if r.at == len(r.in) {
			r.fail(errStream)
		}
		r.acc |= int(r.in[r.at]) << r.n
		r.at++
		r.n += 8
	}
	v := r.acc & (1<<n - 1)
	r.acc >>= n
	r.n -= n
	return v
}

func (r *bitReader) block() {
	last := r.bits(1) == 1
	switch r.bits(2) {
	case 0:
		r.stored()
	case 1:
		r.symbols(&fixedLiterals, &fixedDistances)
	case 2:
		r.symbols(r.codes())
	default:
		r.fail(errStream)
	}
	if last { // another stream follows
		r.acc, r.n = 0, 0
	}
}

func (r *bitReader) stored() {
	r.acc, r.n = 0, 0
	size, not := r.bits(16), r.bits(16)
	if size != not^0xffff || size > len(r.in)-r.at {
		r.fail(errStream)
	}
	r.out = append(r.out, r.in[r.at:r.at+size]...)
	r.at += size
}

func (r *bitReader) symbols(literals, distances *code) {
	for {
		sym := r.symbol(literals)
		switch {
		case sym < 256:
			r.out = append(r.out, byte(sym))
			continue
		case sym == 256:
			return
		}
		length := lengthBase[sym-257] + r.bits(lengthExtra[sym-257])
		d := r.symbol(distances)
		distance := distanceBase[d] + r.bits(distanceExtra[d])
		if distance > r.window {
			r.fail(fmt.Errorf("a reference goes %d bytes back, but the negotiated window has %d", distance, r.window))
		}
		for range length {
			r.out = append(r.out, r.out[len(r.out)-distance])
		}
	}
}

// code is a canonical Huffman code: the number of symbols of each length, and the symbols in the order of their codes.
type code struct {
	count   [16]int
	symbols []int
}

func newCode(lengths []int) *code {
	c := new(code)
	for n := 1; n <= 15; n++ {
		for sym, l := range lengths {
			if l == n {
				c.count[n]++
				c.symbols = append(c.symbols, sym)
			}
		}
	}
	return c
}

func (r *bitReader) symbol(c *code) int {
	v, first, index := 0, 0, 0
	for n := 1; n <= 15; n++ {
		v |= r.bits(1)
		if v-first < c.count[n] {
			return c.symbols[index+v-first]
		}
		index += c.count[n]
		first = (first + c.count[n]) << 1
		v <<= 1
	}
	r.fail(errStream)
	return 0
}

var fixedLiterals, fixedDistances = func() (code, code) {
	lengths := make([]int, 288)
	for i := range lengths {
		switch {
		case i < 144, i >= 280:
			lengths[i] = 8
		case i < 256:
			lengths[i] = 9
		default:
			lengths[i] = 7
		}
	}
	distances := make([]int, 30)
	for i := range distances {
		distances[i] = 5
	}
	return *newCode(lengths), *newCode(distances)
}()

// codes reads the codes of a block with dynamic codes (RFC 1951, section 3.2.7).
func (r *bitReader) codes() (literals, distances *code) {
	nl, nd, nc := r.bits(5)+257, r.bits(5)+1, r.bits(4)+4
	var order [19]int
	for i := range nc {
		order[[19]int{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}[i]] = r.bits(3)
	}
	c := newCode(order[:])
	var lengths []int
	for len(lengths) < nl+nd {
		sym, times := r.symbol(c), 1
		switch {
		case sym == 16:
			sym, times = lengths[len(lengths)-1], 3+r.bits(2)
		case sym == 17:
			sym, times = 0, 3+r.bits(3)
		case sym == 18:
			sym, times = 0, 11+r.bits(7)
		}
		for range times {
			lengths = append(lengths, sym)
		}
	}
	return newCode(lengths[:nl]), newCode(lengths[nl : nl+nd])
}
