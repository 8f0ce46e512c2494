//go:build linux

package netpoll

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/fanfare-ws/fanfare/netpoll/internal/sys"
)

// LocalAddr returns the address of our end: that of the connection's preamble, if it had one (see Options.Preamble), else
// the one that the kernel tells. It is the zero value if the connection is closed, or of a Unix socket.
func (c *Conn) LocalAddr() netip.AddrPort {
	if a, known := c.toldAddrs(); known {
		return a.local
	}
	return c.askAddr(sys.LocalAddr)
}

// RemoteAddr returns the address of the peer, in the same way. The peer of a Unix socket has none, and neither has one
// that the kernel has forgotten after a reset.
func (c *Conn) RemoteAddr() netip.AddrPort {
	if a, known := c.toldAddrs(); known {
		return a.remote
	}
	return c.askAddr(sys.PeerAddr)
}

// Owner returns the key under which the limits count the peer: OwnerOf its address. All peers of Unix sockets
// have one key, whose text is "::%unix". It is the zero Addr if the connection is closed.
func (c *Conn) Owner() netip.Addr {
	if c.IsUnix() {
		return unixOwner
	}
	return OwnerOf(c.RemoteAddr().Addr())
}

// IsUnix reports whether the connection is open and of a Unix socket, without a preamble that tells an address.
func (c *Conn) IsUnix() bool {
	if _, known := c.toldAddrs(); known {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase == unborn || c.phase == dead {
		return false
	}
	domain, err := unix.GetsockoptInt(int(c.fd), unix.SOL_SOCKET, unix.SO_DOMAIN)
	return err == nil && domain == unix.AF_UNIX
}

// IsTold reports whether the connection is open and RemoteAddr is what its preamble tells, so that whoever sent that may have
// chosen it.
func (c *Conn) IsTold() bool {
	_, known := c.toldAddrs()
	return known
}

// toldAddrs returns the addresses of the connection's preamble.
func (c *Conn) toldAddrs() (a addrs, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cold == nil || c.cold.addrs == nil {
		return addrs{}, false
	}
	return *c.cold.addrs, true
}

func (c *Conn) askAddr(ask func(fd int) netip.AddrPort) netip.AddrPort {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase == unborn || c.phase == dead {
		return netip.AddrPort{}
	}
	return ask(int(c.fd))
}

// Loop returns the number of the loop that the connection belongs to, from 0 to
// Engine.Loops.
func (c *Conn) Loop() int { return c.loop.id }

// Engine returns the engine that the connection belongs to.
func (c *Conn) Engine() *Engine { return c.loop.engine }
