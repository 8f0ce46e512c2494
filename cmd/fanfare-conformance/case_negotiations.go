package main

import (
	"fmt"
	"net/http"
	"strings"
)

// negotiations has the cases 13.8: offers, and the answers to them.
func negotiations(t *table) {
	next := t.series("13.8.")
	add := func(c config, offer, answer string) {
		offer, answer = inFull(offer), inFull(answer)
		what := fmt.Sprintf("the offer %q is answered with %q", offer, answer)
		if answer == "" {
			what = fmt.Sprintf("the offer %q is declined", offer)
		}
		x := next(what, "RFC 7692, 7.1", conversation)
		x.Config, x.Negotiation = c, negotiation{offer, answer}
	}
	for _, n := range keptNegotiations() {
		add(keeping, n.offer, n.answer)
	}
	for _, offer := range declined {
		add(keeping, offer, "")
		add(keeping, offer+", %", "%") // the server takes the next offer
	}
	add(without, "%", "%; SN; CN")
	add(without, "%; SN; SB=10", "%; SN; CN; SB=10")
	add(without, "%; CB=10", "%; SN; CN; CB=10")
	ten := config{deflate: deflateConfig{on: true, takeover: true, windowBits: 10}}
	add(ten, "%", "%; SB=10; CN") // the client cannot limit its window
	add(ten, "%; CB", "%; SB=10; CB=10")
	add(ten, "%; SB=12; CB=9", "%; SB=10; CB=9")
	add(ten, "%; SB=8; CB=15", "%; SB=8; CB=10")
	add(config{}, "%", "")
	add(config{}, "%; CB, x-other", "")
	malformed(t)
}

// inFull expands the abbreviations in the tables of this file.
func inFull(s string) string {
	return strings.NewReplacer("%", pmd, "SN", serverNoTakeover, "CN", clientNoTakeover, "SB", serverMaxWindow, "CB", clientMaxWindow).Replace(s)
}

func keptNegotiations() []negotiation {
	all := []negotiation{
		{"%", "%"}, {"%; SN", "%; SN"}, {"%; CN", "%; CN"}, {"%; SN; CN", "%; SN; CN"}, {"%; CN; SN", "%; SN; CN"},
		{"%; CB", "%"}, {"%; CB=15", "%"}, {"%; CB; SN; CN; SB=10", "%; SN; CN; SB=10"}, {"%; SB=9; CB=11; SN; CN", "%; SB=9; CB=11; SN; CN"},
		{`%; SB="10"`, "%; SB=10"}, {`%; CB="12"`, "%; CB=12"}, {`%; SB="1\0"`, "%; SB=10"},
		{"%;SB=10;CN", "%; SB=10; CN"}, {"  % \t; \tSB = 10 ;  CN  ", "%; SB=10; CN"}, {", ,%,,", "%"},
		{"%, %; SB=10", "%"}, {"%; SB=10, %", "%; SB=10"}, {"%; SN, %; CN", "%; SN"},
		{"x-unknown, %", "%"}, {"x-unknown; SB=7; a=\"b\", %; SN", "%; SN"}, {"x-webkit-deflate-frame, %; CB=9, x-other", "%; CB=9"},
		{"%\r\nSec-WebSocket-Extensions: %; SN", "%"}, {"x-unknown\r\nSec-WebSocket-Extensions: %; SN", "%; SN"},
		{"%; SB=7\r\nSec-WebSocket-Extensions: %; SB=8", "%; SB=8"},
	}
	for bits := 8; bits <= 15; bits++ {
		all = append(all, negotiation{fmt.Sprintf("%%; SB=%d", bits), fmt.Sprintf("%%; SB=%d", bits)},
			negotiation{fmt.Sprintf("%%; SN; SB=%d", bits), fmt.Sprintf("%%; SN; SB=%d", bits)})
		if bits < 15 {
			all = append(all, negotiation{fmt.Sprintf("%%; CB=%d", bits), fmt.Sprintf("%%; CB=%d", bits)},
				negotiation{fmt.Sprintf("%%; CN; CB=%d", bits), fmt.Sprintf("%%; CN; CB=%d", bits)})
		}
	}
	return all
}

// declined are offers with a parameter that is unknown, repeated or invalid.
var declined = []string{
	"%; SB", "%; SB=7", "%; SB=16", "%; SB=08", "%; SB=0", "%; SB=-9", "%; SB=+9", "%; SB=1e1", "%; SB=9.0", "%; SB=100", "%; SB=0x9",
	"%; CB=7", "%; CB=16", "%; CB=08", "%; CB=0", "%; CB=x", `%; SB="07"`, `%; CB="16"`,
	"%; SN=1", "%; CN=true", "%; SN=\"x\"", "%; SB=10; SB=10", "%; SB=10; SB=11", "%; CB; CB", "%; CB=10; CB", "%; SN; SN", "%; CN; CN",
	"%; x-unknown", "%; x-unknown=1", "%; SN; CN; level=9", "%; server_max_window_bit=10", "x-" + pmd, pmd + "-2", "x-unknown",
}

// conversation exchanges messages that refer to each other, some of them larger than a window.
func conversation(s *script) {
	for i, n := range []int{100, 100, 2000, 5000, 40_000, 100} {
		s.compressed(opText, payloads[i%2].make(n, i%2), 0, n > 1000)
	}
	s.compressed(opBinary, octets(70_000), 1000, false)
	s.echo(opText, "not compressed")
	s.bye()
}

// malformed has fields that violate the grammar (RFC 6455, section 9.1).
func malformed(t *table) {
	next := t.series("13.9.")
	for _, offer := range []string{
		"%;", "%; ;SN", "; SN", "%; =10", "%; SB=", `%; SB="10`, `%; SB=""`, "%; SB==10", "% SN", "%/2", "%; SB=10 11", "%, ; x", `"%"`, "", ",",
	} {
		x := next(fmt.Sprintf("the malformed offer %q is refused", offer), "9.1", func(*script) {})
		x.Config = keeping
		x.Handshake = handshake{text: request("Sec-WebSocket-Extensions: " + inFull(offer)), status: http.StatusBadRequest}
	}
}
