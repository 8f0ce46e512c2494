package main

import (
	"fmt"
	"strings"
)

type section struct {
	name    string
	samples []sample
}

// kosme is a Greek word with letters of two and three bytes.
const kosme = "κόσμε"

// utf8Sections returns texts by subject: those of Markus Kuhn's stress test, and the edges of RFC 3629.
func utf8Sections() []section {
	return []section{
		{"empty", []sample{{"no byte at all", ""}}},
		{"valid", []sample{
			{"several scripts", "Hello-µ@ßöäüàá-UTF-8!!"}, {"Greek", kosme}, {"beyond the basic plane", "𝄞 🀄 👍🏽 𐍈"},
			{"a byte order mark in the middle", "a\ufeffb"}, {"control characters", "\x00\x01\x1f\x7f\u0080\u009f"},
		}},
		{"invalid in the middle", []sample{
			{"a surrogate after Greek", kosme + "\xed\xa0\x80edited"}, {"a value above U+10FFFF after Greek", kosme + "\xf4\x90\x80\x80edited"},
			{"a lonely continuation", "abc\x80def"}, {"Latin-1", "caf\xe9 au lait"},
		}},
		{"cut", prefixes(kosme)},
		{"cut", prefixes("𝄞é€")},
		{"the first of its length", hexes("00", "c280", "e0a080", "f0908080")},
		{"the last of its length", hexes("7f", "dfbf", "efbfbf", "f48fbfbf")},
		{"longer than four bytes", hexes("f888808080", "fc8480808080", "fbbfbfbfbf", "fdbfbfbfbfbf")},
		{"above U+10FFFF", hexes("f4908080", "f48fbfc0", "f5808080", "f7bfbfbf")},
		{"a boundary", hexes("ed9fbf", "ee8080", "efbfbd", "f48fbfbf", "f0909080", "c3bf")},
		{"continuations without a beginning", append(hexes("80", "bf", "80bf", "80bf80", "80bf80bf", "80bf80bf80", "80bf80bf80bf"),
			sample{"all of them", strings.ReplaceAll(lonely(0x80, 0xbf), " ", "")})},
		{"beginnings without continuation", []sample{
			{"of two bytes", lonely(0xc0, 0xdf)}, {"of two bytes, without the overlong ones", lonely(0xc2, 0xdf)}, {"of three bytes", lonely(0xe0, 0xef)},
			{"of four bytes", lonely(0xf0, 0xf7)}, {"of five bytes", lonely(0xf8, 0xfb)}, {"of six bytes", lonely(0xfc, 0xfd)},
		}},
		{"the last byte is missing", hexes("c0", "e080", "f08080", "f8808080", "fc80808080", "df", "efbf", "f7bfbf", "fbbfbfbf", "fdbfbfbfbf",
			"c2", "e0a0", "f09080", "f48fbf")},
		{"all incomplete sequences in a row", hexes("c0e080f08080f8808080fc80808080dfefbff7bfbffbbfbfbffdbfbfbfbf", "dfefbff48fbf")},
		{"impossible bytes", hexes("fe", "ff", "fefeffff", "41fe", "41ff42")},
		{"overlong slash", hexes("c0af", "e080af", "f08080af", "f8808080af", "fc80808080af")},
		{"the longest overlong", hexes("c1bf", "e09fbf", "f08fbfbf", "f887bfbfbf", "fc83bfbfbfbf")},
		{"overlong NUL", hexes("c080", "e08080", "f0808080", "f880808080", "fc8080808080")},
		{"a single surrogate", hexes("eda080", "edadbf", "edae80", "edafbf", "edb080", "edbe80", "edbfbf")},
		{"two surrogates", hexes("eda080edb080", "eda080edbfbf", "edadbfedb080", "edadbfedbfbf", "edae80edb080", "edae80edbfbf", "edafbfedb080", "edafbfedbfbf")},
		{"a noncharacter is a character here", noncharacters()},
		{"special", runes(0xfeff, 0xfff0, 0xfff9, 0xfffa, 0xfffb, 0xfffc, 0xfffd, 0x2028, 0xe000, 0xf8ff, 0xe0001, 0xf0000, 0x100000)},
	}
}

func prefixes(s string) (all []sample) {
	for i := 1; i <= len(s); i++ {
		all = append(all, sample{fmt.Sprintf("the first %d of %d bytes", i, len(s)), s[:i]})
	}
	return all
}

// hexes returns samples from hexadecimal digits.
func hexes(written ...string) (all []sample) {
	for _, h := range written {
		var b []byte
		if _, err := fmt.Sscanf(h, "%x", &b); err != nil {
			panic(err)
		}
		all = append(all, sample{fmt.Sprintf("%d bytes", len(b)), string(b)})
	}
	return all
}

func runes(rs ...rune) (all []sample) {
	for _, r := range rs {
		all = append(all, sample{fmt.Sprintf("%U", r), string(r)})
	}
	return all
}

// noncharacters returns a sample for each of the last two code points of each plane, and one for U+FDD0 to U+FDEF.
func noncharacters() []sample {
	var last []rune
	for plane := rune(0); plane <= 16; plane++ {
		last = append(last, plane<<16|0xfffe, plane<<16|0xffff)
	}
	var block strings.Builder
	for r := rune(0xfdd0); r <= 0xfdef; r++ {
		block.WriteRune(r)
	}
	return append(runes(last...), sample{"U+FDD0 to U+FDEF", block.String()})
}
