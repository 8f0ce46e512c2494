package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// mutes connects clients to a path that read nothing after the response to their handshake, and never answer.
func (p *program) mutes(n int, path string) (hangUp func()) {
	p.t.Helper()
	var all []net.Conn
	for range n {
		nc, err := beginHandshake(p.addr, path)
		if err != nil {
			p.t.Fatal(err)
		}
		p.t.Cleanup(func() { nc.Close() })
		_ = nc.(*net.TCPConn).SetReadBuffer(4 << 10)
		if answer := answerOf(p.t, bufio.NewReaderSize(nc, 16)); answer.StatusCode != 101 {
			p.t.Fatal(answer.Status)
		}
		all = append(all, nc)
	}
	return func() {
		for _, nc := range all {
			nc.Close()
		}
	}
}

// ends waits for the end of the process, and returns how.
func (c *child) ends() syscall.WaitStatus {
	c.t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- c.cmd.Wait() }()
	select {
	case <-ended:
	case <-time.After(30 * time.Second):
		_ = c.cmd.Process.Kill()
		<-ended
		c.t.Fatalf("it does not end: %s%s", c.stdout.String(), c.stderr.String())
	}
	return c.cmd.ProcessState.Sys().(syscall.WaitStatus)
}

// says waits until stdout has that text.
func (c *child) says(text string) {
	c.t.Helper()
	c.eventually("it says "+text, func() bool { return strings.Contains(c.stdout.String(), text) })
}

// SIGTERM: /readyz fails while connections are still accepted; then connections close one by one over the window, each after
// what was published before. Clients that never read or answer do not delay the end: -drain has far more time.
func TestSIGTERMWithMuteClients(t *testing.T) {
	t.Parallel()
	const readers, window = 100, 2 * time.Second
	c := startChild(t, "-shutdown-grace", "1s", "-shutdown-window", window.String(), "-drain", "5m")
	all := c.crowd(readers, "news")
	c.mutes(20, "/topics/big")
	c.mutes(20, "/echo")
	c.mutes(20, "/hub")
	for range 8 { // more than the buffers of the sockets hold
		if r, body := c.request("POST", "/topics/big", "text/plain", strings.NewReader(strings.Repeat("x", 1<<19))); r.StatusCode != 200 {
			t.Fatal(body)
		}
	}

	begin := time.Now()
	c.signal(syscall.SIGTERM)
	c.eventually("/readyz fails", func() bool { r, _ := c.request("GET", "/readyz", "", nil); return r.StatusCode == 503 })
	if r, body := c.request("GET", healthPath, "", nil); r.StatusCode != 200 || strings.TrimSpace(body) != `{"status":"draining"}` {
		t.Errorf("its health is %s %s", r.Status, body)
	}
	late := c.dial("/echo")
	c.send(late, "still here")
	c.wants(late, websocket.MessageText, "still here")
	messages := c.publishTen("news", readers)

	moments := make([]time.Duration, readers)
	errs := make([]error, readers)
	var wg sync.WaitGroup
	for i, ws := range all {
		wg.Go(func() {
			errs[i] = reads(c.program, ws, messages, websocket.StatusServiceRestart)
			moments[i] = time.Since(begin)
		})
	}
	if _, _, err := late.Read(c.long()); websocket.CloseStatus(err) != websocket.StatusServiceRestart {
		t.Errorf("a connection of the grace period: %v", err)
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
	status := c.ends()
	if took := time.Since(begin); status != 0 || took < time.Second+window || !strings.Contains(c.stdout.String(), "Done.") {
		t.Errorf("status %v after %v: %s%s", status, took, c.stdout.String(), c.stderr.String())
	}
	slices.Sort(moments)
	if spread := moments[readers-1] - moments[0]; spread < window/2 {
		t.Errorf("the connections closed from %v to %v, within %v", moments[0], moments[readers-1], spread)
	}
	t.Logf("closed from %v to %v; ended after %v", moments[0], moments[readers-1], time.Since(begin))
}

// SIGINT skips the grace and the window. A client that never answers has until the deadline for closing handshakes.
func TestSIGINTWithMuteClients(t *testing.T) {
	t.Parallel()
	c := startChild(t, "-shutdown-grace", "5m", "-shutdown-window", "5m", "-drain", "1s")
	c.mutes(20, "/topics/news")
	ws := c.dial("/topics/news")
	c.eventually("all are subscribed", func() bool {
		_, body := c.request("GET", "/topics/news", "", nil)
		return strings.Contains(body, `"subscribers":21,`)
	})
	messages := c.publishTen("news", 21)
	c.signal(syscall.SIGINT)
	if err := reads(c.program, ws, messages, websocket.StatusGoingAway); err != nil {
		t.Error(err)
	}
	if status := c.ends(); status != 0 || !strings.Contains(c.stdout.String(), "Done.") {
		t.Errorf("status %v: %s%s", status, c.stdout.String(), c.stderr.String())
	}
}

// A second signal ends the program at once, whatever it waits for.
func TestSecondSignal(t *testing.T) {
	t.Parallel()
	for _, s := range []struct {
		first, second syscall.Signal
		says          string
		args          []string
	}{
		{syscall.SIGTERM, syscall.SIGTERM, "Not ready", []string{"-shutdown-grace", "5m"}},
		{syscall.SIGTERM, syscall.SIGINT, "within 5m", []string{"-shutdown-grace", "0s", "-shutdown-window", "5m"}},
		{syscall.SIGINT, syscall.SIGTERM, "Closing", []string{"-drain", "5m"}},
	} {
		c := startChild(t, s.args...)
		c.mutes(1, "/echo")
		c.signal(s.first)
		c.says(s.says)
		c.signal(s.second)
		if status := c.ends(); !status.Signaled() || status.Signal() != s.second {
			t.Errorf("%v, then %v: %v %s", s.first, s.second, c.cmd.ProcessState, c.stdout.String())
		}
	}
}

// The API answers until the connections are closed, with the messages that it has accepted.
func TestPublishDuringGrace(t *testing.T) {
	t.Parallel()
	c := startChild(t, "-shutdown-grace", "500ms", "-shutdown-window", "500ms")
	ws := c.dial("/topics/news")
	c.eventually("it is subscribed", func() bool {
		_, body := c.request("GET", "/topics/news", "", nil)
		return strings.Contains(body, `"subscribers":1,`)
	})
	c.signal(syscall.SIGTERM)
	accepted := make(chan []string)
	go func() {
		var all []string
		for {
			text := fmt.Sprint(len(all))
			r, err := http.Post("http://"+c.addr+"/topics/news", "text/plain", strings.NewReader(text))
			if err != nil {
				break
			}
			body, err := io.ReadAll(r.Body)
			r.Body.Close()
			if err != nil || r.StatusCode != 200 || !strings.Contains(string(body), `"subscribers":1`) {
				break
			}
			all = append(all, text)
		}
		accepted <- all
	}()
	var got []string
	for {
		_, b, err := ws.Read(c.long())
		if err != nil {
			if websocket.CloseStatus(err) != websocket.StatusServiceRestart {
				t.Error(err)
			}
			break
		}
		got = append(got, string(b))
	}
	want := <-accepted
	if len(want) == 0 || len(got) < len(want) || !slices.Equal(got[:len(want)], want) {
		t.Errorf("%d messages were accepted, %d arrived", len(want), len(got))
	}
	if status := c.ends(); status != 0 {
		t.Errorf("status %v: %s", status, c.stderr.String())
	}
}
