package main

import (
	"bytes"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fanfare-ws/fanfare/netpoll/netpolltest"
)

// The command health finds the server by the same settings that the server has.
func TestHealth(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	cert, key, _ := netpolltest.Certificate(t)
	p := start(t, "-addr", "127.0.0.1:0 proxy-protocol,unix:"+path, "-cert", cert, "-key", key, "-proxy-protocol", "127.0.0.1")
	_, port, _ := net.SplitHostPort(p.addr)
	plain := start(t)
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
		{"-addr " + at, "connection refused", 1},
		{"health " + sick.URL + "/readyz?token=secret", `503 Service Unavailable: "{\"status\":\"stopping\"}"`, 1},
		{"-addr 127.0.0.1:0", "the port of -addr 127.0.0.1:0 is not known", 1},
		{"-addr systemd:web", "the port of -addr systemd:web is not known", 1},
		{"health localhost:8080", "is not a URL; it must have the form http://host:port", 2},
		{"health http://a http://b", `unexpected argument "http://b"`, 2},
		{"health http://", "is not a URL", 1},
		{"health -max-message x", "max-message", 2},
	} {
		args := strings.Fields(c.args)
		if args[0] != "health" {
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
