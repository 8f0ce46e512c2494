//go:build linux

package netpoll

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// ConnInfo describes an open connection at a moment, from what the engine has and what the kernel tells. When the connection
// began is not among it.
type ConnInfo struct {
	ID     ConnID         `json:"id"`
	Remote netip.AddrPort `json:"remote"` // of the peer, as RemoteAddr returns it
	Loop   int            `json:"loop"`
	TLS    bool           `json:"tls"`
	Idle   time.Duration  `json:"idle_ns"` // see Conn.IdleFor
	// Pending is the bytes that wait for the kernel, and Unacked those that wait in the kernel for the peer.
	Pending int `json:"pending"`
	Unacked int `json:"unacked"`
	// Held is the memory in bytes that counts for Options.TotalPending.
	Held int `json:"held"`
	// The rest is what TCP has counted, encryption included; 0 for Unix sockets. BytesOut are those that the peer has
	// acknowledged. RTT is the round trip time, smoothed.
	BytesIn     uint64        `json:"bytes_in"`
	BytesOut    uint64        `json:"bytes_out"`
	RTT         time.Duration `json:"rtt_ns"`
	Retransmits uint32        `json:"retransmits"` // segments
}

// Info describes the connection, with a few system calls. ok is false if it is closed.
func (c *Conn) Info() (info ConnInfo, ok bool) {
	info.Remote = c.RemoteAddr()
	c.mu.Lock()
	defer c.mu.Unlock()
	if info.ID = c.idLocked(); info.ID == (ConnID{}) {
		return ConnInfo{}, false
	}
	info.Idle = c.IdleFor()
	info.Loop, info.Pending, info.Held = c.loop.id, c.pendingLocked(), c.heldLocked()
	info.TLS = c.cold != nil && c.cold.tls != nil
	info.Unacked, _ = unix.IoctlGetInt(int(c.fd), unix.SIOCOUTQ)
	if t, err := unix.GetsockoptTCPInfo(int(c.fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
		info.BytesIn, info.BytesOut = t.Bytes_received, t.Bytes_acked
		info.RTT, info.Retransmits = time.Duration(t.Rtt)*time.Microsecond, t.Total_retrans
	}
	return info, true
}

// Find returns the Handler of an open connection; nil if there is none with that name. It looks at all connections, which takes
// about 0.1 s for a million, but holds no lock for long.
func (e *Engine) Find(id ConnID) (found Handler) {
	e.Each(func(h Handler) {
		c := h.Conn()
		c.mu.Lock()
		if found == nil && c.fd == id.fd && c.idLocked() == id {
			found = h
		}
		c.mu.Unlock()
	})
	return found
}

// Cursor is a place in the list of an engine's connections: see Engine.Page. The zero Cursor is its beginning, and also its end.
type Cursor struct {
	loop int
	left int // connections of this loop that come after
	set  bool
}

// String returns the text that ParseCursor parses; "" for the zero Cursor.
func (p Cursor) String() string {
	if !p.set {
		return ""
	}
	return strconv.Itoa(p.loop) + "." + strconv.Itoa(p.left)
}

// ParseCursor is the inverse of Cursor.String.
func ParseCursor(s string) (Cursor, error) {
	if s == "" {
		return Cursor{}, nil
	}
	loop, left, ok := strings.Cut(s, ".")
	l, err := strconv.ParseUint(loop, 10, 16)
	n, err2 := strconv.ParseUint(left, 10, 31)
	if !ok || err != nil || err2 != nil {
		return Cursor{}, fmt.Errorf("netpoll: %.40q is no place in the list of connections; it must be what the page before has named", s)
	}
	return Cursor{int(l), int(n), true}, nil
}

// Page returns up to limit connections after a place in the list of all, and the place of the next page, which is the zero
// Cursor if there are no more. A connection that is open all the time is on at least one page, and perhaps on two, since a
// connection that ends gives its place to another. As for Each, a connection whose TLS handshake is under way does not count, so
// a page may be short. It holds the lock of a loop's list for as long as it takes to copy limit pointers.
func (e *Engine) Page(after Cursor, limit int) (page []Handler, next Cursor) {
	limit = max(limit, 1)
	at := after
	if !at.set {
		at.left = allLeft
	}
	for at.loop < len(e.loops) && limit > 0 {
		conns, rest := e.loops[at.loop].table.page(at.left, limit)
		limit -= len(conns)
		for _, c := range conns {
			if _, before := c.handler.(preHandler); !before {
				page = append(page, c.handler)
			}
		}
		if at.left = rest; rest == 0 {
			at.loop, at.left = at.loop+1, allLeft
		}
	}
	if at.loop >= len(e.loops) {
		return page, Cursor{}
	}
	at.set = true
	return page, at
}

// allLeft stands for all connections of a loop.
const allLeft = 1<<31 - 1
