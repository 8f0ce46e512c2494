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

// config is what a case needs its server to be set to.
type config struct {
	maxMessage, maxFrame int    // wsproto.Server's; 16 MiB if 0
	subprotocols         string // with commas between them
	deflate              deflateConfig
}

// deflateConfig says how a server compresses.
type deflateConfig struct {
	on         bool
	takeover   bool
	windowBits int // 15 if 0
	threshold  int // 1, to compress all, if 0
}

// target is a server that is judged.
type target struct {
	addr, host, path string
	// foreign is a server of which nobody here knows how it is set.
	foreign bool
}

// targets has a server of ours for each config that is asked for, or a foreign one
// for all. It is safe from any goroutine.
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
		return nil, fmt.Errorf("%q is not of the form ws://host:port/path", raw)
	}
	t := &target{addr: u.Host, host: u.Host, path: u.RequestURI(), foreign: true}
	if u.Port() == "" {
		t.addr = net.JoinHostPort(u.Hostname(), "80")
	}
	return t, nil
}

// get returns a target for cases that need c, or the reason why there is none.
func (ts *targets) get(c config) (t *target, reason string, err error) {
	if ts.foreign != nil {
		if c != (config{deflate: c.deflate}) {
			return nil, "it needs a server that is set to it", nil
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

// shutdown ends the servers of ours.
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

// newServer returns an echo server of ours.
func newServer(c config) *wsproto.Server {
	s := &wsproto.Server{
		Handler: &wsproto.Funcs{Message: func(c *wsproto.Conn, op wsproto.Opcode, p []byte) {
			if c.Send(op, p) == wsproto.Full {
				c.Close(wsproto.TryAgainLater, "the backlog is full")
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
