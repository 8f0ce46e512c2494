package wsproto

import (
	"errors"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// dial is a handshake of a client that is under way: attempts to connect to the addresses
// of a host, one after the other, or beside each other if one takes long (RFC 8305). The
// first that is connected makes the handshake, the others are given up.
type dial struct {
	client  *Client
	target  Target
	from    netip.Addr
	handler Handler
	key     string
	failed  func(error)
	opened  func(*Conn) // after OnOpen; or nil

	mu      sync.Mutex
	left    []netip.AddrPort // not tried yet
	running []*Conn
	won     *Conn
	err     error // of the first attempt that failed
	over    bool  // nobody waits any more
	timer   *time.Timer
}

// attemptDelay is how long an attempt has no other beside it (RFC 8305, 5).
const attemptDelay = 300 * time.Millisecond

var (
	errOvertaken = errors.New("wsproto: another address of the host was faster, or the attempt was given up")
	errNoAddress = errors.New("wsproto: the target has no address")
)

// Start begins to connect to t, from the address from unless it is not valid, and
// does not wait: h.OnOpen is called when the connection is open, or else failed,
// once, with the reason, mostly a [HandshakeError].
func (k *Client) Start(t Target, from netip.Addr, h Handler, failed func(error)) error {
	return k.start(&dial{target: t, from: from, handler: h, failed: failed})
}

// start returns the error of the first attempt only if there is no other.
func (k *Client) start(d *dial) error {
	if err := k.Compression.validate("Client"); err != nil {
		return err
	}
	k.once.Do(k.begin)
	d.client, d.key = k, newKey()
	d.left = append([]netip.AddrPort{d.target.Addr}, d.target.Others...)
	return d.next()
}

// next begins the next attempt, unless there is no need of one. The error is that of the
// first, if this one fails at once and was the last chance.
func (d *dial) next() error {
	for {
		d.mu.Lock()
		if len(d.left) == 0 {
			d.mu.Unlock()
			return nil
		}
		at := d.left[0]
		d.left = d.left[1:]
		c := &Conn{endpoint: d.client.endpoint, handler: d.handler}
		c.extras().dial = d
		d.running = append(d.running, c)
		d.waitLocked()
		d.mu.Unlock()
		err := d.client.attempt(c, d, at)
		if err == nil {
			return nil
		}
		if last, err := d.ended(c, err); last {
			return err
		}
	}
}

// waitLocked has the next attempt begin if this one takes long.
func (d *dial) waitLocked() {
	if d.timer != nil {
		d.timer.Stop()
	}
	if len(d.left) > 0 {
		d.timer = time.AfterFunc(attemptDelay, func() { d.fail(d.next()) })
	}
}

func (d *dial) fail(err error) {
	if err != nil && d.failed != nil {
		d.failed(handshakeError(err))
	}
}

// claim reports whether c, which is connected, makes the handshake.
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

// endLocked has no attempt begin any more, and returns those that are under way.
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

// ended takes note that an attempt has failed, and reports whether that was the last
// chance, and then the error of the first.
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

// dialFailed is called when a connection ends before its handshake is done.
func (c *Conn) dialFailed(err error) {
	x := c.extra.Load()
	if x == nil || x.dial == nil {
		return
	}
	d := x.dial
	if last, err := d.ended(c, err); last {
		d.fail(err)
	} else {
		d.fail(d.next())
	}
}
