//go:build linux

package netpoll

import "container/list"

// crowds lists the addresses with waiting connections by the number of these, so that the
// address with the most is found without looking at all: list n has the addresses with n
// waiting connections, and the last list is not empty.
type crowds []*list.List

// update must be called when the number of waiting connections of c has changed.
func (k *crowds) update(c *handshakeAddr) {
	if c.crowd > 0 {
		(*k)[c.crowd].Remove(c.inCrowd)
	}
	c.crowd, c.inCrowd = c.waiting.Len(), nil
	for len(*k) <= c.crowd {
		*k = append(*k, list.New())
	}
	if c.crowd > 0 {
		c.inCrowd = (*k)[c.crowd].PushBack(c)
	}
	for n := len(*k); n > 0 && (*k)[n-1].Len() == 0; n-- {
		*k = (*k)[:n-1]
	}
}

// largest returns an address with the most waiting connections; nil if none waits.
func (k crowds) largest() *handshakeAddr {
	if len(k) == 0 {
		return nil
	}
	return k[len(k)-1].Front().Value.(*handshakeAddr)
}
