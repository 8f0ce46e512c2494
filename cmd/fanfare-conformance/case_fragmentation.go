package main

import (
	"fmt"
	"strings"
)

// fragmentation has the cases of group 5.
func fragmentation(t *table) {
	next := t.series("5.")
	for _, op := range []byte{opPing, opPong, opClose} {
		next("a "+opNames[op]+" in two fragments is refused", "5.5", func(s *script) {
			s.send(frame(op, "fr"), frame(fin|opCont, "ag"))
			s.fails(1002)
		})
		next("a "+opNames[op]+" without payload and without FIN is refused by its header", "5.5", func(s *script) {
			s.send(header(op, 0))
			s.fails(1002)
		})
	}
	for _, k := range kinds {
		for _, n := range []int{2, 3, 10, 1000} {
			next(fmt.Sprintf("a %s message in %d fragments is echoed", k.name, n), "5.4", func(s *script) {
				s.send(fragments(fin|k.op, k.make(n*10), 10)...)
				s.want(k.op, k.make(n*10))
				s.bye()
			})
			next(fmt.Sprintf("a %s message in %d fragments is echoed, and pings between them are answered at once", k.name, n), "5.4", func(s *script) {
				for _, f := range fragments(fin|k.op, k.make(n*10), 10) {
					s.echo(opPing, "ping")
					s.send(f)
				}
				s.want(k.op, k.make(n*10))
				s.bye()
			})
		}
	}
	pauses(next)
	emptyFragments(next)
	outOfPlace(next)
}

// pauses has cases that wait for answers between fragments.
func pauses(next func(what, clause string, run func(s *script)) *Case) {
	next("pings between fragments are answered before the message is complete", "5.4", func(s *script) {
		want := ""
		for i := range 5 {
			b0 := opCont
			switch i {
			case 0:
				b0 = opText
			case 4:
				b0 |= fin
			}
			piece := fmt.Sprintf("fragment%d", i)
			want += piece
			s.send(frame(b0, piece))
			if i < 4 {
				s.echo(opPing, fmt.Sprintf("pongme %d!", i))
				s.wait()
			}
		}
		s.want(opText, want)
		s.bye()
	})
	next("pongs between fragments do not affect the message", "5.4", func(s *script) {
		s.send(frame(opText, "frag"), frame(fin|opPong, "pong"), frame(opCont, "me"), frame(fin|opPong, ""), frame(fin|opCont, "nt"))
		s.want(opText, "fragment")
		s.bye()
	})
}

func emptyFragments(next func(what, clause string, run func(s *script)) *Case) {
	for _, k := range kinds {
		next("three empty fragments are an empty "+k.name+" message", "5.4", func(s *script) {
			s.send(frame(k.op, ""), frame(opCont, ""), frame(fin|opCont, ""))
			s.want(k.op, "")
			s.bye()
		})
		for i := range 3 {
			next(fmt.Sprintf("empty fragments around piece %d of a %s message do not change it", i+1, k.name), "5.4", func(s *script) {
				pieces := []string{"", "", ""}
				pieces[i] = "middle frame payload"
				s.send(frame(k.op, pieces[0]), frame(opCont, pieces[1]), frame(fin|opCont, pieces[2]))
				s.want(k.op, "middle frame payload")
				s.bye()
			})
		}
		next("a "+k.name+" message may have 2000 empty fragments", "5.4", func(s *script) {
			s.send(frame(k.op, "a"), strings.Repeat(frame(opCont, ""), 2000), frame(fin|opCont, "b"))
			s.want(k.op, "ab")
			s.bye()
		})
	}
}

// outOfPlace has continuation frames without a message, and messages that begin within another one.
func outOfPlace(next func(what, clause string, run func(s *script)) *Case) {
	for _, before := range []string{"", "a message", "a message in fragments"} {
		for _, b0 := range []byte{opCont, fin | opCont} {
			for _, body := range []string{"", "non-continuation payload"} {
				what := fmt.Sprintf("a continuation frame without a message, with FIN %d and %d bytes, is refused", b0>>7, len(body))
				if before != "" {
					what += " after " + before
				}
				next(what, "5.4", func(s *script) {
					switch before {
					case "a message":
						s.echo(opText, "whole")
					case "a message in fragments":
						s.send(fragments(fin|opText, "fragment1fragment2", 9)...)
						s.want(opText, "fragment1fragment2")
					}
					s.send(frame(b0, body), frame(fin|opText, "Hello, world!"))
					s.fails(1002)
				})
			}
		}
	}
	for _, op := range []byte{opText, opBinary} {
		for _, b0 := range []byte{op, fin | op} {
			next(fmt.Sprintf("a %s frame with FIN %d within a message is refused", opNames[op], b0>>7), "5.4", func(s *script) {
				s.send(frame(opText, "fragment1"), frame(b0, "fragment2"))
				s.fails(1002)
			})
			next(fmt.Sprintf("a %s frame with FIN %d within a message is refused by its header", opNames[op], b0>>7), "5.4", func(s *script) {
				s.send(frame(opText, "fragment1"), header(b0, 9))
				s.fails(1002)
			})
		}
	}
	next("a continuation frame after a complete message is refused, and the message is echoed", "5.4", func(s *script) {
		s.send(frame(opText, "fragment1"), frame(fin|opCont, "fragment2"))
		s.want(opText, "fragment1fragment2")
		s.send(frame(opCont, "fragment3"), frame(opCont, "fragment4"), frame(fin|opCont, "fragment5"))
		s.fails(1002)
	})
}
