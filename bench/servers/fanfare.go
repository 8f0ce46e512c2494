package servers

import (
	"crypto/tls"
	"net"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/wshub"
	"github.com/fanfare-ws/fanfare/wsproto"
)

var fanfareEcho = &wsproto.Funcs{Message: fanfareAnswer}

func fanfareAnswer(c *wsproto.Conn, op wsproto.Opcode, p []byte) {
	if c.Send(op, p) == wsproto.Full {
		c.Close(wsproto.TryAgainLater, "too many bytes are pending on this connection")
	}
}

func fanfare(addr string, ready func(net.Addr)) error {
	return fanfareServe(&wsproto.Server{Handler: fanfareEcho}, addr, ready)
}

func fanfareDeflate(addr string, ready func(net.Addr)) error {
	return fanfareServe(&wsproto.Server{Handler: fanfareEcho, Compression: new(wsproto.Compression)}, addr, ready)
}

func fanfareServe(s *wsproto.Server, addr string, ready func(net.Addr)) error {
	wsproto.CollectOften()
	at, err := s.Listen(addr)
	if err != nil {
		return err
	}
	ready(at)
	return s.Wait()
}

func fanfareTLS(addr string, ready func(net.Addr)) error {
	return fanfareServeTLS(&wsproto.Server{Handler: fanfareEcho}, addr, ready)
}

// fanfareTLS12 is for clients whose highest version is TLS 1.2.
func fanfareTLS12(addr string, ready func(net.Addr)) error {
	return fanfareServeTLS(&wsproto.Server{Handler: fanfareEcho, TLSConfig: &tls.Config{MinVersion: tls.VersionTLS12}}, addr, ready)
}

func fanfareServeTLS(s *wsproto.Server, addr string, ready func(net.Addr)) error {
	wsproto.CollectOften()
	config, err := selfSigned()
	if err != nil {
		return err
	}
	if c := s.TLSConfig; c != nil {
		config.MinVersion = c.MinVersion
	}
	s.TLSConfig = config
	at, err := s.ListenTLS(addr, "", "")
	if err != nil {
		return err
	}
	ready(at)
	return s.Wait()
}

// fanfareTopic echoes, and subscribes each connection to a topic.
func fanfareTopic(addr string, ready func(net.Addr)) error {
	s := new(wsproto.Server)
	h := hub.New(hub.Options{Workers: wshub.Workers(s)})
	s.Accept = func(r *wsproto.Request) error {
		r.Handler = &echoingConn{topicConn{hub: h}}
		return nil
	}
	return fanfareServe(s, addr, ready)
}

// fanfareBroadcast publishes each message in a topic to which all connections are subscribed, as /topics/ of cmd/fanfare does.
func fanfareBroadcast(addr string, ready func(net.Addr)) error {
	return fanfareServe(topical(new(wsproto.Server)), addr, ready)
}

func fanfareDeflateBroadcast(addr string, ready func(net.Addr)) error {
	return fanfareServe(topical(&wsproto.Server{Compression: new(wsproto.Compression)}), addr, ready)
}

func fanfareTLSBroadcast(addr string, ready func(net.Addr)) error {
	return fanfareServeTLS(topical(new(wsproto.Server)), addr, ready)
}

// topical subscribes each connection of s to the topic.
func topical(s *wsproto.Server) *wsproto.Server {
	h := hub.New(hub.Options{Workers: wshub.Workers(s)})
	s.Accept = func(r *wsproto.Request) error {
		r.Handler = &topicConn{hub: h}
		return nil
	}
	return s
}

// topicConn is a connection that is subscribed to the topic.
type topicConn struct {
	hub *hub.Hub
	sub hub.Subscription
}

func (t *topicConn) OnOpen(c *wsproto.Conn, _ *wsproto.Request) {
	if _, err := t.hub.Subscribe("news", &t.sub, wshub.Subscriber(c), hub.SubscribeOptions{Encoding: wshub.Plain}); err != nil {
		c.Close(wsproto.InternalError, err.Error())
	}
}

func (t *topicConn) OnMessage(c *wsproto.Conn, op wsproto.Opcode, p []byte) {
	t.sub.Publish(hub.Message{Data: p, Kind: wshub.Kind(op), Exclude: wshub.Subscriber(c)})
}

func (t *topicConn) OnClose(*wsproto.Conn, *wsproto.CloseError) { t.sub.Unsubscribe() }

// echoingConn echoes messages instead of publishing them.
type echoingConn struct{ topicConn }

func (*echoingConn) OnMessage(c *wsproto.Conn, op wsproto.Opcode, p []byte) {
	fanfareAnswer(c, op, p)
}
