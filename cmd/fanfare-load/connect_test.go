package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/coder/websocket"
	"golang.org/x/sys/unix"

	"github.com/fanfare-ws/fanfare/wsproto"
)

// TestNoServer has various peers that are not WebSocket servers. Faults of a kind are one line, for every subcommand.
func TestNoServer(t *testing.T) {
	for _, c := range []struct {
		name, kind, example string
		url                 func(t *testing.T) string
	}{
		{"nothing", "connection refused", "refused", func(t *testing.T) string {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close() // nobody else gets the port at once
			return "ws://" + l.Addr().String() + "/"
		}},
		{"refuses", "refused with 403 Forbidden", "members only", func(t *testing.T) string {
			return page(t, func(w http.ResponseWriter, r *http.Request) { http.Error(w, "members only", http.StatusForbidden) })
		}},
		{"a page", "no WebSocket", "200", func(t *testing.T) string {
			return page(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello") })
		}},
		{"other protocol", "no WebSocket", "SSH-2.0", func(t *testing.T) string {
			return raw(t, func(c net.Conn) {
				io.WriteString(c, "SSH-2.0-OpenSSH_9.9\r\n")
				io.Copy(io.Discard, c)
			})
		}},
		{"wrong key", "no WebSocket", "Sec-WebSocket-Accept", func(t *testing.T) string {
			return raw(t, func(c net.Conn) {
				io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: bm8=\r\n\r\n")
				io.Copy(io.Discard, c)
			})
		}},
		{"hangs up", "closed during the handshake", "closed", func(t *testing.T) string {
			return raw(t, func(c net.Conn) {
				buf := make([]byte, 4096)
				c.Read(buf)
			})
		}},
		{"silent", "handshake timed out", "too long", func(t *testing.T) string {
			return raw(t, func(c net.Conn) { io.Copy(io.Discard, c) })
		}},
	} {
		for _, command := range []string{"idle", "echo", "broadcast", "slow"} {
			t.Run(c.name+"/"+command, func(t *testing.T) {
				checkLeaks(t)
				r := runProgram(t, command, "-json", "-q", "-n", "7", "-timeout", "100ms", c.url(t))
				n := int64(7)
				if command == "slow" {
					n-- // one would not have read
				}
				f := r.wantFault(t, c.kind, n)
				if !strings.Contains(f.Example, c.example) || f.Hint == "" {
					t.Errorf("%+v; want an example with %q, and a hint", f, c.example)
				}
				want(t, "kinds of faults", len(r.report.Faults), 1)
				want(t, "opened", r.report.Connections.Opened, 0)
				want(t, "failed", r.report.Connections.Failed, n)
			})
		}
	}
}

// TestGivesUp checks that the run does not try 5,000 connections to a closed port.
func TestGivesUp(t *testing.T) {
	checkLeaks(t)
	tried := 0
	var mu sync.Mutex
	url := page(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		tried++
		mu.Unlock()
		w.Header().Set("Connection", "close")
		http.Error(w, "full", http.StatusServiceUnavailable)
	})
	r := runProgram(t, "idle", "-json", "-q", "-n", "5000", "-concurrency", "10", url)
	mu.Lock()
	refused := int64(tried)
	mu.Unlock()
	if refused < 100 || refused > 200 {
		t.Errorf("tried %d times", refused)
	}
	r.wantFault(t, "refused with 503 Service Unavailable", refused)
	r.wantFault(t, "not tried", 5000-refused)
}

// TestSomeRefused checks that the run continues with the connections that were accepted.
func TestSomeRefused(t *testing.T) {
	checkLeaks(t)
	n := 0
	var mu sync.Mutex
	s := &wsproto.Server{
		Handler: &wsproto.Funcs{Message: func(c *wsproto.Conn, op wsproto.Opcode, p []byte) { c.Send(op, p) }},
		Accept: func(*wsproto.Request) error {
			mu.Lock()
			defer mu.Unlock()
			if n++; n%3 == 0 {
				return wsproto.Refuse(http.StatusTooManyRequests, "come again")
			}
			return nil
		},
	}
	r := runProgram(t, "echo", "-json", "-q", "-n", "9", "-count", "60", ours(t, s))
	f := r.wantFault(t, "refused with 429 Too Many Requests", 3)
	want(t, "body in the example", strings.Contains(f.Example, "come again"), true)
	want(t, "opened", r.report.Connections.Opened, 6)
	want(t, "received", r.report.Messages.Received, 60)
}

// TestCompressed checks that the report has the number of compressed connections with -compress.
func TestCompressed(t *testing.T) {
	checkLeaks(t)
	h := &wsproto.Funcs{Message: func(c *wsproto.Conn, op wsproto.Opcode, p []byte) { c.Send(op, p) }}
	plain, able := ours(t, &wsproto.Server{Handler: h}), ours(t, &wsproto.Server{Handler: h, Compression: new(wsproto.Compression)})
	for _, c := range []struct{ flag, url, says string }{
		{"-compress", able, "compressed            3, as"},
		{"-compress", plain, "compressed            0, as"},
		{"-text", able, ""},
	} {
		r := runProgram(t, "echo", c.flag, "-q", "-n", "3", "-count", "9", "-size", "1000", c.url)
		if r.status != 0 || !strings.Contains(r.stdout, c.says) || c.says == "" && strings.Contains(r.stdout, "compressed") {
			t.Errorf("%s %s: exit status %d, %s", c.flag, c.url, r.status, r.stdout)
		}
	}
}

// TestConcurrency checks the bound of concurrent handshakes.
func TestConcurrency(t *testing.T) {
	checkLeaks(t)
	g := newGate(5)
	url := page(t, func(w http.ResponseWriter, r *http.Request) {
		g.pass()
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		_, _, _ = c.Read(r.Context())
		c.CloseNow()
	})
	r := runProgram(t, "idle", "-json", "-q", "-n", "50", "-concurrency", "5", "-hold", "1ms", url)
	r.wantOK(t)
	want(t, "most handshakes at a time", g.mostInside(), 5)
}

// TestHeader checks -header and -source.
func TestHeader(t *testing.T) {
	checkLeaks(t)
	var mu sync.Mutex
	from := map[string]int{}
	url := ours(t, &wsproto.Server{
		Handler: &wsproto.Funcs{},
		Accept: func(r *wsproto.Request) error {
			if r.Header.Get("Authorization") != "Bearer abc: d" || r.Header.Get("X-One") != "1" {
				return wsproto.Refuse(http.StatusUnauthorized, "who is there?")
			}
			return nil
		},
	})
	r := runProgram(t, "idle", "-json", "-q", "-n", "3", "-hold", "1ms", "-header", "Authorization: Bearer abc: d", "-header", "X-One:1", url)
	r.wantOK(t)
	url = ours(t, &wsproto.Server{Handler: &wsproto.Funcs{Open: func(c *wsproto.Conn, _ *wsproto.Request) {
		mu.Lock()
		from[c.RemoteAddr().Addr().String()]++
		mu.Unlock()
	}}})
	r = runProgram(t, "idle", "-json", "-q", "-n", "6", "-hold", "1ms", "-source", "127.0.0.7,127.0.0.8", url)
	r.wantOK(t)
	mu.Lock()
	defer mu.Unlock()
	want(t, "from .7", from["127.0.0.7"], 3)
	want(t, "from .8", from["127.0.0.8"], 3)
}

// TestSpread needs several source addresses, because it has few ports.
func TestSpread(t *testing.T) {
	checkLeaks(t)
	var mu sync.Mutex
	from := map[netip.Addr]int{}
	url := ours(t, &wsproto.Server{Handler: &wsproto.Funcs{Open: func(c *wsproto.Conn, _ *wsproto.Request) {
		mu.Lock()
		from[c.RemoteAddr().Addr()]++
		mu.Unlock()
	}}})
	var out, errs strings.Builder
	p := &program{stdout: &out, stderr: &errs, limits: func() limits { return limits{files: 1000, firstPort: 1, lastPort: 20} }}
	if status := p.run(context.Background(), []string{"idle", "-q", "-n", "35", "-hold", "1ms", url}); status != exitOK {
		t.Fatalf("status %d\n%s%s", status, out.String(), errs.String())
	}
	mu.Lock()
	defer mu.Unlock()
	// 20 ports, of which half are used: 4 addresses for 35 connections.
	want(t, "addresses", len(from), 4)
	for addr, n := range from {
		if n > 9 {
			t.Errorf("%d connections from %v", n, addr)
		}
	}
}

// TestStalledBuffer checks that the kernel buffers little for subscribers that do not read.
func TestStalledBuffer(t *testing.T) {
	checkLeaks(t)
	url := ours(t, &wsproto.Server{Handler: &wsproto.Funcs{}})
	_, opt, err := parseArgs([]string{"slow", "-q", "-rcvbuf", "5000", url}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	l, err := newLoad(t.Context(), opt, &program{stdout: io.Discard, stderr: io.Discard, limits: readLimits})
	if err != nil {
		t.Fatal(err)
	}
	defer l.finish(t.Context(), nil)
	s, err := newStalledSubscriber(t.Context(), l)
	if err != nil {
		t.Fatal(err)
	}
	defer s.conn.Close()
	sc, err := s.conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	size := 0
	_ = sc.Control(func(fd uintptr) { size, err = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF) })
	want(t, "error", err, nil)
	want(t, "SO_RCVBUF", size, 2*5000) // the kernel doubles it: socket(7)
}

// TestStalledRefused has a server that accepts the subscribers that read and refuses the stalled one.
func TestStalledRefused(t *testing.T) {
	checkLeaks(t)
	var n atomic.Int64
	url := ours(t, &wsproto.Server{Handler: &wsproto.Funcs{}, Accept: func(*wsproto.Request) error {
		if n.Add(1) > 5 {
			return wsproto.Refuse(http.StatusForbidden, "full house")
		}
		return nil
	}})
	r := runProgram(t, "slow", "-json", "-q", "-n", "6", "-stalled", "1", url)
	f := r.wantFault(t, "refused with 403 Forbidden", 1)
	want(t, "body in the example", strings.Contains(f.Example, "full house"), true)
	want(t, "opened", r.report.Connections.Opened, 5)
	want(t, "failed", r.report.Connections.Failed, 1)
}

// TestHost checks that the Host of -header replaces the host of the URL: the server refuses it.
func TestHost(t *testing.T) {
	checkLeaks(t)
	url := ourEcho(t)
	r := runProgram(t, "echo", "-json", "-q", "-n", "2", "-count", "2", "-header", "Host: evil.example", url)
	f := r.wantFault(t, "refused with 421 Misdirected Request", 2)
	want(t, "hint of -hosts", strings.Contains(f.Hint, "-hosts"), true)
	want(t, "the host in the example", strings.Contains(f.Example, "evil.example"), true)
	r = runProgram(t, "slow", "-json", "-q", "-n", "2", "-stalled", "1", "-header", "Host: evil.example", url)
	r.wantFault(t, "refused with 421 Misdirected Request", 1)
	runProgram(t, "echo", "-json", "-q", "-n", "2", "-count", "2", "-header", "Host: localhost", url).wantOK(t)
}

// TestUser checks that every handshake has the user and the password of the URL, including those of stalled subscribers.
func TestUser(t *testing.T) {
	checkLeaks(t)
	s := &wsproto.Server{Handler: &wsproto.Funcs{}, Accept: func(r *wsproto.Request) error {
		if r.Header.Get("Authorization") != "Basic bWU6cGFzcw==" {
			return wsproto.Refuse(http.StatusUnauthorized, "who is there?")
		}
		return nil
	}}
	url := strings.Replace(ours(t, s), "ws://", "ws://me:pass@", 1)
	r := runProgram(t, "slow", "-json", "-q", "-n", "3", "-stalled", "1", "-count", "1", "-drain", "100ms", url)
	want(t, "opened", r.report.Connections.Opened, 4)
	want(t, "failed", r.report.Connections.Failed, 0)
	want(t, "the password is in the report", strings.Contains(r.stdout, "pass@"), false)
}

// TestFull has a server with room for few connections. The others get the time at which to retry.
func TestFull(t *testing.T) {
	checkLeaks(t)
	s := &wsproto.Server{Handler: &wsproto.Funcs{Message: func(c *wsproto.Conn, op wsproto.Opcode, p []byte) { c.Send(op, p) }}}
	s.Engine.MaxConns = 8
	r := runProgram(t, "echo", "-json", "-q", "-n", "12", "-concurrency", "1", "-count", "40", ours(t, s))
	want(t, "received", r.report.Messages.Received, 40)
	refused := int64(0)
	for _, f := range r.report.Faults {
		if refused += f.Count; f.Kind != "refused with 503 Service Unavailable" || !strings.Contains(f.Example, "(Retry-After: ") {
			t.Errorf("%+v", f)
		}
	}
	want(t, "opened and refused", r.report.Connections.Opened+refused, 12)
	if refused < 3 {
		t.Errorf("%d refused", refused)
	}
}

// TestRefusals has servers that are full, that do not know the host, or that are behind a proxy. Each fault is one line,
// whatever the response contains.
func TestRefusals(t *testing.T) {
	const html = "<html>\r\n<head><title>503 Service\r\nTemporarily Unavailable</title></head>\r\n<body>\x1b[31m<hr><center>nginx</center></body></html>"
	for status, says := range map[int]string{
		http.StatusServiceUnavailable: "-max-conns",
		http.StatusMisdirectedRequest: "host name",
		http.StatusTooManyRequests:    "-source",
		http.StatusBadGateway:         "proxy",
	} {
		checkLeaks(t)
		url := page(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(status)
			io.WriteString(w, html)
		})
		r := runProgram(t, "echo", "-q", "-n", "3", url)
		want(t, "status", r.status, exitFault)
		said := strings.Join(strings.Fields(r.stdout), " ")
		for _, part := range []string{statusText(status) + ": 503 Service Temporarily Unavailable (Retry-After: 7 s)", says, "FAULT 3 x"} {
			if !strings.Contains(said, part) {
				t.Errorf("%d: it does not say %q", status, part)
			}
		}
		if strings.ContainsAny(r.stdout, "<>\x1b") || strings.Contains(r.stdout, "echoed") {
			t.Errorf("%d: markup, or what did not happen", status)
		}
	}
}
