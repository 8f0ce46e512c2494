package main

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"iter"
)

// wire is the format of a broadcast's payload: a header, followed by the same filler in every message of the run.
//
//	 0  8  number of the run
//	 8  8  number of the message, counted from 0 for each publisher
//	16  8  time at which it was due, in nanoseconds of the run's clock
//	24  2  publisher
//	26  2  kind
//	28  4  checksum of the fields above
//
// In a text message the header is written in hexadecimal digits.
type wire struct {
	run        uint64
	publishers int
	text       bool
	filler     []byte
	begin      []byte // the beginning of every payload
}

const wireHeader = 32

// minBroadcast is the size of the smallest payload.
func minBroadcast(text bool) int {
	if text {
		return 2 * wireHeader
	}
	return wireHeader
}

type kind uint16

const (
	regular kind = iota + 1
	probe        // checks before the run which connections are subscribed
)

// stamp is the content of a header.
type stamp struct {
	seq       uint64
	due       int64
	publisher int
	kind      kind
}

func newWire(run uint64, size, publishers int, text bool) *wire {
	w := &wire{run: run, publishers: publishers, text: text}
	w.filler = make([]byte, size-minBroadcast(text))
	fill(w.filler, payloadKey(run, 0, 0))
	if w.begin = binary.LittleEndian.AppendUint64(nil, run); text {
		w.begin = hex.AppendEncode(nil, w.begin)
		for i, b := range w.filler { // letters, which no encoding escapes
			w.filler[i] = 'a' + b&0xf
		}
	}
	return w
}

// size returns the size of a payload.
func (w *wire) size() int { return minBroadcast(w.text) + len(w.filler) }

// encode writes the payload over p, whose length must be the size.
func (w *wire) encode(p []byte, s stamp) {
	var raw [wireHeader]byte
	binary.LittleEndian.PutUint64(raw[0:], w.run)
	binary.LittleEndian.PutUint64(raw[8:], s.seq)
	binary.LittleEndian.PutUint64(raw[16:], uint64(s.due))
	binary.LittleEndian.PutUint16(raw[24:], uint16(s.publisher))
	binary.LittleEndian.PutUint16(raw[26:], uint16(s.kind))
	binary.LittleEndian.PutUint32(raw[28:], wireSum(&raw))
	n := wireHeader
	if w.text {
		n = hex.Encode(p, raw[:])
	} else {
		copy(p, raw[:])
	}
	copy(p[n:], w.filler)
}

// decode parses a payload and reports whether encode wrote it in this run.
func (w *wire) decode(p []byte) (s stamp, ok bool) {
	var raw [wireHeader]byte
	if len(p) != w.size() {
		return s, false
	}
	if w.text {
		if _, err := hex.Decode(raw[:], p[:2*wireHeader]); err != nil {
			return s, false
		}
	} else {
		raw = [wireHeader]byte(p)
	}
	s.seq = binary.LittleEndian.Uint64(raw[8:])
	s.due = int64(binary.LittleEndian.Uint64(raw[16:]))
	s.publisher = int(binary.LittleEndian.Uint16(raw[24:]))
	s.kind = kind(binary.LittleEndian.Uint16(raw[26:]))
	ok = binary.LittleEndian.Uint64(raw[0:]) == w.run &&
		binary.LittleEndian.Uint32(raw[28:]) == wireSum(&raw) &&
		s.publisher < w.publishers &&
		bytes.Equal(p[minBroadcast(w.text):], w.filler)
	return s, ok
}

// within yields the payloads anywhere in p and ignores the bytes between them. A payload that is cut or changed will count as
// missing.
func (w *wire) within(p []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for size := w.size(); len(p) >= size; {
			i := bytes.Index(p, w.begin)
			if i < 0 || len(p)-i < size || !yield(p[i:i+size]) {
				return
			}
			p = p[i+size:]
		}
	}
}

func wireSum(raw *[wireHeader]byte) uint32 {
	x := uint64(step)
	for i := 0; i < 24; i += 8 {
		x = (x ^ binary.LittleEndian.Uint64(raw[i:])) * 0xbf58476d1ce4e5b9
		x ^= x >> 29
	}
	x = (x ^ uint64(binary.LittleEndian.Uint32(raw[24:]))) * 0x94d049bb133111eb
	return uint32(x >> 32)
}
