package main

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/netpoll/netpolltest"
)

// slowPeer is what a peer does that takes its time: it sends begin at once, and then trickle, piece by piece, for ever.
type slowPeer struct {
	name    string
	tls     bool
	path    string // of a WebSocket; "" for none
	begin   string
	trickle func(i int) string
	ends    func(answer []byte) bool // reports whether the server has ended the connection as it should
}

const maskedOne = "\x81\x00\x00\x00\x00x" // the rest of a frame: its length, a mask, and one byte

var slowPeers = []slowPeer{
	{"header", false, "", "GET /echo HTTP/1.1\r\nHost: localhost\r\nX-Slow: ", aByte, func(answer []byte) bool {
		return bytes.HasPrefix(answer, []byte("HTTP/1.1 408 "))
	}},
	{"request body", false, "", "POST /topics/slow HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: 100000\r\n\r\n", aByte, func(answer []byte) bool {
		return len(answer) == 0 || bytes.HasPrefix(answer, []byte("HTTP/1.1 408 "))
	}},
	{"TLS handshake", true, "", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", aByte, func(answer []byte) bool { return len(answer) < 16 }},
	{"frame header", false, "/echo", "\x82", func(i int) string { return "\xff\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00"[i%13 : i%13+1] }, tooLate},
	{"frame payload", false, "/echo", "\x82\xff\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00", aByte, tooLate},
	{"fragmented message", false, "/topics/slow", "\x01" + maskedOne, func(int) string { return "\x00" + maskedOne }, tooLate},
}

func aByte(int) string { return "x" }

// tooLate reports whether an answer ends with a close frame with 1008.
func tooLate(answer []byte) bool {
	i := bytes.LastIndexByte(answer, 0x88)
	return i >= 0 && bytes.HasPrefix(answer[i+2:], []byte("\x03\xf0"))
}

// Peers of each kind send a byte four times a second. Each of them is cut off in time, and in the proper way; until then they
// keep nobody waiting.
func TestSlowPeers(t *testing.T) {
	cert, key, _ := netpolltest.Certificate(t)
	p := startPatientAt(t, "127.0.0.1:0 tls=off", "-addr", "127.0.0.1:0", "-cert", cert, "-key", key, "-ping", "10m", "-pong-timeout", "10m",
		"-handshake-timeout", "2s", "-tls-timeout", "2s", "-message-timeout", "2s", "-http-timeout", "2s")
	each, most := sized(200, 40), usual
	if full() {
		each, most.heapKiB = 2000, 4<<10 // the tables of 12,000 connections stay
	}
	addrs := p.addrs()
	var all sync.WaitGroup
	var wrong atomic.Int32
	begin := time.Now()
	for i := range slowPeers {
		kind := &slowPeers[i]
		addr := addrs[0]
		if kind.tls {
			addr = addrs[1]
		}
		for range each {
			all.Go(func() {
				if answer, err := kind.run(addr); (err != nil || !kind.ends(answer)) && wrong.Add(1) < 20 {
					t.Errorf("slow %s: the connection ended with %.100q %v", kind.name, answer, err)
				}
			})
		}
	}
	all.Wait()
	t.Logf("%d peers that were slow in each of %d ways were cut off after %v at most", each, len(slowPeers), time.Since(begin).Round(time.Millisecond))
	p.eventually("all are gone", func() bool { return p.health().Connections <= 2 })
	p.recovers("slow peers", most)
}

// run returns what the server has sent by the end of the connection.
func (s *slowPeer) run(addr string) ([]byte, error) {
	nc, in, err := s.connect(addr)
	if err != nil {
		return nil, err
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(time.Minute))
	ended := make(chan struct{})
	var answer []byte
	go func() {
		defer close(ended)
		answer, err = io.ReadAll(in)
	}()
	_, _ = io.WriteString(nc, s.begin)
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-ended:
			if err != nil && strings.Contains(err.Error(), "reset") { // the server had not read all that was sent
				err = nil
			}
			return answer, err
		case <-tick.C:
			_, _ = io.WriteString(nc, s.trickle(i))
		}
	}
}

func (s *slowPeer) connect(addr string) (nc net.Conn, in *bufio.Reader, err error) {
	if nc, err = net.Dial("tcp", addr); err != nil {
		return nil, nil, err
	}
	if s.path == "" {
		return nc, bufio.NewReaderSize(nc, 16), nil
	}
	in, err = upgrade(nc, addr, s.path)
	return nc, in, err
}
