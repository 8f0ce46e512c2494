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

// Start begins to connect to t, from the address from if that is valid, and does not wait. It
// calls h.OnOpen when the connection is open, or else failed, once, with the reason, mostly a
// [HandshakeError].
func (k *Client) Start(t Target, from netip.Addr, h Handler, failed func(error)) error {
	return k.start(&dial{target: t, from: from, handler: h, failed: failed})
}

// start returns the error of the first attempt only if it was the only one.
func (k *Client) start(d *dial) error {
	if err := k.Compression.validate("Client"); err != nil {
		return err
	}
	k.once.Do(k.begin)
	d.client, d.key = k, newKey()
	d.left = append([]netip.AddrPort{d.target.Addr}, d.target.Others...)
	return d.next()
}

// next begins the next attempt, if one is needed. If it fails at once and was the last, next
// returns the error of the first attempt.
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
		c.extras().opening = d
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

// waitLocked schedules the next attempt for the case that this one takes long.
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

// aborted goes on with the next address, if there is one.
func (d *dial) aborted(c *Conn, err error) {
	if last, err := d.ended(c, err); last {
		d.fail(err)
	} else {
		d.fail(d.next())
	}
}
