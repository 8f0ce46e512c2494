package config

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// CheckFree finds the addresses on which the server could not listen, because another program does, or because this user
// may not. It opens no socket: it reads what the kernel shows in the directory proc, usually /proc. An address of another fanfare
// only gives a note, because that process may be the server that the operator wants to reload. The same holds for an address that
// systemd may have opened for the server. A host name is looked up in /etc/hosts only. It adds to Problems and Notes.
func (l *Loaded) CheckFree(proc string) {
	c := l.Config
	f := &freeChecker{reporter: newReporter(c), proc: proc}
	f.sockets = readSockets(proc)
	f.service = os.Getenv("INVOCATION_ID") != ""
	for n, l := range c.Listen {
		f.check(fmt.Sprintf("listen[%d].addr", n), l.Addr)
	}
	if c.Admin.Addr != "" {
		f.check("admin.addr", c.Admin.Addr)
	}
	l.Problems = append(l.Problems, f.problems...)
	l.Problems.sort()
	l.Notes = append(l.Notes, f.notes...)
}

type freeChecker struct {
	reporter
	proc    string
	sockets []socket
	service bool // systemd has started this process, as ExecStartPre=, which gets no sockets and may not see other processes
}

func (f *freeChecker) check(path, addr string) {
	if checkAddress(addr) != nil || strings.HasPrefix(addr, SystemdPrefix) { // Inspect reports the former
		return
	}
	if file, ok := strings.CutPrefix(addr, unixPrefix); ok {
		f.checkUnix(path, file)
		return
	}
	host, service, _ := net.SplitHostPort(addr)
	port, err := net.DefaultResolver.LookupPort(context.Background(), "tcp", service)
	if err != nil {
		f.refuse(path, ": %q has the port %q, which is neither a number nor in /etc/services", addr, service)
		return
	}
	if port == 0 { // the kernel chooses one that is free
		return
	}
	ips, err := lookUp(host)
	if err != nil {
		f.note(path, ": it was not checked whether %s is free, as %s is not in /etc/hosts", addr, host)
	}
	f.checkPort(path, addr, port)
	for _, ip := range ips {
		f.checkTCP(path, addr, netip.AddrPortFrom(ip, uint16(port)))
	}
}

// lookUp returns the addresses of a host without asking the network.
func lookUp(host string) ([]netip.Addr, error) {
	if host == "" {
		return []netip.Addr{netip.IPv6Unspecified()}, nil
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip}, nil
	}
	r := net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		return nil, errors.New("the network is not asked")
	}}
	return r.LookupNetIP(context.Background(), "ip", host)
}

// checkPort reports a port for which this user has no permission.
func (f *freeChecker) checkPort(path, addr string, port int) {
	b, err := os.ReadFile(filepath.Join(f.proc, "sys/net/ipv4/ip_unprivileged_port_start"))
	first, _ := strconv.Atoi(strings.TrimSpace(string(b)))
	if err == nil && port < first && !f.mayBind() {
		f.refuse(path, " is %s; this user may not listen on ports below %d, which need the capability CAP_NET_BIND_SERVICE", addr, first)
	}
}

// mayBind reports whether the process has CAP_NET_BIND_SERVICE.
func (f *freeChecker) mayBind() bool {
	b, _ := os.ReadFile(filepath.Join(f.proc, "self/status"))
	_, after, _ := strings.Cut(string(b), "CapEff:")
	line, _, _ := strings.Cut(after, "\n")
	caps, err := strconv.ParseUint(strings.TrimSpace(line), 16, 64)
	return err != nil || caps&(1<<unix.CAP_NET_BIND_SERVICE) != 0
}

func (f *freeChecker) checkTCP(path, addr string, want netip.AddrPort) {
	for _, s := range f.sockets {
		if s.path == "" && s.addr.Port() == want.Port() && overlap(s.addr.Addr(), want.Addr()) {
			f.taken(path, addr, s)
			return
		}
	}
}

// overlap reports whether a listener on one address prevents one on the other. An IPv6 wildcard takes IPv4 connections, too.
func overlap(a, b netip.Addr) bool {
	a, b = a.Unmap(), b.Unmap()
	switch {
	case a == b, a == netip.IPv6Unspecified(), b == netip.IPv6Unspecified():
		return true
	case a.Is4() != b.Is4():
		return false
	}
	return a.IsUnspecified() || b.IsUnspecified()
}

func (f *freeChecker) checkUnix(path, file string) {
	for _, s := range f.sockets {
		if s.path == file {
			f.taken(path, unixPrefix+file, s)
			return
		}
	}
	dir := filepath.Dir(file)
	s, err := os.Lstat(file)
	switch {
	case err == nil && s.Mode().Type() != os.ModeSocket:
		f.refuse(path, " is %s, but %s is a file that is no socket; it must be another path", unixPrefix+file, file)
	case unix.Access(dir, unix.W_OK) != nil:
		f.refuse(path, " is %s, but this user cannot create files in %s", unixPrefix+file, dir)
	}
}

// taken reports an address that a socket has.
func (f *freeChecker) taken(path, addr string, s socket) {
	name, pid := owner(f.proc, s.inode)
	switch {
	case name == "fanfare":
		f.note(path, ": %s is in use by fanfare, process %d", addr, pid)
	case name == "systemd", name == "" && f.service:
		f.note(path, ": %s is in use, perhaps by systemd for this service (fanfare.socket)", addr)
	case name != "":
		f.refuse(path, " is %s, which is in use by %s, process %d; it must be a free address", addr, name, pid)
	default:
		f.refuse(path, " is %s, which is in use by another program; it must be a free address", addr)
	}
}
