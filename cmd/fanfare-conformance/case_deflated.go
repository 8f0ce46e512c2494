package main

import (
	"fmt"
	"strings"
)

// agreed adds cases with compression and context takeover.
func agreed(t *table, prefix string) func(what, clause string, run func(s *script)) {
	next := t.series(prefix)
	return func(what, clause string, run func(s *script)) {
		x := next(what, clause, run)
		x.Config, x.Negotiation = keeping, negotiation{pmd, pmd}
	}
}

// hello is "Hello" as compressed in RFC 7692, section 7.2.3.1.
const hello = "\xf2\x48\xcd\xc9\xc9\x07\x00"

// again is "Hello" as a reference to the previous message (section 7.2.3.2).
const again = "\xf2\x00\x11\x00\x00"

// deflated has the cases 13.10: the forms of compressed messages.
func deflated(t *table) {
	add := agreed(t, "13.10.")
	for _, v := range []struct{ what, clause, payload, want string }{
		{"one block", "RFC 7692, 7.2.3.1", hello, "Hello"},
		{"a stored block", "RFC 7692, 7.2.3.3", "\x00\x05\x00\xfa\xffHello\x00", "Hello"},
		{"a last block", "RFC 7692, 7.2.3.4", "\xf3\x48\xcd\xc9\xc9\x07\x00\x00", "Hello"},
		{"two blocks", "RFC 7692, 7.2.3.5", "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", "Hello"},
		{"nothing, as a byte of 0", "RFC 7692, 7.2.3.6", "\x00", ""},
		{"nothing, as a block with fixed codes", "RFC 7692, 7.2.3.6", "\x02\x00", ""},
		{"many empty stored blocks", "RFC 7692, 7.2.3.5", strings.Repeat("\x00\x00\x00\xff\xff", 300) + hello, "Hello"},
		{"a stored block of 0 bytes and one of 65535", "RFC 7692, 7.2.3.3", "\x00\x00\x00\xff\xff\x00\xff\xff\x00\x00" + letters(65535) + "\x00", letters(65535)},
		{"two streams in a row", "RFC 7692, 7.2.3.4", "\xf3\x48\xcd\xc9\xc9\x07\x00\xf3\x48\xcd\xc9\xc9\x07\x00\x00", "HelloHello"},
	} {
		add("a message may be "+v.what, v.clause, func(s *script) {
			s.send(frame(fin|rsv1|opText, v.payload))
			s.want(opText, v.want)
			s.compressed(opText, v.want+" and more", 0, false)
			s.bye()
		})
	}
	add("a message may refer to the previous one", "RFC 7692, 7.2.3.2", func(s *script) {
		for range 3 {
			s.send(frame(fin|rsv1|opText, hello), frame(fin|rsv1|opBinary, again))
			s.want(opText, "Hello")
			s.want(opBinary, "Hello")
			s.echo(opText, "this is not compressed and nothing refers to it")
			s.send(frame(fin|rsv1|opText, again))
			s.want(opText, "Hello")
		}
		s.bye()
	})
	add("a message may refer to one that ended with a last block", "RFC 7692, 7.2.3.4", func(s *script) {
		s.send(frame(fin|rsv1|opText, "\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), frame(fin|rsv1|opText, again))
		s.want(opText, "Hello")
		s.want(opText, "Hello")
		s.bye()
	})
	add("a message may refer to messages further back, up to the size of the window", "RFC 7692, 7.2.1", func(s *script) {
		noise := payloads[2].make(1000, 0)
		for i := range 80 {
			s.compressed(opBinary, noise, 0, i > 0)
			s.compressed(opBinary, payloads[2].make(30_000, i%3), 0, false)
		}
		s.bye()
	})
	cuts(add)
	between(add)
	thresholds(t)
}

// cuts has cases with compressed messages in fragments.
func cuts(add func(what, clause string, run func(s *script))) {
	add("the example in two fragments", "RFC 7692, 7.2.3.1", func(s *script) {
		s.send(frame(rsv1|opText, hello[:3]), frame(fin|opCont, hello[3:]))
		s.want(opText, "Hello")
		s.bye()
	})
	for _, k := range payloads {
		add("a message of "+k.name+" may be in fragments of one byte", "RFC 7692, 6.1", func(s *script) {
			s.compressed(k.op, k.make(3000, 0), 1, k.shrink)
			s.bye()
		})
		add("a message of "+k.name+" may be cut at any byte, and fragments may be empty", "RFC 7692, 6.1", func(s *script) {
			for i := range 60 {
				packed := s.zip.deflate(k.make(100, i))
				at := i * len(packed) / 60
				s.send(frame(rsv1|k.op, packed[:at]), frame(opCont, ""), frame(fin|opCont, packed[at:]))
				s.want(k.op, k.make(100, i))
			}
			s.bye()
		})
	}
	add("the first fragment may be empty", "RFC 7692, 6.1", func(s *script) {
		s.send(frame(rsv1|opText, ""), frame(opCont, hello), frame(fin|opCont, ""))
		s.want(opText, "Hello")
		s.bye()
	})
}

// between has cases that mix compressed messages and others.
func between(add func(what, clause string, run func(s *script))) {
	add("pings between compressed fragments are answered at once", "RFC 7692, 6.1", func(s *script) {
		for _, f := range fragments(fin|rsv1|opText, s.zip.deflate(letters(5000)), 10) {
			s.echo(opPing, "ping")
			s.send(f)
		}
		s.want(opText, letters(5000))
		s.bye()
	})
	add("uncompressed messages may come between compressed ones", "RFC 7692, 6", func(s *script) {
		for i := range 20 {
			s.compressed(opText, letters(500+i), 0, false)
			s.echo(opText, letters(500+i))
			s.send(fragments(fin|opBinary, octets(300), 100)...)
			s.want(opBinary, octets(300))
		}
		s.bye()
	})
	add("control frames are not compressed", "RFC 7692, 6", func(s *script) {
		s.echo(opPing, strings.Repeat("\x00", 125))
		s.send(closing(1001, strings.Repeat("a", 123)))
		s.closed(1001)
	})
	add("a compressed message after a close frame is not answered", "5.5.1", func(s *script) {
		s.bye()
		s.send(frame(fin|rsv1|opText, hello))
	})
}

// thresholds has cases with a server that does not compress small messages.
func thresholds(t *table) {
	next := t.series("13.11.")
	for _, n := range []int{0, 1, 999, 1000, 1001, 5000} {
		p, words := plainly, "uncompressed"
		if n >= 1000 {
			p, words = compressed, "compressed"
		}
		x := next(fmt.Sprintf("with a threshold of 1000 bytes, a message of %d bytes is sent %s", n, words), "RFC 7692, 6.1", func(s *script) {
			s.compressed(opText, letters(n), 0, false)
			s.turn().in[0].packed = p
			s.bye()
		})
		x.Config = config{deflate: deflateConfig{on: true, takeover: true, threshold: 1000}}
		x.Negotiation = negotiation{pmd, pmd}
	}
}
