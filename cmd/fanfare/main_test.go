package main

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/fanfare-ws/fanfare/netpoll/netpolltest"
)

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	if os.Getenv(alone) != "" { // certmagic and pebble have goroutines that never end
		os.Exit(m.Run())
	}
	netpolltest.Main(m, http.DefaultClient.CloseIdleConnections)
}

// run runs the program in this process, which gets no SIGHUP.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	p := invocation{args, stdout, stderr, func(func()) func() { return func() {} }, nil, nil}
	return p.run(ctx)
}

func settles(cond func() bool) bool { return netpolltest.Settles(30*time.Second, cond) }

// program is a running server.
type program struct {
	t      *testing.T
	addr   string
	stop   func() // as SIGTERM does
	status chan int
	stdout netpolltest.Output
	stderr netpolltest.Output
}

var listening = regexp.MustCompile(`listening on (\S+)`)

func start(t *testing.T, args ...string) *program {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	p := &program{t: t, stop: cancel, status: make(chan int, 1)}
	go func() { p.status <- run(ctx, append([]string{"-addr", "127.0.0.1:0"}, args...), &p.stdout, &p.stderr) }()
	if !settles(func() bool { return strings.Contains(p.stdout.String(), "Ctrl-C") }) {
		t.Fatalf("it does not start: %s", p.stderr.String())
	}
	p.addr = listening.FindStringSubmatch(p.stdout.String())[1]
	t.Cleanup(func() {
		cancel()
		if status := <-p.status; status != 0 {
			t.Errorf("exit status %d: %s", status, p.stderr.String())
		}
	})
	return p
}

// addrs returns the addresses of all listeners.
func (p *program) addrs() (all []string) {
	for _, m := range listening.FindAllStringSubmatch(p.stdout.String(), -1) {
		all = append(all, m[1])
	}
	return all
}

func portOf(addr string) int {
	_, port, _ := net.SplitHostPort(addr)
	n, _ := strconv.Atoi(port)
	return n
}

func (p *program) dial(path string) *websocket.Conn {
	p.t.Helper()
	c, _, err := websocket.Dial(p.ctx(), "ws://"+p.addr+path, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = c.CloseNow() })
	return c
}

func (p *program) ctx() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	p.t.Cleanup(cancel)
	return ctx
}

func (p *program) send(c *websocket.Conn, text string) {
	p.t.Helper()
	if err := c.Write(p.ctx(), websocket.MessageText, []byte(text)); err != nil {
		p.t.Fatal(err)
	}
}

func (p *program) wants(c *websocket.Conn, typ websocket.MessageType, text string) {
	p.t.Helper()
	got, b, err := c.Read(p.ctx())
	if err != nil || got != typ || string(b) != text {
		p.t.Fatalf("got %v %q %v, want %v %q", got, b, err, typ, text)
	}
}

// request returns a response and its body.
func (p *program) request(method, path, contentType string, body io.Reader) (*http.Response, string) {
	p.t.Helper()
	r, err := http.NewRequest(method, "http://"+p.addr+path, body)
	if err != nil {
		p.t.Fatal(err)
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return resp, string(b)
}

// refused dials and returns the status and body of the refusal.
func (p *program) refused(path string) (int, string) {
	p.t.Helper()
	c, resp, err := websocket.Dial(p.ctx(), "ws://"+p.addr+path, nil)
	if err == nil {
		_ = c.CloseNow()
		p.t.Fatalf("%s was not refused", path)
	}
	if resp == nil {
		p.t.Fatal(err)
	}
	b, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b)
}

// These clients use raw requests, to test the bytes on the wire.
func raw(t *testing.T, addr, request string) (status string) {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.WriteString(nc, request); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(nc).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line)
}

// secretFile returns a file with a secret.
func secretFile(t *testing.T, secret string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(name, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}
