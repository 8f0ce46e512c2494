package wsproto

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

// record is a sink that writes down what it gets, and treats the payload as badly
// as a handler may.
type record struct {
	events []string
	stop   Opcode // stops at the first of these, if not 0
	held   int    // as charged
}

func (r *record) charge(n int) { r.held += n }

func (r *record) message(op Opcode, p []byte) bool { return r.add(op, p) }
func (r *record) inflate(op Opcode, p []byte) (bool, error) {
	return r.add(op, append([]byte("deflated "), p...)), nil
}
func (r *record) control(op Opcode, p []byte) bool { return r.add(op, p) }

func (r *record) begin(Opcode, []byte, bool, int64) flow { return nil }
func (r *record) streaming() bool                        { return false }

func (r *record) add(op Opcode, p []byte) bool {
	r.events = append(r.events, event(op, string(p)))
	clear(p)
	_ = append(p, "overwritten"...)
	return r.stop == 0 || op != r.stop
}

func event(op Opcode, payload string) string {
	names := map[Opcode]string{Text: "text", Binary: "binary", opClose: "close", Ping: "ping", Pong: "pong"}
	return names[op] + " " + payload
}

// feedPieces gives a parser pieces as the engine does: in a buffer that is used
// again, behind what was left over.
func feedPieces(t testing.TB, pieces []string, state ws.State, lim limits) ([]string, error) {
	t.Helper()
	var (
		p   parser
		got record
		buf []byte
	)
	defer p.drop()
	kept := 0
	for _, piece := range pieces {
		buf = append(buf[:kept], piece...)
		used, err := p.feed(buf, state, &lim, &got)
		if err != nil {
			if used != len(buf) {
				t.Fatalf("%v, but %d of %d bytes are done with", err, used, len(buf))
			}
			return got.events, err
		}
		if kept = copy(buf, buf[used:]); kept >= maxHeader+maxControl {
			t.Fatalf("%d bytes are left over", kept)
		}
		rest := buf[kept:cap(buf)]
		for i := range rest {
			rest[i] = 0xaa // what still points here shall notice
		}
	}
	return got.events, nil
}

// cut returns s in pieces that end at cuts.
func cut(s string, cuts ...int) []string {
	var pieces []string
	from := 0
	for _, to := range append(cuts, len(s)) {
		if to > from {
			pieces = append(pieces, s[from:to])
			from = to
		}
	}
	return pieces
}

// cutBytes returns s in bytes.
func cutBytes(s string) []string {
	pieces := make([]string, len(s))
	for i := range pieces {
		pieces[i] = s[i : i+1]
	}
	return pieces
}

// cutRandom returns s in pieces of random sizes, most of them small.
func cutRandom(s string, r *rand.Rand) []string {
	var pieces []string
	for len(s) > 0 {
		n := 1 + r.IntN(1<<r.IntN(13))
		n = min(n, len(s))
		pieces, s = append(pieces, s[:n]), s[n:]
	}
	return pieces
}

var roomy = limits{frame: 1 << 20, message: 1 << 20}

type parserTest struct {
	name string
	in   string
	lim  limits // roomy if zero
	want []string
	err  error
}

var parserTests = []parserTest{
	{name: "nothing"},
	{name: "empty messages", in: masked(0x81, "") + masked(0x82, ""), want: []string{"text ", "binary "}},
	{name: "text and binary", in: text("hello") + binmsg("\x00\xff"), want: []string{"text hello", "binary \x00\xff"}},
	{name: "125", in: text(letters(125)) + text("x"), want: []string{"text " + letters(125), "text x"}},
	{name: "126", in: text(letters(126)) + text("x"), want: []string{"text " + letters(126), "text x"}},
	{name: "controls", in: ping("") + ping(letters(125)) + pong("p"), want: []string{"ping ", "ping " + letters(125), "pong p"}},
	{name: "two fragments", in: masked(0x01, "hel") + masked(0x80, "lo"), want: []string{"text hello"}},
	{name: "empty fragments", in: masked(0x02, "") + masked(0, "") + masked(0, "ab") + masked(0, "") + masked(0x80, ""), want: []string{"binary ab"}},
	{name: "all fragments empty", in: masked(0x01, "") + masked(0x80, ""), want: []string{"text "}},
	{name: "controls between fragments", in: masked(0x01, "a") + ping("1") + masked(0, "b") + pong("2") + ping("3") + masked(0x80, "c") + text("d"),
		want: []string{"ping 1", "pong 2", "ping 3", "text abc", "text d"}},
	{name: "rune over fragments", in: masked(0x01, "\xf0\x9f") + ping("") + masked(0, "\x98") + masked(0, "") + masked(0x80, "\x80"),
		want: []string{"ping ", "text \U0001f600"}},
	{name: "fragments of one byte", in: masked(0x02, "0") + strings.Repeat(masked(0, "1"), 600) + masked(0x80, "2"),
		want: []string{"binary 0" + strings.Repeat("1", 600) + "2"}},
	{name: "binary is not text", in: binmsg("\xff\xfe") + masked(0x02, "\xff") + masked(0x80, "\xc0"), want: []string{"binary \xff\xfe", "binary \xff\xc0"}},
	{name: "close", in: text("a") + closing(1000, "bye"), want: []string{"text a", "close \x03\xe8bye"}},

	{name: "frame limit", in: binmsg("1234") + binmsg("12345"), lim: limits{4, 8}, want: []string{"binary 1234"}, err: errFrameSize},
	{name: "message limit, whole", in: binmsg("1234") + binmsg("12345"), lim: limits{8, 4}, want: []string{"binary 1234"}, err: errMessageSize},
	{name: "message limit, fragments", in: masked(0x02, "123") + ping("") + masked(0, "4") + masked(0, "") + masked(0x80, "5"), lim: limits{8, 4}, want: []string{"ping "}, err: errMessageSize},
	{name: "frame limit, fragments", in: masked(0x02, "1234") + masked(0, "12345"), lim: limits{4, 100}, err: errFrameSize},
	{name: "message at its limit", in: masked(0x02, "123") + masked(0x80, "4") + binmsg("1234"), lim: limits{8, 4}, want: []string{"binary 1234", "binary 1234"}},
	{name: "declared only", in: "\x82\xff\x00\x00\x01\x00\x00\x00\x00\x00" + zeroMask, err: errFrameSize},
	{name: "limits are not for controls", in: ping("12345"), lim: limits{4, 4}, want: []string{"ping 12345"}},

	{name: "bad text", in: text("ok") + text("a\xff") + text("never"), want: []string{"text ok"}, err: errInvalidUTF8},
	{name: "bad text over fragments", in: masked(0x01, "\xe2\x82") + masked(0, "\x28") + masked(0x80, ""), err: errInvalidUTF8},
	{name: "cut rune at the end", in: masked(0x81, "a\xe2\x82"), err: errInvalidUTF8},
	{name: "cut rune at the end of fragments", in: masked(0x01, "a") + masked(0x80, "\xe2\x82") + text("never"), err: errInvalidUTF8},
	{name: "bad text in a frame that never ends", in: text(letters(30) + "\xed\xa0" + letters(100))[:40], err: errInvalidUTF8},
	{name: "unmasked", in: text("ok") + rawFrame(0x81, "x", nil), want: []string{"text ok"}, err: errMaskRequired},
	{name: "reserved bit", in: masked(0xc1, "x") + text("never"), err: errReservedBits},
	{name: "reserved opcode", in: masked(0x83, "x"), err: errReservedOpcode},
	{name: "long ping", in: masked(0x89, letters(126)), err: errControlLength},
	{name: "fragmented ping", in: masked(0x01, "a") + masked(0x09, ""), err: errControlFragment},
	{name: "text in text", in: masked(0x01, "a") + text("b"), err: errNoContinuation},
	{name: "nothing to continue", in: text("a") + masked(0x80, "b"), want: []string{"text a"}, err: errContinuation},
	{name: "fragments end", in: masked(0x01, "a") + masked(0x80, "b") + masked(0x80, "c"), want: []string{"text ab"}, err: errContinuation},
	{name: "length form", in: "\x82\xfe\x00\x01" + zeroMask + "x", err: errLengthNotMinimal},
	{name: "length sign", in: "\x82\xff\x80\x00\x00\x00\x00\x00\x00\x01" + zeroMask, err: errLengthTopBit},
}

func (tt *parserTest) limits() limits {
	if tt.lim == (limits{}) {
		return roomy
	}
	return tt.lim
}

func (tt *parserTest) check(t *testing.T, pieces []string) {
	t.Helper()
	got, err := feedPieces(t, pieces, atServer, tt.limits())
	if err != nil && err != tt.err || err == nil && tt.err != nil || fmt.Sprint(got) != fmt.Sprint(tt.want) {
		t.Fatalf("in %d pieces: got %.200q, %v, want %.200q, %v", len(pieces), got, err, tt.want, tt.err)
	}
}

func TestParser(t *testing.T) {
	for _, tt := range parserTests {
		t.Run(tt.name, func(t *testing.T) {
			tt.check(t, cut(tt.in))
			for i := range len(tt.in) {
				tt.check(t, cut(tt.in, i))
			}
			tt.check(t, cutBytes(tt.in))
			r := rand.New(rand.NewPCG(1, 2))
			for range 50 {
				tt.check(t, cutRandom(tt.in, r))
			}
		})
	}
}

// TestParserLarge has payloads of more than one read and all forms of length.
func TestParserLarge(t *testing.T) {
	tt := &parserTest{
		in: binmsg(letters(65535)) + text(letters(65536)) + masked(0x02, letters(70_000)) + ping("mid") + masked(0, letters(1)) +
			masked(0x80, letters(200_000)) + text(greek(100_000)),
		want: []string{"binary " + letters(65535), "text " + letters(65536), "ping mid",
			"binary " + letters(70_000) + letters(1) + letters(200_000), "text " + greek(100_000)},
	}
	tt.check(t, cut(tt.in))
	r := rand.New(rand.NewPCG(3, 4))
	for range 30 {
		tt.check(t, cutRandom(tt.in, r))
	}
	for size := 4093; size < 70_000; size += 9973 { // reads of one size
		var pieces []string
		for rest := tt.in; len(rest) > 0; {
			n := min(size, len(rest))
			pieces, rest = append(pieces, rest[:n]), rest[n:]
		}
		tt.check(t, pieces)
	}
}

func TestParserClient(t *testing.T) {
	in := rawFrame(0x81, "hello", nil) + rawFrame(0x01, "a", nil) + rawFrame(0x89, "p", nil) + rawFrame(0x80, "b", nil) + text("x")
	for i := range len(in) {
		got, err := feedPieces(t, cut(in, i), atClient, roomy)
		if want := []string{"text hello", "ping p", "text ab"}; fmt.Sprint(got) != fmt.Sprint(want) || err != errMaskForbidden {
			t.Fatalf("got %q, %v", got, err)
		}
	}
}

// TestParserStop: the sink stops the parser. Bytes after a close frame are consumed but not
// parsed; bytes after a message, in whatever form, are left over.
func TestParserStop(t *testing.T) {
	rest := text("never") + "\xff\xff"
	for first, left := range map[string]int{
		masked(0x88, ""): 0, text(""): len(rest), text(letters(70_000)): len(rest), masked(0x01, "a") + masked(0x80, "b"): len(rest),
	} {
		got := record{stop: opClose}
		if left > 0 {
			got.stop = Text
		}
		var p parser
		in := []byte(first + rest)
		used, err := p.feed(in, atServer, &roomy, &got)
		if used != len(in)-left || err != nil || len(got.events) != 1 {
			t.Errorf("%.10q: %d of %d, %v, %.20q", first, used, len(in), err, got.events)
		}
	}
}

// TestParserTextFailsFast: a text is refused at the byte that makes it invalid, in whatever
// frame or read it comes.
func TestParserTextFailsFast(t *testing.T) {
	frame := text(letters(100) + "\xed\xa0\x80" + letters(100))
	spoilt := 2 + 2 + 4 + 100 + 1 // the second byte of the surrogate
	for i := range len(frame) {
		_, err := feedPieces(t, cut(frame[:i]), atServer, roomy)
		if (err == errInvalidUTF8) != (i > spoilt) {
			t.Fatalf("after %d bytes: %v; the text is spoilt at %d", i, err, spoilt)
		}
	}
}

// TestParserMemory declares much and sends little.
func TestParserMemory(t *testing.T) {
	var p parser
	defer p.drop()
	huge := limits{frame: 1 << 41, message: 1 << 41}
	head := "\x82\xff\x00\x00\x01\x00\x00\x00\x00\x00" + zeroMask + "abc"
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := p.feed([]byte(head), atServer, &huge, &record{}); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 64<<10 || cap(p.part.buf) > minSlab {
		t.Errorf("%d bytes were allocated, and the buffer holds %d, for 3 bytes", grown, cap(p.part.buf))
	}
	if len(p.part.buf) != 3 || p.part.left != 1<<40-3 {
		t.Errorf("%d bytes have come, %d are to come", len(p.part.buf), p.part.left)
	}
}

// TestParserGrowth counts the bytes that a message in tiny fragments costs: as
// many as its length, some times, and not its square.
func TestParserGrowth(t *testing.T) {
	const size = 64 << 10
	in := []byte(masked(0x02, "0") + strings.Repeat(rawFrame(0, "1", &[4]byte{}), size-2) + rawFrame(0x80, "2", &[4]byte{}))
	var (
		p             parser
		got           record
		before, after runtime.MemStats
	)
	runtime.ReadMemStats(&before)
	if _, err := p.feed(in, atServer, &roomy, &got); err != nil || len(got.events) != 1 {
		t.Fatalf("%v, %d events", err, len(got.events))
	}
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 10*size {
		t.Errorf("%d bytes were allocated for a message of %d", grown, size)
	}
}

// TestParserPool gives back what is small enough to be kept, and nothing of the
// message with it.
func TestParserPool(t *testing.T) {
	for _, size := range []int{0, 100, minSlab - 1, minSlab, minSlab + 1} {
		m := &partial{buf: make([]byte, size), left: 1, mask: [4]byte{1}, pos: 1, op: Text, fin: true, text: validator{n: 1}}
		m.free()
		kept := cap(m.buf)
		m.buf = nil
		if kept >= minSlab || size < minSlab && kept != size || m.left != 0 || m.pos != 0 || m.op != 0 || m.fin || m.text.n != 0 {
			t.Errorf("of %d bytes: a buffer of %d, %+v", size, kept, m)
		}
	}
}

func BenchmarkParser(b *testing.B) {
	for _, bb := range []struct {
		name, in string
		messages int
	}{
		{"128x16", strings.Repeat(binmsg(letters(128)), 16), 16},
		{"64KiB", binmsg(letters(64 << 10)), 1},
		{"text128x16", strings.Repeat(text(letters(128)), 16), 16},
		{"text64KiB", text(letters(64 << 10)), 1},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(bb.in)))
			// Unmasking changes the bytes: they are put back each time.
			in, buf := []byte(bb.in), make([]byte, len(bb.in))
			var p parser
			n := 0
			for b.Loop() {
				copy(buf, in)
				if used, err := p.feed(buf, atServer, &roomy, (*count)(&n)); used != len(buf) || err != nil {
					b.Fatal(used, err)
				}
			}
			if n != b.N*bb.messages {
				b.Fatal(n)
			}
		})
	}
}

// count is a sink that counts messages.
type count int

func (n *count) message(Opcode, []byte) bool            { *n++; return true }
func (n *count) control(Opcode, []byte) bool            { return true }
func (n *count) inflate(Opcode, []byte) (bool, error)   { *n++; return true, nil }
func (n *count) begin(Opcode, []byte, bool, int64) flow { return nil }
func (n *count) streaming() bool                        { return false }
func (n *count) charge(int)                             {}
