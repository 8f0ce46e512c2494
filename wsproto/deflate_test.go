package wsproto

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// TestNegotiation compares the answer to every offer with RFC 7692, 7.1.
func TestNegotiation(t *testing.T) {
	lean := &Compression{}
	over := &Compression{Takeover: true}
	small := &Compression{Takeover: true, WindowBits: 10}
	none := serverNoTakeover + "; " + clientNoTakeover
	for _, tt := range []struct {
		k             *Compression
		offer, answer string // without the extension's name
	}{
		{lean, "", none},
		{lean, "server_no_context_takeover", none},
		{lean, "client_no_context_takeover; server_no_context_takeover", none},
		{lean, "client_max_window_bits", none},
		{lean, "client_max_window_bits=9", none + "; client_max_window_bits=9"},
		{lean, `client_max_window_bits="\9"`, none + "; client_max_window_bits=9"},
		{lean, "server_max_window_bits=8", none + "; server_max_window_bits=8"},
		{lean, "server_max_window_bits=15", none + "; server_max_window_bits=15"},
		{over, "", "-"},
		{over, "server_no_context_takeover", serverNoTakeover},
		{over, "client_no_context_takeover; client_max_window_bits", clientNoTakeover},
		{over, "server_max_window_bits=12; client_max_window_bits=11", "server_max_window_bits=12; client_max_window_bits=11"},
		{small, "", "client_no_context_takeover; server_max_window_bits=10"},
		{small, "client_max_window_bits", "server_max_window_bits=10; client_max_window_bits=10"},
		{small, "client_max_window_bits=8; server_max_window_bits=9", "server_max_window_bits=9; client_max_window_bits=8"},
		{small, "client_max_window_bits=15; server_max_window_bits=15", "server_max_window_bits=10; client_max_window_bits=10"},
		// Offers that are declined.
		{lean, "server_max_window_bits", ""},
		{lean, "server_max_window_bits=7", ""},
		{lean, "server_max_window_bits=16", ""},
		{lean, "server_max_window_bits=08", ""},
		{lean, "server_max_window_bits=+9", ""},
		{lean, "client_max_window_bits=0", ""},
		{lean, "client_max_window_bits=16", ""},
		{lean, "server_no_context_takeover=1", ""},
		{lean, "client_no_context_takeover=true", ""},
		{lean, "client_no_context_takeover; client_no_context_takeover", ""},
		{lean, "server_max_window_bits=9; server_max_window_bits=10", ""},
		{lean, "unknown", ""},
		{lean, "Server_no_context_takeover", ""},
		// Several: the first that will do.
		{over, "unknown, permessage-deflate; server_max_window_bits=10", "server_max_window_bits=10"},
		{over, "server_max_window_bits=9, permessage-deflate", "server_max_window_bits=9"},
		{over, "server_max_window_bits=7, x-webkit-deflate-frame, permessage-deflate; client_max_window_bits", "-"},
	} {
		t.Run(fmt.Sprintf("%+v %s", *tt.k, tt.offer), func(t *testing.T) {
			p := dialTCP(t, listen(t, &Server{Handler: echo(t), Compression: tt.k}))
			offer := deflateName
			if tt.offer != "" {
				offer += "; " + tt.offer
			}
			want := deflateName
			switch tt.answer {
			case "":
				want = ""
			case "-":
			default:
				want += "; " + tt.answer
			}
			if got := p.offer(offer).Get("Sec-WebSocket-Extensions"); got != want {
				t.Errorf("the answer is\n%q, want\n%q", got, want)
			}
		})
	}
}

// offer does a handshake with these fields of extensions.
func (p *peer) offer(fields ...string) http.Header {
	p.Helper()
	lines := []string{"GET / HTTP/1.1", "Host: example.test", "Upgrade: websocket", "Connection: Upgrade",
		"Sec-WebSocket-Key: " + sampleKey, "Sec-WebSocket-Version: 13"}
	for _, f := range fields {
		lines = append(lines, "Sec-WebSocket-Extensions: "+f)
	}
	p.send(request(lines...))
	h, _ := p.response(http.StatusSwitchingProtocols)
	return h
}

func TestNegotiationFields(t *testing.T) {
	addr := listen(t, &Server{Handler: echo(t), Compression: new(Compression)})
	t.Run("several fields", func(t *testing.T) {
		h := dialTCP(t, addr).offer("foo; bar=1", ", ,", deflateName+" ;\tserver_max_window_bits = 7 ,, ", deflateName)
		if got := h.Values("Sec-WebSocket-Extensions"); len(got) != 1 || !strings.HasPrefix(got[0], deflateName) {
			t.Errorf("the answer is %q", got)
		}
	})
	t.Run("not spoken", func(t *testing.T) {
		h := dialTCP(t, listen(t, &Server{Handler: echo(t)})).offer(deflateName)
		if got, there := h["Sec-Websocket-Extensions"]; there {
			t.Errorf("the answer is %q", got)
		}
	})
	for _, bad := range []string{"permessage-deflate; =", "permessage-deflate; a=\"", ";", "permessage-deflate foo",
		"permessage-deflate;", "foo; a=\"b", "foo; a=\"\"", "foo; a=\"b c\"", "", ", ,", "a;b=;c", "foo/1"} {
		t.Run("malformed "+bad, func(t *testing.T) {
			p := dialTCP(t, addr)
			p.send(strings.Replace(goodRequest("/"), "\r\n\r\n", "\r\nSec-WebSocket-Extensions: "+bad+"\r\n\r\n", 1))
			_, body := p.response(http.StatusBadRequest)
			if !strings.Contains(body, "Sec-WebSocket-Extensions") {
				t.Errorf("the reason does not name the field: %q", body)
			}
		})
	}
}

// squeeze compresses with another implementation of DEFLATE.
func squeeze(t testing.TB, s string) string {
	t.Helper()
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, 6)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(w, s)
	_ = w.Flush()
	return strings.TrimSuffix(b.String(), flushTail)
}

// unsqueeze decompresses with another implementation of DEFLATE.
func unsqueeze(t testing.TB, s string, window []byte) string {
	t.Helper()
	p, err := io.ReadAll(flate.NewReaderDict(strings.NewReader(s+inflateTail), window))
	if err != nil {
		t.Fatal(err)
	}
	return string(p)
}

const binDeflated, textDeflated = 0x80 | byte(rsv1) | byte(Binary), 0x80 | byte(rsv1) | byte(Text)

func TestDeflatedEcho(t *testing.T) {
	addr := listen(t, &Server{Handler: echo(t), Compression: &Compression{Threshold: -1}})
	p := dialTCP(t, addr)
	p.offer(deflateName)
	for _, size := range []int{0, 1, 2, 125, 300, 65535, 65536, 300_000, 1 << 20} {
		msg := greek(size)
		p.send(masked(textDeflated, squeeze(t, msg)))
		b0, got := p.frame()
		if b0 == textDeflated {
			got = []byte(unsqueeze(t, string(got), nil))
		} else if b0 != 0x80|byte(Text) || size > 125 {
			t.Fatalf("%d bytes: the first byte is %#x", size, b0)
		}
		if string(got) != msg {
			t.Fatalf("%d bytes came back as %d", size, len(got))
		}
	}
	p.send(text("plain")) // each message says for itself
	if b0, got := p.frame(); b0&byte(rsv1) != 0 || string(got) != "plain" {
		t.Errorf("%#x %q", b0, got)
	}
}

func TestDeflatedFragments(t *testing.T) {
	addr := listen(t, &Server{Handler: echo(t), Compression: new(Compression)})
	p := dialTCP(t, addr)
	p.offer(deflateName)
	msg := greek(1000)
	small := squeeze(t, msg)
	p.send(masked(byte(rsv1|Text), ""))
	for i := range small {
		p.send(masked(byte(opContinuation), small[i:i+1]))
		p.send(masked(0x80|byte(Ping), "between"))
	}
	p.send(masked(0x80|byte(opContinuation), ""))
	for range small {
		p.expect(Pong, "between")
	}
	if b0, got := p.frame(); b0 != textDeflated || unsqueeze(t, string(got), nil) != msg {
		t.Errorf("%#x, %d bytes", b0, len(got))
	}
}

// TestDeflateSamples decompresses the examples of RFC 7692, 7.2.3.
func TestDeflateSamples(t *testing.T) {
	addr := listen(t, &Server{Handler: echo(t), Compression: &Compression{Takeover: true}})
	p := dialTCP(t, addr)
	p.offer(deflateName)
	for _, tt := range []struct{ name, payload, want string }{
		{"one block", "\xf2\x48\xcd\xc9\xc9\x07\x00", "Hello"},
		{"sharing the window", "\xf2\x00\x11\x00\x00", "Hello"},
		{"no compression", "\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", "Hello"},
		{"last block", "\xf3\x48\xcd\xc9\xc9\x07\x00\x00", "Hello"},
		{"two blocks", "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", "Hello"},
		{"two streams", "\xf3\x48\xcd\xc9\xc9\x07\x00\xf3\x48\xcd\xc9\xc9\x07\x00\x00", "HelloHello"},
		{"empty", "\x00", ""},
	} {
		p.send(masked(textDeflated, tt.payload))
		if b0, got := p.frame(); b0 != 0x81 || string(got) != tt.want {
			t.Errorf("%s: %#x %q", tt.name, b0, got)
		}
	}
}

func TestDeflateViolations(t *testing.T) {
	const limit = 100_000
	s := &Server{Handler: echo(t), MaxMessage: limit, Compression: new(Compression)}
	addr := listen(t, s)
	plain := listen(t, &Server{Handler: echo(t)})
	for _, tt := range []struct {
		name, addr, bytes string
		code              Code
		rule              string
	}{
		{"not agreed on", plain, masked(textDeflated, "\x00"), ProtocolError, errReservedBits.Rule},
		{"rsv2", addr, masked(0xa1, ""), ProtocolError, errReservedBits.Rule},
		{"rsv1 and rsv3", addr, masked(0xd1, ""), ProtocolError, errReservedBits.Rule},
		{"ping", addr, masked(0xc9, ""), ProtocolError, errReservedBits.Rule},
		{"close", addr, masked(0xc8, ""), ProtocolError, errReservedBits.Rule},
		{"continuation", addr, masked(0x41, "") + masked(0xc0, ""), ProtocolError, errReservedBits.Rule},
		{"corrupt", addr, masked(binDeflated, "\xff\xff\xff"), InvalidFramePayload, errDeflate.Rule},
		{"nothing", addr, masked(binDeflated, ""), InvalidFramePayload, errDeflate.Rule},
		{"cut", addr, masked(binDeflated, squeeze(t, noise(1000))[:500]), InvalidFramePayload, errDeflate.Rule},
		{"beyond the window", addr, masked(textDeflated, "\xf2\x00\x11\x00\x00"), InvalidFramePayload, errDeflate.Rule},
		{"many streams", addr, masked(textDeflated, strings.Repeat("\x03\x00", 1000)), InvalidFramePayload, errDeflate.Rule},
		{"no UTF-8", addr, masked(textDeflated, squeeze(t, "\xc0\x80")), InvalidFramePayload, errInvalidUTF8.Rule},
		{"half a rune", addr, masked(textDeflated, squeeze(t, "\xce")), InvalidFramePayload, errInvalidUTF8.Rule},
		{"bomb", addr, masked(binDeflated, squeeze(t, strings.Repeat("\x00", 50<<20))), MessageTooBig, errMessageSize.Rule},
		{"a byte too many", addr, masked(binDeflated, squeeze(t, strings.Repeat("x", limit+1))), MessageTooBig, errMessageSize.Rule},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := dialTCP(t, tt.addr)
			p.offer(deflateName)
			p.send(tt.bytes)
			p.expectClose(tt.code, tt.rule)
			p.expectEOF()
		})
	}
	t.Run("the limit itself", func(t *testing.T) {
		p := dialTCP(t, addr)
		p.offer(deflateName)
		msg := noise(limit) // grows by the attempt
		p.send(masked(binDeflated, squeeze(t, msg)))
		if b0, got := p.frame(); b0 != 0x82 || string(got) != msg {
			t.Errorf("%#x, %d bytes", b0, len(got))
		}
	})
}

// TestTakeover has messages refer to earlier ones both ways, with windows of
// every size, and prepared ones between.
func TestTakeover(t *testing.T) {
	for bits := minWindowBits; bits <= maxWindowBits; bits++ {
		t.Run(fmt.Sprint(bits), func(t *testing.T) {
			conns := make(chan *Conn, 1)
			h := echo(t)
			h.Open = func(c *Conn, _ *Request) { conns <- c }
			s := &Server{Handler: h, Compression: &Compression{Takeover: true, Threshold: -1, WindowBits: bits, Level: 6}}
			addr := listen(t, s)
			k := newClient(t)
			k.Compression = &Compression{Takeover: true, Threshold: -1, WindowBits: bits, Level: 1}
			l := start(t, k, "ws://"+addr+"/")
			c, ours := next(t, l.conn), next(t, conns)
			t.Cleanup(func() {
				c.Close(NormalClosure, "")
				next(t, l.ended)
			})
			before := s.Stats().BytesIn
			const rounds = 40
			for i := range rounds {
				msg := fmt.Sprintf("%d %s", i, greek(40*i))
				if o := c.Send(Text, []byte(msg)); !o.OK() {
					t.Fatal(o)
				}
				if got := next(t, l.messages); got != "text "+msg && got != msg {
					t.Fatalf("message %d came back as %.60q", i, got)
				}
				if i%5 == 0 {
					p := Join(Prepare(Text, []byte(msg)), Prepare(Text, []byte("prepared "+msg)))
					if o := ours.SendPrepared(p); !o.OK() {
						t.Fatal(o)
					}
					next(t, l.messages)
					if got := next(t, l.messages); !strings.HasSuffix(got, "prepared "+msg) {
						t.Fatalf("prepared message %d came as %.60q", i, got)
					}
				}
			}
			t.Logf("%d bytes came", s.Stats().BytesIn-before)
			w := ours.takeover()
			w.mu.Lock() // the last message may have come before its sender has kept it
			defer w.mu.Unlock()
			if len(w.in) > 1<<bits || len(w.out) > 1<<bits || len(w.in) == 0 || len(w.out) == 0 {
				t.Errorf("windows of %d and %d bytes are kept", len(w.in), len(w.out))
			}
		})
	}
}

// TestTakeoverIsSmaller: with takeover similar messages become much smaller.
func TestTakeoverIsSmaller(t *testing.T) {
	sent := func(k *Compression) int64 {
		h, closed := closes(echo(t))
		s := &Server{Handler: h, Compression: k}
		p := dialTCP(t, listen(t, s))
		p.offer(deflateName)
		msg := noise(300)
		for range 10 {
			p.send(masked(0x82, msg))
			p.frame()
		}
		n := s.Stats().BytesOut
		p.reset()
		next(t, closed)
		return n
	}
	alone, over := sent(&Compression{}), sent(&Compression{Takeover: true})
	if over > alone/3 {
		t.Errorf("%d bytes with takeover, %d without", over, alone)
	}
}

// TestNoTakeoverKeepsNothing: the default costs a connection no memory.
func TestNoTakeoverKeepsNothing(t *testing.T) {
	h := &Funcs{Message: func(c *Conn, op Opcode, p []byte) {
		if c.extra.Load() != nil || c.parser.part != nil {
			t.Error("something is kept")
		}
		c.Send(op, p)
	}}
	p := dialTCP(t, listen(t, &Server{Handler: h, Compression: new(Compression)}))
	p.offer(deflateName + "; server_max_window_bits=9")
	for range 2 {
		p.send(masked(textDeflated, squeeze(t, greek(500))))
		if b0, _ := p.frame(); b0 != textDeflated {
			t.Errorf("%#x", b0)
		}
	}
}

// TestPreparedDeflatedOnce: all connections with the same window share the bytes,
// also those of a batch.
func TestPreparedDeflatedOnce(t *testing.T) {
	k := (&Compression{}).withDefaults()
	a, b := Prepare(Text, []byte(greek(1000))), Prepare(Binary, []byte("short"))
	if v := a.deflated(k, 15); a.deflated(k, 15) != v || a.deflated(k, 9) == v {
		t.Error("not one for each window")
	}
	if b.deflated(k, 15).frames != b.frames {
		t.Error("a message below the threshold is not sent as it is")
	}
	j := Join(a, b).deflated(k, 15)
	if want := string(a.deflated(k, 15).frames.Bytes()) + string(b.frames.Bytes()); string(j.frames.Bytes()) != want {
		t.Error("a batch is not its messages")
	}
	if plain := Join(b, b); plain.deflated(k, 15).frames != plain.frames {
		t.Error("a batch of plain messages is copied")
	}
	if empty := Join(); empty.deflated(k, 15).frames.Len() != 0 {
		t.Error("a batch of nothing is something")
	}
}

func TestClientJudgesExtensions(t *testing.T) {
	for _, tt := range []struct {
		k          *Compression
		answer, ok string
	}{
		{nil, deflateName, ""},
		{&Compression{}, "foo", ""},
		{&Compression{}, ";", ""},
		{&Compression{}, deflateName, ""},
		{&Compression{}, deflateName + "; server_no_context_takeover", "ok"},
		{&Compression{}, deflateName + "; server_no_context_takeover; client_max_window_bits", ""},
		{&Compression{}, deflateName + "; server_no_context_takeover; client_max_window_bits=9", "ok"},
		{&Compression{}, deflateName + "; server_no_context_takeover, " + deflateName, ""},
		{&Compression{Takeover: true}, deflateName, "ok"},
		{&Compression{Takeover: true, WindowBits: 9}, deflateName, ""},
		{&Compression{Takeover: true, WindowBits: 9}, deflateName + "; server_max_window_bits=10", ""},
		{&Compression{Takeover: true, WindowBits: 9}, deflateName + "; server_max_window_bits=8", "ok"},
	} {
		if _, err := tt.k.withDefaults().judge(tt.answer); (err == nil) != (tt.ok != "") {
			t.Errorf("%+v, %q: %v", tt.k, tt.answer, err)
		}
	}
}

// TestClientWindow: a client's WindowBits bounds its own window too.
func TestClientWindow(t *testing.T) {
	k := &Compression{Takeover: true, WindowBits: 9, Level: 1, Threshold: 1}
	for answer, want := range map[string]int{"": 9, "; client_max_window_bits=10": 9, "; client_max_window_bits=8": 8} {
		d, err := k.judge(deflateName + "; server_max_window_bits=9" + answer)
		if err != nil || d.clientBits != want {
			t.Errorf("%q: %+v, %v", answer, d, err)
		}
	}
}

// TestSharedHeader: a header that Accept gives to all gets nothing that is for one.
func TestSharedHeader(t *testing.T) {
	all := http.Header{"X-All": {"1"}}
	p := dialTCP(t, listen(t, &Server{Handler: echo(t), Compression: new(Compression), Accept: func(r *Request) error {
		r.ResponseHeader = all
		return nil
	}}))
	if h := p.offer(deflateName); h.Get("Sec-WebSocket-Extensions") == "" || h.Get("X-All") != "1" {
		t.Errorf("the answer has %v", h)
	}
	if len(all) != 1 {
		t.Errorf("the next would get %v", all)
	}
}

// TestPreparedTail: a connection with takeover does not keep more than its window.
func TestPreparedTail(t *testing.T) {
	k := (&Compression{Takeover: true}).withDefaults()
	p := Prepare(Text, []byte(letters(1<<20)))
	v := p.deflated(k, 10)
	all := p.frames.Bytes()
	if len(v.tail) != 1<<10 || &v.tail[len(v.tail)-1] == &all[len(all)-1] {
		t.Errorf("%d bytes in the message's own array are kept", len(v.tail))
	}
}

func TestCompressionValidate(t *testing.T) {
	for _, k := range []*Compression{{Level: 10}, {Level: -1}, {WindowBits: 7}, {WindowBits: 16}} {
		if err := (&Server{Compression: k}).Validate(); err == nil || !strings.Contains(err.Error(), "Server.Compression.") {
			t.Errorf("%+v: %v", k, err)
		}
	}
}

// FuzzExtensions: whatever the field says, the answer is one that the client can
// have offered.
func FuzzExtensions(f *testing.F) {
	for _, s := range []string{deflateName, deflateName + "; client_max_window_bits; server_max_window_bits=10, foo;a=b",
		`permessage-deflate; server_max_window_bits="12"`, "permessage-deflate;", ",", "a=b; c"} {
		f.Add(s, true, 10)
	}
	f.Fuzz(func(t *testing.T, field string, takeover bool, bits int) {
		k := &Compression{Takeover: takeover, WindowBits: minWindowBits + (bits&0xff)%8}
		offers, ok := parseExtensions(slices.Values([][]byte{[]byte(field)}))
		if !ok {
			return
		}
		d := k.accept(offers)
		if d == nil {
			return
		}
		answer := d.extension().String()
		again, ok := parseExtensions(slices.Values([][]byte{[]byte(answer)}))
		if !ok || len(again) != 1 {
			t.Fatalf("%q is answered with %q", field, answer)
		}
		e, ok := parseDeflate(again[0])
		if !ok || e != *d {
			t.Fatalf("%q is answered with %q", field, answer)
		}
		if orMax(d.serverBits) > k.WindowBits || !d.serverNoTakeover && !takeover || !d.clientNoTakeover && (!takeover || orMax(d.clientBits) > k.WindowBits) {
			t.Fatalf("%+v answers %q with %q", k, field, answer)
		}
	})
}

// FuzzInflate: nothing a peer sends brings more than the limit, and what another
// implementation can decompress comes out the same.
func FuzzInflate(f *testing.F) {
	for _, s := range []string{"", "\x00", "\xf2\x48\xcd\xc9\xc9\x07\x00", "\xf3\x48\xcd\xc9\xc9\x07\x00\x00", squeeze(f, letters(1000)), "\x03\x00\x03\x00"} {
		f.Add([]byte(s), []byte("window"), 500)
	}
	f.Fuzz(func(t *testing.T, p, window []byte, limit int) {
		limit &= 0xffff
		i := inflaters.Get().(*inflater)
		defer i.free()
		out, err := i.inflate(p, window, limit)
		if len(out) > limit {
			t.Fatalf("%d bytes, the limit is %d", len(out), limit)
		}
		in := bytes.NewReader(append(bytes.Clone(p), inflateTail...))
		want, werr := io.ReadAll(io.LimitReader(flate.NewReaderDict(in, window), 1<<20))
		if werr != nil || in.Len() >= len(inflateTail) { // or several streams
			return
		}
		if len(want) > limit {
			if err != errMessageSize {
				t.Fatalf("%d bytes, the limit is %d: %v", len(want), limit, err)
			}
		} else if err != nil || !bytes.Equal(out, want) {
			t.Fatalf("%q, %v, want %q", out, err, want)
		}
	})
}

// FuzzDeflate: what is compressed comes out the same, with every window and
// whatever went before.
func FuzzDeflate(f *testing.F) {
	f.Add([]byte("hello hello hello"), []byte("hello"), 9, 6)
	f.Add([]byte{}, []byte{}, 15, 1)
	f.Add([]byte(noise(5000)), []byte(noise(5000)), 12, 9)
	f.Fuzz(func(t *testing.T, p, before []byte, bits, level int) {
		bits = minWindowBits + (bits&0xff)%8
		k := (&Compression{Level: 1 + (level&0xff)%9}).withDefaults()
		window := appendWindow(nil, before, bits)
		d := k.deflate(p, window, bits)
		defer d.free()
		if got := unsqueeze(t, string(d.bytes()), window); got != string(p) {
			t.Fatalf("%q became %q", p, got)
		}
	})
}
