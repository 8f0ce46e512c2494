package config

import (
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/serveraddr"
)

// Listener is an address to listen on.
type Listener struct {
	Addr          string `placeholder:"ADDRESS" help:"host:port, :port, [IPv6]:port, unix:/path, or systemd:NAME for a socket of systemd"`
	Mode          string `placeholder:"OCTAL" help:"permissions of a Unix socket in octal, such as 0660; by default those that the umask leaves"`
	TLS           *bool  `placeholder:"on|off" toml:"tls" help:"whether the listener speaks TLS; by default it does if there is a certificate"`
	ProxyProtocol bool   `help:"whether every connection must begin with a PROXY protocol header"`
}

const (
	unixPrefix    = serveraddr.UnixPrefix
	SystemdPrefix = serveraddr.SystemdPrefix // begins the addresses of sockets that systemd opens
)

// Unix returns the path of a Unix socket, or "" for TCP.
func (l *Listener) Unix() string {
	path, ok := strings.CutPrefix(l.Addr, unixPrefix)
	if !ok {
		return ""
	}
	return path
}

// FileMode returns the permissions of a Unix socket, or 0 for those that the umask leaves.
func (l *Listener) FileMode() fs.FileMode {
	mode, _ := strconv.ParseUint(l.Mode, 8, 32) // Inspect has refused others
	return fs.FileMode(mode)
}

// Secure reports whether the listener speaks TLS. The argument is [Config.Secure].
func (l *Listener) Secure(byDefault bool) bool {
	if l.TLS != nil {
		return *l.TLS
	}
	return byDefault
}

// Loopback reports whether only this machine can connect. It is false for a host name other than localhost.
func (l *Listener) Loopback() bool {
	if strings.HasPrefix(l.Addr, unixPrefix) {
		return true
	}
	host, _, err := net.SplitHostPort(l.Addr)
	ip, notIP := netip.ParseAddr(host)
	return err == nil && (notIP == nil && ip.Unmap().IsLoopback() || host == "localhost" || strings.HasSuffix(host, ".localhost"))
}

// Exposed returns what everybody may do from other machines although the operator has not said so; "" for nothing.
func (c *Config) Exposed() string {
	if !slices.ContainsFunc(c.Listen, func(l Listener) bool { return !l.Loopback() }) {
		return ""
	}
	var may []string
	if len(c.Access.Anonymous.Write) > 0 && !c.Explicit("access.anonymous.write") {
		may = append(may, "publish")
	}
	if len(c.Access.Anonymous.Manage) > 0 && !c.Explicit("access.anonymous.manage") {
		may = append(may, "disconnect others")
	}
	return strings.Join(may, " and ")
}

// maxUnixPath is the longest path of a Unix socket (sockaddr_un), in bytes.
const maxUnixPath = 107

// checkAddress returns an error if the address has none of the forms.
func checkAddress(addr string) error {
	if path, ok := strings.CutPrefix(addr, unixPrefix); ok {
		if path == "" || len(path) > maxUnixPath {
			return fmt.Errorf("%q has a path of %d bytes; it must have 1 to %d", addr, len(path), maxUnixPath)
		}
		return nil
	}
	if name, ok := strings.CutPrefix(addr, SystemdPrefix); ok {
		if name == "" {
			return fmt.Errorf("%q has no name; it must be the FileDescriptorName= of a socket unit, or by default its file name, as in systemd:fanfare.socket", addr)
		}
		return nil
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil || strings.ContainsAny(host, " /[]") {
		return fmt.Errorf("%q is not an address; it must have the form host:port, :port, [IPv6]:port, unix:/path or systemd:NAME", addr)
	}
	if n, err := strconv.ParseUint(port, 10, 64); port == "" || err == nil && n > 65535 {
		return fmt.Errorf("%q has the port %q; it must be from 0 to 65535", addr, port)
	}
	return nil
}

// checkMode returns an error if the listener has permissions that it cannot have.
func (l *Listener) checkMode() error {
	mode, err := strconv.ParseUint(l.Mode, 8, 32)
	switch {
	case l.Mode == "":
		return nil
	case !strings.HasPrefix(l.Addr, unixPrefix):
		return fmt.Errorf("%q is for Unix sockets; %s is none", l.Mode, l.Addr)
	case err != nil || mode > 0o777:
		return fmt.Errorf("%q is not a mode; it must be octal, such as 0660", l.Mode)
	}
	return nil
}
