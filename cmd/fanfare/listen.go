package main

import (
	"fmt"
	"io"
	"net"
	"os"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/config"
	"github.com/fanfare-ws/fanfare/cmd/internal/daemon"
	"github.com/fanfare-ws/fanfare/netpoll"
)

// listen opens all listeners.
func (a *app) listen() (all []net.Addr, err error) {
	for i := range a.cfg.Listen {
		addr, err := a.listenOn(&a.cfg.Listen[i])
		if err != nil {
			return nil, err
		}
		all = append(all, addr)
	}
	return all, nil
}

func (a *app) listenOn(l *config.Listener) (net.Addr, error) {
	if l.Secure(a.cfg.Secure()) {
		return daemon.Listen(a.server, l.Addr, a.cfg.TLS.Cert, a.cfg.TLS.Key)
	}
	addr, err := a.server.ListenOn(netpoll.Endpoint{Addr: l.Addr, Mode: l.FileMode()})
	return addr, daemon.ListenError(l.Addr, err)
}

// greet prints the URLs of the server.
func (a *app) greet(w io.Writer, addrs []net.Addr, files uint64) {
	limit := min(daemon.Room(files), uint64(a.server.Engine.MaxConns))
	for _, addr := range addrs {
		fmt.Fprintf(w, "Fanfare is listening on %s\n", addr)
	}
	for i := range a.cfg.Listen {
		if l := &a.cfg.Listen[i]; l.Unix() == "" {
			greetURLs(w, daemon.HostPort(l.Addr, addrs[i]), l.Secure(a.cfg.Secure()))
			break
		}
	}
	fmt.Fprintf(w, "The server has room for %d connections; the limit of open files is %d.\nPress Ctrl-C to stop.\n", limit, files)
}

// greetURLs prints what can be done at a host.
func greetURLs(w io.Writer, host string, secure bool) {
	s := ""
	if secure {
		s = "s"
	}
	fmt.Fprintf(w, `
  try it in a browser   http%[2]s://%[1]s/
  echo                  ws%[2]s://%[1]s/echo
  a topic               ws%[2]s://%[1]s/topics/news
  many topics, in JSON  ws%[2]s://%[1]s/hub, with http%[2]s://%[1]s/fanfare.js
  publish to it         curl -H 'Content-Type: text/plain' -d hello http%[2]s://%[1]s/topics/news
  load it               go run ./cmd/fanfare-load idle -n 10000 -pid %[3]d ws%[2]s://%[1]s/echo

`, host, s, os.Getpid())
	if secure {
		fmt.Fprint(w, "If the certificate is self-signed, add -k to curl and -insecure to fanfare-load.\n")
	}
}
