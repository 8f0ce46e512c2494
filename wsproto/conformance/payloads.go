package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// payloadKind makes messages for the compression cases; those with the same n and
// i are the same.
type payloadKind struct {
	name   string
	op     byte
	shrink bool // compression makes long ones smaller
	make   func(n, i int) string
}

var payloads = []payloadKind{
	{"JSON", opText, true, func(n, i int) string {
		return upTo(n, i, func(r *rand.Rand, b *strings.Builder) {
			fmt.Fprintf(b, `{"id":%d,"user":"user-%d","online":%v,"score":%.2f},`, r.IntN(1e6), r.IntN(100), r.IntN(2) == 0, 100*r.Float64())
		})
	}},
	{"words", opText, true, func(n, i int) string {
		words := strings.Fields("lorem ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod tempor incididunt ut labore")
		return upTo(n, i, func(r *rand.Rand, b *strings.Builder) { b.WriteString(words[r.IntN(len(words))] + " ") })
	}},
	{"random bytes", opBinary, false, func(n, i int) string {
		return upTo(n, i, func(r *rand.Rand, b *strings.Builder) { b.WriteByte(byte(r.Uint32())) })
	}},
	{"mostly zeros", opBinary, true, func(n, i int) string {
		return upTo(n, i, func(r *rand.Rand, b *strings.Builder) {
			b.WriteString(strings.Repeat("\x00", r.IntN(1000)))
			b.WriteByte(byte(r.Uint32()))
		})
	}},
	{"Greek and emoji", opText, true, func(n, i int) string {
		s := upTo(n, i, func(r *rand.Rand, b *strings.Builder) {
			b.WriteRune([]rune("κόσμε αβγδ 👍🏽🀄𝄞")[r.IntN(14)])
		})
		return strings.ToValidUTF8(s, "") // the last may be cut
	}},
}

// upTo has write called until there are n bytes.
func upTo(n, i int, write func(r *rand.Rand, b *strings.Builder)) string {
	r := rand.New(rand.NewPCG(uint64(n), uint64(i)))
	var b strings.Builder
	for b.Len() < n {
		write(r, &b)
	}
	return b.String()[:n]
}
