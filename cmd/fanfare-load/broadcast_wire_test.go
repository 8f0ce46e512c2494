package main

import (
	"bytes"
	"slices"
	"testing"
)

func TestWire(t *testing.T) {
	for _, text := range []bool{false, true} {
		w := newWire(77, 100, 3, text)
		p := make([]byte, 100)
		in := stamp{seq: 1 << 40, due: 123456789, publisher: 2, kind: regular}
		w.encode(p, in)
		out, ok := w.decode(p)
		want(t, "decodes", ok, true)
		want(t, "stamp", out, in)
		for i := range p {
			for bit := range 8 {
				if text && p[i]^1<<bit == p[i]^0x20 && i < 2*wireHeader {
					continue // another case of a hexadecimal digit is the same
				}
				p[i] ^= 1 << bit
				if _, ok := w.decode(p); ok {
					t.Errorf("text %v: bit %d of byte %d may change", text, bit, i)
				}
				p[i] ^= 1 << bit
			}
		}
		for _, q := range [][]byte{nil, p[:99], append(slices.Clone(p), 0)} {
			if _, ok := w.decode(q); ok {
				t.Errorf("text %v: %d bytes decode", text, len(q))
			}
		}
		if _, ok := newWire(78, 100, 3, text).decode(p); ok {
			t.Error("it is of another run")
		}
		w.encode(p, stamp{publisher: 3})
		if _, ok := w.decode(p); ok {
			t.Error("there is no such publisher")
		}
		if text && !isASCII(p) {
			t.Errorf("no text: %q", p)
		}
	}
}

func isASCII(p []byte) bool {
	return !bytes.ContainsFunc(p, func(r rune) bool { return r >= 0x7f || r < ' ' })
}
