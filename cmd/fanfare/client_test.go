package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/coder/websocket"

	"github.com/fanfare-ws/fanfare/hub/wire"
)

// client is a client of fanfare.v1.
type client struct {
	*program
	*websocket.Conn
	hello wire.Hello
	id    uint64
}

// join connects to /hub and reads the hello.
func (p *program) join(path string, header http.Header) *client {
	p.t.Helper()
	c, _, err := websocket.Dial(p.ctx(), "ws://"+p.addr+path, &websocket.DialOptions{Subprotocols: []string{wire.Protocol}, HTTPHeader: header})
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = c.CloseNow() })
	c.SetReadLimit(16 << 20)
	if got := c.Subprotocol(); got != wire.Protocol {
		p.t.Errorf("the subprotocol is %q", got)
	}
	h := &client{program: p, Conn: c}
	if e := h.event(); e.Hello == nil || e.Hello.Protocol != wire.Protocol || e.Hello.Client == "" {
		p.t.Fatalf("no hello: %+v", e)
	} else {
		h.hello = *e.Hello
	}
	return h
}

func (c *client) event() wire.Event {
	c.t.Helper()
	typ, b, err := c.Read(c.ctx())
	if err != nil || typ != websocket.MessageText {
		c.t.Fatalf("%v %v", typ, err)
	}
	e, err := wire.ParseEvent(b)
	if err != nil {
		c.t.Fatalf("%s: %v", b, err)
	}
	return e
}

// ask sends a request, to which it adds an id, and returns the reply, which must be the next message.
func (c *client) ask(request string) *wire.Reply {
	c.t.Helper()
	c.id++
	c.send(c.Conn, fmt.Sprintf(`{"id":%d,%s}`, c.id, request))
	e := c.event()
	if e.Reply == nil || e.Reply.ID != c.id {
		c.t.Fatalf("%s: %+v is no reply to it", request, e)
	}
	return e.Reply
}

// gets sends a request that must succeed.
func (c *client) gets(request string) *wire.Result {
	c.t.Helper()
	r := c.ask(request)
	if r.OK == nil {
		c.t.Fatalf("%s: %v", request, r.Error)
	}
	return r.OK
}

// fails sends a request that must fail.
func (c *client) fails(request, code, says string) *wire.Error {
	c.t.Helper()
	r := c.ask(request)
	if r.Error == nil || r.Error.Code != code || !strings.Contains(r.Error.Message, says) {
		c.t.Fatalf("%s: %+v %+v, want %s with %q", request, r.OK, r.Error, code, says)
	}
	return r.Error
}

// message reads the next event, which must be a message.
func (c *client) message() *wire.Message {
	c.t.Helper()
	e := c.event()
	if e.Message == nil {
		c.t.Fatalf("%+v is no message", e)
	}
	return e.Message
}

func (c *client) wantsMessage(topic string, offset uint64, kind wire.Kind, payload string) {
	c.t.Helper()
	if m := c.message(); m.Topic != topic || m.Offset != offset || m.Kind != kind || string(m.Payload) != payload || m.Time == 0 {
		c.t.Fatalf("got %+v %s, want %d in %s: %s", m, m.Payload, offset, topic, payload)
	}
}

// flood publishes numbers to a topic, several at a time, until it has published n of them or stop is called.
func (p *program) flood(topic string, n int) (stop func()) {
	c := p.join("/hub", nil)
	done, end := make(chan struct{}), make(chan struct{})
	replies := make(chan struct{}, 16) // room for requests under way
	go func() {
		defer close(done)
		for i := 1; i <= n; i++ {
			select {
			case replies <- struct{}{}:
			case <-end:
				return
			}
			request := fmt.Sprintf(`{"id":%d,"do":"publish","topic":%q,"data":%d}`, i, topic, i)
			if err := c.Write(context.Background(), websocket.MessageText, []byte(request)); err != nil {
				return
			}
		}
	}()
	read := make(chan struct{})
	go func() {
		defer close(read)
		for {
			if _, _, err := c.Conn.Read(context.Background()); err != nil {
				return
			}
			<-replies
		}
	}()
	var once sync.Once
	stop = func() {
		once.Do(func() { close(end) })
		<-done
		_ = c.CloseNow()
		<-read
	}
	p.t.Cleanup(stop)
	return stop
}
