package wsproto

import (
	"net/netip"
	"time"
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

// aborted goes on with the next address, if there is one.
func (d *dial) aborted(c *Conn, err error) {
	if last, err := d.ended(c, err); last {
		d.fail(err)
	} else {
		d.fail(d.next())
	}
}
