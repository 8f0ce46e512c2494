package main

import "fmt"

// around has the states in which a connection may receive a frame.
var around = []struct {
	name string
	run  func(s *script)
}{
	{"as the first frame", func(*script) {}},
	{"after a message", func(s *script) { s.echo(opText, "Hello, world!") }},
	{"within a message in fragments", func(s *script) { s.send(frame(opText, "frag")) }},
}

// reservedBits has the cases of group 3: without an extension, none of the three bits may be set in any frame.
func reservedBits(t *table) {
	for bits := byte(1); bits <= 7; bits++ {
		next := t.series(fmt.Sprintf("3.%d.", bits))
		for _, op := range []byte{opText, opBinary, opCont, opClose, opPing, opPong} {
			for _, a := range around {
				if (op == opCont) != (a.name == around[2].name) && op < opClose {
					continue // the frame would be out of place, which is another fault
				}
				next(fmt.Sprintf("reserved bits %03b in a %s frame, %s, are refused", bits, opNames[op], a.name), "5.2", func(s *script) {
					a.run(s)
					body := "Hello"
					if op == opClose {
						body = closeBody(1000, "")
					}
					s.send(frame(fin|bits<<4|op, body), frame(fin|opPing, "nobody answers this"))
					s.fails(1002)
				})
			}
		}
		next(fmt.Sprintf("reserved bits %03b are refused by the header", bits), "5.2", func(s *script) {
			s.send(header(fin|bits<<4|opText, 5))
			s.fails(1002)
		})
	}
}

// opcodes has the cases of group 4: reserved opcodes.
func opcodes(t *table) {
	for i, first := range []byte{3, 11} {
		next := t.series(fmt.Sprintf("4.%d.", i+1))
		for op := first; op < first+5; op++ {
			for _, a := range around {
				for _, body := range []string{"", "reserved opcode payload"} {
					next(fmt.Sprintf("opcode %d with %d bytes, %s, is refused", op, len(body), a.name), "5.2", func(s *script) {
						a.run(s)
						s.send(frame(fin|op, body), frame(fin|opPing, "nobody answers this"))
						s.fails(1002)
					})
				}
			}
			next(fmt.Sprintf("opcode %d is refused by its header", op), "5.2", func(s *script) {
				s.send(header(fin|op, 100))
				s.fails(1002)
			})
		}
	}
}
