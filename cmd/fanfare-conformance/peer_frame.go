package main

import (
	"encoding/binary"
	"math/rand/v2"
)

// Opcodes (RFC 6455, section 5.2), and the bits above them.
const (
	opCont   byte = 0
	opText   byte = 1
	opBinary byte = 2
	opClose  byte = 8
	opPing   byte = 9
	opPong   byte = 10

	fin  byte = 0x80
	rsv1 byte = 0x40
)

// frame returns a frame as clients send it: masked, with the length in its shortest form. b0 is the first byte: FIN, reserved
// bits and opcode, which may be invalid.
func frame(b0 byte, payload string) string {
	return header(b0, len(payload)) + maskWith(payload)
}

// header returns a header without the masking key.
func header(b0 byte, n int) string {
	switch {
	case n < 126:
		return headerAs(b0, 7, uint64(n))
	case n < 1<<16:
		return headerAs(b0, 16, uint64(n))
	}
	return headerAs(b0, 64, uint64(n))
}

// headerAs returns a header with the length in 7, 16 or 64 bits, even if that is not the shortest form.
func headerAs(b0 byte, bits int, n uint64) string {
	switch bits {
	case 7:
		return string([]byte{b0, 0x80 | byte(n)})
	case 16:
		return string(binary.BigEndian.AppendUint16([]byte{b0, 0x80 | 126}, uint16(n)))
	}
	return string(binary.BigEndian.AppendUint64([]byte{b0, 0x80 | 127}, n))
}

// maskWith returns a random key and the payload masked with it.
func maskWith(payload string) string {
	var key [4]byte
	binary.LittleEndian.PutUint32(key[:], rand.Uint32())
	return maskedBy(key, payload)
}

func maskedBy(key [4]byte, payload string) string {
	b := make([]byte, 4+len(payload))
	copy(b, key[:])
	for i := range len(payload) {
		b[4+i] = payload[i] ^ key[i&3]
	}
	return string(b)
}

// unmasked returns a frame as servers send it.
func unmasked(b0 byte, payload string) string {
	h := []byte(header(b0, len(payload)))
	h[1] &^= 0x80
	return string(h) + payload
}

// fragments returns a message in fragments of that size. b0 is the first byte that an unfragmented message would have;
// without fin, the last fragment has no FIN either.
func fragments(b0 byte, payload string, size int) (frames []string) {
	op := b0 &^ fin
	for len(payload) > size {
		frames = append(frames, frame(op, payload[:size]))
		payload, op = payload[size:], opCont
	}
	return append(frames, frame(b0&fin|op, payload))
}

// closeBody returns the payload of a close frame.
func closeBody(code int, reason string) string {
	return string(binary.BigEndian.AppendUint16(nil, uint16(code))) + reason
}

func closing(code int, reason string) string { return frame(fin|opClose, closeBody(code, reason)) }
