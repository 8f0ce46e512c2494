package admin

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/netpoll/netpolltest"
)

func TestMain(m *testing.M) { netpolltest.Main(m, http.DefaultClient.CloseIdleConnections) }

func listen(t *testing.T, addr string, h http.Handler) *Server {
	t.Helper()
	s, err := Listen(addr, nil, h, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

var says = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") })

// A Unix socket on which nobody listens is replaced; one that is in use, and any other file, is not.
func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	dead.Close()
	s := listen(t, "unix:"+path, says)
	tr := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}
	defer tr.CloseIdleConnections()
	resp, err := (&http.Client{Transport: tr}).Get("http://localhost/")
	if err != nil {
		t.Fatal(err)
	}
	b, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if string(b) != "hello" {
		t.Errorf("it says %q", b)
	}
	if _, err := Listen("unix:"+path, nil, says, slog.Default()); err == nil {
		t.Error("two servers listen at the same socket")
	}
	s.Close()
	if _, err := os.Lstat(path); err == nil {
		t.Error("the file remains")
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen("unix:"+path, nil, says, slog.Default()); err == nil {
		t.Error("a file is replaced that is no socket")
	}
}

// Connections beyond the limit are closed; when one ends, there is room again.
func TestMaxConns(t *testing.T) {
	s := listen(t, "127.0.0.1:0", says)
	open := make([]net.Conn, MaxConns)
	for i := range open {
		open[i] = greeted(t, s, true)
		defer open[i].Close()
	}
	greeted(t, s, false).Close()
	open[0].Close()
	if !netpolltest.Settles(10*time.Second, func() bool {
		c := dial(t, s)
		defer c.Close()
		return greets(c)
	}) {
		t.Error("there is no room again")
	}
}

func dial(t *testing.T, s *Server) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func greets(c net.Conn) bool {
	_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	line, _ := bufio.NewReader(c).ReadString('\n')
	return strings.Contains(line, "200")
}

func greeted(t *testing.T, s *Server, want bool) net.Conn {
	t.Helper()
	c := dial(t, s)
	if greets(c) != want {
		t.Errorf("greeted: %v", !want)
	}
	return c
}

// Profiles can be had, but not for longer than a response may take.
func TestProfiles(t *testing.T) {
	mux := http.NewServeMux()
	Profiles(mux)
	s := listen(t, "127.0.0.1:0", mux)
	for path, want := range map[string]int{
		"": 200, "heap?debug=1": 200, "goroutine?debug=2": 200, "profile?seconds=3600": 400, "trace?seconds=3600": 400, "none": 404, "cmdline": 404, "profile?seconds=NaN": 400, "heap?seconds=x": 400,
	} {
		resp, err := http.Get("http://" + s.Addr().String() + ProfilesPath + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%q: %s, want %d", path, resp.Status, want)
		}
	}
}

// An address of IPv4 is not one of IPv6, either: an operator may have a firewall for IPv4 only.
func TestListenOnIPv4(t *testing.T) {
	if at := listen(t, "0.0.0.0:0", says).Addr().String(); !strings.HasPrefix(at, "0.0.0.0:") {
		t.Errorf("it listens at %s", at)
	}
}
