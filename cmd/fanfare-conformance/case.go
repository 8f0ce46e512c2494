package main

import (
	"fmt"
	"strconv"
	"strings"
)

// Case is one thing that a server of RFC 6455 does, and how to find out.
type Case struct {
	// ID is the number, by which the field knows most of them.
	ID string
	// What is it, in a sentence.
	What string
	// Clause is where it is written, of RFC 6455 unless another one is named.
	Clause string
	// Config is what the server has to be set to.
	Config config
	// Script says what is sent and what comes back, once the connection is open.
	Script func(s *script)
	// Handshake is the request; if its text is empty, an ordinary one.
	Handshake handshake
	// Negotiation is about compression.
	Negotiation negotiation
	// Heavy cases do not run beside each other.
	Heavy bool
}

// Group returns the first part of the ID.
func (c *Case) Group() string {
	g, _, _ := strings.Cut(c.ID, ".")
	return g
}

// script is what happens on a connection: turns, in each of which something is
// sent and then something has to come back, and the end.
type script struct {
	turns []turn
	// code is that of the close frame which the server has to send at last, after
	// which it has to close; noCode for a frame without one.
	code int
	// ours is true if the script sends a close frame first.
	ours bool
	// zip is the compression that was agreed on, or nil.
	zip *deflater
	// known is true if the server is one whose threshold is known.
	known bool
}

type turn struct {
	out []string // whole frames or parts of some, written in one go or byte by byte
	in  []event
}

// event is what can come from a server: a message, a ping or pong, a close frame.
type event struct {
	op      byte
	payload string
	packed  packed // of a message
}

// packed says whether a message came compressed, or has to.
type packed int8

const (
	either packed = iota
	compressed
	plainly
)

// noCode stands for a close frame without a payload.
const noCode = -1

func (s *script) turn() *turn {
	if len(s.turns) == 0 {
		s.turns = append(s.turns, turn{})
	}
	return &s.turns[len(s.turns)-1]
}

// send sends bytes.
func (s *script) send(parts ...string) {
	t := s.turn()
	t.out = append(t.out, parts...)
}

// want has an event follow those that were wanted before.
func (s *script) want(op byte, payload string) {
	t := s.turn()
	t.in = append(t.in, event{op: op, payload: payload})
}

// wait has everything come that is wanted, before the next is sent.
func (s *script) wait() { s.turns = append(s.turns, turn{}) }

// echo sends a message or a ping and wants the answer.
func (s *script) echo(op byte, payload string) {
	s.send(frame(fin|op, payload))
	s.answer(op, payload)
}

// answer wants what a message or ping is answered with.
func (s *script) answer(op byte, payload string) {
	if op == opPing {
		op = opPong
	}
	s.want(op, payload)
}

// fails wants the server to end the connection with that code.
func (s *script) fails(code int) { s.code = code }

// closed wants the server to answer our close frame with that code.
func (s *script) closed(code int) { s.code, s.ours = code, true }

// bye closes the connection in order.
func (s *script) bye() {
	s.send(closing(1000, ""))
	s.closed(1000)
}

// table collects cases.
type table struct {
	cases []*Case
}

func (t *table) add(id, what, clause string, run func(s *script)) *Case {
	c := &Case{ID: id, What: what, Clause: clause, Script: run}
	t.cases = append(t.cases, c)
	return c
}

// series numbers cases: "5.1." makes 5.1.1, 5.1.2 and so on.
func (t *table) series(prefix string) func(what, clause string, run func(s *script)) *Case {
	n := 0
	return func(what, clause string, run func(s *script)) *Case {
		n++
		return t.add(prefix+strconv.Itoa(n), what, clause, run)
	}
}

// allCases returns the suite, in order.
func allCases() []*Case {
	t := new(table)
	for _, group := range []func(*table){
		framing, pings, reservedBits, opcodes, fragmentation, utf8Cases, closes, limits, misc, compressionSizes, compressionParameters, handshakes,
	} {
		group(t)
	}
	seen := make(map[string]bool)
	for _, c := range t.cases {
		if seen[c.ID] {
			panic(fmt.Sprintf("two cases are numbered %s", c.ID))
		}
		seen[c.ID] = true
	}
	return t.cases
}

// group is a part of the suite.
type group struct{ id, name string }

var groups = []group{
	{"1", "framing"}, {"2", "pings and pongs"}, {"3", "reserved bits"}, {"4", "reserved opcodes"}, {"5", "fragmentation"},
	{"6", "UTF-8"}, {"7", "closing"}, {"9", "limits and performance"}, {"10", "miscellaneous"},
	{"12", "compression: sizes"}, {"13", "compression: parameters"}, {"H", "opening handshake"},
}
