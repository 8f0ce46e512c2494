package config

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// procDir returns a directory with what /proc shows of some sockets: 127.0.0.1:80, [::]:443, [::1]:81 and two of Unix.
func procDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"net/tcp": "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n" +
			"   0: 0100007F:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 11 1 0 100 0 0 10 0\n" +
			"   1: 0100007F:0052 0100007F:0099 01 00000000:00000000 00:00000000 00000000     0        0 12 1 0 100 0 0 10 0\n",
		"net/tcp6": "head\n" +
			"   0: 00000000000000000000000000000000:01BB 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 13 1 0 100 0 0 10 0\n" +
			"   1: 00000000000000000000000001000000:0051 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 14 1 0 100 0 0 10 0\n" +
			"garbage\n",
		"net/unix": "Num       RefCount Protocol Flags    Type St Inode Path\n" +
			"0000000000000000: 00000002 00000000 00010000 0001 01 15 /run/taken.sock\n" +
			"0000000000000000: 00000003 00000000 00000000 0001 03 16 /run/client.sock\n",
		"sys/net/ipv4/ip_unprivileged_port_start": "1024\n",
		"self/status":    "Name:\tx\nCapEff:\t0000000000000400\n",
		"7/comm":         "nginx\n",
		"8/comm":         "fanfare\n",
		"7/fd/unrelated": "",
	} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, "8/fd"), 0o700); err != nil {
		t.Fatal(err)
	}
	for link, inode := range map[string]int{"7/fd/3": 13, "8/fd/4": 14} {
		if err := os.Symlink(fmt.Sprintf("socket:[%d]", inode), filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestCheckFree(t *testing.T) {
	t.Setenv("INVOCATION_ID", "")
	proc, here := procDir(t), t.TempDir()
	plain := write(t, "plain", "")
	for addr, want := range map[string]struct{ problem, note string }{
		"127.0.0.1:8080":       {},
		"127.0.0.2:1080":       {},
		"localhost:0":          {},
		":http-alt":            {},
		"127.0.0.1:80":         {problem: "in use by another program"},
		"127.0.0.3:443":        {problem: "in use by nginx, process 7"},
		"[::1]:81":             {note: "in use by fanfare, process 8"},
		"127.0.0.1:82":         {},
		"127.0.0.1:nothing":    {problem: "neither a number nor in /etc/services"},
		"no-such.invalid:8080": {note: "not in /etc/hosts"},
		"unix:/run/taken.sock": {problem: "in use by another program"},
		"unix:" + here + "/s":  {},
		"unix:" + plain:        {problem: "is a file that is no socket"},
		"unix:/nowhere/a.sock": {problem: "cannot create files in /nowhere"},
		"systemd:web":          {},
		"nonsense":             {}, // Inspect reports it
	} {
		l := &Loaded{Config: Default()}
		l.Config.Listen = []Listener{{Addr: addr}}
		l.CheckFree(proc)
		problems, notes := l.Problems.Error(), strings.Join(l.Notes, "")
		if (want.problem == "") != (problems == "") || !strings.Contains(problems, want.problem) {
			t.Errorf("%s: %q, want %q", addr, problems, want.problem)
		}
		if (want.note == "") != (notes == "") || !strings.Contains(notes, want.note) {
			t.Errorf("%s: note %q, want %q", addr, notes, want.note)
		}
	}
}

// In a service of systemd, an address may be in use by systemd itself for the server that will start. Another program that
// can be seen is a mistake there, too.
func TestCheckFreeInService(t *testing.T) {
	proc := procDir(t)
	t.Setenv("INVOCATION_ID", "0123")
	l := Load([]string{"-addr", "127.0.0.1:80,127.0.0.1:443"}, nil)
	l.CheckFree(proc)
	notes := strings.Join(l.Notes, "\n")
	if len(l.Problems) != 1 || !strings.Contains(l.Problems[0].String(), "nginx") || !strings.Contains(notes, "127.0.0.1:80 is in use, perhaps by systemd for this service") {
		t.Errorf("%v %s", l.Problems, notes)
	}
	if err := os.WriteFile(filepath.Join(proc, "7/comm"), []byte("systemd\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("INVOCATION_ID", "")
	l = Load([]string{"-addr", "127.0.0.1:443"}, nil)
	if l.CheckFree(proc); len(l.Problems) != 0 || len(l.Notes) != 1 {
		t.Errorf("%v %v", l.Problems, l.Notes)
	}
}

// Without a capability a user may not listen on low ports.
func TestCheckFreeOfLowPorts(t *testing.T) {
	proc := procDir(t)
	if err := os.WriteFile(filepath.Join(proc, "self/status"), []byte("CapEff:\t0000000000000000\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l := Load([]string{"-addr", ":1023,:1024"}, nil)
	if l.CheckFree(proc); len(l.Problems) != 1 || !strings.HasPrefix(l.Problems[0].String(), "-addr is :1023; this user may not listen on ports below 1024") {
		t.Errorf("%v", l.Problems)
	}
}

// A real listener is found in /proc.
func TestCheckFreeOfThisMachine(t *testing.T) {
	t.Setenv("INVOCATION_ID", "")
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	l := &Loaded{Config: Default()}
	l.Config.Listen, l.Config.Admin.Addr = nil, busy.Addr().String()
	if l.CheckFree("/proc"); len(l.Problems) != 1 || !strings.Contains(l.Problems[0].String(), "-admin is "+busy.Addr().String()+", which is in use by") {
		t.Errorf("%v", l.Problems)
	}
}

func TestOverlap(t *testing.T) {
	for pair, want := range map[string]bool{
		"127.0.0.1 127.0.0.1": true, "127.0.0.1 127.0.0.2": false, "0.0.0.0 10.0.0.1": true, "10.0.0.1 0.0.0.0": true, ":: 127.0.0.1": true, "::1 ::": true,
		"::1 127.0.0.1": false, "0.0.0.0 ::1": false, "::ffff:127.0.0.1 127.0.0.1": true,
	} {
		a, b, _ := strings.Cut(pair, " ")
		if got := overlap(netip.MustParseAddr(a), netip.MustParseAddr(b)); got != want {
			t.Errorf("%s: %v", pair, got)
		}
	}
}
