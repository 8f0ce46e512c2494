package wsproto

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestParserRoom reads large messages into the parser's own buffer, in pieces of any size and
// mixed with pieces that are fed: the events are the same.
func TestParserRoom(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var in string
	var want []string
	for i := range 40 {
		msg := greek(rnd.IntN(300_000))
		half := len(msg) / 2 // in the middle of a rune, perhaps
		switch i % 3 {
		case 0:
			in += masked(0x81, msg)
		case 1:
			in += masked(0x01, msg[:half]) + masked(0x89, "between") + masked(0x80, msg[half:])
			want = append(want, event(Ping, "between"))
		case 2:
			in += masked(0x82, msg)
			want = append(want, event(Binary, msg))
			continue
		}
		want = append(want, event(Text, msg))
	}
	var (
		p     parser
		got   record
		rooms int
	)
	defer p.drop()
	for data := []byte(in); len(data) > 0; {
		n := min(len(data), 1+rnd.IntN(200_000))
		had := p.held()
		room := p.room()
		got.charge(p.held() - had)
		if room != nil {
			n = copy(room, data[:n])
			rooms++
			if err := p.filled(n, &got); err != nil {
				t.Fatal(err)
			}
		} else {
			used, err := p.feed(slices.Clone(data[:n]), atServer, &roomy, &got)
			if err != nil {
				t.Fatal(err)
			}
			n = used
		}
		if data = data[n:]; got.held != p.held() {
			t.Fatalf("%d bytes are charged, and %d held", got.held, p.held())
		}
	}
	if !slices.Equal(got.events, want) {
		t.Errorf("%d events, want %d, or their contents differ", len(got.events), len(want))
	}
	if rooms < 20 {
		t.Errorf("only %d pieces were read into the parser's room", rooms)
	}
}

// TestParserRoomFault: bytes that are read directly are checked too, and the buffer is never
// more than twice as large as the bytes that have come, unless a slab was idle.
func TestParserRoomFault(t *testing.T) {
	var p parser
	defer p.drop()
	head := "\x81\xff\x00\x00\x00\x00\x10\x00\x00\x00" + zeroMask + "abc"
	huge := limits{frame: 1 << 30, message: 1 << 30}
	if _, err := p.feed([]byte(head), atServer, &huge, &record{}); err != nil {
		t.Fatal(err)
	}
	if n := cap(p.part.buf); n > 64<<10 {
		t.Errorf("room for %d bytes after 3", n)
	}
	room := p.room()
	if len(room) == 0 || len(room) > maxRoom {
		t.Fatalf("room for %d bytes", len(room))
	}
	copy(room, "def\xff")
	if err := p.filled(4, &record{}); err != errInvalidUTF8 {
		t.Errorf("%v, want %v", err, errInvalidUTF8)
	}
}

// TestLargeMessages moves messages of sizes around those of all buffers, both ways at
// once, over connections that read directly.
func TestLargeMessages(t *testing.T) {
	addr := listen(t, &Server{Handler: echo(t), MaxMessage: 4 << 20})
	p := dialPeer(t, addr)
	for _, size := range []int{64<<10 - 1, 64 << 10, 64<<10 + 14, 128 << 10, 256<<10 + 1, 1<<20 - 14, 1 << 20, 4 << 20} {
		for _, b0 := range []byte{0x81, 0x82} {
			msg := greek(size)
			go p.nc.Write([]byte(masked(b0, msg) + masked(b0, "next")))
			p.expect(Opcode(b0&0xf), msg)
			p.expect(Opcode(b0&0xf), "next")
		}
	}
}
