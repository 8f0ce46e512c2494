package main

import (
	"fmt"
	"strconv"
	"strings"
)

// Case is a rule for a server of RFC 6455, and how to test it.
type Case struct {
	// ID is the number of the case. Most numbers are those of the Autobahn suite.
	ID string
	// What describes the rule in a sentence.
	What string
	// Clause is the section of RFC 6455, or of another RFC if it names one.
	Clause string
	// Config is the configuration of the server.
	Config config
	// Script adds what to send and what to expect once the connection is open.
	Script func(s *script)
	// Handshake is the request. If its text is empty, it is an ordinary one.
	Handshake handshake
	// Negotiation is the offer of compression and its answer.
	Negotiation negotiation
	// Heavy cases run one at a time.
	Heavy bool
}

// Group returns the first part of the ID.
func (c *Case) Group() string {
	g, _, _ := strings.Cut(c.ID, ".")
	return g
}

// script is the course of a connection: turns, and the end. In each turn the client sends and then expects events.
type script struct {
	turns []turn
	// code is the code of the close frame that the server must send at the end; noCode for a frame without a code.
	code int
	// ours means that the script sends a close frame first.
	ours bool
	// zip is the negotiated compression, or nil.
	zip *deflater
	// known means that the threshold of the server is known.
	known bool
}

type turn struct {
	out []string // whole or partial frames, written at once or byte by byte
	in  []event
}

// event is what a server can send: a message, a ping or pong, a close frame.
type event struct {
	op      byte
	payload string
	packed  packed // of a message
}

// packed says whether a message was or must be compressed.
type packed int8

const (
	either packed = iota
	compressed
	plainly
)

// noCode is the code of a close frame without a payload.
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

// want expects an event after the ones that are expected so far.
func (s *script) want(op byte, payload string) {
	t := s.turn()
	t.in = append(t.in, event{op: op, payload: payload})
}

// wait ends a turn: all expected events must arrive before more is sent.
func (s *script) wait() { s.turns = append(s.turns, turn{}) }

// echo sends a message or a ping and expects the answer.
func (s *script) echo(op byte, payload string) {
	s.send(frame(fin|op, payload))
	s.answer(op, payload)
}

// answer expects the answer to a message or a ping.
func (s *script) answer(op byte, payload string) {
	if op == opPing {
		op = opPong
	}
	s.want(op, payload)
}

// fails expects the server to fail the connection with that code.
func (s *script) fails(code int) { s.code = code }

// closed expects the server to answer the client's close frame with that code.
func (s *script) closed(code int) { s.code, s.ours = code, true }

// bye does a closing handshake.
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
			panic(fmt.Sprintf("two cases have the number %s", c.ID))
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
