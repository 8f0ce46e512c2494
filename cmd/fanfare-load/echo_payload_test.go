package main

import (
	"testing"
)

func TestPayload(t *testing.T) {
	for size := range 70 {
		p := make([]byte, size)
		fill(p, payloadKey(1, 2, 3))
		if !matches(p, payloadKey(1, 2, 3)) {
			t.Errorf("size %d: does not match itself", size)
		}
		for i, b := range p {
			if b < ' ' || b > '~' {
				t.Errorf("size %d: byte %d is %#x, not printable", size, i, b)
			}
			p[i] ^= 4
			if matches(p, payloadKey(1, 2, 3)) {
				t.Errorf("size %d: a change of byte %d is not noticed", size, i)
			}
			p[i] ^= 4
		}
		for _, other := range []uint64{payloadKey(1, 2, 4), payloadKey(1, 3, 3), payloadKey(2, 2, 3)} {
			if size > 4 && matches(p, other) {
				t.Errorf("size %d: matches another", size)
			}
		}
	}
}
