package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/fanfare-ws/fanfare/wsproto"
)

// config is the configuration of the server that a case needs.
type config struct {
	maxMessage, maxFrame int    // wsproto.Server's; 16 MiB if 0
	subprotocols         string // comma-separated
	deflate              deflateConfig
}

// deflateConfig is the compression of a server.
type deflateConfig struct {
	on         bool
	takeover   bool
	windowBits int // 15 if 0
	threshold  int // 1, which compresses every message, if 0
}

// target is a server under test.
type target struct {
	addr, host, path string
	// foreign means that the configuration of the server is unknown.
	foreign bool
}

// targets has a wsproto.Server for each config, or one foreign server for all. It is safe from any goroutine.
type targets struct {
	foreign *target
	mu      sync.Mutex
	byNeed  map[config]*target
	servers []*wsproto.Server
}

// parseTarget returns a foreign server.
func parseTarget(raw string) (*target, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, err
	}
	if u.Scheme != "ws" || u.Host == "" {
		return nil, fmt.Errorf("-url is %q; it must have the form ws://host:port/path", raw)
	}
	t := &target{addr: u.Host, host: u.Host, path: u.RequestURI(), foreign: true}
	if u.Port() == "" {
		t.addr = net.JoinHostPort(u.Hostname(), "80")
	}
	return t, nil
}

// get returns a target for cases that need c, or the reason why it cannot.
func (ts *targets) get(c config) (t *target, reason string, err error) {
	if ts.foreign != nil {
		if c != (config{deflate: c.deflate}) {
			return nil, "they need a server with a certain configuration", nil
		}
		return ts.foreign, "", nil
	}
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if t = ts.byNeed[c]; t == nil {
		s := newServer(c)
		addr, err := s.Listen("127.0.0.1:0")
		if err != nil {
			return nil, "", err
		}
		ts.servers = append(ts.servers, s)
		t = &target{addr: addr.String(), host: addr.String(), path: "/"}
		if ts.byNeed == nil {
			ts.byNeed = make(map[config]*target)
		}
		ts.byNeed[c] = t
	}
	return t, "", nil
}

// shutdown shuts down the servers of this program.
func (ts *targets) shutdown() error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for _, s := range ts.servers {
		if err := s.Shutdown(ctx); err != nil {
			return err
		}
	}
	return nil
}

// newServer returns an echo server with that configuration.
func newServer(c config) *wsproto.Server {
	s := &wsproto.Server{
		Handler: &wsproto.Funcs{Message: func(c *wsproto.Conn, op wsproto.Opcode, p []byte) {
			if c.Send(op, p) == wsproto.Full {
				c.Close(wsproto.TryAgainLater, "too many bytes are pending on this connection")
			}
		}},
		MaxMessage: c.maxMessage,
		MaxFrame:   c.maxFrame,
		Logger:     slog.New(slog.DiscardHandler),
	}
	if c.maxMessage == 0 {
		s.MaxMessage = 16 * mib
	}
	if c.subprotocols != "" {
		s.Subprotocols = strings.Split(c.subprotocols, ",")
	}
	if c.deflate.on {
		s.Compression = &wsproto.Compression{Threshold: c.deflate.threshold, Takeover: c.deflate.takeover, WindowBits: c.deflate.windowBits}
		if c.deflate.threshold == 0 {
			s.Compression.Threshold = 1
		}
	}
	return s
}
