package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/netpoll/netpolltest"
)

// The command health finds the server by the same settings that the server has.
func TestHealth(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	cert, key, _ := netpolltest.Certificate(t)
	p := start(t, "-addr", "127.0.0.1:0 proxy-protocol,unix:"+path, "-cert", cert, "-key", key, "-proxy-protocol", "127.0.0.1")
	_, port, _ := net.SplitHostPort(p.addr)
	plainPath := filepath.Join(t.TempDir(), "p")
	plain := start(t, "-addr", "unix:"+plainPath)
	secure := start(t, "-cert", cert, "-key", key)
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := silent.Addr().String()
	silent.Close()
	sick := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte(`{"status":"stopping"}`))
	}))
	defer sick.Close()
	for _, c := range []struct {
		args string
		says string // what it prints, or in an error
		want int
	}{
		{"-addr unix:" + path + " -cert " + cert + " -key " + key, `"status":"ok"`, 0},
		{"health http://" + plain.addr, `"status":"ok"`, 0},
		{"health http://" + plain.addr + "/readyz", `"status":"ready"`, 0},
		{"-addr " + plain.addr, `"status":"ok"`, 0},
		{"-addr localhost:1 -admin " + plain.addr, `"status":"ok"`, 0},
		{"-addr 0.0.0.0:" + portText(plain.addr), `"status":"ok"`, 0},
		{"-addr :" + portText(plain.addr), `"status":"ok"`, 0},
		{"health " + plain.addr, `"status":"ok"`, 0},
		{"health http://" + plain.addr + "/", `"status":"ok"`, 0},
		{"health unix:" + plainPath, `"status":"ok"`, 0},
		{"health https://" + secure.addr, `"status":"ok"`, 0},
		{"health -ca " + cert + " https://" + secure.addr, `"status":"ok"`, 0},
		{"-ca " + cert + " -cert " + cert + " -key " + key + " -addr " + secure.addr, `"status":"ok"`, 0},
		{"health -ca " + key + " https://" + secure.addr, "the file has no certificate", 1},
		{"health -ca " + otherCA(t) + " https://" + secure.addr, "certificate", 1},
		{"check -ca " + cert, "-ca is for fanfare health", 1},
		{"-addr " + at, "connection refused", 1},
		{"health " + sick.URL + "/readyz?token=secret", `503 Service Unavailable: "{\"status\":\"stopping\"}"`, 1},
		{"-addr 127.0.0.1:0", "the port of -addr 127.0.0.1:0 is not known", 1},
		{"-addr systemd:web", "the port of -addr systemd:web is not known", 1},
		{"-admin systemd:ops", "the port of -admin systemd:ops is not known", 1},
		{"health localhost", "it must have the form host:port, http://host:port, https://host:port or unix:/path", 2},
		{"health http://a http://b", `unexpected argument "http://b"`, 2},
		{"health http://", "is not the address of a server", 2},
		{"health -max-message x", "max-message", 2},
	} {
		args := strings.Fields(c.args)
		if args[0] != "health" && args[0] != "check" {
			args = append([]string{"health"}, args...)
		}
		var out, errs bytes.Buffer
		if got := run(t.Context(), args, &out, &errs); got != c.want || !strings.Contains(out.String()+errs.String(), c.says) || strings.Contains(errs.String(), "secret") {
			t.Errorf("%s: exit status %d, %s%s", c.args, got, out.String(), errs.String())
		}
	}
	var out, errs bytes.Buffer
	behind := []string{"health", "-addr", "127.0.0.1:" + port + " proxy-protocol", "-cert", cert, "-key", key}
	if got := run(t.Context(), behind, &out, &errs); got != 0 {
		t.Errorf("behind a PROXY protocol: %s", errs.String())
	}
}

// otherCA returns the file of an authority that has issued nothing.
func otherCA(t *testing.T) string {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tempFile(t, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
}

func portText(addr string) string {
	_, port, _ := net.SplitHostPort(addr)
	return port
}

// The counters and the names of alerts are for operators. Everybody learns that the server is up.
func TestHealthFigures(t *testing.T) {
	p := start(t, "-admin", "127.0.0.1:0")
	_, public := p.request("GET", healthPath, "", nil)
	if strings.TrimSpace(public) != `{"status":"ok"}` {
		t.Errorf("everybody gets %s", public)
	}
	_, operator := p.operator("GET", healthPath, "")
	for _, want := range []string{`"status":"ok"`, `"alerts":[]`, `"connections":`, `"topics":`, `"held":{`, `"shed":{`, `"refused":{`} {
		if !strings.Contains(operator, want) {
			t.Errorf("operators get no %s: %s", want, operator)
		}
	}
}
