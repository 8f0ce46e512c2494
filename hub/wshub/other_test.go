package wshub_test

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/wshub"
	"github.com/fanfare-ws/fanfare/netpoll"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// prefixed is an encoding for plain TCP: each message is its length, in 4 bytes, and its data.
type prefixed struct{}

func (prefixed) Encode(r *hub.Record) hub.Encoded {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(r.Data)))
	return netpoll.NewBuffer(append(b, r.Data...))
}

func (prefixed) EncodeEvent(*hub.Event) hub.Encoded { return nil }

func (prefixed) Join(all []hub.Encoded) hub.Encoded {
	var b []byte
	for _, one := range all {
		b = append(b, one.(*netpoll.Buffer).Bytes()...)
	}
	return netpoll.NewBuffer(b)
}

// tcpSubscriber is a TCP connection as a subscriber with the encoding prefixed.
type tcpSubscriber struct {
	*netpoll.Conn
	writes atomic.Int64
}

func (s *tcpSubscriber) Send(e hub.Encoded) netpoll.Outcome {
	return s.WriteBuffer(e.(*netpoll.Buffer))
}

func (s *tcpSubscriber) Write(e hub.Encoded) (*netpoll.Conn, *netpoll.Buffer) {
	s.writes.Add(1)
	return s.Conn, e.(*netpoll.Buffer)
}

func (s *tcpSubscriber) WhenDrained(t interface{ Schedule() }) { s.Conn.WhenDrained(t) }

func (s *tcpSubscriber) Close(why hub.CloseReason) { s.Conn.Close(errors.New(why.Text)) }

// tcpPeer is the handler of such a connection: it subscribes, and reads nothing.
type tcpPeer struct {
	conn netpoll.Conn
	to   tcpSubscriber
	sub  hub.Subscription
	hub  *hub.Hub
	open chan<- *tcpPeer
}

func (p *tcpPeer) Conn() *netpoll.Conn { return &p.conn }

func (p *tcpPeer) OnOpen() {
	p.to.Conn = &p.conn
	if _, err := p.hub.Subscribe("all", &p.sub, &p.to, hub.SubscribeOptions{Encoding: prefixed{}}); err != nil {
		p.conn.Close(err)
	}
	p.open <- p
}

func (p *tcpPeer) OnData(data []byte) int { return len(data) }
func (p *tcpPeer) OnDeadline()            {}
func (p *tcpPeer) OnPanic(any)            {}
func (p *tcpPeer) OnClose(error)          { p.sub.Unsubscribe() }

// A custom protocol on TCP shares a topic with WebSockets. Each subscriber gets every message in
// order, and messages that are under way together in one write.
func TestEncodingOfItsOwn(t *testing.T) {
	const each, publishers, messages, size = 40, 3, 300, 200
	opened := make(chan *tcpPeer, each)
	var h *hub.Hub
	subscribed := make(chan struct{}, each)
	s := &wsproto.Server{Logger: slog.New(slog.DiscardHandler), Handler: &wsproto.Funcs{
		Open: func(c *wsproto.Conn, _ *wsproto.Request) {
			sub := new(hub.Subscription)
			if _, err := h.Subscribe("all", sub, wshub.Subscriber(c), hub.SubscribeOptions{Encoding: wshub.Plain}); err != nil {
				t.Error(err)
			}
			c.SetValue(sub)
			subscribed <- struct{}{}
		},
		Close: func(c *wsproto.Conn, _ *wsproto.CloseError) { c.Value().(*hub.Subscription).Unsubscribe() },
	}}
	h = keepingAll(s)
	addr := listen(t, s, h)
	tcp := listenTCP(t, func() netpoll.Handler { return &tcpPeer{hub: h, open: opened} })
	var readers []func() error
	var peers []*tcpPeer
	for range each {
		_, r := dialMember(t, addr)
		readers = append(readers, func() error { return readNumbered(r, publishers, messages, size) })
		c, err := net.Dial("tcp", tcp)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		_ = c.SetDeadline(time.Now().Add(time.Minute))
		readers = append(readers, func() error { return readPrefixed(bufio.NewReader(c), publishers, messages, size) })
		<-subscribed
		peers = append(peers, <-opened)
	}
	var all sync.WaitGroup
	for k := range publishers {
		all.Go(func() {
			for n := range messages {
				if _, err := h.Publish("all", numbered(k, n, size)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i, read := range readers {
		all.Go(func() {
			if err := read(); err != nil {
				t.Errorf("reader %d: %v", i, err)
			}
		})
	}
	all.Wait()
	for i, p := range peers {
		if n := p.to.writes.Load(); n == 0 || n > publishers*messages {
			t.Errorf("%d: %d messages in %d writes", i, publishers*messages, n)
		}
	}
	for _, r := range []hub.Encoding{nil, prefixed{}} { // a WebSocket cannot send either
		if _, err := h.Subscribe("all", new(hub.Subscription), wshub.Subscriber(new(wsproto.Conn)), hub.SubscribeOptions{Encoding: r}); !errors.Is(err, hub.ErrNoEncoding) {
			t.Errorf("%T: %v", r, err)
		}
	}
}

// listenTCP starts an engine of its own, and returns the address at which it listens.
func listenTCP(t *testing.T, accept func() netpoll.Handler) (addr string) {
	t.Helper()
	e, err := netpoll.New(netpoll.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	l, err := e.Listen("127.0.0.1:0", accept)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Shutdown(t.Context()); err != nil && !errors.Is(err, t.Context().Err()) {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

// readPrefixed is readNumbered for the encoding prefixed.
func readPrefixed(r io.Reader, sequences, messages, size int) error {
	from, to := io.Pipe()
	go func() { // as frames, which readNumbered checks
		b := make([]byte, 4+size)
		for range sequences * messages {
			if _, err := io.ReadFull(r, b); err != nil || binary.BigEndian.Uint32(b) != uint32(size) {
				to.CloseWithError(errors.Join(err, errors.New("not a message of that size")))
				return
			}
			copy(b, []byte{0x82, 126, byte(size >> 8), byte(size)})
			if _, err := to.Write(b); err != nil {
				return
			}
		}
		to.Close()
	}()
	return readNumbered(from, sequences, messages, size)
}
