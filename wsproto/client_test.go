package wsproto

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/fanfare-ws/fanfare/netpoll"
)

// newClient returns a client with an engine of its own.
func newClient(t testing.TB) *Client {
	t.Helper()
	opts := brisk
	opts.Logger = quiet
	e, err := netpoll.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := e.Shutdown(ctx); err != nil {
			t.Errorf("Engine.Shutdown: %v", err)
		}
	})
	return &Client{Engine: e}
}

// call is a connection of a client, as a test sees it.
type call struct {
	conn     chan *Conn
	header   http.Header
	messages chan string
	ended    chan *CloseError
	failed   chan error
}

func start(t testing.TB, k *Client, url string) *call {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	target, err := ParseTarget(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	l := &call{make(chan *Conn, 1), nil, make(chan string, 100), make(chan *CloseError, 2), make(chan error, 2)}
	h := &Funcs{
		Open: func(c *Conn, r *Request) {
			l.header = r.ResponseHeader
			l.conn <- c
		},
		Message: func(_ *Conn, op Opcode, p []byte) { l.messages <- event(op, string(p)) },
		Close:   func(_ *Conn, err *CloseError) { l.ended <- err },
	}
	if err := k.Start(target, netip.Addr{}, h, func(err error) { l.failed <- err }); err != nil {
		l.failed <- err
	}
	return l
}

// open waits until the connection is there.
func (l *call) open(t testing.TB) *Conn {
	t.Helper()
	select {
	case c := <-l.conn:
		return c
	case err := <-l.failed:
		t.Fatal(err)
	case <-time.After(patience):
		t.Fatal("neither open nor failed")
	}
	return nil
}

func TestClient(t *testing.T) {
	h, ended := closes(echo(t))
	s := &Server{Handler: h, Subprotocols: []string{"b"}, Accept: func(r *Request) error {
		if r.Header.Get("X-Client") != "c" || r.URI != "/p?q=1" {
			return Refuse(http.StatusBadRequest, "not what was asked for: "+r.URI)
		}
		r.ResponseHeader = http.Header{"X-Server": {"s"}}
		return nil
	}}
	k := newClient(t)
	k.Subprotocols = []string{"a", "b"}
	k.Header = http.Header{"X-Client": {"c"}}
	l := start(t, k, "ws://"+listen(t, s)+"/p?q=1")
	c := l.open(t)
	if l.header.Get("X-Server") != "s" || c.Subprotocol() != "b" {
		t.Errorf("%v, subprotocol %q", l.header, c.Subprotocol())
	}
	for _, size := range []int{0, 1, 125, 126, 70_000, 1 << 20} {
		if o := c.SendText(letters(size)); !o.OK() {
			t.Fatal(o)
		}
		if got := next(t, l.messages); got != "text "+letters(size) {
			t.Fatalf("%d bytes, got %d", size, len(got))
		}
	}
	if o := c.SendPrepared(Prepare(Text, nil)); o != Closed {
		t.Errorf("SendPrepared of a client: %v", o)
	}
	c.Close(4000, "bye")
	if err := next(t, l.ended); err.Code != 4000 || err.Remote || err.Err != nil {
		t.Errorf("client: %+v", err)
	}
	if err := next(t, ended); err.Code != 4000 || err.Reason != "bye" || !err.Remote {
		t.Errorf("server: %+v", err)
	}
	if len(l.failed) > 0 {
		t.Error(<-l.failed)
	}
}

// TestClientCoder connects to a server of independent origin.
func TestClientCoder(t *testing.T) {
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{CompressionMode: websocket.CompressionDisabled, Subprotocols: []string{"x"}})
		if err != nil {
			t.Error(err)
			return
		}
		defer c.CloseNow()
		c.SetReadLimit(-1)
		for {
			typ, p, err := c.Read(r.Context())
			if err != nil {
				if websocket.CloseStatus(err) != 3333 {
					t.Error(err)
				}
				return
			}
			if err := c.Write(r.Context(), typ, p); err != nil {
				t.Error(err)
			}
		}
	}))
	defer web.Close()
	k := newClient(t)
	k.Subprotocols = []string{"x"}
	l := start(t, k, "ws"+strings.TrimPrefix(web.URL, "http"))
	c := l.open(t)
	if c.Subprotocol() != "x" {
		t.Errorf("subprotocol %q", c.Subprotocol())
	}
	for _, size := range messageSizes {
		c.Send(Binary, []byte(letters(size)))
		if got := next(t, l.messages); got != "binary "+letters(size) {
			t.Fatalf("%d bytes, got %d", size, len(got))
		}
	}
	c.Close(3333, "done")
	if err := next(t, l.ended); err.Code != 3333 || err.Err != nil {
		t.Error(err)
	}
}

// rawServer takes one connection, reads its request and gives it to serve, with
// the key that it came with.
func rawServer(t *testing.T, serve func(p *peer, key string)) (url string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { l.Close(); <-done })
	go func() {
		defer close(done)
		nc, err := l.Accept()
		if err != nil {
			return
		}
		defer nc.Close()
		_ = nc.SetDeadline(time.Now().Add(patience))
		p := newPeer(t, nc)
		r, err := http.ReadRequest(p.br)
		if err != nil {
			t.Error(err)
			return
		}
		serve(p, r.Header.Get("Sec-WebSocket-Key"))
	}()
	return "ws://" + l.Addr().String() + "/"
}

func answer(key string, more ...string) string {
	return request(append([]string{ok101, "Upgrade: WebSocket", "Connection: keep-alive, upgrade", "Sec-WebSocket-Accept: " + acceptKey(key)}, more...)...)
}

// TestClientFrames looks at what the client sends: each frame is masked, with a
// key of its own.
func TestClientFrames(t *testing.T) {
	const n = 20
	keys := make(chan string, n+3)
	url := rawServer(t, func(p *peer, key string) {
		p.sendBytes(answer(key))
		p.send(rawFrame(0x89, "are you there?", nil) + rawFrame(0x01, "a", nil) + rawFrame(0x80, "b", nil))
		for range cap(keys) {
			var head [6]byte
			if _, err := io.ReadFull(p.br, head[:]); err != nil {
				t.Error(err)
				break
			}
			payload := make([]byte, head[1]&0x7f)
			_, _ = io.ReadFull(p.br, payload)
			for i := range payload {
				payload[i] ^= head[2+i%4]
			}
			keys <- string(head[2:])
			if head[1] < 0x80 || !strings.Contains("|are you there?|message||\x03\xe8|", "|"+string(payload)+"|") {
				t.Errorf("frame %x %q", head, payload)
			}
		}
		close(keys)
		p.send(rawFrame(0x88, "\x03\xe8", nil))
		_ = p.nc.CloseWrite()
		_, _ = io.Copy(io.Discard, p.br)
	})
	l := start(t, newClient(t), url)
	c := l.open(t)
	if got := next(t, l.messages); got != "text ab" {
		t.Error(got)
	}
	for range n {
		c.SendText("message")
	}
	c.Ping(nil)
	c.Close(1000, "")
	if err := next(t, l.ended); err.Code != 1000 {
		t.Error(err)
	}
	distinct := map[string]bool{}
	for key := range keys {
		distinct[key] = true
	}
	if len(distinct) < n {
		t.Errorf("%d masking keys for %d frames", len(distinct), cap(keys))
	}
}

// TestClientTail has the server send frames in one segment with its answer.
func TestClientTail(t *testing.T) {
	url := rawServer(t, func(p *peer, key string) {
		p.send(answer(key) + rawFrame(0x81, "first", nil) + rawFrame(0x88, "\x03\xe9gone", nil))
		_ = p.nc.CloseWrite()
		_, _ = io.Copy(io.Discard, p.br)
	})
	l := start(t, newClient(t), url)
	l.open(t)
	if got := next(t, l.messages); got != "text first" {
		t.Error(got)
	}
	if err := next(t, l.ended); err.Code != 1001 || err.Reason != "gone" || !err.Remote {
		t.Error(err)
	}
}

// TestClientViolation has a server mask its frames.
func TestClientViolation(t *testing.T) {
	url := rawServer(t, func(p *peer, key string) {
		p.send(answer(key) + text("masked"))
		_ = p.nc.CloseWrite()
		_, _ = io.Copy(io.Discard, p.br)
	})
	l := start(t, newClient(t), url)
	l.open(t)
	if err := next(t, l.ended); err.Code != ProtocolError || err.Err != error(errMaskForbidden) {
		t.Errorf("%+v", err)
	}
}

// TestClientPing keeps a connection alive from the client's side, and gives up a
// server that is silent.
func TestClientPing(t *testing.T) {
	k := newClient(t)
	k.PingInterval, k.PongTimeout = 20*time.Millisecond, 40*time.Millisecond
	silent := make(chan struct{})
	defer close(silent)
	l := start(t, k, rawServer(t, func(p *peer, key string) {
		p.send(answer(key))
		<-silent
	}))
	l.open(t)
	if err := next(t, l.ended); !errors.Is(err, ErrPongTimeout) {
		t.Error(err)
	}
}

func TestParseTarget(t *testing.T) {
	ctx := context.Background()
	for url, want := range map[string]Target{
		"ws://127.0.0.1:8080":        {Addr: netip.MustParseAddrPort("127.0.0.1:8080"), Host: "127.0.0.1:8080", URI: "/"},
		"ws://127.0.0.1/a%20b?c=d":   {Addr: netip.MustParseAddrPort("127.0.0.1:80"), Host: "127.0.0.1", URI: "/a%20b?c=d"},
		"ws://[::1]:99/":             {Addr: netip.MustParseAddrPort("[::1]:99"), Host: "[::1]:99", URI: "/"},
		"ws://ada:s%40c@127.0.0.1/x": {Addr: netip.MustParseAddrPort("127.0.0.1:80"), Host: "127.0.0.1", URI: "/x", Authorization: "Basic YWRhOnNAYw=="},
	} {
		if got, err := ParseTarget(ctx, url); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v", url, got, err)
		}
	}
	got, err := ParseTarget(ctx, "ws://localhost:1234/fragment#")
	if want := netip.MustParseAddrPort("127.0.0.1:1234"); err != nil || got.Addr != want || got.URI != "/fragment" {
		t.Errorf("%+v, %v", got, err)
	}
	for _, url := range []string{"", "http://x/", "wss:///x", "ws://", "ws:///x", "127.0.0.1:80", "ws://127.0.0.1:port/", "ws://127.0.0.1:99999/", "ws://%zz/"} {
		if got, err := ParseTarget(ctx, url); err == nil {
			t.Errorf("%q: %+v", url, got)
		}
	}
}
