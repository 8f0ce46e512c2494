package main

import (
	"fmt"
	"strings"
)

// pings has the cases of group 2.
func pings(t *table) {
	next := t.series("2.")
	for _, p := range []struct{ name, payload string }{
		{"without payload", ""}, {"with text", "Hello, world!"}, {"with bytes that are not text", "\x00\xff\xfe\xfd\xfc\xfb\x00\xff"},
		{"with 125 bytes, the largest size", strings.Repeat("\xfe", 125)},
	} {
		next("a ping "+p.name+" is answered with a pong with the same payload", "5.5.2", func(s *script) {
			s.echo(opPing, p.payload)
			s.bye()
		})
	}
	next("a ping of 126 bytes is refused", "5.5", func(s *script) {
		s.send(frame(fin|opPing, strings.Repeat("\xfe", 126)))
		s.fails(1002)
	})
	next("a ping of 65536 bytes is refused by its header", "5.5", func(s *script) {
		s.send(header(fin|opPing, 65536))
		s.fails(1002)
	})
	pongs(next)
	floods(next)
}

func pongs(next func(what, clause string, run func(s *script)) *Case) {
	for _, p := range []string{"", "unsolicited pong payload", octets(125)} {
		next(fmt.Sprintf("an unsolicited pong of %d bytes is not answered", len(p)), "5.5.3", func(s *script) {
			s.send(frame(fin|opPong, p))
			s.bye()
		})
	}
	next("a pong of 126 bytes is refused", "5.5", func(s *script) {
		s.send(frame(fin|opPong, octets(126)))
		s.fails(1002)
	})
	next("an unsolicited pong does not affect the ping after it", "5.5.3", func(s *script) {
		s.send(frame(fin|opPong, "unsolicited"))
		s.echo(opPing, "ping payload")
		s.bye()
	})
	next("ten pings are answered in order", "5.5.2", func(s *script) {
		for i := range 10 {
			s.echo(opPing, fmt.Sprintf("payload-%d", i))
		}
		s.bye()
	})
	next("pings between messages are answered in order", "5.5.2", func(s *script) {
		for i := range 5 {
			s.echo(opText, fmt.Sprintf("message %d", i))
			s.echo(opPing, fmt.Sprintf("ping %d", i))
			s.echo(opBinary, octets(i*100))
		}
		s.bye()
	})
}

// floods has cases with many control frames.
func floods(next func(what, clause string, run func(s *script)) *Case) {
	next("each of 5000 pings is answered", "5.5.2", func(s *script) {
		for i := range 5000 {
			s.echo(opPing, fmt.Sprintf("%0125d", i))
		}
		s.bye()
	})
	next("5000 unsolicited pongs do no harm", "5.5.3", func(s *script) {
		for range 5000 {
			s.send(frame(fin|opPong, octets(125)))
		}
		s.echo(opText, "still here")
		s.bye()
	})
	next("1000 pings between the fragments of a message do not affect it", "5.4", func(s *script) {
		s.send(frame(opText, "begin "))
		for i := range 1000 {
			s.echo(opPing, fmt.Sprint(i))
		}
		s.send(frame(fin|opCont, "end"))
		s.want(opText, "begin end")
		s.bye()
	})
}
