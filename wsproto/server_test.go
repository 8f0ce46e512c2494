package wsproto

import (
	"context"
	"errors"
	"net"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/fanfare-ws/fanfare/netpoll"
)

func TestServerValidate(t *testing.T) {
	for _, tt := range []struct {
		s    *Server
		name string // of the field that is wrong
	}{
		{&Server{}, ""},
		{&Server{MaxMessage: 1, MaxFrame: 1, MaxHeader: 100, HandshakeTimeout: 1, CloseTimeout: 1, PingInterval: -1, PongTimeout: 1}, ""},
		{&Server{MaxMessage: -1}, "MaxMessage"},
		{&Server{MaxFrame: -1}, "MaxFrame"},
		{&Server{StreamAbove: -1}, "StreamAbove"},
		{&Server{StreamAbove: 1001, MaxMessage: 1000}, "StreamAbove"},
		{&Server{StreamAbove: 2 << 20}, "StreamAbove"},
		{&Server{StreamTimeout: -1}, "StreamTimeout"},
		{&Server{MaxHeader: -1}, "MaxHeader"},
		{&Server{HandshakeTimeout: -1}, "HandshakeTimeout"},
		{&Server{CloseTimeout: -1}, "CloseTimeout"},
		{&Server{PongTimeout: -1}, "PongTimeout"},
		{&Server{MaxHeader: 3000, Engine: netpollSmall}, "MaxHeader"},
		{&Server{MaxHeader: 2048, Engine: netpollSmall}, ""},
		{&Server{Engine: netpoll.Options{Workers: -1}}, "Workers"},
		{&Server{Engine: netpoll.Options{ReadBuffer: 1}}, "ReadBuffer"},
	} {
		err := tt.s.Validate()
		if (err == nil) != (tt.name == "") || err != nil && !strings.Contains(err.Error(), tt.name) {
			t.Errorf("%s: %v", tt.name, err)
		}
		if err == nil {
			continue
		}
		// No method opens anything.
		if _, e := tt.s.Listen("127.0.0.1:0"); e == nil || e.Error() != err.Error() {
			t.Errorf("%s: Listen: %v", tt.name, e)
		}
		if e := tt.s.ListenAndServe(); e == nil || e.Error() != err.Error() {
			t.Errorf("%s: ListenAndServe: %v", tt.name, e)
		}
		if e := tt.s.Wait(); e == nil || e.Error() != err.Error() {
			t.Errorf("%s: Wait: %v", tt.name, e)
		}
		if _, e := tt.s.NewTask(0, func() {}); e == nil {
			t.Errorf("%s: NewTask", tt.name)
		}
		if tt.s.InitTask(new(Task), 0, nil) == nil {
			t.Errorf("%s: InitTask", tt.name)
		}
		if e := tt.s.Shutdown(context.Background()); e != nil {
			t.Errorf("%s: Shutdown: %v", tt.name, e)
		}
		if tt.s.Loops() != 1 || !reflect.DeepEqual(tt.s.Stats(), Stats{}) {
			t.Errorf("%s: a server that cannot run has loops", tt.name)
		}
	}
}

func TestServerListen(t *testing.T) {
	s := &Server{Handler: echo(t)}
	addr := listen(t, s)
	if _, err := s.Listen(addr); err == nil { // taken
		t.Error("the same address twice")
	}
	second, err := s.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dialPeer(t, addr).expectEcho("one")
	dialPeer(t, second.String()).expectEcho("two")
	ran := make(chan bool, 1)
	task, err := s.NewTask(1, func() { ran <- true })
	if err != nil {
		t.Fatal(err)
	}
	task.Schedule()
	next(t, ran)
}

func TestServerListenAndServe(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := taken.Addr().String()
	s := &Server{Addr: addr, Handler: echo(t), Logger: quiet}
	if err := s.ListenAndServe(); err == nil || errors.Is(err, ErrServerClosed) {
		t.Errorf("on a port in use: %v", err)
	}
	taken.Close()
	ended := make(chan error)
	go func() { ended <- s.ListenAndServe() }()
	eventually(t, "somebody listens", func() bool {
		nc, err := net.Dial("tcp", addr)
		if err == nil {
			nc.Close()
		}
		return err == nil
	})
	p := dialPeer(t, addr)
	p.expectEcho("x")
	p.nc.Close()
	shutdown(t, s)
	if err := next(t, ended); err != ErrServerClosed {
		t.Error(err)
	}
	if err := s.ListenAndServe(); err != ErrServerClosed {
		t.Errorf("after Shutdown: %v", err)
	}
	if _, err := s.Listen("127.0.0.1:0"); err != ErrServerClosed {
		t.Errorf("Listen after Shutdown: %v", err)
	}
	if nc, err := net.Dial("tcp", addr); err == nil {
		nc.Close()
		t.Error("somebody listens after Shutdown")
	}
	shutdown(t, s) // again
}

// TestShutdown says goodbye to all and waits for their answers.
func TestShutdown(t *testing.T) {
	const peers = 20
	h, ended := closes(echo(t))
	s := &Server{Handler: h}
	addr := listen(t, s)
	all := make([]*peer, peers)
	for i := range all {
		all[i] = dialPeer(t, addr)
		all[i].expectEcho("x")
	}
	half := dialTCP(t, addr) // in its handshake
	half.send(with()[:40])
	eventually(t, "all are there", func() bool { return s.Stats().Open == peers+1 })
	done := make(chan error)
	go func() { done <- s.Shutdown(context.Background()) }()
	for i, p := range all {
		p.expectClose(GoingAway, "the server is shutting down")
		if i < peers-1 {
			p.send(closing(1001, ""))
			p.expectEOF()
			p.nc.Close()
		}
	}
	for range peers - 1 {
		if err := next(t, ended); err.Code != GoingAway || err.Remote || err.Err != nil {
			t.Errorf("OnClose got %+v", err)
		}
	}
	select {
	case err := <-done:
		t.Fatalf("did not wait for the last: %v", err)
	default:
	}
	if nc, err := net.Dial("tcp", addr); err == nil {
		nc.Close()
		t.Error("somebody listens while the last are waited for")
	}
	last := all[peers-1]
	last.send(closing(1001, ""))
	last.expectEOF()
	last.nc.Close()
	if err := next(t, done); err != nil {
		t.Error(err)
	}
	half.expectEOF()
	if s.Stats().Open != 0 {
		t.Errorf("%d connections are left", s.Stats().Open)
	}
}

// TestShutdownExpires has a peer that does not answer.
func TestShutdownExpires(t *testing.T) {
	h, ended := closes(echo(t))
	s := &Server{Handler: h, CloseTimeout: time.Hour}
	p := dialPeer(t, listen(t, s))
	p.expectEcho("x")
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	p.expectClose(GoingAway)
	if err := next(t, ended); err.Code != GoingAway {
		t.Errorf("OnClose got %+v", err)
	}
}

// TestShutdownPages waits for a request under way, and closes idle connections.
func TestShutdownPages(t *testing.T) {
	began, release := make(chan bool), make(chan bool)
	s := &Server{Handler: echo(t), HTTP: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			began <- true
			<-release
		}
		_, _ = w.Write([]byte("done"))
	})}
	addr := listen(t, s)
	idle := dialTCP(t, addr)
	idle.get("/", "done")
	slow := dialTCP(t, addr)
	slow.send(request("GET /slow HTTP/1.1", "Host: example.test"))
	next(t, began)
	done := make(chan error)
	go func() { done <- s.Shutdown(context.Background()) }()
	idle.expectEOF()
	select {
	case err := <-done:
		t.Fatalf("did not wait: %v", err)
	default:
	}
	close(release)
	if _, body := slow.response(http.StatusOK); body != "done" {
		t.Errorf("%q", body)
	}
	slow.expectEOF()
	if err := next(t, done); err != nil {
		t.Error(err)
	}
}

// TestShutdownPagesExpires has a request that takes too long.
func TestShutdownPagesExpires(t *testing.T) {
	began, release := make(chan bool), make(chan bool)
	s := &Server{Handler: echo(t), HTTP: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		began <- true
		<-release
	})}
	p := dialTCP(t, listen(t, s))
	p.send(request("GET / HTTP/1.1", "Host: example.test"))
	next(t, began)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if err := s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	close(release)
	p.expectEOF()
}

// TestShutdownArrivals shuts down while connections come in: each is either closed
// in order or never was open, and none is forgotten.
func TestShutdownArrivals(t *testing.T) {
	for range 10 {
		h, ended := closes(&Funcs{})
		s := &Server{Handler: h, Logger: quiet}
		a, err := s.Listen("127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		const peers = 20
		results := make(chan string, peers)
		for range peers {
			go func() {
				nc, err := net.Dial("tcp", a.String())
				if err != nil {
					results <- "refused"
					return
				}
				defer nc.Close()
				_ = nc.SetDeadline(time.Now().Add(patience))
				_, _ = nc.Write([]byte(goodRequest("/")))
				p := newPeer(t, nc)
				resp, err := http.ReadResponse(p.br, nil)
				if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
					results <- "refused"
					return
				}
				b0, payload, err := readFrame(p.br)
				if err == nil && (b0 != 0x88 || !strings.HasPrefix(string(payload), "\x03\xe9")) {
					t.Errorf("frame %#x %q", b0, payload)
				}
				_, _ = nc.Write([]byte(closing(1001, "")))
				results <- "opened"
			}()
		}
		eventually(t, "some are there", func() bool { return s.Stats().Open > 2 })
		shutdown(t, s)
		for range peers {
			if next(t, results) == "opened" {
				next(t, ended)
			}
		}
	}
}

// TestShutdownHandshake judges a handshake that comes too late, as it can through
// net/http.
func TestShutdownHandshake(t *testing.T) {
	s := &Server{Handler: echo(t)}
	listen(t, s)
	shutdown(t, s)
	c := &Conn{endpoint: s.endpoint}
	x := new(upgradeBuffers)
	x.request.conn = c
	if refusal := c.upgrade(x, x.request.parse([]byte(with()))); refusal == nil || refusal.Status != http.StatusServiceUnavailable {
		t.Errorf("%+v", refusal)
	}
}

// TestConnSize bounds what each connection costs in any case.
func TestConnSize(t *testing.T) {
	const most = 128
	size := unsafe.Sizeof(Conn{})
	t.Logf("a Conn has %d bytes", size)
	if size > most {
		t.Errorf("a Conn has %d bytes; want at most %d", size, most)
	}
}
