//go:build linux

package netpoll

import "container/list"

// crowds are the addresses that wait for places by how many they wait for, so that the
// largest is found without a look at all: those that wait for n are in the list n, and
// the last list is not empty.
type crowds []*list.List

// update is called when one more, or one less, of c waits.
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

// largest returns an address for which no other waits for more places; nil if none waits.
func (k crowds) largest() *handshakeAddr {
	if len(k) == 0 {
		return nil
	}
	return k[len(k)-1].Front().Value.(*handshakeAddr)
}
