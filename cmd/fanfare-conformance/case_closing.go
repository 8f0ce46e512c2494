package main

import (
	"fmt"
	"strings"
)

// closes has the cases of group 7.
func closes(t *table) {
	next := t.series("7.1.")
	next("a message is echoed, then the connection closes with a closing handshake", "7.1.2", func(s *script) {
		s.echo(opText, "Hello World!")
		s.bye()
	})
	for _, after := range []struct {
		name   string
		frames []string
	}{
		{"a second close frame", []string{closing(1000, "")}},
		{"a second close frame with another code", []string{closing(1001, "")}},
		{"a ping", []string{frame(fin|opPing, "nobody answers this")}},
		{"a text message", []string{frame(fin|opText, "Hello World!")}},
		{"a binary message", []string{frame(fin|opBinary, octets(300))}},
		{"a large message", []string{frame(fin|opText, letters(100_000))}},
		{"half a message", []string{frame(opText, "Hello ")}},
		{"half a frame", []string{header(fin|opText, 100) + maskWith("Hello")}},
		{"a text that is not UTF-8", []string{frame(fin|opText, "\xff")}},
		{"an unmasked frame", []string{unmasked(fin|opText, "x")}},
		{"a reserved opcode", []string{frame(fin|3, "x")}},
	} {
		next(after.name+" after a close frame is not answered", "5.5.1", func(s *script) {
			s.bye()
			s.send(after.frames...)
		})
	}
	next("a message that is incomplete when the close frame arrives is not answered", "5.5.1", func(s *script) {
		s.send(frame(opText, "fragment1"))
		s.bye()
		s.send(frame(fin|opCont, "fragment2"))
	})
	next("a message of 256 KiB is echoed before the close frame after it is answered", "5.5.1", func(s *script) {
		s.echo(opText, letters(256<<10))
		s.bye()
		s.send(frame(fin|opPing, "nobody answers this"))
	})
	next("pings before a close frame are answered, pings after it are not", "5.5.1", func(s *script) {
		s.echo(opPing, "before")
		s.bye()
		s.send(frame(fin|opPing, "after"))
	})
	closeBodies(t)
	closeCodes(t)
}

func closeBodies(t *table) {
	next := t.series("7.3.")
	next("a close frame without a payload is answered with one without a payload", "5.5.1", func(s *script) {
		s.send(frame(fin|opClose, ""))
		s.closed(noCode)
	})
	next("a close frame with one byte is refused", "5.5.1", func(s *script) {
		s.send(frame(fin|opClose, "a"))
		s.fails(1002)
	})
	for _, reason := range []string{"", "Hello World!", letters(122), letters(123), kosme, strings.Repeat("é", 61), "\U0010ffff\ufffe"} {
		next(fmt.Sprintf("a close frame with a reason of %d bytes is answered", len(reason)), "5.5.1", func(s *script) {
			s.send(closing(1000, reason))
			s.closed(1000)
		})
	}
	for _, n := range []int{126, 127, 65536} {
		next(fmt.Sprintf("a close frame of %d bytes is refused", n), "5.5", func(s *script) {
			s.send(frame(fin|opClose, closeBody(1000, letters(n-2))))
			s.fails(1002)
		})
	}
	next("a close frame of 126 bytes is refused by its header", "5.5", func(s *script) {
		s.send(header(fin|opClose, 126))
		s.fails(1002)
	})

	next = t.series("7.5.")
	for _, bad := range []string{kosme + "\xed\xa0\x80edited", "\x80", "abc\xff", kosme[:3], "\xc0\xaf", "\xf4\x90\x80\x80", strings.Repeat("x", 122) + "\xc3"} {
		next(fmt.Sprintf("a reason that is not UTF-8 is refused: %.20q", bad), "5.5.1", func(s *script) {
			s.send(closing(1000, bad))
			s.fails(1007)
		})
	}
}

// closeCodes has all codes that a close frame may have, and some that it may not.
func closeCodes(t *table) {
	next := t.series("7.7.")
	for _, code := range []int{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999} {
		for _, reason := range []string{"", "why"} {
			next(fmt.Sprintf("the code %d with the reason %q is answered with the same code", code, reason), "7.4", func(s *script) {
				s.send(closing(code, reason))
				s.closed(code)
			})
		}
	}
	next = t.series("7.9.")
	for _, code := range []int{0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 1999, 2000, 2999, 5000, 5001, 32768, 65535} {
		for _, reason := range []string{"", "why"} {
			next(fmt.Sprintf("the code %d with the reason %q is refused", code, reason), "7.4", func(s *script) {
				s.send(closing(code, reason))
				s.fails(1002)
			})
		}
	}
}
