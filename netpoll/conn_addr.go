//go:build linux

package netpoll

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/fanfare-ws/fanfare/netpoll/internal/sys"
)

// LocalAddr returns the address of our end, which it asks the kernel for; the zero value if
// the connection is closed.
func (c *Conn) LocalAddr() netip.AddrPort { return c.askAddr(unix.Getsockname) }

// RemoteAddr returns the address of the peer, which it asks the kernel for; the zero value
// if the connection is closed.
func (c *Conn) RemoteAddr() netip.AddrPort { return c.askAddr(unix.Getpeername) }

func (c *Conn) askAddr(ask func(int) (unix.Sockaddr, error)) netip.AddrPort {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase == unborn || c.phase == dead {
		return netip.AddrPort{}
	}
	return sys.AddrOf(ask(int(c.fd)))
}

// Loop returns the number of the loop that the connection belongs to, from 0 to
// Engine.Loops.
func (c *Conn) Loop() int { return c.loop.id }

// Engine returns the engine that the connection belongs to.
func (c *Conn) Engine() *Engine { return c.loop.engine }
