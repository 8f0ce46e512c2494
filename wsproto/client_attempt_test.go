package wsproto

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// refusing returns an address that no socket listens on.
func refusing(t testing.TB) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return netip.MustParseAddrPort(l.Addr().String())
}

// deafTo returns an address where a connection is never made: nobody accepts, and the
// backlog is full.
func deafTo(t testing.TB) netip.AddrPort {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := errors.Join(unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 3}}), unix.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	at := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 3}), uint16(name.(*unix.SockaddrInet4).Port))
	for range 3 { // the queue takes one or two
		nc, err := net.DialTimeout("tcp", at.String(), 100*time.Millisecond)
		if err != nil {
			break
		}
		t.Cleanup(func() { nc.Close() })
	}
	return at
}

// The client finds the address of a host that answers, and the handler sees one connection.
func TestAllAddressesAreTried(t *testing.T) {
	addr := netip.MustParseAddrPort(listen(t, &Server{Handler: echo(t)}))
	dead, deaf := refusing(t), deafTo(t)
	for name, all := range map[string][]netip.AddrPort{
		"the first": {addr, dead}, "the second": {dead, addr}, "the last": {dead, deaf, dead, addr}, "two of them": {addr, addr}, "after a silent one": {deaf, addr, deaf},
	} {
		t.Run(name, func(t *testing.T) {
			var opened atomic.Int32
			h, messages := heard()
			h.Open = func(c *Conn, _ *Request) {
				opened.Add(1)
				c.SendText("hello")
			}
			h, ended := closes(h)
			var k Client
			conns := make(chan *Conn, 2)
			d := &dial{
				target: Target{Addr: all[0], Others: all[1:], Host: "x", URI: "/"}, handler: h,
				opened: func(c *Conn) { conns <- c }, failed: func(err error) { t.Error(err) },
			}
			if err := k.start(d); err != nil {
				t.Fatal(err)
			}
			c := next(t, conns)
			next(t, messages)
			c.Close(NormalClosure, "")
			next(t, ended)
			eventually(t, "the other attempts end", func() bool {
				clientEngine.mu.Lock()
				defer clientEngine.mu.Unlock()
				return clientEngine.conns == 0
			})
			if n := opened.Load(); n != 1 {
				t.Errorf("%d connections were opened", n)
			}
		})
	}
}

// If no address answers, the error is told once; so it is after a refusal, and no other
// address is tried then.
func TestNoAddressAnswers(t *testing.T) {
	var served atomic.Int32
	refuses := netip.MustParseAddrPort(listen(t, &Server{Accept: func(*Request) error {
		served.Add(1)
		e := Refuse(http.StatusServiceUnavailable, "later")
		e.Header = http.Header{"Retry-After": {"7"}}
		return e
	}}))
	for status, all := range map[int][]netip.AddrPort{0: {refusing(t), refusing(t)}, 503: {refusing(t), refuses, refuses}} {
		failed := make(chan error, 5)
		target := Target{Addr: all[0], Others: all[1:], Host: "x", URI: "/"}
		if err := new(Client).Start(target, netip.Addr{}, new(Funcs), func(err error) { failed <- err }); err != nil {
			t.Fatal(err)
		}
		var he *HandshakeError
		if err := next(t, failed); !errors.As(err, &he) || he.Status != status {
			t.Errorf("%v, want status %d", err, status)
		}
		if status == 503 && he.RetryAfter != 7*time.Second {
			t.Errorf("Retry-After: %v", he.RetryAfter)
		}
		if len(failed) > 0 {
			t.Errorf("then %v", <-failed)
		}
	}
	if n := served.Load(); n != 1 {
		t.Errorf("the server was asked %d times", n)
	}
}

func TestDialGivesAllUp(t *testing.T) {
	deaf := deafTo(t)
	ctx, cancel := context.WithCancel(t.Context())
	k := Client{Proxy: func(*http.Request) (*url.URL, error) { cancel(); return nil, nil }}
	if _, err := k.Dial(ctx, "ws://"+deaf.String(), nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	eventually(t, "the attempt ends", func() bool {
		clientEngine.mu.Lock()
		defer clientEngine.mu.Unlock()
		return clientEngine.conns == 0
	})
}

// The user and the password of a URL are sent, unless the program has its own; and no
// error quotes the password.
func TestUserinfo(t *testing.T) {
	got := make(chan string, 1)
	addr := listen(t, &Server{Accept: func(r *Request) error {
		got <- r.Header.Get("Authorization")
		return Refuse(http.StatusUnauthorized, "who?")
	}})
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("ada:s3cret@"))
	for want, k := range map[string]*Client{basic: {}, "Bearer x": {Header: http.Header{"Authorization": {"Bearer x"}}}} {
		_, err := k.Dial(t.Context(), "ws://ada:s3cret%40@"+addr+"/", nil)
		if a := next(t, got); a != want {
			t.Errorf("%q, want %q", a, want)
		}
		if err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Error(err)
		}
	}
	for _, bad := range []string{"ftp://ada:s3cret@x/", "ws://ada:s3cret@x:port/", "ws://ada:s3cret/@x/", "ws://ada:s3cret@/", "ws://ada:s3cret@nobody.invalid/", "ws://ada:s3cret@%zz/",
		"http//ada:s3cret@x", "ada:s3cret@x", "//ada:s3cret@x", "ws:ada:s3cret@x"} {
		if _, err := Dial(t.Context(), bad, nil); err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v", bad, err)
		}
		k := &Client{Proxy: func(*http.Request) (*url.URL, error) { return url.Parse(bad) }}
		if _, err := k.Dial(t.Context(), "ws://x/", nil); err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("the proxy %s: %v", bad, err)
		}
	}
}

// proxyServer is an HTTP proxy that answers CONNECT with status, and relays to target.
func proxyServer(t testing.TB, status, target string) (addr string, asked chan *http.Request) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	asked = make(chan *http.Request, 10)
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer nc.Close()
				br := bufio.NewReader(nc)
				r, err := http.ReadRequest(br)
				if err != nil {
					return
				}
				asked <- r
				fmt.Fprintf(nc, "HTTP/1.1 %s\r\nX-Proxy: 1\r\n\r\n", status)
				if !strings.HasPrefix(status, "200") {
					return
				}
				to, err := net.Dial("tcp", target)
				if err != nil {
					return
				}
				defer to.Close()
				go func() {
					_, _ = io.Copy(to, br)
					to.Close()
				}()
				_, _ = io.Copy(nc, to)
			}()
		}
	}()
	return l.Addr().String(), asked
}

func through(addr string) func(*http.Request) (*url.URL, error) {
	return func(*http.Request) (*url.URL, error) { return url.Parse("http://user:pass@" + addr) }
}

// With and without TLS a proxy is asked for a tunnel; the name of the target is its to
// look up.
func TestProxy(t *testing.T) {
	plain := listen(t, &Server{Handler: echo(t)})
	tlsAddr, config := listenTLS(t, &Server{Handler: echo(t)})
	config.ServerName = "localhost"
	for scheme, addr := range map[string]string{"ws": plain, "wss": tlsAddr} {
		at, asked := proxyServer(t, "200 OK", addr)
		h, messages := heard()
		h, ended := closes(h)
		var requested string
		k := Client{TLSConfig: config, Proxy: func(r *http.Request) (*url.URL, error) {
			requested = r.URL.String()
			return through(at)(r)
		}}
		c, err := k.Dial(within(t, patience), scheme+"://ada:x@example.test/path", h)
		if err != nil {
			t.Fatal(scheme, err)
		}
		r := next(t, asked)
		if want := map[string]string{"ws": "example.test:80", "wss": "example.test:443"}[scheme]; r.Method != "CONNECT" || r.Host != want || r.Header.Get("Authorization") != "" {
			t.Errorf("%s: %s %s, %v", scheme, r.Method, r.Host, r.Header)
		}
		if want := "Basic " + base64.StdEncoding.EncodeToString([]byte("user:pass")); r.Header.Get("Proxy-Authorization") != want {
			t.Errorf("%v", r.Header)
		}
		if want := map[string]string{"ws": "http", "wss": "https"}[scheme] + "://example.test/path"; requested != want {
			t.Errorf("the proxy for %s, want %s", requested, want)
		}
		if (c.TLS() != nil) != (scheme == "wss") {
			t.Errorf("%s: TLS %v", scheme, c.TLS())
		}
		c.SendText("hello")
		if got := next(t, messages); got != event(Text, "hello") {
			t.Error(got)
		}
		c.Close(NormalClosure, "")
		next(t, ended)
	}
}

// The environment is asked once in the life of a process, so the test needs one of its own.
func TestProxyOfTheEnvironment(t *testing.T) {
	if url := os.Getenv("FANFARE_TEST_DIAL"); url != "" {
		h, messages := heard()
		h, ended := closes(h)
		c, err := Dial(within(t, patience), url, h)
		if err != nil {
			t.Fatal(err)
		}
		c.SendText("hello")
		if got := next(t, messages); got != event(Text, "hello") {
			t.Error(got)
		}
		c.Close(NormalClosure, "")
		next(t, ended)
		return
	}
	at, asked := proxyServer(t, "200 OK", listen(t, &Server{Handler: echo(t)}))
	cmd := exec.Command(os.Args[0], "-test.run=^TestProxyOfTheEnvironment$", "-test.v")
	cmd.Env = append(os.Environ(), "FANFARE_TEST_DIAL=ws://example.test/", "HTTP_PROXY=http://"+at, "http_proxy=", "NO_PROXY=", "no_proxy=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	if r := next(t, asked); r.Host != "example.test:80" {
		t.Errorf("asked for %s", r.Host)
	}
}

func TestInterleave(t *testing.T) {
	at := func(s string) (all []netip.AddrPort) {
		for _, one := range strings.Fields(s) {
			all = append(all, netip.AddrPortFrom(netip.MustParseAddr(one), 80))
		}
		return all
	}
	for _, tt := range []struct{ a, b, want string }{
		{"1.1.1.1", "", "1.1.1.1"}, {"", "::1 ::2", "::1 ::2"}, {"1.1.1.1 2.2.2.2 3.3.3.3", "::1", "1.1.1.1 ::1 2.2.2.2 3.3.3.3"},
		{strings.Repeat("1.1.1.1 ", 20), "::1", "1.1.1.1 ::1 " + strings.Repeat("1.1.1.1 ", maxAddrs-2)},
	} {
		if got := interleave(at(tt.a), at(tt.b)); !reflect.DeepEqual(got, at(tt.want)) {
			t.Errorf("%s and %s: %v", tt.a, tt.b, got)
		}
	}
}

func TestProxyRefuses(t *testing.T) {
	at, _ := proxyServer(t, "407 Proxy Authentication Required", "")
	mute, _ := proxyServer(t, strings.Repeat("x", 70<<10), "")
	for name, k := range map[string]*Client{
		"answered 407":       {Proxy: through(at)},
		"no HTTP":            {Proxy: through(mute)},
		"not supported":      {Proxy: func(*http.Request) (*url.URL, error) { return url.Parse("socks5://user:pass@127.0.0.1:1") }},
		"the lookup fails":   {Proxy: func(*http.Request) (*url.URL, error) { return nil, errors.New("the lookup fails") }},
		"connection refused": {Proxy: through(refusing(t).String())},
	} {
		_, err := k.Dial(within(t, patience), "ws://example.test/", nil)
		if err == nil || !strings.Contains(err.Error(), name) && !(name == "no HTTP" && strings.Contains(err.Error(), "larger")) || strings.Contains(err.Error(), "pass@") {
			t.Errorf("%s: %v", name, err)
		}
		var he *HandshakeError
		if name == "answered 407" && (!errors.As(err, &he) || he.Status != 407 || he.Proxy == "") {
			t.Errorf("%+v", he)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	for v, want := range map[string]time.Duration{
		"": 0, "5": 5 * time.Second, "-1": 0, "x": 0, "99999999999999": 0,
		time.Now().Add(time.Hour).UTC().Format(http.TimeFormat): time.Hour, "Mon, 02 Jan 2006 15:04:05 GMT": 0,
	} {
		if got := retryAfter(http.Header{"Retry-After": {v}}); got > want || got < want-2*time.Second {
			t.Errorf("%q: %v, want %v", v, got, want)
		}
	}
}
