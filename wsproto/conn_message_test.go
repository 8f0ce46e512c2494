package wsproto

import (
	"context"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"
)

// dialCoder connects with an independent implementation.
func dialCoder(t testing.TB, url string) (*websocket.Conn, context.Context) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	t.Cleanup(cancel)
	c, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{CompressionMode: websocket.CompressionDisabled})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseNow() })
	c.SetReadLimit(-1)
	return c, ctx
}

var messageSizes = []int{0, 1, 2, 124, 125, 126, 127, 128, 4095, 4096, 65535, 65536, 65537, 300_000, 1 << 20}

func TestMessageCoder(t *testing.T) {
	c, ctx := dialCoder(t, "ws://"+listen(t, &Server{Handler: echo(t)})+"/")
	for _, size := range messageSizes {
		for _, typ := range []websocket.MessageType{websocket.MessageText, websocket.MessageBinary} {
			msg := letters(size)
			if typ == websocket.MessageText && size > 300 {
				msg = greek(size)
			}
			if err := c.Write(ctx, typ, []byte(msg)); err != nil {
				t.Fatal(err)
			}
			gotType, got, err := c.Read(ctx)
			if err != nil || gotType != typ || string(got) != msg {
				t.Fatalf("%v of %d bytes: %v of %d, %v", typ, size, gotType, len(got), err)
			}
		}
	}
	if err := c.Close(websocket.StatusNormalClosure, "bye"); err != nil {
		t.Error(err)
	}
}

// TestMessageCoderFragments has the other side write messages in fragments, with
// pings between.
func TestMessageCoderFragments(t *testing.T) {
	c, ctx := dialCoder(t, "ws://"+listen(t, &Server{Handler: echo(t)})+"/")
	got := make(chan string, 1)
	go func() { // Ping needs a reader at the same time
		defer close(got)
		for {
			_, p, err := c.Read(ctx)
			if err != nil {
				return
			}
			got <- string(p)
		}
	}()
	r := rand.New(rand.NewPCG(7, 8))
	for _, size := range messageSizes {
		w, err := c.Writer(ctx, websocket.MessageText)
		if err != nil {
			t.Fatal(err)
		}
		msg := letters(size)
		for _, piece := range cutRandom(msg, r) {
			if _, err := w.Write([]byte(piece)); err != nil {
				t.Fatal(err)
			}
			if r.IntN(20) == 0 {
				if err := c.Ping(ctx); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if s := next(t, got); s != msg {
			t.Fatalf("%d bytes, got %d", size, len(s))
		}
	}
	if err := c.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Error(err)
	}
	next(t, got)
}

// TestMessageMaximum sends messages of the maximum size, and of one byte more.
func TestMessageMaximum(t *testing.T) {
	const maximum = 100_000
	h, ended := closes(echo(t))
	addr := listen(t, &Server{Handler: h, MaxMessage: maximum})
	for _, in := range []string{binmsg(letters(maximum)), masked(0x02, letters(maximum/2)) + masked(0x00, "") + masked(0x80, letters(maximum/2))} {
		p := dialPeer(t, addr)
		p.send(in)
		if b0, got := p.frame(); b0 != 0x82 || len(got) != maximum {
			t.Errorf("frame %#x of %d bytes", b0, len(got))
		}
		p.nc.Close()
		next(t, ended)
	}
	c, ctx := dialCoder(t, "ws://"+addr)
	if err := c.Write(ctx, websocket.MessageBinary, []byte(letters(maximum+1))); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.Read(ctx); websocket.CloseStatus(err) != websocket.StatusMessageTooBig {
		t.Error(err)
	}
	if err := next(t, ended); err.Code != MessageTooBig {
		t.Error(err)
	}
}

// TestMessageBytes sends byte by byte, over the wire.
func TestMessageBytes(t *testing.T) {
	addr := listen(t, &Server{Handler: echo(t)})
	p := dialPeer(t, addr)
	p.sendBytes(text("hello") + masked(0x01, "κό") + ping("p") + masked(0x00, "\xcf") + masked(0x80, "\x83με") + binmsg(letters(200)) + masked(0x88, ""))
	p.expect(Text, "hello")
	p.expect(Pong, "p")
	p.expect(Text, "κόσμε")
	p.expect(Binary, letters(200))
	p.expectClose(NoStatusReceived)
	p.expectEOF()
}

// TestMessageMany sends many at once; the answers come in order.
func TestMessageMany(t *testing.T) {
	addr := listen(t, &Server{Handler: echo(t)})
	p := dialPeer(t, addr)
	r := rand.New(rand.NewPCG(9, 10))
	var in strings.Builder
	var sizes []int
	for in.Len() < 3<<20 {
		n := r.IntN(1 << r.IntN(16))
		sizes = append(sizes, n)
		in.WriteString(binmsg(letters(n)))
	}
	sent := make(chan bool)
	go func() {
		defer close(sent)
		for _, piece := range cutRandom(in.String(), r) {
			p.send(piece)
		}
	}()
	for _, n := range sizes {
		p.expect(Binary, letters(n))
	}
	<-sent
}

// TestMessageSmallBuffer has an engine whose read buffer is smaller than most
// messages.
func TestMessageSmallBuffer(t *testing.T) {
	addr := listen(t, &Server{Handler: echo(t), Engine: netpollSmall})
	p := dialPeer(t, addr)
	for _, n := range []int{10, 4000, 4086, 4096, 5000, 100_000} {
		p.expectEcho(letters(n))
	}
}

// TestConnValue gives connections values from several goroutines.
func TestConnValue(t *testing.T) {
	h := &Funcs{
		Open: func(c *Conn, _ *Request) {
			if c.Value() != nil {
				t.Error(c.Value())
			}
			c.SetValue(0)
		},
		Message: func(c *Conn, _ Opcode, _ []byte) {
			done := make(chan bool)
			go func() { c.SetValue(c.Value().(int) + 1); close(done) }()
			<-done
			c.SendText(strings.Repeat("x", c.Value().(int)))
		},
	}
	p := dialPeer(t, listen(t, &Server{Handler: h}))
	for i := range 3 {
		p.send(text(""))
		p.expect(Text, "xxx"[:i+1])
	}
}

// TestFuncsNil has a handler that does nothing.
func TestFuncsNil(t *testing.T) {
	p := dialPeer(t, listen(t, &Server{Handler: &Funcs{}}))
	p.send(text("x") + ping("p") + closing(1000, ""))
	p.expect(Pong, "p")
	p.expectClose(1000)
	p.expectEOF()
}

// TestMessageNoHandler: a server without a handler refuses the handshake.
func TestMessageNoHandler(t *testing.T) {
	p := dialTCP(t, listen(t, &Server{}))
	p.send(goodRequest("/"))
	p.response(http.StatusNotFound)
}
