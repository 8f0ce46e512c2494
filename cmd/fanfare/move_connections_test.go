package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/monitor"
)

var connectionScenarios = []scenario{
	{name: "connections", args: []string{"-handshake-timeout", "500ms", "-max-conns", "321"}, do: moveConnections},
	{name: "closes", tweak: func(a *app) { a.server.CloseTimeout = 100 * time.Millisecond }, do: moveCloses},
	{name: "pings", args: []string{"-ping", "200ms", "-pong-timeout", "200ms"}, do: func(m *mover) {
		m.rawDial("/echo") // never answers
		m.moves("fanfare_pings_total", `fanfare_abnormal_closes_total{cause="pong_timeout"}`)
	}},
	{name: "compression", args: []string{"-compress"}, do: moveCompression},
	{name: "full", args: []string{"-max-conns", "8"}, do: func(m *mover) {
		for range 8 {
			m.dial("/echo")
		}
		if status, _ := m.refused("/echo"); status != http.StatusServiceUnavailable {
			m.t.Errorf("status %d", status)
		}
		m.moves(`fanfare_refusals_total{reason="full"}`)
	}},
	{name: "address", args: []string{"-max-conns-per-addr", "1"}, do: func(m *mover) {
		m.dial("/echo")
		_, _, _ = websocket.Dial(m.ctx(), "ws://"+m.addr+"/echo", nil)
		m.moves(`fanfare_refusals_total{reason="address"}`)
	}},
	{name: "handshake rate", args: []string{"-handshake-rate", "1"}, do: func(m *mover) {
		m.movesWith(func() { _, _, _ = handshake(m.addr, "/echo") }, `fanfare_refusals_total{reason="handshake_rate"}`)
	}},
	{name: "memory", do: moveMemory},
	{name: "stopping", do: func(m *mover) {
		m.app.leaving.Store(true) // what daemon.Ending calls
		m.is("fanfare_ready", 0)
	}},
}

func moveConnections(m *mover) {
	c := m.dial("/echo")
	m.send(c, "hello")
	m.wants(c, websocket.MessageText, "hello")
	m.is("fanfare_connections_limit", 321)
	m.moves("fanfare_connections", "fanfare_websockets", "fanfare_connections_accepted_total", `fanfare_handshakes_total{outcome="opened"}`,
		"fanfare_received_messages_total", "fanfare_sent_messages_total", "fanfare_received_bytes_total", "fanfare_sent_bytes_total")
	m.refused("/nothing")
	m.moves(`fanfare_handshakes_total{outcome="refused"}`, `fanfare_refused_requests_total{status="404"}`)
	nc, err := net.Dial("tcp", m.addr)
	if err != nil {
		m.t.Fatal(err)
	}
	_, _ = io.WriteString(nc, "GET /echo HTTP/1.1\r\nHost: localhost\r\n")
	nc.Close()
	m.moves(`fanfare_handshakes_total{outcome="aborted"}`)
	late, err := net.Dial("tcp", m.addr)
	if err != nil {
		m.t.Fatal(err)
	}
	defer late.Close()
	_, _ = io.WriteString(late, "GET /echo HTTP/1.1\r\n")
	m.moves(`fanfare_handshakes_total{outcome="timed_out"}`)
}

func moveCloses(m *mover) {
	_ = m.dial("/echo").Close(websocket.StatusNormalClosure, "")
	m.moves(`fanfare_closes_total{by="client",code="1000"}`)
	nc, _ := m.rawDial("/echo")
	nc.Close()
	m.moves(`fanfare_abnormal_closes_total{cause="ended"}`, `fanfare_closes_total{by="none",code="1006"}`)
	m.rawDial("/topics/x") // does not answer the close frame
	m.request("DELETE", "/topics/x/subscribers", "", nil)
	m.moves("fanfare_close_timeouts_total", `fanfare_closes_total{by="server"}`)
}

func moveCompression(m *mover) {
	c, _, err := websocket.Dial(m.ctx(), "ws://"+m.addr+"/echo", &websocket.DialOptions{CompressionMode: websocket.CompressionNoContextTakeover, CompressionThreshold: 1})
	if err != nil {
		m.t.Fatal(err)
	}
	defer func() { _ = c.CloseNow() }()
	text := strings.Repeat("the same again and again, ", 100)
	m.send(c, text)
	m.wants(c, websocket.MessageText, text)
	for _, direction := range []string{"sent", "received"} {
		for _, form := range []string{"plain", "compressed"} {
			m.moves(fmt.Sprintf("fanfare_compression_bytes_total{direction=%q,form=%q}", direction, form))
		}
	}
}

func moveMemory(m *mover) {
	limit := debug.SetMemoryLimit(-1)
	debug.SetMemoryLimit(1 << 32)
	defer debug.SetMemoryLimit(limit)
	m.is("fanfare_memory_limit_bytes", 1<<32)
	for range 2 * 60 {
		m.rawDial("/echo")
	}
	ballast := bytes.Repeat([]byte("x"), 32<<20)
	m.moves("fanfare_memory_per_connection_bytes")
	if ballast[len(ballast)-1] != 'x' {
		m.t.Error("it is used")
	}
}

// tlsScenario needs a certificate.
func tlsScenario(t *testing.T) scenario {
	cert, key, client := certificate(t)
	return scenario{name: "TLS", args: []string{"-cert", cert, "-key", key, "-max-tls-handshakes", "1", "-tls-timeout", "2s"}, do: func(m *mover) {
		block, _ := pem.Decode(readFile(m.t, cert))
		leaf, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			m.t.Fatal(err)
		}
		m.is("fanfare_certificate_expiry_timestamp_seconds", float64(leaf.NotAfter.Unix()))
		m.is("fanfare_certificate_renewal_deadline_timestamp_seconds", float64(monitor.RenewBy(leaf.NotBefore, leaf.NotAfter).Unix()))
		resp, err := client.Get("https://" + m.addr + healthPath)
		if err != nil {
			m.t.Fatal(err)
		}
		resp.Body.Close()
		client.CloseIdleConnections()
		m.moves(`fanfare_tls_handshakes_total{outcome="done"}`)
		for range 2 { // they say hello, and no more
			nc, err := net.Dial("tcp", m.addr)
			if err != nil {
				m.t.Fatal(err)
			}
			defer nc.Close()
			if _, err := nc.Write(clientHello()); err != nil {
				m.t.Fatal(err)
			}
		}
		m.moves("fanfare_tls_handshakes_running", "fanfare_tls_handshakes_waiting", `fanfare_tls_handshakes_total{outcome="timed_out"}`)
		nc, err := net.Dial("tcp", m.addr)
		if err != nil {
			m.t.Fatal(err)
		}
		defer nc.Close()
		_, _ = nc.Write(append(clientHello(), "nonsense"...))
		m.moves(`fanfare_tls_handshakes_total{outcome="failed"}`)
	}}
}

// acmeScenario has an authority that does not answer.
func acmeScenario(t *testing.T) scenario {
	gone := httptest.NewTLSServer(http.NotFoundHandler())
	gone.Close()
	args := []string{"-acme-domains", "one.example,two.example", "-acme-storage", t.TempDir(), "-acme-agree", "-acme-ca", gone.URL}
	return scenario{name: "ACME", args: args, do: func(m *mover) {
		m.is("fanfare_certificates_missing", 2)
	}}
}

// clientHello returns the first message of a TLS client.
func clientHello() []byte {
	a, b := net.Pipe()
	go func() {
		_ = tls.Client(a, &tls.Config{ServerName: "localhost"}).Handshake()
		a.Close()
	}()
	buf := make([]byte, 16<<10)
	n, _ := b.Read(buf)
	b.Close()
	return buf[:n]
}

func readFile(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
