package main

import (
	"fmt"
	"strings"
)

// letters returns n bytes of ASCII whose period is not a power of two.
func letters(n int) string {
	const some = "The quick brown fox, 0123456789.\n"
	return strings.Repeat(some, n/len(some)+1)[:n]
}

// octets returns n bytes with all values and a period of 257.
func octets(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i % 257 * 0x55)
	}
	return string(b)
}

// kind is one of the two kinds of message.
type kind struct {
	op   byte
	name string
	make func(n int) string
}

var kinds = []kind{{opText, "text", letters}, {opBinary, "binary", octets}}

// framing has the cases of group 1: lengths, their forms, and masks.
func framing(t *table) {
	for i, k := range kinds {
		next := t.series(fmt.Sprintf("1.%d.", i+1))
		for _, n := range []int{0, 125, 126, 127, 128, 65535, 65536} {
			next(fmt.Sprintf("a %s message of %d bytes is echoed", k.name, n), "5.2", func(s *script) {
				s.echo(k.op, k.make(n))
				s.bye()
			})
		}
		next("three messages in a row are echoed in order", "5.2", func(s *script) {
			for _, n := range []int{65536, 0, 127} {
				s.echo(k.op, k.make(n))
			}
			s.bye()
		})
	}
	lengthForms(t)
	masks(t)
}

func lengthForms(t *table) {
	next := t.series("1.3.")
	for _, f := range []struct{ bits, n int }{{16, 0}, {16, 1}, {16, 125}, {64, 0}, {64, 125}, {64, 126}, {64, 65535}} {
		next(fmt.Sprintf("a length of %d in %d bits is refused", f.n, f.bits), "5.2", func(s *script) {
			s.send(headerAs(fin|opBinary, f.bits, uint64(f.n)) + maskWith(octets(f.n)))
			s.fails(1002)
		})
	}
	for _, n := range []uint64{1 << 63, 1<<63 | 5, 1<<64 - 1} {
		next(fmt.Sprintf("a length of %#x, with the top bit set, is refused", n), "5.2", func(s *script) {
			s.send(headerAs(fin|opBinary, 64, n) + maskWith(""))
			s.fails(1002)
		})
	}
}

func masks(t *table) {
	next := t.series("1.4.")
	for _, op := range []byte{opText, opBinary, opCont, opClose, opPing, opPong} {
		next("a frame that is not masked is refused: "+opNames[op], "5.1", func(s *script) {
			body := "hello"
			if op == opCont {
				s.send(frame(opText, "hel"))
			}
			if op == opClose {
				body = closeBody(1000, "")
			}
			s.echoBefore(op != opCont)
			s.send(unmasked(fin|op, body))
			s.fails(1002)
		})
	}
	for _, key := range [][4]byte{{}, {0xff, 0xff, 0xff, 0xff}, {0, 0, 0, 1}, {'h', 'e', 'l', 'l'}} {
		for _, n := range []int{5, 126, 65536} {
			next(fmt.Sprintf("the masking key % x does not change a message of %d bytes", key, n), "5.3", func(s *script) {
				s.send(header(fin|opText, n) + maskedBy(key, letters(n)))
				s.want(opText, letters(n))
				s.bye()
			})
		}
	}
	next("each fragment may have its own masking key", "5.3", func(s *script) {
		s.send(header(opText, 3)+maskedBy([4]byte{1, 2, 3, 4}, "abc"), header(opCont, 0)+maskedBy([4]byte{9, 9, 9, 9}, ""),
			header(fin|opCont, 5)+maskedBy([4]byte{5, 6, 7, 8}, "defgh"))
		s.want(opText, "abcdefgh")
		s.bye()
	})
}

// echoBefore expects the echo of a message before the fault, if it is wanted.
func (s *script) echoBefore(wanted bool) {
	if wanted {
		s.echo(opText, "before")
	}
}

var opNames = map[byte]string{opCont: "continuation", opText: "text", opBinary: "binary", opClose: "close", opPing: "ping", opPong: "pong"}
