package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gorilla/websocket"

	"github.com/fanfare-ws/fanfare/bench/servers"
)

// startCentrifugo starts Centrifugo, and a bridge in this process for publishers. They send messages without Centrifugo's protocol,
// and the bridge passes these to Centrifugo's HTTP API. The bridge does not count as the server's work.
func (p *programs) startCentrifugo(ctx context.Context, program string) (*child, error) {
	addr, err := freePort()
	if err != nil {
		return nil, err
	}
	config, err := centrifugoConfig(filepath.Dir(p.serve), addr)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	s := &child{cmd: command(ctx, program, "-c", config), end: cancel, addr: addr}
	var said bytes.Buffer
	s.cmd.Stdout, s.cmd.Stderr = &said, &said
	if err := s.cmd.Start(); err != nil {
		cancel()
		return nil, fmt.Errorf("start centrifugo: %w", err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = s.cmd.Wait() // said has the reason
	}()
	s.wait = func() { <-ended }
	if err := healthy(ctx, addr, ended); err != nil {
		s.stop()
		return nil, fmt.Errorf("centrifugo does not listen: %w: %s", err, strings.TrimSpace(said.String()))
	}
	if err := s.bridge(); err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

// freePort returns a free address of the loopback. Centrifugo cannot choose one and say which.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// centrifugoKey is the key of the HTTP API.
const centrifugoKey = "bench"

// centrifugoConfig writes a configuration with the defaults of Centrifugo, except what anonymous subscribers need.
func centrifugoConfig(dir, addr string) (file string, err error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", err
	}
	type object map[string]any
	b, err := json.Marshal(object{
		"http_server": object{"address": host, "port": port},
		"client":      object{"allow_anonymous_connect_without_token": true},
		"channel":     object{"without_namespace": object{"allow_subscribe_for_client": true, "allow_subscribe_for_anonymous": true}},
		"http_api":    object{"key": centrifugoKey},
		"health":      object{"enabled": true},
		"usage_stats": object{"disabled": true}, // a measurement sends nothing elsewhere
		"log":         object{"level": "error"},
	})
	if err != nil {
		return "", err
	}
	file = filepath.Join(dir, "centrifugo-"+port+".json")
	return file, os.WriteFile(file, b, 0o600)
}

// healthy waits until Centrifugo answers, or has ended.
func healthy(ctx context.Context, addr string, ended <-chan struct{}) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if answer, err := http.Get("http://" + addr + "/health"); err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ended:
			return errors.New("it has ended")
		case <-tick.C:
		}
	}
}

// bridge listens for publishers until the child is stopped.
func (s *child) bridge() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	h := &http.Server{Handler: http.HandlerFunc(s.publisher)}
	s.publish = l.Addr().String()
	end := s.end
	s.end = func() {
		end()
		h.Close()
	}
	go func() { _ = h.Serve(l) }() // it ends with Close
	return nil
}

// publisher passes the messages of a publisher to Centrifugo, in their order.
func (s *child) publisher(w http.ResponseWriter, r *http.Request) {
	c, err := new(websocket.Upgrader).Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer c.Close()
	for {
		_, p, err := c.ReadMessage()
		if err != nil {
			return
		}
		if err := publishCentrifugo(s.addr, p); err != nil {
			_ = c.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseInternalServerErr, err.Error()))
			return
		}
	}
}

func publishCentrifugo(addr string, p []byte) error {
	body, err := json.Marshal(map[string]any{"channel": servers.CentrifugoTopic, "b64data": p})
	if err != nil {
		return err
	}
	r, err := http.NewRequest(http.MethodPost, "http://"+addr+"/api/publish", bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("X-API-Key", centrifugoKey)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	var got struct {
		Error *struct{ Message string }
	}
	if err := json.NewDecoder(answer.Body).Decode(&got); err != nil {
		return fmt.Errorf("status %d: %w", answer.StatusCode, err)
	}
	if got.Error != nil {
		return errors.New(got.Error.Message)
	}
	return nil
}
