package systemd

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// passed returns sockets that systemd might have passed: the name and the address of each.
func passed(t *testing.T, specs ...string) (all Sockets) {
	t.Helper()
	for _, spec := range specs {
		name, addr, _ := strings.Cut(spec, " ")
		var at net.Addr = &net.UnixAddr{Net: "unix", Name: strings.TrimPrefix(addr, "unix:")}
		if !strings.HasPrefix(addr, "unix:") {
			tcp, err := net.ResolveTCPAddr("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			at = tcp
		}
		all = append(all, &Socket{Name: name, Addr: at})
	}
	return all
}

func TestTake(t *testing.T) {
	for _, c := range []struct {
		sockets string
		addr    string
		take    int
		left    string // what the error about the others must contain
		fails   string
	}{
		{"a [::]:443", ":443", 1, "", ""},
		{"a 0.0.0.0:443|a [::]:443", ":443", 2, "", ""},
		{"a 0.0.0.0:443", "0.0.0.0:443", 1, "", ""},
		{"a [::]:443", "0.0.0.0:443", 0, "the socket a at [::]:443, which no -addr has; give -addr systemd:a", ""},
		{"a 127.0.0.1:8080", "localhost:8080", 1, "", ""},
		{"a 127.0.0.1:8080", "127.0.0.1:8081", 0, "a at 127.0.0.1:8080", ""},
		{"a 127.0.0.2:8080", ":8080", 0, "a at 127.0.0.2:8080", ""},
		{"a unix:/run/f.sock", "unix:/run/f.sock", 1, "", ""},
		{"a unix:@f", "unix:@f", 1, "", ""},
		{"a unix:/run/f.sock", "unix:/run/g.sock", 0, "/run/f.sock", ""},
		{"a unix:/run/f.sock", "localhost:1", 0, "/run/f.sock", ""},
		{"a 127.0.0.1:1", "unix:127.0.0.1:1", 0, "a at", ""},
		{"web [::]:443|admin 127.0.0.1:9|web [::]:80", "systemd:web", 2, "admin at 127.0.0.1:9", ""},
		{"web [::]:443", "systemd:wep", 0, "", "-addr is systemd:wep, but systemd has passed the socket web at [::]:443;"},
		{"", "systemd:web", 0, "", "has passed no socket;"},
		{"", ":443", 0, "", ""},
		{"a [::]:443", "no such address", 0, "a at", ""},
	} {
		var all Sockets
		if c.sockets != "" {
			all = passed(t, strings.Split(c.sockets, "|")...)
		}
		some, err := all.Take(c.addr)
		if len(some) != c.take || (err != nil) != (c.fails != "") || err != nil && !strings.Contains(err.Error(), c.fails) {
			t.Errorf("%s for %s: %d, %v", c.sockets, c.addr, len(some), err)
		}
		if c.fails != "" {
			continue
		}
		if err := all.Left(); (err != nil) != (c.left != "") || err != nil && !strings.Contains(err.Error(), c.left) {
			t.Errorf("%s for %s: left are %v", c.sockets, c.addr, err)
		}
		if again, err := all.Take(c.addr); len(again) > 0 || err == nil && strings.HasPrefix(c.addr, "systemd:") {
			t.Errorf("%s for %s: taken twice", c.sockets, c.addr)
		}
	}
}

// Addresses are those of the kernel; what does not listen for connections is refused.
func TestAddrOf(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	for _, addr := range []string{"tcp 127.0.0.1:0", "tcp [::1]:0", "unix " + path, "unix @fanfare-test"} {
		network, at, _ := strings.Cut(addr, " ")
		l, err := net.Listen(network, at)
		if err != nil {
			t.Log(err) // a machine without IPv6
			continue
		}
		f, err := l.(interface{ File() (*os.File, error) }).File()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := addrOf(f); err != nil || got.String() != l.Addr().String() || got.Network() != network {
			t.Errorf("%v %v, want %v", got, err, l.Addr())
		}
		f.Close()
		l.Close()
	}
	udp, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	nc, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for name, c := range map[string]interface{ File() (*os.File, error) }{"udp": udp, "connected": nc.(*net.TCPConn), "file": theFile{file}} {
		f, err := c.File()
		if err != nil {
			t.Fatal(err)
		}
		if at, err := addrOf(f); err == nil {
			t.Errorf("%s: %v", name, at)
		}
		if name != "file" {
			f.Close()
		}
	}
}

type theFile struct{ f *os.File }

func (t theFile) File() (*os.File, error) { return t.f, nil }
