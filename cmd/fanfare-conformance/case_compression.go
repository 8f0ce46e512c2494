package main

import (
	"fmt"
	"strings"
)

// fragmentSizes are the sizes of fragments of a message of 128 KiB.
var (
	messageSizes  = []int{16, 64, 256, kib, 4 * kib, 8 * kib, 16 * kib, 32 * kib, 64 * kib, 128 * kib}
	fragmentSizes = []int{16, 64, 256, kib, 4 * kib, 8 * kib, 32 * kib, 64 * kib}
)

// keeping is a server that compresses every message with context takeover; without has no context takeover.
var (
	keeping = config{deflate: deflateConfig{on: true, takeover: true}}
	without = config{deflate: deflateConfig{on: true}}
)

const noTakeover = pmd + "; " + serverNoTakeover + "; " + clientNoTakeover

// compressed sends a compressed message, in fragments if size is not 0, and expects its echo. If sure is set, the echo must be
// compressed as well.
func (s *script) compressed(op byte, payload string, size int, sure bool) {
	if s.zip == nil { // compression was not negotiated
		s.echo(op, payload)
		return
	}
	packed := s.zip.deflate(payload)
	if size == 0 {
		size = max(1, len(packed))
	}
	s.send(fragments(fin|rsv1|op, packed, size)...)
	s.wantPacked(op, payload, sure)
}

// wantPacked expects a message. It must be compressed if sure is set and the server's threshold is known.
func (s *script) wantPacked(op byte, payload string, sure bool) {
	s.want(op, payload)
	if t := s.turn(); sure && s.known {
		t.in[len(t.in)-1].packed = compressed
	}
}

// turnover exchanges many messages of a kind and a size.
func turnover(k payloadKind, n, fragment int) func(s *script) {
	return func(s *script) {
		for i := range max(2, min(1000, perCase/n)) {
			s.compressed(k.op, k.make(n, i), fragment, k.shrink && n >= 1024)
		}
		s.bye()
	}
}

// sizes adds the eighteen cases of a kind of message.
func sizes(t *table, prefix string, k payloadKind, c config, n negotiation) {
	next := t.series(prefix)
	add := func(what string, run func(s *script)) {
		x := next(what, "RFC 7692, 7.2", run)
		x.Config, x.Negotiation = c, n
	}
	asked := ", with the offer " + strings.ReplaceAll(n.offer, pmd, "compression")
	for _, n := range messageSizes {
		add(fmt.Sprintf("messages of %s of %s are echoed compressed%s", size(n), k.name, asked), turnover(k, n, 0))
	}
	for _, f := range fragmentSizes {
		add(fmt.Sprintf("messages of 128 KiB of %s in fragments of %s are echoed compressed%s", k.name, size(f), asked), turnover(k, 128*kib, f))
	}
}

// compressionSizes has the cases of group 12: kinds and sizes of messages.
func compressionSizes(t *table) {
	for i, k := range payloads {
		sizes(t, fmt.Sprintf("12.%d.", i+1), k, without, negotiation{pmd, noTakeover})
	}
}

// compressionParameters has the cases of group 13: parameters, and valid and invalid compressed messages.
func compressionParameters(t *table) {
	for i, p := range []string{
		"", "; " + serverNoTakeover, "; " + serverMaxWindow + "=9; " + clientMaxWindow + "=9", "; " + serverMaxWindow + "=15",
		"; " + serverNoTakeover + "; " + serverMaxWindow + "=9", "; " + clientNoTakeover + "; " + serverMaxWindow + "=15",
		"; " + clientMaxWindow + "=12; " + serverNoTakeover,
	} {
		sizes(t, fmt.Sprintf("13.%d.", i+1), payloads[i%2], keeping, negotiation{pmd + p, pmd + p})
	}
	negotiations(t)
	deflated(t)
	deflateFaults(t)
	inflatedLimits(t)
	inflatedText(t)
}
