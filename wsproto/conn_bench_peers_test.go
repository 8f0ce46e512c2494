package wsproto

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/gobwas/ws"
	"github.com/gorilla/websocket"
	"github.com/lxzan/gws"
)

// BenchmarkMask and BenchmarkUTF8 measure the two passes over a payload separately.
func BenchmarkMask(b *testing.B) {
	for _, bb := range payloads {
		b.Run(bb.name, func(b *testing.B) {
			p, key := []byte(letters(bb.size)), [4]byte{1, 2, 3, 4}
			b.SetBytes(int64(len(p)))
			for b.Loop() {
				ws.Cipher(p, key, 0)
			}
		})
	}
}

func BenchmarkUTF8(b *testing.B) {
	for _, bb := range payloads {
		b.Run(bb.name, func(b *testing.B) {
			p := []byte(letters(bb.size))
			b.SetBytes(int64(len(p)))
			for b.Loop() {
				if !utf8.Valid(p) {
					b.Fatal("refused")
				}
			}
		})
	}
}

var payloads = []struct {
	name string
	size int
}{{"128", 128}, {"4KiB", 4 << 10}, {"32KiB", 32 << 10}}

// BenchmarkRead has servers read masked messages that are in memory: the way of a
// payload from the read that brings it, a copy for each, to the program. Of text all
// look at the UTF-8 but gorilla, which leaves that to the program.
func BenchmarkRead(b *testing.B) {
	for _, kind := range []struct {
		name string
		b0   byte
	}{{"binary", 0x82}, {"text", 0x81}} {
		for _, bb := range payloads {
			frame := masked(kind.b0, letters(bb.size))
			for _, peer := range []struct {
				name string
				read func(b *testing.B, from *tape) (messages int)
			}{{"fanfare", readFanfare}, {"gorilla", readGorilla}, {"gws", readGWS}} {
				b.Run(kind.name+"/"+bb.name+"/"+peer.name, func(b *testing.B) {
					b.ReportAllocs()
					b.SetBytes(int64(bb.size))
					if n := peer.read(b, newTape(frame, b.N)); n != b.N {
						b.Fatalf("%d messages of %d", n, b.N)
					}
				})
			}
		}
	}
}

// tape is a connection that plays a frame so many times, then io.EOF. Nobody hears
// what is written.
type tape struct {
	frames []byte // as many as fit in a buffer of a worker
	at     int
	left   int // bytes
}

func newTape(frame string, times int) *tape {
	t := &tape{left: len(frame) * times}
	for len(t.frames) < 64<<10 {
		t.frames = append(t.frames, frame...)
	}
	return t
}

func (t *tape) Read(p []byte) (int, error) {
	if t.left == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), t.left)], t.frames[t.at:])
	t.left -= n
	if t.at += n; t.at == len(t.frames) {
		t.at = 0
	}
	return n, nil
}

func (*tape) Write(p []byte) (int, error)      { return len(p), nil }
func (*tape) Close() error                     { return nil }
func (*tape) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (*tape) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (*tape) SetDeadline(time.Time) error      { return nil }
func (*tape) SetReadDeadline(time.Time) error  { return nil }
func (*tape) SetWriteDeadline(time.Time) error { return nil }

// readFanfare reads into one buffer, behind what was left over, as a worker does.
func readFanfare(b *testing.B, from *tape) int {
	var p parser
	var n count
	buf, kept := make([]byte, 64<<10), 0
	for {
		got, err := from.Read(buf[kept:])
		if err != nil {
			return int(n)
		}
		used, err := p.feed(buf[:kept+got], atServer, &roomy, &n)
		if err != nil {
			b.Fatal(err)
		}
		kept = copy(buf, buf[used:kept+got])
	}
}

// hijacked is what a handshake of net/http goes over: a connection of which nothing
// has been read, and none that an engine can take.
type hijacked struct {
	http.ResponseWriter
	conn net.Conn
}

func (h hijacked) Header() http.Header { return http.Header{} }

func (h hijacked) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return h.conn, bufio.NewReadWriter(bufio.NewReader(h.conn), bufio.NewWriter(h.conn)), nil
}

func upgradeRequest() *http.Request {
	return &http.Request{Method: http.MethodGet, Host: "example.test", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {sampleKey},
	}}
}

// readGorilla reads into a buffer that is used again, which ReadMessage does not.
func readGorilla(b *testing.B, from *tape) (n int) {
	u := websocket.Upgrader{ReadBufferSize: 64 << 10}
	c, err := u.Upgrade(hijacked{conn: from}, upgradeRequest(), nil)
	if err != nil {
		b.Fatal(err)
	}
	for buf := make([]byte, 64<<10); ; n++ {
		_, r, err := c.NextReader()
		if err != nil {
			return n
		}
		for err == nil {
			_, err = r.Read(buf)
		}
		if err != io.EOF {
			b.Fatal(err)
		}
	}
}

// gwsCount counts messages and gives their buffers back.
type gwsCount struct {
	gws.BuiltinEventHandler
	n int
}

func (h *gwsCount) OnMessage(_ *gws.Conn, m *gws.Message) {
	h.n++
	m.Close()
}

func readGWS(b *testing.B, from *tape) int {
	h := new(gwsCount)
	u := gws.NewUpgrader(h, &gws.ServerOption{ReadBufferSize: 64 << 10, CheckUtf8Enabled: true})
	c, err := u.Upgrade(hijacked{conn: from}, upgradeRequest())
	if err != nil {
		b.Fatal(err)
	}
	c.ReadLoop()
	return h.n
}
