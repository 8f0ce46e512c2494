package main

import (
	"fmt"
	"strings"
)

const (
	kib = 1 << 10
	mib = 1 << 20
)

// limits has the cases of group 9: large messages, many messages, and messages above the server's limit.
func limits(t *table) {
	for i, k := range kinds {
		large(t, i, k)
		inFragments(t, i, k)
		many(t, i, k)
	}
	tooLarge(t)
}

// size formats a number of bytes.
func size(n int) string {
	switch {
	case n >= mib && n%mib == 0:
		return fmt.Sprintf("%d MiB", n/mib)
	case n >= kib && n%kib == 0:
		return fmt.Sprintf("%d KiB", n/kib)
	}
	return fmt.Sprintf("%d bytes", n)
}

func large(t *table, i int, k kind) {
	next := t.series(fmt.Sprintf("9.%d.", i+1))
	for _, n := range []int{64 * kib, 256 * kib, mib, 4 * mib, 8 * mib, 16 * mib} {
		next(fmt.Sprintf("a %s message of %s is echoed", k.name, size(n)), "5.2", func(s *script) {
			s.echo(k.op, k.make(n))
			s.bye()
		}).Heavy = n >= mib
	}
}

func inFragments(t *table, i int, k kind) {
	next := t.series(fmt.Sprintf("9.%d.", i+3))
	for n := 64; n <= 4*mib; n *= 4 {
		next(fmt.Sprintf("a %s message of 4 MiB in fragments of %s is echoed", k.name, size(n)), "5.4", func(s *script) {
			s.send(fragments(fin|k.op, k.make(4*mib), n)...)
			s.want(k.op, k.make(4*mib))
			s.bye()
		}).Heavy = true
	}
	next = t.series(fmt.Sprintf("9.%d.", i+5))
	for _, n := range []int{1, 2, 3, 7} {
		next(fmt.Sprintf("a %s message of 20000 bytes in fragments of %d is echoed", k.name, n), "5.4", func(s *script) {
			s.send(fragments(fin|k.op, k.make(20000), n)...)
			s.want(k.op, k.make(20000))
			s.bye()
		})
	}
}

func many(t *table, i int, k kind) {
	next := t.series(fmt.Sprintf("9.%d.", i+7))
	for _, n := range []int{0, 16, 64, 256, 1024, 4096} {
		next(fmt.Sprintf("1000 %s messages of %s, sent at once, are echoed", k.name, size(n)), "5.6", func(s *script) {
			for range 1000 {
				s.echo(k.op, k.make(n))
			}
			s.bye()
		})
		next(fmt.Sprintf("100 %s messages of %s, each sent after the previous echo, are echoed", k.name, size(n)), "5.6", func(s *script) {
			for range 100 {
				s.echo(k.op, k.make(n))
				s.wait()
			}
			s.bye()
		})
	}
}

// tight is a server with low limits.
var tight = config{maxMessage: 10_000, maxFrame: 1000}

// tooLarge expects refusals by the header alone: it never sends the payload.
func tooLarge(t *table) {
	next := t.series("9.9.")
	add := func(what string, run func(s *script)) { next(what, "7.4.1", run).Config = tight }
	for _, k := range kinds {
		add("a "+k.name+" frame of the largest size is echoed, twenty times", func(s *script) {
			for range 20 {
				s.echo(k.op, k.make(1000))
			}
			s.bye()
		})
		add("a "+k.name+" frame that is one byte too large is refused by its header", func(s *script) {
			s.echo(k.op, k.make(1000))
			s.send(header(fin|k.op, 1001))
			s.send(maskWith(""))
			s.fails(1009)
		})
		add("a "+k.name+" message of the largest size, in fragments, is echoed, and pings between them do not count", func(s *script) {
			for range 2 {
				for _, f := range fragments(fin|k.op, k.make(10_000), 1000) {
					s.echo(opPing, octets(125))
					s.send(f)
				}
				s.want(k.op, k.make(10_000))
			}
			s.bye()
		})
		add("a "+k.name+" message that is one byte too large is refused by the header of its last fragment", func(s *script) {
			s.send(strings.Join(fragments(k.op, k.make(9900), 900), ""))
			s.echo(opPing, "still open")
			s.wait()
			s.send(header(fin|opCont, 101) + maskWith(""))
			s.fails(1009)
		})
		add("a "+k.name+" message of the largest size may end with empty fragments", func(s *script) {
			s.send(fragments(k.op, k.make(10_000), 1000)...)
			s.send(frame(opCont, ""), frame(fin|opCont, ""))
			s.want(k.op, k.make(10_000))
			s.bye()
		})
		for _, n := range []uint64{65536, 1 << 31, 1 << 32, 1<<63 - 1} {
			add(fmt.Sprintf("a %s frame that declares %d bytes is refused by its header", k.name, n), func(s *script) {
				s.send(headerAs(fin|k.op, 64, n) + maskWith("begin"))
				s.fails(1009)
			})
		}
	}
	for _, n := range []uint64{16*mib + 1, 1 << 40, 1<<63 - 1} {
		next(fmt.Sprintf("a frame that declares %d bytes is refused if the limit is 16 MiB", n), "7.4.1", func(s *script) {
			s.send(headerAs(opBinary, 64, n) + maskWith("begin"))
			s.fails(1009)
		}).Config = config{maxMessage: 16 * mib}
	}
}

// misc has the cases of group 10.
func misc(t *table) {
	next := t.series("10.1.")
	for _, n := range []int{1300, 1400, 4096, 65535} {
		next(fmt.Sprintf("a message of 64 KiB in fragments of %d bytes is echoed", n), "5.4", func(s *script) {
			s.send(fragments(fin|opText, letters(64*kib), n)...)
			s.want(opText, letters(64*kib))
			s.bye()
		})
	}
	next("messages of all lengths from 0 to 300 are echoed", "5.2", func(s *script) {
		for n := range 301 {
			s.echo(opBinary, octets(n))
		}
		s.bye()
	})
	next("messages with lengths around each change of the length's form are echoed", "5.2", func(s *script) {
		for _, edge := range []int{125, 65535, 65536, 1 << 17} {
			for n := edge - 2; n <= edge+2; n++ {
				s.echo(opBinary, octets(n))
			}
		}
		s.bye()
	})
	next("a server that has failed a connection sends nothing more, whatever it receives", "7.1.7", func(s *script) {
		s.echo(opText, "before")
		s.send(frame(fin|3, ""), frame(fin|opText, "after"), frame(fin|opPing, "after"), closing(1000, ""), letters(50_000))
		s.fails(1002)
	})
	next("the first of two faults decides the close code", "7.1.7", func(s *script) {
		s.send(frame(fin|opText, "\xff"), frame(fin|3, ""))
		s.fails(1007)
	})
}
