package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/config"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/doctor"
	"github.com/fanfare-ws/fanfare/netpoll/netpolltest"
)

// The command doctor counts with the settings: their limit of connections, and whether these speak TLS.
func TestDoctor(t *testing.T) {
	cert, key, _ := netpolltest.Certificate(t)
	file := tempFile(t, "[limits]\nmax-conns = 2000000000\n")
	for _, c := range []struct {
		args   string
		status int
		says   string
	}{
		{"doctor", 0, "This machine can hold "},
		{"doctor -max-conns 2000000000", 1, "The server is to hold 2,000,000,000 (-max-conns)."},
		{"doctor -config " + file, 1, "The server is to hold 2,000,000,000"},
		{"-max-conns 1 doctor -cert " + cert + " -key " + key, 0, "connections of 13,200 B"},
		{"doctor -cert " + cert + " -key " + key + " -addr :80", 0, "connections of 13,200 B"},
		{"doctor -cert " + cert + " -key " + key + " -addr", 2, "-addr needs a value"},
		{"doctor -max-conns many", 2, "it must be a whole number"},
		{"doctor -config " + tempFile(t, "nonsense = 1"), 2, "this is not a setting"},
		{"doctor http://localhost", 2, "unexpected argument"},
		{"-json", 2, "-json is for fanfare doctor"},
		{"check -json", 1, "-json is for fanfare doctor"},
		{"doctor -all", 2, "-all is for fanfare check"},
	} {
		var out, errs bytes.Buffer
		if got := run(t.Context(), strings.Fields(c.args), &out, &errs); got != c.status || !strings.Contains(out.String()+errs.String(), c.says) {
			t.Errorf("%s: exit status %d, %s%s", c.args, got, out.String(), errs.String())
		}
	}
	listens := []config.Listener{{Addr: ":443"}, {Addr: "[::1]:443"}, {Addr: "unix:/run/1:2"}, {Addr: "systemd:web"}, {Addr: "localhost:8080"}}
	if got := strings.Join(ports(listens), " "); got != "443 8080" {
		t.Errorf("the ports are %q", got)
	}
	var out, errs bytes.Buffer
	var r doctor.Report
	if status := run(t.Context(), []string{"doctor", "-json", "-max-conns", "2000000000"}, &out, &errs); status != 1 || json.Unmarshal(out.Bytes(), &r) != nil || r.OK() || r.Wanted != 2000000000 {
		t.Errorf("%d %s%s", status, out.String(), errs.String())
	}
}
