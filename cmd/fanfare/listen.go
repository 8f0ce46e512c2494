package main

import (
	"fmt"
	"io"
	"net"
	"os"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/config"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/systemd"
	"github.com/fanfare-ws/fanfare/cmd/internal/daemon"
	"github.com/fanfare-ws/fanfare/netpoll"
)

// openListener is a listener that is open.
type openListener struct {
	*config.Listener
	at     net.Addr
	secure bool            // it speaks TLS
	socket *systemd.Socket // nil unless systemd has opened it
}

// listen opens all listeners, those that systemd has not opened.
func (a *app) listen(sockets systemd.Sockets) (all []openListener, err error) {
	for i := range a.cfg.Listen {
		some, err := resolve(&a.cfg.Listen[i], sockets)
		if err != nil {
			return nil, err
		}
		for _, l := range some {
			l.secure = l.Secure(a.cfg.Secure())
			if l.at, err = a.server.ListenOn(a.endpoint(l)); err != nil {
				return nil, daemon.ListenError(l.Addr, err)
			}
			all = append(all, l)
		}
	}
	return all, nil
}

// resolve returns the listeners that systemd has opened for l or, if there is none, l itself. The former have the addresses of
// their sockets.
func resolve(l *config.Listener, sockets systemd.Sockets) ([]openListener, error) {
	some, err := sockets.Take(l.Addr)
	if err != nil || len(some) == 0 {
		return []openListener{{Listener: l}}, err
	}
	var all []openListener
	for _, s := range some {
		at := *l
		if at.Addr = s.Addr.String(); s.Addr.Network() == "unix" {
			at.Addr = "unix:" + at.Addr
		}
		all = append(all, openListener{Listener: &at, socket: s})
	}
	return all, nil
}

// endpoint returns what the server needs to know about a listener.
func (a *app) endpoint(l openListener) netpoll.Endpoint {
	at := netpoll.Endpoint{Addr: l.Addr, Mode: l.FileMode(), Preamble: l.ProxyProtocol}
	if l.socket != nil {
		at.Socket = l.socket
	}
	if l.secure {
		at.TLS = &netpoll.TLS{Config: a.server.TLSConfig}
	}
	return at
}

// room returns the number of connections for which there is room.
func (a *app) room(files uint64) uint64 {
	return min(daemon.Room(files), uint64(a.server.Engine.MaxConns))
}

// greet prints the URLs of the server.
func (a *app) greet(w io.Writer, all []openListener, files uint64) {
	for _, l := range all {
		fmt.Fprintf(w, "Fanfare is listening on %s%s\n", l.at, l.remark())
	}
	if a.operators.server != nil {
		l := a.operators.listener()
		fmt.Fprintf(w, "Operators connect to %s%s\n", l.at, l.remark())
	}
	for _, l := range all {
		if l.greetable() {
			greetURLs(w, l.host(), l.secure, a.cfg)
			break
		}
	}
	fmt.Fprintf(w, "The server has room for %d connections; the limit of open files is %d.\nPress Ctrl-C to stop.\n", a.room(files), files)
}

// greetable reports whether a person can try the URLs of a listener.
func (l *openListener) greetable() bool { return l.Unix() == "" && !l.ProxyProtocol }

// remark says how to connect.
func (l *openListener) remark() string {
	scheme := "http"
	if l.secure {
		scheme = "https"
	}
	switch path := l.Unix(); {
	case l.ProxyProtocol:
		return fmt.Sprintf("  (%s, behind a proxy that sends the PROXY protocol)", scheme)
	case path != "" && path[0] == '@':
		return fmt.Sprintf("  (try curl --abstract-unix-socket %s %s://localhost/healthz)", path[1:], scheme)
	case path != "":
		return fmt.Sprintf("  (try curl --unix-socket %s %s://localhost/healthz)", path, scheme)
	}
	return fmt.Sprintf("  (%s://%s/)", scheme, l.host())
}

// host returns the address that clients on this machine can use.
func (l *openListener) host() string { return daemon.HostPort(l.Addr, l.at) }

// greetURLs prints what can be done at a host. A certificate of a file may be self-signed.
func greetURLs(w io.Writer, host string, secure bool, c *config.Config) {
	s, key := "", ""
	if secure {
		s = "s"
	}
	if len(c.Access.Anonymous.Write) == 0 {
		key = "-H 'Authorization: Bearer KEY' "
	}
	fmt.Fprintf(w, `
  try it in a browser   http%[2]s://%[1]s/
  echo                  ws%[2]s://%[1]s/echo
  a topic               ws%[2]s://%[1]s/topics/news
  many topics, in JSON  ws%[2]s://%[1]s/hub, with http%[2]s://%[1]s/fanfare.js
  publish to it         curl %[3]s-H 'Content-Type: text/plain' -d hello http%[2]s://%[1]s/topics/news
`, host, s, key)
	if loads(c) {
		fmt.Fprintf(w, "  load it               go run ./cmd/fanfare-load idle -n 10000 -pid %d ws%s://%s/echo\n", os.Getpid(), s, host)
	}
	fmt.Fprintln(w)
	if secure && c.TLS.Cert != "" {
		fmt.Fprint(w, "If the certificate is self-signed, add -k to curl and -insecure to fanfare-load.\n")
	}
}

// loads reports whether the program that loads the server is here, in its sources, and would be let in without a key.
func loads(c *config.Config) bool {
	_, err := os.Stat("cmd/fanfare-load")
	a := &c.Access.Anonymous
	return err == nil && len(a.Read)+len(a.Write)+len(a.List)+len(a.Manage) > 0
}
