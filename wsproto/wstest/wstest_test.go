package wstest

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/fanfare-ws/fanfare/netpoll/netpolltest"
	"github.com/fanfare-ws/fanfare/wsproto"
)

func TestMain(m *testing.M) { netpolltest.Main(m) }

var echo = &wsproto.Funcs{Message: func(c *wsproto.Conn, op wsproto.Opcode, payload []byte) { c.Send(op, payload) }}

func TestServer(t *testing.T) {
	for _, s := range []*Server{NewServer(t, echo), NewTLSServer(t, echo)} {
		c := s.Dial(t, "/")
		if got := c.TLS() != nil; got != strings.HasPrefix(s.URL, "wss://") {
			t.Errorf("%s: TLS %v", s.URL, got)
		}
		large := strings.Repeat("x", 100_000)
		c.SendText("one")
		c.SendBinary([]byte(large))
		c.ExpectText("one")
		c.Expect(wsproto.Binary, large)
		c.Close(wsproto.GoingAway, "")
		c.ExpectClose(wsproto.GoingAway)
	}
}

func TestStart(t *testing.T) {
	s := Start(t, &wsproto.Server{Handler: echo, HTTP: http.NotFoundHandler()})
	resp, err := http.Get("http://" + s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	if resp.StatusCode != http.StatusNotFound {
		t.Error(resp.Status)
	}
}

func TestPair(t *testing.T) {
	server, client := Pair(t)
	server.SendText("down")
	client.SendText("up")
	client.ExpectText("down")
	server.ExpectText("up")
	server.SendText("last")
	server.Close(4000, "over")
	client.ExpectText("last")
	if err := client.ExpectClose(4000); !err.Remote || err.Reason != "over" {
		t.Error(err)
	}
	if err := server.ExpectClose(4000); err.Remote {
		t.Error(err)
	}
}

// failing is a test that collects its failure.
type failing struct {
	testing.TB
	failed bool
}

func (f *failing) Helper() {}

func (f *failing) Fatalf(string, ...any) {
	f.failed = true
	panic(errFailed)
}

var errFailed = errors.New("the test has failed")

// fails reports whether step fails the test that c belongs to.
func fails(t *testing.T, c *Conn, step func(*Conn)) (failed bool) {
	f := &failing{TB: t}
	defer func() {
		if v := recover(); v != nil && v != errFailed {
			panic(v)
		}
		failed = f.failed
	}()
	step(&Conn{Conn: c.Conn, t: f, r: c.r})
	return f.failed
}

// A Conn fails the test for what it does not expect.
func TestConnFails(t *testing.T) {
	s := NewServer(t, echo)
	for name, step := range map[string]func(*Conn){
		"another message": func(c *Conn) { c.ExpectText("two") },
		"another type":    func(c *Conn) { c.Expect(wsproto.Binary, "one") },
		"another code":    func(c *Conn) { c.Receive(); c.Close(1000, ""); c.ExpectClose(1001) },
		"the end":         func(c *Conn) { c.Receive(); c.Close(1000, ""); c.Receive() },
	} {
		c := s.Dial(t, "/")
		c.SendText("one")
		if !fails(t, c, step) {
			t.Errorf("%s passes", name)
		}
	}
}

// A message that has not been received is not the end.
func TestExpectCloseFails(t *testing.T) {
	server, client := Pair(t)
	server.SendText("last")
	server.Close(wsproto.NormalClosure, "")
	if !fails(t, client, func(c *Conn) { c.ExpectClose(wsproto.NormalClosure) }) {
		t.Error("a message before the end passes")
	}
}
