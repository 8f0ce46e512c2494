package wsproto

import (
	"errors"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// dial is a client's handshake under way. It attempts to connect to the addresses of a host
// one after another, or concurrently if an attempt takes long (RFC 8305). The first
// connection makes the handshake; the other attempts are abandoned.
type dial struct {
	client  *Client
	target  Target
	from    netip.Addr
	handler Handler
	key     string
	failed  func(error)
	opened  func(*Conn) // called after OnOpen, unless nil

	mu      sync.Mutex
	left    []netip.AddrPort // addresses that have not been tried
	running []*Conn
	won     *Conn
	err     error // the error of the first attempt that failed
	over    bool  // the caller has given up
	timer   *time.Timer
}

// attemptDelay is how long an attempt runs before the next one begins beside it (RFC 8305,
// 5).
const attemptDelay = 300 * time.Millisecond

var (
	errOvertaken = errors.New("wsproto: the attempt was abandoned: another address of the host was faster, or the caller gave up")
	errNoAddress = errors.New("wsproto: the target has no address")
)

func (d *dial) fail(err error) {
	if err != nil && d.failed != nil {
		d.failed(handshakeError(err))
	}
}

// claim reports whether c, which is connected, may make the handshake.
func (d *dial) claim(c *Conn) bool {
	d.mu.Lock()
	if d.won != nil || d.over {
		d.mu.Unlock()
		return false
	}
	d.won = c
	others := d.endLocked()
	d.mu.Unlock()
	closeAll(others, c)
	return true
}

// giveUp ends all attempts.
func (d *dial) giveUp(err error) {
	d.mu.Lock()
	d.over = true
	all := d.endLocked()
	d.mu.Unlock()
	for _, c := range all {
		c.io.Close(err)
	}
}

// endLocked prevents further attempts, and returns those that are under way.
func (d *dial) endLocked() []*Conn {
	d.left = nil
	if d.timer != nil {
		d.timer.Stop()
	}
	return slices.Clone(d.running)
}

func closeAll(all []*Conn, but *Conn) {
	for _, c := range all {
		if c != but {
			c.io.Close(errOvertaken)
		}
	}
}

// ended notes that an attempt has failed. It reports whether that was the last one, and then
// returns the error of the first.
func (d *dial) ended(c *Conn, err error) (last bool, first error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.running = slices.DeleteFunc(d.running, func(other *Conn) bool { return other == c })
	if d.won == c {
		return true, err
	}
	if d.err == nil {
		d.err = err
	}
	return d.won == nil && !d.over && len(d.left)+len(d.running) == 0, d.err
}
