package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	fan "github.com/fanfare-ws/fanfare/hub/client"
)

// load publishes numbers to topics, and has subscribers that must get all of them in order.
type load struct {
	*child
	published, heard []atomic.Int64 // by topic
	wrong            atomic.Int64
	failed           atomic.Pointer[error]
	stopped          atomic.Bool
	publishers       sync.WaitGroup
}

func startLoad(c *child, topics int, header http.Header) *load {
	c.t.Helper()
	l := &load{child: c, published: make([]atomic.Int64, topics), heard: make([]atomic.Int64, topics)}
	o := fan.Options{Header: header, Engine: engine(c.t)}
	for i := range topics {
		topic, n := fmt.Sprint("load.", i), 0
		_, err := c.connect(c.addr, o).Subscribe(c.long(), topic, nil, func(m fan.Message) {
			if n++; string(m.Payload) != fmt.Sprint(n) {
				l.wrong.Add(1)
			}
			l.heard[i].Add(1)
		})
		if err != nil {
			c.t.Fatal(err)
		}
	}
	for i := range topics {
		publisher := c.connect(c.addr, o)
		l.publishers.Go(func() { l.publish(publisher, i) })
	}
	c.t.Cleanup(func() {
		l.stopped.Store(true)
		l.publishers.Wait()
	})
	return l
}

// publish publishes, one message after the other, until the load stops.
func (l *load) publish(c *fan.Client, i int) {
	topic := fmt.Sprint("load.", i)
	for n := 1; !l.stopped.Load(); n++ {
		if err := publishTo(c, topic, n); err != nil {
			l.failed.CompareAndSwap(nil, &err)
			return
		}
		l.published[i].Add(1)
	}
}

func publishTo(c *fan.Client, topic string, n int) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	_, err := c.Publish(ctx, topic, n, nil)
	return err
}

// goesOn waits until each publisher has published some more.
func (l *load) goesOn() {
	l.t.Helper()
	for i := range l.published {
		before := l.published[i].Load()
		l.eventually("messages are published", func() bool { return l.failed.Load() != nil || l.published[i].Load() > before+5 })
	}
	if err := l.failed.Load(); err != nil {
		l.t.Fatal(*err)
	}
}

// stop ends the load, and checks that every message has arrived.
func (l *load) stop() (total int64) {
	l.t.Helper()
	l.stopped.Store(true)
	l.publishers.Wait()
	for i := range l.published {
		n := l.published[i].Load()
		l.eventually(fmt.Sprint(n, " messages arrive"), func() bool { return l.heard[i].Load() >= n })
		if heard := l.heard[i].Load(); heard != n {
			l.t.Errorf("%d messages were published to topic %d, %d arrived", n, i, heard)
		}
		total += n
	}
	if n := l.wrong.Load(); n > 0 {
		l.t.Errorf("%d messages were wrong", n)
	}
	return total
}

// reloadable returns a configuration. Each version has other rules, origins and limits.
func reloadable(version int, keys ...string) string {
	text := fmt.Sprintf("[access]\norigins = ['v%d.example']\n[limits]\nmax-conns = %d\nhandshake-rate = %d\nuser-message-rate = %d\ntotal-pending = '%dMiB'\n",
		version, 200+version, 1000+version, 5000+version, 64+version)
	for _, name := range keys {
		text += fmt.Sprintf("[[access.key]]\nname = %q\nsecret = '%[1]s-0123456789abcdef'\nread = ['>']\nwrite = ['>']\nlist = ['>']\n", name)
	}
	return text + fmt.Sprintf("[[topic]]\npattern = '>'\nhistory = %d\nlimit = '%dKiB'\n", 100+version, 1000+version)
}

func keyOf(name string) http.Header {
	return http.Header{"Authorization": {"Bearer " + name + "-0123456789abcdef"}}
}

// Rules, origins, limits and keys change while clients publish and subscribe: no message is lost or comes twice, and only the
// connections with a key that is gone end.
func TestReloadDuringLoad(t *testing.T) {
	t.Parallel()
	file := tempFile(t, reloadable(0, "steady", "fleeting"))
	c := startChild(t, "-config", file)
	l := startLoad(c, 4, keyOf("steady"))
	var fleeting []*websocket.Conn
	for _, path := range []string{"/echo", "/topics/quiet", "/hub"} {
		fleeting = append(fleeting, c.dialAs(path, "fleeting"))
	}
	steady := c.dialAs("/echo", "steady")
	for version := 1; version <= 10; version++ {
		l.goesOn()
		writeFile(t, file, reloadable(version, "steady", "fleeting"))
		c.hangUp("reloaded the configuration")
		topic := fmt.Sprint("new.", version)
		if now, old := c.postsAs(topic, version, "steady"), c.postsAs(topic, version-1, "steady"); now != 200 || old != 403 {
			t.Fatalf("after reload %d a page that may post gets %d, one that no longer may %d", version, now, old)
		}
	}

	l.goesOn()
	writeFile(t, file, "[access]\norigins = ['other.example']\n[limits]\nmax-conns = -5\nhandshake-rates = 7\n[[topic]]\npattern = 'a..b'\n")
	c.hangUp(`"nothing was reloaded" error="`)
	for _, says := range []string{file + ":4: limits.max-conns", file + ":5: limits.handshake-rates", file + ":7: topic"} {
		c.eventually("it says "+says, func() bool { return strings.Contains(c.stderr.String(), says) })
	}
	l.goesOn()
	if now, other := c.postsAs("new.10", 10, "fleeting"), c.posts("new.10", "other.example", "steady-0123456789abcdef"); now != 200 || other != 403 {
		t.Errorf("after a broken file: %d %d", now, other)
	}
	c.send(fleeting[0], "x")
	c.wants(fleeting[0], websocket.MessageText, "x")

	writeFile(t, file, reloadable(11, "steady"))
	c.hangUp("reloaded the configuration")
	for i, ws := range fleeting {
		if err := c.closesWith(ws, 4401); err != nil {
			t.Errorf("connection %d with a key that is gone: %v", i, err)
		}
	}
	if status := c.postsAs("new.11", 11, "fleeting"); status != 401 {
		t.Errorf("the key that is gone gets %d", status)
	}
	l.goesOn()
	c.send(steady, "x")
	c.wants(steady, websocket.MessageText, "x")
	t.Logf("%d messages during %d reloads", l.stop(), 12)
}

func (c *child) dialAs(path, key string) *websocket.Conn {
	c.t.Helper()
	o := &websocket.DialOptions{HTTPHeader: keyOf(key)}
	if path == "/hub" {
		o.Subprotocols = []string{"fanfare.v1"}
	}
	ws, _, err := websocket.Dial(c.long(), "ws://"+c.addr+path, o)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = ws.CloseNow() })
	return ws
}

// postsAs publishes from a page that a version of the configuration admits.
func (c *child) postsAs(topic string, version int, key string) (status int) {
	c.t.Helper()
	return c.posts(topic, fmt.Sprintf("v%d.example", version), key+"-0123456789abcdef")
}

// closesWith reads until the connection is closed, and returns an error unless that happens with the code.
func (p *program) closesWith(ws *websocket.Conn, code websocket.StatusCode) error {
	for {
		if _, _, err := ws.Read(p.long()); websocket.CloseStatus(err) == code {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// Limits that a reload lowers hold for those who come later.
func TestReloadLowersLimits(t *testing.T) {
	t.Parallel()
	file := tempFile(t, "")
	c := startChild(t, "-config", file, "-admin", "127.0.0.1:0")
	l := startLoad(c, 1, nil)
	sender := c.dial("/topics/rate")
	open := c.health().Connections
	writeFile(t, file, fmt.Sprintf("[limits]\nmax-conns = %d\nconn-message-rate = 1\nconn-burst = '1s'\n", open))
	c.hangUp("reloaded the configuration")
	if status, _ := c.refused("/echo"); status != http.StatusServiceUnavailable {
		t.Errorf("a connection beyond the limit gets %d", status)
	}
	for range 5 {
		_ = sender.Write(c.long(), websocket.MessageText, []byte("x"))
	}
	if err := c.closesWith(sender, 4429); err != nil {
		t.Errorf("a connection beyond its rate: %v", err)
	}
	l.eventually("the publisher meets the rate, too", func() bool { return l.failed.Load() != nil })
	writeFile(t, file, "")
	c.hangUp("reloaded the configuration")
	for range 20 {
		ws := c.dial("/echo")
		c.send(ws, "x")
		c.wants(ws, websocket.MessageText, "x")
	}
	l.stop()
}

// Messages that the backend must permit are published while reloads replace what asks it.
func TestReloadWhileTheBackendIsAsked(t *testing.T) {
	t.Parallel()
	s := newBackendSite(t)
	file := tempFile(t, "")
	c := startChild(t, s.flags("-config", file, "-jwt-secret-files", tempFile(t, hmacSecret))...)
	token := hmacToken(t, map[string]any{"sub": "ada", "read": []string{">"}, "write": []string{">"}})
	l := startLoad(c, 4, http.Header{"Authorization": {"Bearer " + token}})
	for n := range 20 {
		l.goesOn()
		writeFile(t, file, fmt.Sprintf("[backend]\nmax-concurrent = %d\n", 50+n)) // the same options would replace nothing
		c.hangUp("changed=[backend.max-concurrent]")
	}
	t.Logf("%d messages", l.stop())
}
