package wsproto

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/fanfare-ws/fanfare/netpoll"
)

// issue writes a new certificate with that serial number, and its key, to dir.
func issue(t testing.TB, dir string, serial int64) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial),
		NotAfter:     time.Now().Add(time.Hour),
		DNSNames:     []string{"localhost"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	writePEM(t, certFile, "CERTIFICATE", der)
	writePEM(t, keyFile, "PRIVATE KEY", keyDER)
	return certFile, keyFile
}

func writePEM(t testing.TB, name, typ string, der []byte) {
	t.Helper()
	if err := os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: typ, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// listenTLS starts s with TLS. config trusts it.
func listenTLS(t testing.TB, s *Server) (addr string, config *tls.Config) {
	t.Helper()
	if s.Logger == nil {
		s.Logger = quiet
	}
	certFile, keyFile := issue(t, t.TempDir(), 1)
	a, err := s.ListenTLS("127.0.0.1:0", certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shutdown(t, s) })
	return a.String(), trusting(t, certFile)
}

func trusting(t testing.TB, certFile string) *tls.Config {
	t.Helper()
	b, err := os.ReadFile(certFile)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(b)
	return &tls.Config{RootCAs: pool}
}

// dialWSS connects a client of another house.
func dialWSS(t testing.TB, addr string, config *tls.Config) *websocket.Conn {
	t.Helper()
	tr := &http.Transport{TLSClientConfig: config}
	t.Cleanup(tr.CloseIdleConnections)
	c, _, err := websocket.Dial(t.Context(), "wss://"+addr+"/", &websocket.DialOptions{HTTPClient: &http.Client{Transport: tr}})
	if err != nil {
		t.Fatal(err)
	}
	c.SetReadLimit(64 << 20)
	t.Cleanup(func() { c.CloseNow() })
	return c
}

// tlsPeer is a peer inside TLS.
type tlsPeer struct {
	*peer
	tls *tls.Conn
}

func dialTLS(t testing.TB, addr string, config *tls.Config) *tlsPeer {
	t.Helper()
	p := dialTCP(t, addr)
	config = config.Clone()
	config.ServerName = "localhost"
	c := tls.Client(p.nc, config)
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	p.br, p.w = bufio.NewReader(c), c
	return &tlsPeer{p, c}
}

func (p *tlsPeer) upgrade() *tlsPeer {
	p.Helper()
	p.send(goodRequest("/"))
	p.response(http.StatusSwitchingProtocols)
	return p
}

func versions(t *testing.T, f func(t *testing.T, version uint16)) {
	for name, v := range map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13} {
		t.Run(name, func(t *testing.T) { f(t, v) })
	}
}

func TestTLSEcho(t *testing.T) {
	versions(t, func(t *testing.T, version uint16) {
		states := make(chan *tls.ConnectionState, 2)
		h, ended := closes(echo(t))
		h.Open = func(c *Conn, r *Request) { states <- r.TLS(); states <- c.TLS() }
		addr, config := listenTLS(t, &Server{Handler: h, MaxMessage: 8 << 20})
		config.MinVersion, config.MaxVersion = version, version
		c := dialWSS(t, addr, config)
		for range 2 {
			if s := next(t, states); s == nil || s.Version != version || s.NegotiatedProtocol != "http/1.1" && s.NegotiatedProtocol != "" {
				t.Errorf("the server says of TLS: %+v", s)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
		defer cancel()
		for _, n := range []int{0, 1, 125, 126, 1 << 16, 4 << 20} {
			sent := make(chan error, 1)
			go func() { sent <- c.Write(ctx, websocket.MessageText, []byte(letters(n))) }()
			typ, got, err := c.Read(ctx)
			if err != nil || typ != websocket.MessageText || string(got) != letters(n) {
				t.Fatalf("%d bytes: %v, or another message came back", n, err)
			}
			if err := next(t, sent); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.Close(websocket.StatusNormalClosure, "bye"); err != nil {
			t.Errorf("close: %v", err)
		}
		if ce := next(t, ended); ce.Code != NormalClosure || ce.Reason != "bye" || !ce.Remote {
			t.Errorf("closed with %v", ce)
		}
	})
}

// Several frames in a record, a frame in several records.
func TestTLSFrames(t *testing.T) {
	addr, config := listenTLS(t, &Server{Handler: echo(t)})
	p := dialTLS(t, addr, config).upgrade()
	p.send(text("one") + text("two") + ping("three") + text(letters(300)))
	p.expect(Text, "one")
	p.expect(Text, "two")
	p.expect(Pong, "three")
	p.expect(Text, letters(300))
	for _, b := range []byte(text("piecemeal")) {
		p.send(string([]byte{b}))
	}
	p.expect(Text, "piecemeal")
	p.send(closing(NormalClosure, ""))
	p.expectClose(NormalClosure)
	p.expectEOF()
}

// The handshake's request and the first frames in the record that follows Finished.
func TestTLSAllAtOnce(t *testing.T) {
	addr, config := listenTLS(t, &Server{Handler: echo(t)})
	p := dialTLS(t, addr, config)
	p.send(goodRequest("/") + text("at once"))
	p.response(http.StatusSwitchingProtocols)
	p.expect(Text, "at once")
}

func TestTLSBroadcast(t *testing.T) {
	opened := make(chan *Conn, 10)
	addr, config := listenTLS(t, &Server{Handler: &Funcs{Open: func(c *Conn, _ *Request) { opened <- c }}})
	var clients []*tlsPeer
	var conns []*Conn
	for i := range cap(opened) {
		c := config.Clone()
		c.MaxVersion = tls.VersionTLS12 + uint16(i%2)
		clients = append(clients, dialTLS(t, addr, c).upgrade())
		conns = append(conns, next(t, opened))
	}
	small, large := Prepare(Text, []byte("to all")), Prepare(Binary, []byte(letters(100_000)))
	go func() {
		for _, m := range []*Prepared{small, large, Join(small, small)} {
			for _, c := range conns {
				if o := c.SendPrepared(m); !o.OK() {
					t.Errorf("SendPrepared: %v", o)
				}
			}
		}
	}()
	for _, p := range clients {
		p.expect(Text, "to all")
		p.expect(Binary, letters(100_000))
		p.expect(Text, "to all")
		p.expect(Text, "to all")
	}
}

// A client that does not read gets Full, and then all that was taken.
func TestTLSSlowReader(t *testing.T) {
	opened := make(chan *Conn, 1)
	s := &Server{Handler: &Funcs{Open: func(c *Conn, _ *Request) { opened <- c }}}
	s.Engine.MaxPending = 12 << 20
	addr, config := listenTLS(t, s)
	p := dialTLS(t, addr, config).upgrade()
	c := next(t, opened)
	message := letters(4 << 20)
	taken := 0
	for c.Send(Binary, []byte(message)).OK() {
		taken++
	}
	if o := c.Send(Binary, []byte(message)); o != Full || taken < 2 || taken > 10 {
		t.Fatalf("after %d messages: %v, want full", taken, o)
	}
	for range taken {
		p.expect(Binary, message)
	}
	eventually(t, "nothing is pending", func() bool { return c.Pending() == 0 })
	if o := c.SendText("and on"); !o.OK() {
		t.Error(o)
	}
	p.expect(Text, "and on")
}

func TestTLSPages(t *testing.T) {
	body := letters(3 << 20)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) {
		if r.TLS == nil {
			t.Error("the request says nothing of TLS")
		}
		_, _ = io.WriteString(w, "ok")
	})
	mux.HandleFunc("POST /mirror", func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		_, _ = w.Write(b)
	})
	mux.HandleFunc("GET /large", func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, body) })
	versions(t, func(t *testing.T, version uint16) {
		s := &Server{Handler: echo(t), HTTP: mux}
		addr, config := listenTLS(t, s)
		config.MinVersion, config.MaxVersion = version, version
		tr := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true} // offers h2
		defer tr.CloseIdleConnections()
		client := &http.Client{Transport: tr, Timeout: 2 * patience}
		get := func(method, path, send, want string) {
			t.Helper()
			req, _ := http.NewRequest(method, "https://"+addr+path, strings.NewReader(send))
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			got, err := io.ReadAll(resp.Body)
			if err != nil || string(got) != want || resp.ProtoMajor != 1 || resp.TLS.NegotiatedProtocol != "http/1.1" {
				t.Errorf("%s %s: %s, %s, %v, %.60q", method, path, resp.Status, resp.Proto, err, got)
			}
		}
		get("GET", "/healthz", "", "ok")
		get("POST", "/mirror", body, body)
		get("GET", "/large", "", body)
		get("GET", "/healthz", "", "ok")
		if n := s.Stats().Accepted; n != 1 {
			t.Errorf("%d connections for requests in a row, want 1", n)
		}
	})
}

// A handshake as the second request of a connection goes back to the engine.
func TestTLSUpgradeAfterPage(t *testing.T) {
	opened := make(chan *tls.ConnectionState, 1)
	h := echo(t)
	h.Open = func(_ *Conn, r *Request) { opened <- r.TLS() }
	s := &Server{Handler: h}
	addr, config := listenTLS(t, s)
	p := dialTLS(t, addr, config)
	p.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
	p.response(http.StatusUpgradeRequired)
	p.upgrade()
	if next(t, opened) == nil {
		t.Error("the connection says nothing of TLS")
	}
	p.send(text("still here"))
	p.expect(Text, "still here")
}

func TestTLSNot(t *testing.T) {
	addr, _ := listenTLS(t, &Server{Handler: echo(t)})
	p := dialTCP(t, addr)
	p.send(goodRequest("/"))
	if _, body := p.response(http.StatusBadRequest); !strings.Contains(body, "wss://") {
		t.Errorf("the answer is %q", body)
	}
	p.expectEOF()
}

// Another server's TLS cannot be taken over.
func TestTLSForeign(t *testing.T) {
	s := &Server{Handler: echo(t), Logger: quiet}
	t.Cleanup(func() { shutdown(t, s) })
	other := httptest.NewUnstartedServer(s)
	other.Config.ErrorLog = log.New(io.Discard, "", 0)
	other.StartTLS()
	defer other.Close()
	pool := x509.NewCertPool()
	pool.AddCert(other.Certificate())
	config := &tls.Config{RootCAs: pool, InsecureSkipVerify: true} // its name is not ours to know
	p := dialTLS(t, other.Listener.Addr().String(), config)
	p.send(goodRequest("/"))
	if _, body := p.response(http.StatusNotImplemented); !strings.Contains(body, "ListenAndServeTLS") {
		t.Errorf("the answer is %q", body)
	}
}

func TestTLSShutdown(t *testing.T) {
	s := &Server{Handler: echo(t)}
	addr, config := listenTLS(t, s)
	p := dialTLS(t, addr, config).upgrade()
	silent := dialTCP(t, addr)
	begun := dialTLS(t, addr, config)
	eventually(t, "all are accepted", func() bool { return s.Stats().Open == 3 })
	done := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		done <- s.Shutdown(ctx)
	}()
	p.expectClose(GoingAway)
	p.send(closing(GoingAway, ""))
	p.expectEOF()
	p.tls.Close()
	if err := next(t, done); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	silent.expectEOF()
	if b, err := begun.br.ReadByte(); err == nil {
		t.Errorf("instead of the end: %q", b)
	}
}

func TestTLSConfig(t *testing.T) {
	certFile, keyFile := issue(t, t.TempDir(), 1)
	other, _ := issue(t, t.TempDir(), 2)
	for _, test := range []struct {
		cert, key string
		config    *tls.Config
		says      string // the error; none if ""
	}{
		{certFile, keyFile, nil, ""},
		{"", "", nil, "needs a certificate"},
		{"", "", &tls.Config{Rand: rand.Reader}, "needs a certificate"},
		{"", "", &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, nil }}, ""},
		{certFile, "", nil, "no such file"},
		{certFile, keyFile + "x", nil, "key.pemx"},
		{other, keyFile, nil, "does not match"},
		{keyFile, keyFile, nil, "key.pem"},
	} {
		s := &Server{Handler: echo(t), Logger: quiet, TLSConfig: test.config}
		_, err := s.ListenTLS("127.0.0.1:0", test.cert, test.key)
		if (err == nil) != (test.says == "") || err != nil && !strings.Contains(err.Error(), test.says) {
			t.Errorf("%+v: %v", test, err)
		}
		shutdown(t, s)
		if _, err := s.ListenTLS("127.0.0.1:0", test.cert, test.key); test.says == "" && err != ErrServerClosed {
			t.Errorf("after Shutdown: %v", err)
		}
	}
}

func TestListenAndServeTLS(t *testing.T) {
	certFile, keyFile := issue(t, t.TempDir(), 1)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := taken.Addr().String()
	taken.Close()
	s := &Server{Addr: addr, Handler: echo(t), Logger: quiet}
	done := make(chan error, 1)
	go func() { done <- s.ListenAndServeTLS(certFile, keyFile) }()
	eventually(t, "somebody listens", func() bool {
		nc, err := net.Dial("tcp", addr)
		if err == nil {
			nc.Close()
		}
		return err == nil
	})
	p := dialTLS(t, addr, trusting(t, certFile)).upgrade()
	p.send(text("x"))
	p.expect(Text, "x")
	p.tls.Close()
	shutdown(t, s)
	if err := next(t, done); err != ErrServerClosed {
		t.Errorf("ListenAndServeTLS: %v", err)
	}
	if err := (&Server{Logger: quiet}).ListenAndServeTLS("none", "none"); err == nil {
		t.Error("without files there is no error")
	}
}

// Our own client over TLS, and what it says of a certificate that it does not trust.
func TestClientTLS(t *testing.T) {
	addr, config := listenTLS(t, &Server{Handler: echo(t), Subprotocols: []string{"chat"}})
	_, port, _ := net.SplitHostPort(addr)
	target, err := ParseTarget(t.Context(), "wss://localhost:"+port+"/path")
	if err != nil || !target.TLS {
		t.Fatalf("%+v, %v", target, err)
	}
	engine, err := netpoll.New(netpoll.Options{Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := engine.Shutdown(t.Context()); err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	got, ended := make(chan string, 1), make(chan *CloseError, 1)
	h := &Funcs{
		Open: func(c *Conn, r *Request) {
			if s := r.TLS(); s == nil || s.NegotiatedProtocol != "http/1.1" {
				t.Errorf("the connection says of TLS: %+v", s)
			}
			c.SendText(letters(100_000))
		},
		Message: func(c *Conn, _ Opcode, p []byte) { got <- string(p); c.Close(NormalClosure, "") },
		Close:   func(_ *Conn, err *CloseError) { ended <- err },
	}
	client := &Client{Engine: engine, Subprotocols: []string{"chat"}, TLSConfig: config}
	if err := client.Start(target, netip.Addr{}, h, func(err error) { t.Error(err) }); err != nil {
		t.Fatal(err)
	}
	if next(t, got) != letters(100_000) {
		t.Error("another message came back")
	}
	if err := next(t, ended); err.Code != NormalClosure {
		t.Errorf("closed with %v", err)
	}
	failed := make(chan error, 1)
	careful := &Client{Engine: engine}
	if err := careful.Start(target, netip.Addr{}, h, func(err error) { failed <- err }); err != nil {
		t.Fatal(err)
	}
	var he *HandshakeError
	if err := next(t, failed); !errors.As(err, &he) || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("without trust: %v", err)
	}
}

// What cannot be taken over after hijacking is answered, too.
func TestAdoptFails(t *testing.T) {
	s := &Server{Handler: echo(t), Logger: quiet}
	t.Cleanup(func() { shutdown(t, s) })
	ours, theirs := net.Pipe()
	defer ours.Close()
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(goodRequest("/"))))
	if err != nil {
		t.Fatal(err)
	}
	go s.ServeHTTP(hijacked{httptest.NewRecorder(), theirs}, r)
	_ = ours.SetDeadline(time.Now().Add(patience))
	resp, err := http.ReadResponse(bufio.NewReader(ours), nil)
	if err != nil || resp.StatusCode != http.StatusNotImplemented {
		t.Fatalf("%+v, %v", resp, err)
	}
	if b, err := io.ReadAll(resp.Body); err != nil || len(b) == 0 {
		t.Errorf("%q, %v", b, err)
	}
}
