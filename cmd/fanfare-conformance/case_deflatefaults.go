package main

import (
	"fmt"
	"strings"
)

// deflateFaults has the cases 13.12: reserved bits in the wrong place, and data that cannot be decompressed.
func deflateFaults(t *table) {
	add := agreed(t, "13.12.")
	refuse := func(what, clause string, code int, frames ...string) {
		add(what+" is refused", clause, func(s *script) {
			s.compressed(opText, "before", 0, false)
			s.send(frames...)
			s.send(frame(fin|opPing, "nobody answers this"))
			s.fails(code)
		})
	}
	for _, op := range []byte{opPing, opPong, opClose} {
		refuse("RSV1 in a "+opNames[op], "RFC 7692, 6.1", 1002, frame(fin|rsv1|op, closeBody(1000, "")))
	}
	refuse("RSV1 in the last fragment", "RFC 7692, 6.1", 1002, frame(rsv1|opText, hello[:3]), frame(fin|rsv1|opCont, hello[3:]))
	refuse("RSV1 in a fragment in the middle", "RFC 7692, 6.1", 1002, frame(rsv1|opText, hello[:3]), frame(rsv1|opCont, hello[3:]))
	refuse("RSV1 in a fragment of a message that is not compressed", "RFC 7692, 6.1", 1002, frame(opText, "a"), frame(fin|rsv1|opCont, "b"))
	refuse("RSV1 in a continuation frame without a message", "5.4", 1002, frame(fin|rsv1|opCont, hello))
	refuse("a compressed message within another", "5.4", 1002, frame(rsv1|opText, hello[:3]), frame(fin|rsv1|opText, hello))
	refuse("RSV1 with a reserved opcode", "5.2", 1002, frame(fin|rsv1|3, hello))
	for _, bits := range []byte{0x10, 0x20, 0x30, 0x50, 0x60, 0x70} {
		refuse(fmt.Sprintf("the reserved bits %03b in a message", bits>>4), "5.2", 1002, frame(fin|bits|opText, hello))
	}
	for _, v := range corrupt {
		refuse(v.what, "RFC 7692, 7.2.2", 1007, frame(fin|rsv1|opBinary, v.payload))
		refuse(v.what+", in fragments,", "RFC 7692, 7.2.2", 1007, fragments(fin|rsv1|opBinary, v.payload, 1)...)
	}
	forgetful(t)
}

// corrupt has payloads that are not compressed data. The close code is 1007, as is usual: the payload does not match the type
// of the message.
var corrupt = []struct{ what, payload string }{
	{"an empty payload", ""},
	{"a block of the reserved type", "\x06"},
	{"a last block of the reserved type", "\x07\x00"},
	{"a stored block whose length is not confirmed", "\x00\x05\x00\x05\x00Hello\x00"},
	{"a stored block that is cut", "\x00\x05\x00\xfa\xffHel"},
	{"a block that is cut", "\xf2\x48\xcd"},
	{"a block with impossible codes", "\x04\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"},
	{"a reference before the beginning", reference(3, 20_000)},
	{"text that is not compressed at all", "Hello, this is not compressed at all"},
	{"a byte after the end of the last block", hello + "\x00\x00\xff\xff\xff"},
}

// reference returns a block with a reference to data that does not exist.
func reference(length, distance int) string {
	var b bitWriter
	b.bits(0b010, 3)
	b.match(length, distance)
	b.literal(256)
	b.bits(0, 3)
	return string(b.bytes())
}

// forgetful has a client that refers to an earlier message although it negotiated not to.
func forgetful(t *table) {
	x := t.add("13.12.100", "a reference to an earlier message is refused without context takeover", "RFC 7692, 7.1.1.2", func(s *script) {
		s.send(frame(fin|rsv1|opText, hello))
		s.want(opText, "Hello")
		s.send(frame(fin|rsv1|opText, again))
		s.fails(1007)
	})
	x.Config, x.Negotiation = without, negotiation{pmd, noTakeover}
	x = t.add("13.12.101", "RSV1 is refused if compression was declined", "RFC 7692, 6", func(s *script) {
		s.send(frame(fin|rsv1|opText, hello))
		s.fails(1002)
	})
	x.Negotiation = negotiation{offer: pmd}
}

// inflatedLimits has the cases 13.13: messages that are small only in compressed form.
func inflatedLimits(t *table) {
	next := t.series("13.13.")
	add := func(what string, run func(s *script)) {
		x := next(what, "7.4.1", run)
		x.Config = config{maxMessage: 100_000, deflate: deflateConfig{on: true, takeover: true}}
		x.Negotiation = negotiation{pmd, pmd}
	}
	for _, fragment := range []int{0, 100} {
		add(fmt.Sprintf("a message of the largest size after decompression is echoed, twice, in fragments of %d", fragment), func(s *script) {
			for range 2 {
				s.compressed(opText, letters(100_000), fragment, true)
			}
			s.bye()
		})
		for _, n := range []int{100_001, 1_000_000, 8 * mib} {
			add(fmt.Sprintf("a message of %d bytes after decompression is refused, in fragments of %d", n, fragment), func(s *script) {
				s.compressed(opText, "before", 0, false)
				s.bomb(n, fragment)
				s.fails(1009)
			})
		}
	}
	add("an incompressible message of the largest size is echoed", func(s *script) {
		s.compressed(opBinary, payloads[2].make(100_000, 0), 0, false)
		s.bye()
	})
	add("a compressed frame that is larger than the largest message is refused by its header", func(s *script) {
		s.send(header(fin|rsv1|opBinary, 200_000) + maskWith("begin"))
		s.fails(1009)
	})
}

// bomb sends a message of n zeros. It does not expect an echo.
func (s *script) bomb(n, fragment int) {
	packed := s.zip.deflate(strings.Repeat("\x00", n))
	if fragment == 0 {
		fragment = len(packed)
	}
	s.send(fragments(fin|rsv1|opBinary, packed, fragment)...)
}

// inflatedText has the cases 13.14: the texts of group 6, compressed.
func inflatedText(t *table) {
	add := agreed(t, "13.14.")
	for _, section := range utf8Sections() {
		for _, v := range section.samples {
			what := fmt.Sprintf("%s: %s (% x), compressed, ", section.name, v.name, abridge(v.text, 24))
			if firstBad(v.text) < 0 {
				add(what+"comes back, whole and in fragments", "8.1", func(s *script) {
					s.compressed(opText, v.text, 0, false)
					s.compressed(opText, v.text, 1, false)
					s.bye()
				})
				continue
			}
			add(what+"is refused as text, but not as binary", "8.1", func(s *script) {
				s.compressed(opBinary, v.text, 0, false)
				s.compressed(opText, v.text, 0, false)
				t := s.turn()
				t.in = t.in[:len(t.in)-1]
				s.fails(1007)
			})
		}
	}
}
