package main

import (
	"fmt"
	"strings"
)

// sample is a text, or bytes that are not a valid text.
type sample struct {
	name string
	text string
}

// firstBad returns the index of the first byte that makes s invalid UTF-8, len(s) if s is the beginning of valid UTF-8, and -1
// if s is valid. It implements only the table of RFC 3629, section 4.
func firstBad(s string) int {
	for i := 0; i < len(s); {
		more, low, high := 0, byte(0x80), byte(0xbf)
		switch b := s[i]; {
		case b < 0x80:
		case b >= 0xc2 && b <= 0xdf:
			more = 1
		case b >= 0xe0 && b <= 0xef:
			more = 2
		case b >= 0xf0 && b <= 0xf4:
			more = 3
		default:
			return i
		}
		switch s[i] {
		case 0xe0:
			low = 0xa0
		case 0xed:
			high = 0x9f
		case 0xf0:
			low = 0x90
		case 0xf4:
			high = 0x8f
		}
		for i++; more > 0; i, more = i+1, more-1 {
			if i == len(s) || s[i] < low || s[i] > high {
				return i
			}
			low, high = 0x80, 0xbf
		}
	}
	return -1
}

// utf8Cases has the cases of group 6: valid text, and invalid text, which must end the connection at the byte that makes it
// invalid.
func utf8Cases(t *table) {
	for i, section := range utf8Sections() {
		for j, s := range section.samples {
			next := t.series(fmt.Sprintf("6.%d.%d.", i+1, j+1))
			name := fmt.Sprintf("%s: %s (% x)", section.name, s.name, abridge(s.text, 24))
			if bad := firstBad(s.text); bad < 0 {
				validText(next, name, s.text)
			} else {
				invalidText(next, name, s.text, bad)
			}
		}
	}
	edges(t)
}

func abridge(s string, n int) string { return s[:min(len(s), n)] }

func validText(next func(what, clause string, run func(s *script)) *Case, name, text string) {
	next(name+", is echoed if it is sent in one frame", "8.1", func(s *script) {
		s.echo(opText, text)
		s.bye()
	})
	next(name+", is echoed if it is sent in fragments of a byte with pings between them", "8.1", func(s *script) {
		for _, f := range fragments(fin|opText, text, 1) {
			s.echo(opPing, "x")
			s.send(f)
		}
		s.want(opText, text)
		s.bye()
	})
	next(name+", is echoed if it is sent in two fragments, cut at any byte", "8.1", func(s *script) {
		for i := range len(text) + 1 {
			s.send(frame(opText, text[:i]), frame(fin|opCont, text[i:]))
			s.want(opText, text)
		}
		s.bye()
	})
}

// invalidText has cases with a text that must be refused at byte bad, or at its end.
func invalidText(next func(what, clause string, run func(s *script)) *Case, name, text string, bad int) {
	next(name+", is refused in one frame", "8.1", func(s *script) {
		s.echoBefore(true)
		s.send(frame(fin|opText, text))
		s.fails(1007)
	})
	next(name+", is refused in fragments of a byte", "8.1", func(s *script) {
		s.send(fragments(fin|opText, text, 1)...)
		s.fails(1007)
	})
	if bad == len(text) {
		next(name+", is accepted as a first fragment, and refused when an empty fragment ends the message", "8.1", func(s *script) {
			s.send(frame(opText, text))
			s.echo(opPing, "so far so good")
			s.wait()
			s.send(frame(fin|opCont, ""))
			s.fails(1007)
		})
		return
	}
	next(name+", is refused at the byte that makes it invalid, in the middle of a frame", "8.1", func(s *script) {
		s.send(header(fin|opText, len(text)+1000) + maskWith(text[:bad+1]))
		s.fails(1007)
	})
	next(name+", is accepted up to the byte that makes it invalid, and refused at that byte, in the middle of a message", "8.1", func(s *script) {
		s.send(frame(opText, text[:bad]))
		s.echo(opPing, "so far so good")
		s.wait()
		s.send(header(opCont, 1000) + maskWith(text[bad:bad+1]))
		s.fails(1007)
	})
}

// edges has sequences with each first byte at which the rules change, and each second, third and fourth byte at which they do.
func edges(t *table) {
	n := 0
	add := func(seq []byte) {
		n++
		text := "edge " + string(seq) + " end"
		bad := firstBad(text)
		if bad < 0 {
			t.add(fmt.Sprintf("6.30.%d", n), fmt.Sprintf("the sequence % x is valid", seq), "8.1", func(s *script) {
				s.echo(opText, text)
				s.bye()
			})
			return
		}
		t.add(fmt.Sprintf("6.30.%d", n), fmt.Sprintf("the sequence % x is refused at its byte %d", seq, bad-4), "8.1", func(s *script) {
			s.send(frame(opText, text[:bad]))
			s.echo(opPing, "so far so good")
			s.send(header(fin|opCont, 1000) + maskWith(text[bad:bad+1]))
			s.fails(1007)
		})
	}
	for _, first := range []byte{0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4} {
		for _, second := range []byte{0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0} {
			add([]byte{first, second, 0x80, 0x80}[:1+lengthOf(first)])
		}
	}
	for _, b := range []byte{0x7f, 0x80, 0xbf, 0xc0} {
		add([]byte{0xe1, 0x80, b})
		add([]byte{0xf1, 0x80, b, 0x80})
		add([]byte{0xf1, 0x80, 0x80, b})
	}
}

// lengthOf returns the number of bytes that follow first.
func lengthOf(first byte) int {
	switch {
	case first >= 0xf0:
		return 3
	case first >= 0xe0:
		return 2
	}
	return 1
}

// lonely returns all bytes from low to high, each followed by a space.
func lonely(low, high byte) string {
	var b strings.Builder
	for c := int(low); c <= int(high); c++ {
		b.WriteByte(byte(c))
		b.WriteByte(' ')
	}
	return b.String()
}
