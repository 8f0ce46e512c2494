package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/serveraddr"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// activated starts the program as systemd does with those sockets: their descriptors follow standard error, and variables
// describe them. names are those of LISTEN_FDNAMES. It returns without waiting.
func activated(t *testing.T, names string, sockets []net.Listener, environ []string, args ...string) *child {
	t.Helper()
	// LISTEN_PID is the program's process, which the shell becomes.
	shell := append([]string{"-c", `LISTEN_PID=$$ exec "$0" "$@"`, os.Args[0]}, args...)
	c := &child{&program{t: t}, exec.Command("/bin/sh", shell...)}
	c.cmd.Env = append(os.Environ(), asProgram+"=1", fmt.Sprintf("LISTEN_FDS=%d", len(sockets)), "LISTEN_FDNAMES="+names)
	c.cmd.Env = append(c.cmd.Env, environ...)
	c.cmd.Stdout, c.cmd.Stderr = &c.stdout, &c.stderr
	for _, l := range sockets {
		f, err := l.(interface{ File() (*os.File, error) }).File()
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		c.cmd.ExtraFiles = append(c.cmd.ExtraFiles, f)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if c.cmd.ProcessState == nil {
			_ = c.cmd.Process.Kill()
			_ = c.cmd.Wait()
		}
	})
	return c
}

func listenAt(t *testing.T, network, addr string) net.Listener {
	t.Helper()
	l, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// The server uses the sockets of systemd: one by its address, those of a name, and one for operators. A client that has
// connected before the server started is served, and after its end the sockets are still systemd's.
func TestSocketActivation(t *testing.T) {
	byAddr, byName := listenAt(t, "tcp", "127.0.0.1:0"), listenAt(t, "tcp", "127.0.0.1:0")
	path := filepath.Join(t.TempDir(), "web")
	web, admin := listenAt(t, "unix", path), listenAt(t, "tcp", "127.0.0.1:0")
	early, err := net.Dial("tcp", byAddr.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer early.Close()
	if _, err := early.Write([]byte("GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	for restart := range 2 {
		c := activated(t, "fanfare.socket:web:web:ops", []net.Listener{byAddr, byName, web, admin}, nil,
			"-addr", byAddr.Addr().String(), "-addr", "systemd:web", "-admin", admin.Addr().String())
		if b, err := io.ReadAll(early); restart == 0 && !strings.Contains(string(b), `"ready"`) {
			t.Errorf("the client that came first gets %q %v", b, err)
		}
		for _, url := range []string{"http://" + byAddr.Addr().String(), "http://" + byName.Addr().String()} {
			if body := get(t, c, url+"/readyz"); !strings.Contains(body, "ready") {
				t.Errorf("%s: %q", url, body)
			}
		}
		conn, _, err := websocket.Dial(c.long(), "ws://localhost/echo", &websocket.DialOptions{HTTPClient: overUnix(t, path)})
		if err != nil {
			t.Fatal(err)
		}
		c.send(conn, "hello")
		c.wants(conn, websocket.MessageText, "hello")
		_ = conn.CloseNow()
		if body := get(t, c, "http://"+admin.Addr().String()+"/debug/pprof/"); !strings.Contains(body, "goroutine") {
			t.Errorf("the listener for operators says %q", body)
		}
		for _, says := range []string{"listening on " + path, "Operators connect to " + admin.Addr().String()} {
			c.eventually("it says "+says, func() bool { return strings.Contains(c.stdout.String(), says) }) // a child's output comes through a pipe
		}
		c.signal(syscall.SIGINT)
		if err := c.cmd.Wait(); err != nil {
			t.Errorf("%v: %s", err, c.stderr.String())
		}
		if _, err := os.Lstat(path); err != nil {
			t.Errorf("the server has removed the socket of systemd: %v", err)
		}
	}
}

// get returns the answer of a server that may not be up yet.
func get(t *testing.T, c *child, url string) (body string) {
	t.Helper()
	at, err := serveraddr.Parse(url)
	if err != nil {
		t.Fatal(err)
	}
	var last string
	if !settles(func() bool {
		var b strings.Builder
		err := target{Address: at}.ask(&b)
		body, last = b.String(), fmt.Sprint(err)
		return err == nil
	}) {
		t.Fatalf("%s\n%s", last, c.stderr.String())
	}
	return body
}

// Sockets that do not fit the settings are mistakes, and so is a name without a socket.
func TestSocketsThatDoNotFit(t *testing.T) {
	l := listenAt(t, "tcp", "127.0.0.1:0")
	for _, c := range []struct{ names, args, says string }{
		{"fanfare.socket", "-addr 127.0.0.1:0", "which no -addr has; give -addr systemd:fanfare.socket"},
		{"web", "-addr systemd:fanfare.socket", "systemd has passed the socket web at " + l.Addr().String()},
	} {
		p := activated(t, c.names, []net.Listener{l}, nil, strings.Fields(c.args)...)
		if err := p.cmd.Wait(); err == nil || !strings.Contains(p.stderr.String(), c.says) {
			t.Errorf("%v: %v %s", c, err, p.stderr.String())
		}
	}
}

// systemd hears that the server is up, alive, that it reloads and that it ends, in this order.
func TestNotify(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	c := activated(t, "", nil, []string{"NOTIFY_SOCKET=" + path, "WATCHDOG_USEC=200000"}, "-addr", "127.0.0.1:0", "-shutdown-grace", "0", "-shutdown-window", "1s")
	wait := func(wants ...string) {
		t.Helper()
		b := make([]byte, 4096)
		_ = manager.SetReadDeadline(time.Now().Add(time.Minute))
		for {
			n, err := manager.Read(b)
			if err != nil {
				t.Fatalf("%q does not come: %v\n%s", wants, err, c.stderr.String())
			}
			lines := strings.Split(string(b[:n]), "\n")
			if !slices.ContainsFunc(wants, func(want string) bool {
				return !slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, want) })
			}) {
				return
			}
		}
	}
	wait("READY=1", "STATUS=Serving 0 connections")
	wait("WATCHDOG=1", "STATUS=Serving")
	if err := c.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	wait("RELOADING=1", "MONOTONIC_USEC=")
	wait("READY=1")
	wait("WATCHDOG=1")
	c.signal(syscall.SIGTERM)
	wait("STOPPING=1", "EXTEND_TIMEOUT_USEC=21000000")
	if err := c.cmd.Wait(); err != nil {
		t.Errorf("%v: %s", err, c.stderr.String())
	}
}

// The watchdog is fed only while every loop runs tasks: here all workers of one are taken.
func TestHeartbeat(t *testing.T) {
	s := &wsproto.Server{Handler: &wsproto.Funcs{}}
	s.Engine.Workers = 4
	if _, err := s.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Shutdown(context.Background()) }()
	h, err := newHeartbeat(s)
	if err != nil {
		t.Fatal(err)
	}
	long, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for range 3 {
		if err := h.alive(long); err != nil {
			t.Fatal(err)
		}
	}
	free, busy := make(chan struct{}), make(chan struct{}, 4)
	for range 4 {
		task, err := s.NewTask(0, func() { busy <- struct{}{}; <-free })
		if err != nil {
			t.Fatal(err)
		}
		task.Schedule()
	}
	for range 4 {
		<-busy
	}
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := h.alive(short); err == nil || !strings.Contains(err.Error(), "loops run no task") {
		t.Errorf("all workers are busy: %v", err)
	}
	close(free)
	if err := h.alive(long); err != nil {
		t.Error(err)
	}
}
