package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"unicode/utf8"
)

// payloadKind makes messages for the compression cases. The same n and i make the same message.
type payloadKind struct {
	name   string
	op     byte
	shrink bool // compression makes long messages smaller
	make   func(n, i int) string
}

var payloads = []payloadKind{
	{"JSON", opText, true, cutFrom(func(r *rand.Rand, b *strings.Builder) {
		fmt.Fprintf(b, `{"id":%d,"user":"user-%d","online":%v,"score":%.2f},`, r.IntN(1e6), r.IntN(100), r.IntN(2) == 0, 100*r.Float64())
	})},
	{"words", opText, true, cutFrom(func(r *rand.Rand, b *strings.Builder) { b.WriteString(words[r.IntN(len(words))] + " ") })},
	{"random bytes", opBinary, false, cutFrom(func(r *rand.Rand, b *strings.Builder) { b.WriteByte(byte(r.Uint32())) })},
	{"mostly zeros", opBinary, true, cutFrom(func(r *rand.Rand, b *strings.Builder) {
		b.WriteString(strings.Repeat("\x00", r.IntN(1000)))
		b.WriteByte(byte(r.Uint32()))
	})},
	{"Greek and emoji", opText, true, cutFrom(func(r *rand.Rand, b *strings.Builder) {
		b.WriteRune([]rune("κόσμε αβγδ 👍🏽🀄𝄞")[r.IntN(14)])
	})},
}

var words = strings.Fields("lorem ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod tempor incididunt ut labore")

// cutFrom returns a function that cuts messages from the output of write, at a different offset for each i.
func cutFrom(write func(r *rand.Rand, b *strings.Builder)) func(n, i int) string {
	source := sync.OnceValues(func() (all string, text bool) {
		r := rand.New(rand.NewPCG(6455, 7692))
		var b strings.Builder
		for b.Len() < 512*kib {
			write(r, &b)
		}
		return b.String(), utf8.ValidString(b.String())
	})
	return func(n, i int) string {
		all, text := source()
		at := i * 1009 % (256 * kib)
		if all = all[at : at+n]; text {
			all = strings.ToValidUTF8(all, "") // the first and the last rune may be cut
		}
		return all
	}
}
