// Package serveraddr says where a running server is, and connects to it: for the commands that ask one. All of them take the same
// forms of addresses.
package serveraddr

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/httpurl"
)

const (
	UnixPrefix    = "unix:"     // begins the address of a Unix socket; its path follows
	SystemdPrefix = "systemd:"  // begins the address of a socket that systemd opens; its name follows
	local         = "localhost" // the name of a server on this machine
)

// Forms are what Parse takes, for texts of help.
const Forms = "host:port, http://host:port, https://host:port or unix:/path"

// Address is where a server is.
type Address struct {
	URL    *url.URL // http or https, with the path and the query that were given
	Socket string   // the path of the Unix socket to connect to; "" for the host of the URL
}

// String returns the address for people: without what may be secret.
func (a Address) String() string {
	if a.Socket != "" {
		return UnixPrefix + a.Socket
	}
	return httpurl.Mask(a.URL.String())
}

// Parse returns the address in a text of one of the Forms. A URL may have a path.
func Parse(text string) (Address, error) {
	if path, isUnix := strings.CutPrefix(text, UnixPrefix); isUnix {
		if path == "" {
			return Address{}, errors.New("unix: has no path; write unix:/run/fanfare/admin.sock, for example")
		}
		return ofSocket("http", path), nil
	}
	full := text
	if !strings.Contains(text, "://") {
		if _, _, err := net.SplitHostPort(text); err != nil {
			return Address{}, malformed(text)
		}
		full = "http://" + text
	}
	u, err := url.Parse(full)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return Address{}, malformed(text)
	}
	if u.Hostname() == "" { // as in :8080
		u.Host = local + u.Host
	}
	u.Fragment, u.RawFragment = "", ""
	return Address{URL: u}, nil
}

func malformed(text string) error {
	return fmt.Errorf("%q is not the address of a server; it must have the form %s", httpurl.Mask(text), Forms)
}

// OfListener returns the address at which a client on this machine reaches the listener of a flag, whose value has the form of
// -addr. It fails if only the kernel or systemd chooses the port.
func OfListener(flag, addr string, secure bool) (Address, error) {
	scheme := "http"
	if secure {
		scheme = "https"
	}
	if path, isUnix := strings.CutPrefix(addr, UnixPrefix); isUnix {
		return ofSocket(scheme, path), nil
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil || strings.HasPrefix(addr, SystemdPrefix) || port == "0" {
		return Address{}, fmt.Errorf("the port of %s %s is not known before the server listens", flag, addr)
	}
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		host = local
	}
	return Address{URL: &url.URL{Scheme: scheme, Host: net.JoinHostPort(host, port)}}, nil
}

func ofSocket(scheme, path string) Address {
	return Address{URL: &url.URL{Scheme: scheme, Host: local}, Socket: path}
}
