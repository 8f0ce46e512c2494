package main

import "encoding/binary"

// The payload of an echo is computed from the run, the connection and the number of the message, so it can be checked
// without keeping it. All its bytes are printable ASCII, so it can be sent as text or binary.

// payloadKey returns the number from which a payload is computed.
func payloadKey(run uint64, connection int, seq uint64) uint64 {
	x := run ^ uint64(connection)<<40 ^ seq
	// This is the finalizer of splitmix64: if two inputs differ in a bit, the keys differ in about half of their bits.
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

const (
	step     = 0x9e3779b97f4a7c15 // odd; added from one word to the next
	sixBits  = 0x3f3f3f3f3f3f3f3f
	fromZero = 0x3030303030303030 // '0' in every byte; '0' + 63 is 'o'
)

func word(key uint64) uint64 { return key&sixBits + fromZero }

// fill writes the payload of key over p.
func fill(p []byte, key uint64) {
	for len(p) >= 8 {
		binary.LittleEndian.PutUint64(p, word(key))
		p, key = p[8:], key+step
	}
	w := word(key)
	for i := range p {
		p[i] = byte(w >> (8 * i))
	}
}

// matches reports whether p is the payload of key.
func matches(p []byte, key uint64) bool {
	for len(p) >= 8 {
		if binary.LittleEndian.Uint64(p) != word(key) {
			return false
		}
		p, key = p[8:], key+step
	}
	w := word(key)
	for i := range p {
		if p[i] != byte(w>>(8*i)) {
			return false
		}
	}
	return true
}
