package wsproto

import "sync"

// takeover is the context that a connection keeps so that messages may refer to earlier ones.
type takeover struct {
	send, receive bool
	inBits        int
	in            []byte // the end of what was received; the turn's
	// mu is held from the compression of a message to its write, so that both have the same
	// order.
	mu     sync.Mutex
	out    []byte // the end of what was sent
	shared bool   // out belongs to a Prepared
}

// appendWindow returns the last 2^bits bytes of window and p, in window's array unless it
// must grow, and never in more memory than that.
func appendWindow(window, p []byte, bits int) []byte {
	size := 1 << bits
	p = p[max(0, len(p)-size):]
	keep := window[max(0, len(window)+len(p)-size):]
	window = window[:0]
	if need := len(keep) + len(p); need > cap(window) {
		window = make([]byte, 0, min(2*need, size))
	}
	return append(append(window, keep...), p...)
}
