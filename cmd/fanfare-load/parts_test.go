package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fanfare-ws/fanfare/netpoll"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// TestSequence compares with a model that remembers everything.
func TestSequence(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 0))
		var s sequence
		seen, next := map[uint64]bool{}, uint64(0)
		for range 300 {
			n := uint64(max(0, int64(next)+r.Int64N(9)-5))
			wantV, wantSkipped := inOrder, uint64(0)
			switch {
			case seen[n]:
				wantV = duplicated
			case n < next:
				wantV = late
			case n > next:
				wantV, wantSkipped = ahead, n-next
			}
			seen[n], next = true, max(next, n+1)
			if v, skipped := s.observe(n); v != wantV || skipped != wantSkipped {
				t.Fatalf("seed %d: %d is %v, %d; want %v, %d", seed, n, v, skipped, wantV, wantSkipped)
			}
		}
		gone := uint64(0)
		for _, g := range s.gaps {
			gone += g.end - g.first
		}
		want(t, "missing", gone, next-uint64(len(seen)))
	}
}

func TestSequenceForgets(t *testing.T) {
	var s sequence
	for i := range uint64(3 * maxGaps) {
		s.observe(2*i + 1)
	}
	want(t, "gaps", len(s.gaps), maxGaps)
	v, _ := s.observe(0)
	want(t, "of a gap that was forgotten", v, duplicated)
	v, _ = s.observe(6*maxGaps - 2)
	want(t, "of one that was not", v, late)
}

func TestPayload(t *testing.T) {
	for size := range 70 {
		p := make([]byte, size)
		fill(p, payloadKey(1, 2, 3))
		if !matches(p, payloadKey(1, 2, 3)) {
			t.Errorf("size %d: does not match itself", size)
		}
		for i, b := range p {
			if b < ' ' || b > '~' {
				t.Errorf("size %d: byte %d is %#x, not printable", size, i, b)
			}
			p[i] ^= 4
			if matches(p, payloadKey(1, 2, 3)) {
				t.Errorf("size %d: a change of byte %d is not noticed", size, i)
			}
			p[i] ^= 4
		}
		for _, other := range []uint64{payloadKey(1, 2, 4), payloadKey(1, 3, 3), payloadKey(2, 2, 3)} {
			if size > 4 && matches(p, other) {
				t.Errorf("size %d: matches another", size)
			}
		}
	}
}

func TestWire(t *testing.T) {
	for _, text := range []bool{false, true} {
		w := newWire(77, 100, 3, text)
		p := make([]byte, 100)
		in := stamp{seq: 1 << 40, due: 123456789, publisher: 2, kind: regular}
		w.encode(p, in)
		out, ok := w.decode(p)
		want(t, "decodes", ok, true)
		want(t, "stamp", out, in)
		for i := range p {
			for bit := range 8 {
				if text && p[i]^1<<bit == p[i]^0x20 && i < 2*wireHeader {
					continue // another case of a hexadecimal digit is the same
				}
				p[i] ^= 1 << bit
				if _, ok := w.decode(p); ok {
					t.Errorf("text %v: bit %d of byte %d may change", text, bit, i)
				}
				p[i] ^= 1 << bit
			}
		}
		for _, q := range [][]byte{nil, p[:99], append(slices.Clone(p), 0)} {
			if _, ok := w.decode(q); ok {
				t.Errorf("text %v: %d bytes decode", text, len(q))
			}
		}
		if _, ok := newWire(78, 100, 3, text).decode(p); ok {
			t.Error("it is of another run")
		}
		w.encode(p, stamp{publisher: 3})
		if _, ok := w.decode(p); ok {
			t.Error("there is no such publisher")
		}
		if text && !isASCII(p) {
			t.Errorf("no text: %q", p)
		}
	}
}

func isASCII(p []byte) bool {
	return !bytes.ContainsFunc(p, func(r rune) bool { return r >= 0x7f || r < ' ' })
}

func TestCastShard(t *testing.T) {
	c := castShard{readers: 3, rings: [][]slot{make([]slot, 2)}}
	credit := func(n uint64, done bool) {
		t.Helper()
		want(t, fmt.Sprintf("message %d is done", n), c.credit(0, n), done)
	}
	credit(0, false)
	credit(0, false)
	credit(1, false)
	credit(0, true)
	credit(2, false) // the slot of message 0
	credit(1, false)
	// One who has 0 to 2 goes: of message 1 one of two is left, of message 2 none.
	var done []uint64
	c.leave([]sequence{{next: 3}}, func(_ int, n uint64) { done = append(done, n) })
	want(t, "done by leaving", len(done), 0)
	credit(1, true)
	credit(2, false)
	// One who has nothing of message 2 goes: the other has it.
	c.leave([]sequence{{next: 2}}, func(_ int, n uint64) { done = append(done, n) })
	want(t, "done by leaving", fmt.Sprint(done), "[2]")
}

func TestMerge(t *testing.T) {
	shards := []*shard{newShard(), newShard()}
	for i := range int64(1000) {
		s := shards[i%2]
		s.recordLocked(0, (i+1)*int64(time.Millisecond))
		s.wrong++
	}
	shards[1].duplicated, shards[0].reordered = 3, 4
	h, c := merge(shards)
	want(t, "counts", c, counts{received: 1000, last: int64(time.Second), duplicated: 3, reordered: 4, wrong: 1000})
	l := latencyOf(h)
	near := func(what string, got, want float64) {
		t.Helper()
		if got < want*0.998 || got > want*1.002 {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	near("min", l.Min, 1e3)
	near("50 %", l.P50, 500e3)
	near("90 %", l.P90, 900e3)
	near("99 %", l.P99, 990e3)
	near("99.9 %", l.P999, 999e3)
	near("max", l.Max, 1000e3)
	near("mean", l.Mean, 500.5e3)
	if latencyOf(newHistogram()) != nil {
		t.Error("latency of nothing")
	}
	// What cannot be is not lost.
	s := newShard()
	s.recordLocked(5, 3)
	s.recordLocked(0, 1<<62)
	want(t, "recorded", s.hist.TotalCount(), 2)
}

func TestPace(t *testing.T) {
	began := time.Now()
	now := func() int64 { return int64(time.Since(began)) }
	s := newSchedule(now(), 1000)
	sent := []int64{}
	if err := s.pace(context.Background(), now, 50, func(i, due int64) {
		want(t, "due", due, s.start+i*int64(time.Millisecond))
		if at := now(); at < due {
			t.Errorf("message %d was sent %v early", i, time.Duration(due-at))
		}
		sent = append(sent, i)
	}); err != nil {
		t.Fatal(err)
	}
	want(t, "messages", len(sent), 50)
	ctx, cancel := context.WithCancel(context.Background())
	err := s.pace(ctx, now, 1e9, func(i, _ int64) {
		if i == 5 {
			cancel()
		}
	})
	want(t, "error", err, context.Canceled)
}

func TestShare(t *testing.T) {
	for n := range 20 {
		sum := 0
		for i := range 7 {
			part := share(n, i, 7)
			if part < n/7 || part > n/7+1 {
				t.Errorf("part %d of %d is %d", i, n, part)
			}
			sum += part
		}
		want(t, "sum of the parts", sum, n)
	}
}

func TestFaults(t *testing.T) {
	var f faults
	want(t, "any", f.any(), false)
	calls := 0
	for range 18000 {
		f.add("b", "do this", 1, func() string { calls++; return "example" })
	}
	f.add("a", "", 2, nil)
	f.add("none", "", 0, nil)
	want(t, "any", f.any(), true)
	want(t, "examples made", calls, 1)
	want(t, "faults", fmt.Sprint(f.list()), "[{b 18000 example do this} {a 2  }]")
}

func TestClassify(t *testing.T) {
	for _, c := range []struct {
		err  error
		kind string
	}{
		{fmt.Errorf("connect: %w", unix.ECONNREFUSED), "connection refused"},
		{&wsproto.HandshakeError{Err: unix.ECONNRESET}, "reset during the handshake"},
		{&wsproto.HandshakeError{Err: io.ErrUnexpectedEOF}, "closed during the handshake"},
		{&wsproto.HandshakeError{Status: 302}, "refused with 302 Found"},
		{&wsproto.HandshakeError{Status: 200}, "no WebSocket"},
		{&wsproto.HandshakeError{Reason: "?"}, "no WebSocket"},
		{fmt.Errorf("connect: %w", unix.EADDRNOTAVAIL), "no free local port"},
		{&wsproto.CloseError{Code: 1001, Remote: true}, "closed by the server with 1001"},
		{&wsproto.CloseError{Code: 1013, Remote: true}, "closed by the server with 1013"},
		{&wsproto.CloseError{Code: 1006, Err: io.EOF}, "ended by the server without a close frame"},
		{&wsproto.CloseError{Code: 1002, Err: wsproto.ErrReservedBits}, "protocol violated by the server"},
		{&wsproto.CloseError{Code: 1009, Err: wsproto.ErrMessageSize}, "message too large"},
		{&wsproto.CloseError{Code: 1006, Err: netpoll.ErrPanic}, "connection failed"},
		{errors.New("?"), "failed"},
	} {
		if kind, _ := classify(c.err); kind != c.kind {
			t.Errorf("%v is %q, want %q", c.err, kind, c.kind)
		}
	}
}

func TestProc(t *testing.T) {
	d, err := parseStat([]byte("7 (a) b (c)) S 1 7 7 0 -1 4194560 1 2 3 4 150 25 0 0 20 0 1 0 100"))
	want(t, "error", err, nil)
	want(t, "processor time", d, 1750*time.Millisecond)
	for _, s := range []string{"", "7 (x) S 1", "7 (x) S 1 7 7 0 -1 4194560 1 2 3 4 x 25 0 0"} {
		if _, err := parseStat([]byte(s)); err == nil {
			t.Errorf("%q is taken", s)
		}
	}
	want(t, "kilobytes", kilobytes([]byte("Rss:  12 kB\nPss:   3 kB\n"), "Pss:"), 3<<10)
	want(t, "no such line", kilobytes([]byte("Rss:  12 kB\n"), "Pss:"), unknown)
	page := int64(os.Getpagesize())
	want(t, "sockstat", parseSockstat([]byte("sockets: used 9\nTCP: inuse 1 orphan 0 tw 2 alloc 1 mem 204\nUDP: inuse 0 mem 7\n")), 204*page)
	slabs := "slabinfo - version: 2.1\n# name <active_objs> ...\n" +
		"TCP 26 39 2368 13 8 : tunables 0 0 0 : slabdata 3 3 0\n" +
		"TCPother 5 5 99 1 1 : x\n" +
		"filp 21 42 192 21 1 : x\n"
	want(t, "slabs", parseSlabs([]byte(slabs)), 26*8*page/13+21*page/21)
}

// TestOwnProc reads this process's own files.
func TestOwnProc(t *testing.T) {
	pid := os.Getpid()
	if d, err := processCPU(pid); err != nil || d < 0 {
		t.Error(d, err)
	}
	rss, pss, err := processMemory(pid)
	if err != nil || rss < 1<<20 || pss > rss {
		t.Error(rss, pss, err)
	}
	if n, err := processFiles(pid); err != nil || n < 20 {
		t.Error(n, err)
	}
	if tcpBuffers() < 0 || kernelSlabs() < 1<<20 {
		t.Error(tcpBuffers(), kernelSlabs())
	}
	if _, _, err := processMemory(1 << 30); err == nil {
		t.Error("there is no such process")
	}
}

func TestFormat(t *testing.T) {
	for n, s := range map[int64]string{0: "0", 999: "999", 1000: "1,000", -1234567: "-1,234,567", -100: "-100", 100000: "100,000"} {
		want(t, "comma", comma(n), s)
	}
	for n, s := range map[int64]string{0: "0 B", 10239: "10,239 B", 10240: "10.0 KiB", 3 << 20: "3.0 MiB", -3 << 20: "-3.0 MiB"} {
		want(t, "bytes", bytesText(n), s)
	}
	for d, s := range map[time.Duration]string{
		1500 * time.Nanosecond: "1.50 µs", 46 * time.Microsecond: "46 µs", 2640 * time.Microsecond: "2.64 ms",
		17 * time.Millisecond: "17 ms", 1500 * time.Millisecond: "1.50 s",
	} {
		want(t, "duration", durationText(d), s)
	}
	want(t, "plural", plural(1, "byte")+plural(2000, "byte"), "1 byte2,000 bytes")
}

func TestFrameHeader(t *testing.T) {
	for _, c := range []struct {
		in   []byte
		f    frame
		size int
	}{
		{nil, frame{}, 0},
		{[]byte{0x82}, frame{}, 0},
		{[]byte{0x82, 5}, frame{message: true, length: 5}, 2},
		{[]byte{0x02, 5}, frame{length: 5}, 2},
		{[]byte{0x80, 5}, frame{message: true, length: 5}, 2},
		{[]byte{0x89, 0}, frame{}, 2},
		{[]byte{0x88, 2, 3}, frame{close: true, length: 2}, 2},
		{[]byte{0x82, 126, 1, 0}, frame{message: true, length: 256}, 4},
		{[]byte{0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0}, frame{message: true, length: 65536}, 10},
	} {
		f, size := frameHeader(c.in)
		want(t, fmt.Sprintf("size of %x", c.in), size, c.size)
		if size > 0 {
			want(t, fmt.Sprintf("frame %x", c.in), f, c.f)
		}
	}
	if _, size := frameHeader([]byte{0x82, 127, 0, 0, 0, 0, 0, 1, 0}); size != 0 {
		t.Error("a part of a header is enough")
	}
}

// TestStraggler gives the same verdict however the bytes are split.
func TestStraggler(t *testing.T) {
	stream := []byte{0x82, 3, 1, 2, 3, 0x89, 1, 7, 0x01, 1, 'a', 0x80, 1, 'b'}
	stream = append(stream, 0x82, 126, 1, 0)
	stream = append(stream, make([]byte, 256)...)
	stream = append(stream, 0x88, 5, 0x03, 0xf5, 'b', 'y', 'e')
	for cut := range len(stream) {
		v := &verdicts{fates: map[string]int64{}, open: 1}
		s := &straggler{verdict: v}
		used := s.OnData(stream[:cut])
		s.OnData(stream[used:])
		s.OnClose(io.EOF)
		want(t, fmt.Sprintf("messages, cut at %d", cut), v.messages.Load(), 3)
		want(t, fmt.Sprintf("fates, cut at %d", cut), fmt.Sprint(v.fates), "map[disconnected with 1013:1]")
	}
}

func TestStragglerEnds(t *testing.T) {
	for _, c := range []struct {
		err  error
		fate string
	}{
		{io.EOF, "disconnected without a close frame"},
		{unix.ECONNRESET, "reset"},
		{unix.ETIMEDOUT, "ended: " + unix.ETIMEDOUT.Error()},
	} {
		v := &verdicts{fates: map[string]int64{}, open: 2}
		s := &straggler{verdict: v}
		s.OnClose(c.err)
		s.OnClose(io.EOF)
		want(t, c.err.Error(), fmt.Sprint(v.fates), "map["+c.fate+":1]")
		want(t, "open", v.open, 1)
	}
}

func TestProgress(t *testing.T) {
	checkLeaks(t)
	var out bytes.Buffer
	p := newProgress(&out, false)
	want(t, "a buffer is a terminal", p.tty, false)
	p.print("half way")
	p.print("")
	p.note("look: %d", 5)
	want(t, "lines", out.String(), "half way\nnote: look: 5\n")
	out.Reset()
	p.tty = true
	p.print("x " + p.bar(0.5))
	p.print("")
	want(t, "a bar", out.String(), "\r\x1b[Kx ["+strings.Repeat("#", 15)+strings.Repeat(".", 15)+"] \r\x1b[K")
	want(t, "bars have one width", len(p.bar(-1)) == len(p.bar(7)), true)
	newProgress(&out, true).during("x", 1, func() int64 { return 0 })()

	tty, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip(err)
	}
	defer tty.Close()
	want(t, "a terminal is one", isTerminal(tty), true)
}

// TestNoAllocations is about the path that every message takes.
func TestNoAllocations(t *testing.T) {
	l := &load{begin: time.Now(), shards: []*shard{newShard()}, faults: new(faults)}
	r := &castRun{load: l, op: wsproto.Binary, wire: newWire(1, 128, 1, false)}
	s := &subscriber{run: r, shard: l.shards[0], seqs: make([]sequence, 1)}
	p, n := make([]byte, 128), uint64(0)
	if a := testing.AllocsPerRun(1000, func() {
		r.wire.encode(p, stamp{seq: n, kind: regular})
		n++
		s.OnMessage(nil, wsproto.Binary, p)
	}); a != 0 {
		t.Errorf("a delivery allocates %v times", a)
	}
	want(t, "received", l.received(), int64(n))

	er := newEchoRun(&load{opt: &options{size: 128}, begin: time.Now(), shards: l.shards, faults: l.faults})
	e := &echoer{run: er, conn: new(wsproto.Conn), shard: l.shards[0], times: make([]int64, 4), sent: 1 << 40, due: 1 << 41}
	before := l.received()
	n = 0
	if a := testing.AllocsPerRun(1000, func() {
		fill(p, e.key(n))
		n++
		e.OnMessage(nil, wsproto.Binary, p)
	}); a != 0 {
		t.Errorf("an echo allocates %v times", a)
	}
	want(t, "received", l.received()-before, int64(n))
	want(t, "faults", len(l.faults.list()), 0)
}
