package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/serveraddr"
	"github.com/fanfare-ws/fanfare/netpoll/netpolltest"
	"github.com/fanfare-ws/fanfare/wsproto/script"
)

// product is a proxy whose configuration docs/deployment.md has.
type product struct {
	program string
	lang    string // of the block
	first   string // its beginning
	asks    bool   // the proxy asks for /readyz
	secure  bool   // the servers speak TLS, and take the PROXY protocol
	// configure returns the configuration of a test.
	configure func(f *front, text string) string
	args      []string // FILE is the configuration
}

var products = map[string]product{
	"nginx": {
		program: "nginx", lang: "nginx", first: "map ",
		configure: func(f *front, text string) string {
			text = f.replace(text, "listen 443 ssl", "listen "+f.addr+" ssl", "/etc/ssl/live.example.org.pem", f.both, "/etc/ssl/live.example.org.key", f.both, "60s", "4s")
			const head = "daemon off;\nmaster_process off;\npid DIR/pid;\nerror_log stderr;\nevents { worker_connections 512; }\nhttp {\naccess_log off;\n" +
				"client_body_temp_path DIR/a;\nproxy_temp_path DIR/b;\nfastcgi_temp_path DIR/c;\nuwsgi_temp_path DIR/d;\nscgi_temp_path DIR/e;\n"
			return strings.ReplaceAll(head, "DIR", f.dir) + text + "}\n"
		},
		args: []string{"-c", "FILE", "-e", "stderr"},
	},
	"haproxy": {
		program: "haproxy", lang: "haproxy", first: "defaults", asks: true,
		configure: func(f *front, text string) string {
			return f.replace(text, "bind :443 ssl", "bind "+f.addr+" ssl", "/etc/haproxy/live.example.org.pem", f.both, "60s", "4s")
		},
		args: []string{"-db", "-f", "FILE"},
	},
	"haproxy TCP": {
		program: "haproxy", lang: "haproxy", first: "# TCP", asks: true, secure: true,
		configure: func(f *front, text string) string { return f.replace(text, "bind :443", "bind "+f.addr, "60s", "4s") },
		args:      []string{"-db", "-f", "FILE"},
	},
	"caddy": {
		program: "caddy", lang: "caddy", first: "live.example.org {", asks: true,
		configure: func(f *front, text string) string {
			host, port, _ := net.SplitHostPort(f.addr)
			site := fmt.Sprintf("https://%s:%s {\n\tbind %s\n\ttls %s %s", frontName, port, host, f.both, f.both)
			return "{\n\tadmin off\n\tauto_https disable_redirects\n}\n" + f.replace(text, "live.example.org {", site)
		},
		args: []string{"run", "--config", "FILE", "--adapter", "caddyfile"},
	},
}

// frontName is the name of the servers, for which the certificate of tests is.
const frontName = "example.com"

// front is a proxy in front of two servers, of which it uses the second one only while the first is not ready.
type front struct {
	t      *testing.T
	addr   string
	dir    string
	both   string // file of the certificate and its key
	trust  *tls.Config
	server [2]*child
	secure bool
	says   netpolltest.Output
}

// newFront starts a proxy, as the document says, and its servers.
func newFront(t *testing.T, p product) *front {
	t.Helper()
	path, err := exec.LookPath(p.program)
	if err != nil {
		if path, err = exec.LookPath("/usr/sbin/" + p.program); err != nil {
			script.Need(t, p.program, "apt-get install "+p.program)
		}
	}
	cert, key, trust := netpolltest.Certificate(t)
	f := &front{t: t, addr: newSite(t, nil).addr, dir: t.TempDir(), trust: trust, secure: p.secure}
	f.both = tempFile(t, string(readFile(t, cert))+string(readFile(t, key)))
	addr, args := "127.0.0.1:0", []string{"-ping", "1s", "-shutdown-window", "2s", "-hosts", frontName}
	if p.secure {
		addr += " proxy-protocol"
		args = append(args, "-cert", cert, "-key", key)
	}
	// A proxy that asks has as long as it likes to find out that the first server is not ready.
	args = append(args, "-shutdown-grace", map[bool]string{true: "10m", false: "0s"}[p.asks])
	for i := range f.server {
		f.server[i] = startChildAt(t, addr, args...)
	}
	first, second := map[bool]string{true: "127.0.0.1:8443", false: "127.0.0.1:8080"}[p.secure], map[bool]string{true: "127.0.0.1:8444", false: "127.0.0.1:8081"}[p.secure]
	text := f.replace(deploymentBlock(t, p.lang, p.first), first, f.server[0].addr, second, f.server[1].addr)
	f.run(path, p.args, p.configure(f, text))
	return f
}

// deploymentBlock returns the block of docs/deployment.md in that language that begins so.
func deploymentBlock(t *testing.T, lang, first string) string {
	t.Helper()
	for _, m := range regexp.MustCompile("(?ms)^```"+lang+"\n(.*?)^```$").FindAllStringSubmatch(string(readFile(t, "docs/deployment.md")), -1) {
		if strings.HasPrefix(m[1], first) {
			return m[1]
		}
	}
	t.Fatalf("no block of %s begins with %q", lang, first)
	return ""
}

// replace replaces texts that must be there.
func (f *front) replace(text string, pairs ...string) string {
	f.t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(text, pairs[i]) {
			f.t.Fatalf("%q is not in\n%s", pairs[i], text)
		}
	}
	return strings.NewReplacer(append(pairs, "server_name live.example.org", "server_name "+frontName)...).Replace(text)
}

// run starts the proxy.
func (f *front) run(path string, args []string, text string) {
	f.t.Helper()
	file := tempFile(f.t, text)
	args = append([]string(nil), args...)
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "FILE", file)
	}
	c := exec.Command(path, args...)
	c.Env = append(os.Environ(), "HOME="+f.dir, "XDG_DATA_HOME="+f.dir, "XDG_CONFIG_HOME="+f.dir)
	c.Stdout, c.Stderr = &f.says, &f.says
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := c.Start(); err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	})
	if !settles(func() bool { status, _ := f.get("/readyz"); return status == http.StatusOK }) {
		status, err := f.get("/readyz")
		f.t.Fatalf("the proxy does not serve: %d %v\n%s\n%s", status, err, f.says.String(), text)
	}
}

// client returns a client at an address of this machine that connects to the proxy.
func (f *front) client(from string) *http.Client {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	return &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{
		TLSClientConfig: f.trust, DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return d.DialContext(ctx, "tcp", f.addr) },
	}}
}

// host is the name and the port that a browser shows.
func (f *front) host() string {
	_, port, _ := net.SplitHostPort(f.addr)
	return net.JoinHostPort(frontName, port)
}

// get returns the status of a request through the proxy.
func (f *front) get(path string) (int, error) {
	resp, err := f.client("127.0.0.1").Get("https://" + f.host() + path)
	if err != nil {
		return 0, err
	}
	resp.Body.Close()
	return resp.StatusCode, nil
}

// dial opens a WebSocket through the proxy.
func (f *front) dial(path, from string, header http.Header, onPing func()) (*websocket.Conn, *http.Response, error) {
	ctx, cancel := context.WithTimeout(f.t.Context(), 20*time.Second)
	defer cancel()
	c, resp, err := websocket.Dial(ctx, "wss://"+f.host()+path, &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: f.client(from).Transport}, HTTPHeader: header,
		OnPingReceived: func(context.Context, []byte) bool {
			if onPing != nil {
				onPing()
			}
			return true
		},
	})
	if err == nil {
		f.t.Cleanup(func() { _ = c.CloseNow() })
	}
	return c, resp, err
}

// direct returns what a server answers without the proxy.
func (f *front) direct(server int, path string) string {
	scheme := map[bool]string{true: "https://", false: "http://"}[f.secure]
	var b strings.Builder
	at, err := serveraddr.Parse(scheme + f.server[server].addr + path)
	if err != nil {
		f.t.Fatal(err)
	}
	_ = target{Address: at, preamble: f.secure, trust: &tls.Config{InsecureSkipVerify: true}}.ask(&b)
	return b.String()
}

// WebSockets pass each proxy that the document shows, with the address of the client; pages of other hosts do not. An idle
// connection outlives the proxy's timeouts, and when the first server ends, the second one takes all that comes.
func TestProxies(t *testing.T) {
	for name, p := range products {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // they wait most of the time
			f := newFront(t, p)
			f.passesPages()
			f.tellsAddress()
			idle := f.outlivesTimeouts()
			f.turnsToTheOther(p.asks, idle)
		})
	}
}

// passesPages connects as a page of the server's own host.
func (f *front) passesPages() {
	f.t.Helper()
	c, _, err := f.dial("/echo", "127.0.0.1", http.Header{"Origin": {"https://" + f.host()}}, nil)
	if err != nil {
		f.t.Fatalf("%v\n%s\n%s", err, f.says.String(), f.server[0].stderr.String())
	}
	f.server[0].send(c, "hello")
	f.server[0].wants(c, websocket.MessageText, "hello")
	_ = c.Close(websocket.StatusNormalClosure, "")
}

// tellsAddress looks for the client's address in the log, which a page of another host is refused with. What the client itself
// says of its address does not count.
func (f *front) tellsAddress() {
	f.t.Helper()
	lies := http.Header{
		"Origin": {"https://evil.example"}, "X-Forwarded-For": {"192.0.2.9"}, "X-Real-Ip": {"192.0.2.9"}, "Forwarded": {"for=192.0.2.9"},
		"X-Forwarded-Host": {"evil.example"}, "X-Forwarded-Proto": {"https"},
	}
	_, resp, err := f.dial("/echo", "127.0.0.2", lies, nil)
	if err == nil || resp == nil || resp.StatusCode != http.StatusForbidden {
		f.t.Fatalf("a page of another host: %v %v", resp, err)
	}
	known := regexp.MustCompile(`refused a page from another origin.* client="?127\.0\.0\.2[:"\s]`)
	if !settles(func() bool { return known.MatchString(f.server[0].stderr.String()) }) || strings.Contains(f.server[0].stderr.String(), "192.0.2.9") {
		f.t.Errorf("the server does not know the client's address: %s", f.server[0].stderr.String())
	}
}

// outlivesTimeouts keeps a connection idle but for pings, for longer than the proxy would.
func (f *front) outlivesTimeouts() (readsUntilEnd <-chan error) {
	f.t.Helper()
	var pings atomic.Int64
	c, _, err := f.dial("/topics/idle", "127.0.0.1", nil, func() { pings.Add(1) })
	if err != nil {
		f.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		_, _, err := c.Read(context.WithoutCancel(f.t.Context()))
		ended <- err
	}()
	const enough = 10 // a second each; the timeouts are four seconds
	if !settles(func() bool { return pings.Load() >= enough || len(ended) > 0 }) || len(ended) > 0 {
		f.t.Fatalf("an idle connection ends after %d pings: %v\n%s", pings.Load(), <-ended, f.says.String())
	}
	return ended
}

// turnsToTheOther ends the first server. No client is refused meanwhile, and soon the second one has them.
func (f *front) turnsToTheOther(asks bool, idle <-chan error) {
	f.t.Helper()
	f.server[0].signal(syscall.SIGTERM)
	if asks { // while the first still accepts
		if !settles(func() bool { return !strings.Contains(f.direct(0, "/readyz"), "ready") }) {
			f.t.Fatal("the first server remains ready")
		}
		if !settles(func() bool { status, err := f.get("/readyz"); return err == nil && status == http.StatusOK }) {
			f.t.Fatalf("the proxy does not notice that the first server is not ready: %s", f.says.String())
		}
		if f.direct(0, "/healthz") == "" {
			f.t.Error("the first server has ended")
		}
	} else if err := <-idle; websocket.CloseStatus(err) != websocket.StatusServiceRestart {
		f.t.Errorf("the connection ends with %v, not with 1012", err)
	}
	if !settles(func() bool {
		if _, _, err := f.dial("/topics/new", "127.0.0.1", nil, nil); err != nil {
			f.t.Errorf("refused while the first server ends: %v", err)
			return true
		}
		return strings.Contains(f.direct(1, "/topics/new"), `"subscribers":`)
	}) {
		f.t.Error("the second server gets no clients")
	}
	if asks && len(idle) > 0 {
		f.t.Errorf("the connection to the first server ends: %v", <-idle)
	}
}
